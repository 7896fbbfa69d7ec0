/* SPDX-License-Identifier: MIT */
/* deschedd.conf: what it may say, as rows (service/settings.h), and what it fills. */
#ifndef DESCHEDD_HOST_KEYS_H
#define DESCHEDD_HOST_KEYS_H

#include "enforce/keys.h"

#define HOST_SETTINGS_FILE "/etc/desched/deschedd.conf"

struct host_settings {
	struct service_settings service;
	char source[SETTINGS_STRING]; /* "auto": the best that works */
	bool pages;		      /* write the pages that VMs have brought */
	char stream[SETTINGS_STRING]; /* where VMs connect that want a stream; "": nowhere */
	uint32_t interrupts;	      /* enum interrupts_of: whose delays are recorded */
	bool exits;		      /* count exits by what they are for */
	uint64_t user_vms;	      /* of one user without privilege */
	uint64_t runaway_ns;	      /* of vCPUs like in a loop; 0: none is said */
	uint64_t gap_ns;	      /* 0: no wait is logged */
	bool vcpus;		      /* metrics of each vCPU; else of a VM's together */
	struct enforce_settings enforce;
};

extern const struct settings_table deschedd_settings;

/* The names of sources; NULL behind the last. */
const char *host_settings_source(size_t i);

#endif
