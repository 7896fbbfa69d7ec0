/* SPDX-License-Identifier: MIT */
/* The keys of scenario files: one row (base/rows.h) each, by which files and --set are read and --keys
 * lists them; desched-scenario(5) is held to that list. */
#ifndef SIM_SCENARIO_KEYS_H
#define SIM_SCENARIO_KEYS_H

#include "base/rows.h"
#include "sim/spec.h"

/* Types of base/rows.h that only scenarios have; others are policy/amounts.h's. */
extern const struct row_type key_text;	    /* char[SCENARIO_TEXT], not empty */
extern const struct row_type key_budget;    /* vm_spec.quota and .period: "4ms/10ms" */
extern const struct row_type key_processes; /* vm_spec.processes: "A:0.4 B:0.2" */
extern const struct row_type key_day;	    /* struct day_spec: "0:0.2 8:1" or "wave 0.2 1 14" */

enum key_section {
	SECTION_HOST,
	SECTION_RUN,
	SECTION_CLUSTER,
	SECTION_GROUP,
	SECTION_VM,
	SECTIONS
};

/* "host", "run", "cluster", "group NAME", "vm NAME"; offsets are in their structs of scenario.h. */
extern const struct row_section scenario_key_tables[SECTIONS];

/* Index of the key's row, for the lines that a scenario keeps; -ENOENT. */
int scenario_key_find(enum key_section section, const char *key);

/* Sets one key of `base`. -ENOENT for an unknown key, -EINVAL for a bad value; the failure's text
 * is without file and line. */
int scenario_key_set(enum key_section section, void *base, const char *key, const char *value,
		     struct failure *f);

/* Sets all keys to their defaults. */
void scenario_key_defaults(enum key_section section, void *base);

/* Prints all keys with bounds, defaults and help: what the man page's table is made from. */
void scenario_list_keys(void);

#endif
