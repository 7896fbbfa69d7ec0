/* SPDX-License-Identifier: MIT */
/* Who ran when a vCPU came back (struct gap), as far as that is known and is anybody's. */
#ifndef HOST_GAP_BY_H
#define HOST_GAP_BY_H

#include "base/proc.h"

#include <desched/gap.h>

enum gap_by_kind {
	GAP_RAN_THREAD,	 /* a thread */
	GAP_RAN_HIDDEN,	 /* one in a PID namespace that isn't seen from here */
	GAP_RAN_NOBODY,	 /* the CPU was idle */
	GAP_RAN_BLOCKED, /* it waited for no CPU: a wake-up ended the gap */
	GAP_RAN_UNKNOWN, /* not recorded */
};

struct gap_by {
	enum gap_by_kind kind;
	pid_t tid;		   /* 0 unless it is a thread */
	char name[PROC_COMM_SIZE]; /* a thread's, "?" where it is gone; "" otherwise */
};

/* Asks /proc for the name. */
struct gap_by gap_by_of(const struct gap *gap);

/* "thread", "hidden", "idle", "blocked", "unknown" */
const char *gap_by_kind_name(enum gap_by_kind k);

#endif
