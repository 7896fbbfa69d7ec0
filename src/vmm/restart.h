/* SPDX-License-Identifier: MIT */
/* What boots after power-up, and after a reset: the same kernel on the same machine. */
#ifndef VMM_RESTART_H
#define VMM_RESTART_H

#include "vmm/machine.h"

/* Puts what is to boot into memory that is all zeros. */
int machine_load(struct machine *m, struct failure *f);

/* Restarts. No vCPU runs; lets go of the lock meanwhile. */
void machine_restart(struct machine *m);

#endif
