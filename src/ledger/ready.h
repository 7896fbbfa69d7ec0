/* SPDX-License-Identifier: MIT */
/*
 * How much ready time is too much. VMware's rule of thumb for esxtop's %RDY of one vCPU: from 5 % on
 * it is worth a look, from 10 % on the guest feels it (VMware KB 2002181; also the thresholds that
 * published checkers of esxtop's files use). Of a VM, the worst of its vCPUs counts: an average over
 * many idle ones would hide it.
 */
#ifndef LEDGER_READY_H
#define LEDGER_READY_H

#include <stdint.h>

#define READY_WARNING 0.05
#define READY_ALARM   0.10

enum ready_level { READY_IS_FINE, READY_IS_WARNING, READY_IS_ALARM };

/* Of `ready` ns of one vCPU in an interval of `ns`. */
static inline enum ready_level ready_level(uint64_t ready, uint64_t ns)
{
	if (!ns || (double)ready < READY_WARNING * (double)ns)
		return READY_IS_FINE;
	return (double)ready < READY_ALARM * (double)ns ? READY_IS_WARNING : READY_IS_ALARM;
}

#endif
