/* SPDX-License-Identifier: MIT */
/* vmdesched.conf: what it may say, as rows (service/settings.h), and what it fills. */
#ifndef VMDESCHED_KEYS_H
#define VMDESCHED_KEYS_H

#include "service/settings.h"

#define SETTINGS_FILE "/etc/desched/vmdesched.conf"

struct settings {
	struct service_settings service;
	char source[SETTINGS_STRING];
	char page[SETTINGS_STRING];
	uint64_t gap_ns;    /* 0: no gap is logged */
	uint64_t processes; /* names of them */
	uint64_t cgroups;
	char clock[SETTINGS_STRING];  /* off, watch, feed, set */
	char chrony[SETTINGS_STRING]; /* its SOCK reference clock */
};

extern const struct settings_table vmdesched_settings;

#endif
