/* SPDX-License-Identifier: MIT */
/*
 * What the task group of all dispatched VMs weighs against the host's other tasks: as much as so many
 * threads as vCPUs wanted to run of late, and more while VMs with reservations don't get what they
 * want of these. A weight that somebody else has written is left alone.
 */
#ifndef ENFORCE_DISPATCH_WEIGHT_H
#define ENFORCE_DISPATCH_WEIGHT_H

#include "enforce/dispatcher.h"

/* Zero at first. */
struct dispatch_weight {
	uint64_t rounds, wanting, reserved, kept; /* the dispatcher's counters as read last */
	double boost;				  /* 1 and more */
	int64_t written;			  /* 0: nothing */
};

/* About once a second. */
void dispatch_weigh(struct dispatch_weight *w, const struct dispatch_host *h, const char *top,
		    struct dispatcher_shared *shared);

#endif
