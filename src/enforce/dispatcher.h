/* SPDX-License-Identifier: MIT */
/*
 * The process that dispatches: every millisecond, and when the policy wants it, it reads what each
 * vCPU's thread did, has the policy decide (dispatch_plan.h), and carries that out. A vCPU that is
 * to run is SCHED_OTHER on its CPU, those that wait are SCHED_IDLE wherever they like, and a kick, a
 * real-time thread that wakes and sleeps, has the kernel pick again at once; what is to stand still
 * is frozen. It alone is real-time: none of the VMs' threads ever is.
 *
 * It changes only threads that its guardian (dispatch_guardian.h) has recorded, and undoes nothing:
 * the guardian kills it and does. It can be killed at any moment.
 */
#ifndef ENFORCE_DISPATCHER_H
#define ENFORCE_DISPATCHER_H

#include "enforce/dispatch_place.h"
#include "enforce/dispatch_plan.h"

#include <stdatomic.h>

#define DISPATCHER_POLL NS_PER_MS

/* What it tells its guardian, in memory that both have. */
struct dispatcher_shared {
	_Atomic uint64_t beat;	  /* rounds */
	_Atomic uint64_t sent;	  /* sets of orders that the guardian has sent */
	_Atomic uint64_t done;	  /* and that are followed */
	_Atomic uint64_t wanting; /* vCPUs that wanted to run, summed over rounds */
	/* ns: what VMs with a reservation wanted of it, and what of that they ran */
	_Atomic uint64_t reserved, kept;
	_Atomic uint64_t changes, kicks, holds, late;
	_Atomic bool failed; /* it can't go on: `why` */
	char why[192];
	struct {
		pid_t pid;
		char why[96]; /* what of its settings can't be kept */
	} vms[PLAN_VMS];
};

struct dispatcher_work {
	const struct dispatch_host *h;
	const char *top;
	int fd; /* from the guardian */
	pid_t guardian;
	uint64_t usual_slice;
	struct dispatcher_shared *shared;
};

_Noreturn void dispatcher(const struct dispatcher_work *work);

#endif
