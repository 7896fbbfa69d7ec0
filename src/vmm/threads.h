/* SPDX-License-Identifier: MIT */
/* The vCPUs' threads: how they begin, are woken, and end. What they do is in vcpu_thread.h. */
#ifndef VMM_THREADS_H
#define VMM_THREADS_H

#include "vmm/machine.h"

/* Starts them; wakes them so that they see what has changed. */
int threads_start(struct machine *m, struct failure *f);
void threads_kick(struct machine *m);

/* How many have not ended. threads_join() is for when none is left. */
unsigned threads_left(struct machine *m);
void threads_join(struct machine *m);

#endif
