/* SPDX-License-Identifier: MIT */
/* The keys of scenario files: one row each. Parsing, --set, --list-keys and desched-scenario(5) go
 * by these rows. */
#ifndef SIM_SCENARIO_KEYS_H
#define SIM_SCENARIO_KEYS_H

#include "base/rows.h"
#include "sim/scenario.h"

enum key_type {
	KEY_TIME,      /* uint64_t ns: "5ms" */
	KEY_COUNT,     /* uint32_t */
	KEY_REAL,      /* double */
	KEY_CPUS,      /* double, or "none" for ENTITLE_UNLIMITED */
	KEY_SHARES,    /* double, or low, normal, high (per vCPU: negative) */
	KEY_WORD,      /* char[SCENARIO_NAME] */
	KEY_ONE_OF,    /* uint32_t: which of `names` */
	KEY_BUDGET,    /* vm_spec.quota and .period: "4ms/10ms" */
	KEY_PROCESSES, /* vm_spec.processes: "A:0.4 B:0.2" */
	KEY_BYTES,     /* uint64_t: "4GiB" */
	KEY_TEXT,      /* char[SCENARIO_TEXT] */
	KEY_DAY,       /* struct day_spec: "0:0.2 8:1" or "wave 0.2 1 14" */
};

struct key_row {
	const char *key;
	enum key_type type;
	size_t offset; /* in the section's struct of scenario.h */
	double min, max;
	const char *standard; /* the default, as it would be typed */
	const char *help;
	name_fn names; /* KEY_ONE_OF: what it may be; the first one's value is `min` */
};

struct key_table {
	const char *section; /* "host", "run", "cluster", "group NAME", "vm NAME" */
	const struct key_row *rows;
	uint32_t n;
};

enum key_section {
	SECTION_HOST,
	SECTION_RUN,
	SECTION_CLUSTER,
	SECTION_GROUP,
	SECTION_VM,
	SECTIONS
};

extern const struct key_table key_tables[SECTIONS];

/* Index of the key's row, for the lines that a scenario keeps; -ENOENT. */
int key_find(enum key_section section, const char *key);

/* Sets one key of `base`. -ENOENT for an unknown key, -EINVAL for a bad value; the failure's text
 * is without file and line. */
int key_set(enum key_section section, void *base, const char *key, const char *value,
	    struct failure *f);

/* Stores a value of the row's type; -EINVAL, with nothing stored, if it is not one. */
int key_store(const struct key_row *row, void *base, const char *value);
/* What a row accepts, for people. */
void key_expected(const struct key_row *row, char *buf, size_t size);

/* Index of a name in a list; -EINVAL. */
int key_find_in(const char *name, const char *const *names, int n);

/* Sets all keys to their defaults. */
void key_defaults(enum key_section section, void *base);

#endif
