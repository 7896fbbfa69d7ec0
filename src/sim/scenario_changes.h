/* SPDX-License-Identifier: MIT */
/*
 * Changes while a scenario runs: sections [at TIME] with keys SECTION.KEY, in the order of their
 * times. What the file says first holds until the first of them, and so on: each change leaves a
 * whole scenario, which is checked as one.
 */
#ifndef SIM_SCENARIO_CHANGES_H
#define SIM_SCENARIO_CHANGES_H

#include "sim/scenario.h"

/* Appends a section [at TEXT]. -EINVAL for a time that isn't one, or isn't after the one before;
 * -EEXIST if it is the same; the failure's text is without file and line. */
int scenario_add_change(struct scenario *s, const char *text, int line, struct failure *f);
/* The change of a section [at TEXT] that was added, or NULL. */
struct change *scenario_find_change(struct scenario *s, const char *text);

/* The scenario before its first change, without changes, and as the next one leaves it. -errno with
 * file and line. */
int scenario_before(const struct scenario *s, struct scenario **ret);
int scenario_after(const struct scenario *before, const struct change *c, struct failure *f,
		   struct scenario **ret);

/* Checks what each change leaves, and finds how much room each VM needs over all. */
int scenario_check_changes(struct scenario *s, struct failure *f);

/* CPUs as "1,4-6" or "none": whether `cpu` is one of them. */
bool scenario_cpu_in(const char *list, uint32_t cpu);
/* The list is one, of CPUs below `cpus`. */
bool scenario_cpus_valid(const char *list, uint32_t cpus);

#endif
