/* SPDX-License-Identifier: MIT */
/*
 * What deschedd knows of VMs beside their ledgers: how long their vCPUs waited, the last ten minutes
 * second by second, and of those that have ended their last reading, for clients that ask seldom. A
 * VM is its process and the time when it was first seen.
 */
#ifndef DESCHEDD_KNOWN_H
#define DESCHEDD_KNOWN_H

#include "host/measure.h"
#include "wire/host_frame.h"

#include <desched/gap.h>

/* Upper bounds of the histogram of waits, ns; what is longer has a place of its own. */
#define WAITS_BOUNDS 10
extern const uint64_t waits_bounds[WAITS_BOUNDS];

struct waits {
	uint64_t count[WAITS_BOUNDS + 1]; /* of each place alone */
	uint64_t ns;			  /* of all */
};

struct known_vm;
struct known;

/* -ENOMEM. */
int known_new(struct known **ret);
void known_free(struct known *k); /* NULL accepted */

/* A sample of the history of each VM: the reading that `m` has. -ENOMEM: some have none, and a longer
 * one the next time. */
int known_sample(struct known *k, const struct measurement *m);

/* The history of the last VM of this name or UUID, or number of process; schema
 * desched-host-history/1. NULL: there is none, or no memory. */
/* Adds the names of those that are known to what went wrong. */
void known_list(const struct known *k, struct failure *ret);

json_t *known_history(const struct known *k, const char *vm);

/* The longest single time for which each of the VM's vCPUs wanted to run and did not, of those that
 * ended after `since` (ns of `elapsed`, in whole samples), or is longer in the frame. */
void known_longest(const struct known *k, uint64_t since, struct host_frame_vm *vm);

/* A gap of one of its vCPUs. -ENOMEM: it is not in the histogram. */
int known_gap(struct known *k, const struct measured *vm, const struct gap *gap);

/* What is known of the VM; NULL: nothing. */
const struct waits *known_waits(const struct known *k, pid_t pid, uint64_t since);

/* Keeps those that have ended from `now`, which is poorer by them, if it is the first frame that says
 * so. To be called with each frame, before measure_reported(). */
void known_ended(struct known *k, struct host_frame *now);

/* Copies those that ended after `since` (ns of `elapsed`) to the end of the frame. -ENOMEM. */
int known_add_ended(const struct known *k, uint64_t since, struct host_frame *to);

/* Forgets what is of VMs that ended more than ten minutes before `elapsed`, the oldest beyond 256, and
 * of those that weren't in the last sample. Until measure_reported() nothing else may be called. */
void known_forget(struct known *k, uint64_t elapsed);

#endif
