/* SPDX-License-Identifier: MIT */
/*
 * CPU time by the names of processes, as counters that a collector may keep for ever: a bounded
 * number of names, whatever processes come and go, and none that ever falls.
 *
 * A name gets a place when a process of that name has had a second of CPU time, if there is one:
 * a free one, or else one whose processes are all gone. From then on what its processes
 * have counts for it. "(other)" is the rest: of all other names, what a process had before its name
 * had a place, and after it was last seen. With the names that have lost their places all sum up
 * to the CPUs' busy time, exactly.
 */
#ifndef VMDESCHED_NAMES_H
#define VMDESCHED_NAMES_H

#include "guest/account.h"

struct names;

struct names_entry {
	char name[ACCOUNT_COMM_SIZE];
	uint64_t occupied, away, unaccounted; /* ns */
};

/* -ENOMEM. */
int names_new(size_t places, struct names **ret);
struct names *names_free(struct names *n);

/* Looks at all processes; to be called once a second. */
void names_update(struct names *n, const struct account *a);

/* The i-th, the first is "(other)"; NULL behind the last. */
const struct names_entry *names_get(const struct names *n, size_t i);

#endif
