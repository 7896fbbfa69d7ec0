/* SPDX-License-Identifier: MIT */
/*
 * A gap: one interval in which a vCPU did not run although its guest may have believed that it did.
 *
 * Half-open, [start, end), in nanoseconds of the host's CLOCK_MONOTONIC unless a function says
 * otherwise. Any state but RUN and HALT makes a gap; WAIT is in the list because a guest process
 * that is billed for it did not run either, though it does not count as descheduled.
 */
#ifndef DESCHED_GAP_H
#define DESCHED_GAP_H

#include <desched/ledger.h>
#include <stdint.h>

/* Who ran (gap.by), other than a thread by its id: one that whoever measured cannot see, since it is
 * outside of its PID namespace; nobody, since the CPU was idle or the vCPU waited for none. */
#define GAP_BY_HIDDEN UINT32_MAX
#define GAP_BY_NOBODY (UINT32_MAX - 1)

struct gap {
	uint64_t start;	   /* ns */
	uint64_t end;	   /* ns, >= start */
	uint32_t vcpu;	   /* index in its VM, from 0 */
	uint32_t state;	   /* enum ledger_state, never RUN or HALT */
	uint32_t by;	   /* host thread id that ran on the CPU when the gap ended, 0 if not known,
			    * GAP_BY_HIDDEN, GAP_BY_NOBODY */
	uint32_t reserved; /* 0: no padding, so that a gap may be copied byte by byte */
};

#endif
