/* SPDX-License-Identifier: MIT */
/*
 * The guardian of the row `dispatch` (guard.h), and its two children. Threads are changed by the
 * *dispatcher* (dispatcher.h) alone; the guardian moves VMs to where that can be done, records first
 * what they were (dispatch_place.h), and undoes all of it: when the daemon has gone or orders
 * nothing more, and when the dispatcher has ended or stands still for DISPATCH_STUCK, which throws
 * it out. The *watcher* does nothing but wait until both have gone without that, and undoes by the
 * record then: so nobody stays frozen, whichever of them is killed.
 */
#ifndef ENFORCE_DISPATCH_GUARDIAN_H
#define ENFORCE_DISPATCH_GUARDIAN_H

#include "enforce/dispatch_place.h"

#define DISPATCH_LOOK  (150 * NS_PER_MS) /* at the dispatcher's beats */
#define DISPATCH_STUCK 4		 /* looks without one */

struct dispatch_guardian_work {
	const struct dispatch_host *h;
	const char *file; /* the record's, and outlives it */
};

/* A guard_life (guard.h). */
_Noreturn void dispatch_guardian(const void *work, int fd);

#endif
