/* SPDX-License-Identifier: MIT */
/*
 * vmdesched.conf: sections of `key = value`, read with inih. Every key is a row of settings_rows[];
 * one that is no row, or a value out of its bounds, is refused with file and line.
 */
#ifndef VMDESCHED_SETTINGS_H
#define VMDESCHED_SETTINGS_H

#include "base/failure.h"
#include "base/options.h"

#include <stddef.h>

#define SETTINGS_FILE	"/etc/desched/vmdesched.conf"
#define SETTINGS_STRING 256

struct settings {
	char user[SETTINGS_STRING]; /* "": stay who we are */
	char source[SETTINGS_STRING];
	char page[SETTINGS_STRING];
	char socket[SETTINGS_STRING];
	char group[SETTINGS_STRING]; /* of the socket; "": its owner's */
	bool seccomp;		     /* refuse system calls that it does not use */
	uint64_t gap_ns;	     /* 0: no gap is logged */
	char textfile[SETTINGS_STRING];
	uint64_t interval;  /* ns between two writings of the textfile */
	uint64_t processes; /* names of them */
	uint64_t cgroups;
	char clock[SETTINGS_STRING];  /* off, watch, feed, set */
	char chrony[SETTINGS_STRING]; /* its SOCK reference clock */
};

struct settings_row {
	const char *section, *key;
	enum option_type type;
	size_t offset;	   /* in struct settings: char[SETTINGS_STRING], bool or uint64_t */
	uint64_t min, max; /* as in struct option_row */
	bool reload;	   /* SIGHUP applies it */
};

extern const struct settings_row settings_rows[];
extern const int settings_n_rows;

void settings_default(struct settings *s);

/* Fills in what the file says. -ENOENT without a message worth showing when there is no such file;
 * -EINVAL with file and line. `s` is untouched on failure. */
int settings_load(const char *path, struct failure *f, struct settings *s);

/* The same from text of `size` bytes, which a failure calls `name`. */
int settings_parse(const char *name, const char *text, size_t size, struct failure *f,
		   struct settings *s);

/* Copies what SIGHUP applies. Returns how many other keys differ: those want a restart. */
int settings_reload(struct settings *s, const struct settings *from);

#endif
