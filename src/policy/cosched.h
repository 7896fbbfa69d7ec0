/* SPDX-License-Identifier: MIT */
/*
 * Co-scheduling: what the vCPUs of one VM owe each other. One row per scheme:
 *
 *  none     nothing: a vCPU is dispatched as if it were a VM of its own
 *  strict   all vCPUs start together or not at all, idle ones included (ESX 2.5)
 *  relaxed  siblings take turns on the CPUs that they have before one leads by skew_stop; one that
 *           leads its slowest busy sibling by more than that all the same is co-stopped until
 *           it leads by no more than skew_start (ESX 3)
 *  balance  no two siblings in one CPU's queue (Sukwong and Kim, EuroSys 2011)
 *
 * Progress is the time a vCPU executed; skew is the lead over the slowest busy sibling. Idling
 * counts as progress in that an idle vCPU is not late when it comes back, and gains no lead either.
 */
#ifndef POLICY_COSCHED_H
#define POLICY_COSCHED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum cosched {
	COSCHED_NONE,
	COSCHED_STRICT,
	COSCHED_RELAXED,
	COSCHED_BALANCE,
	COSCHED_ROWS,
};

struct cosched_row {
	const char *name;
	const char *summary;
	bool gang;   /* dispatched as one */
	bool skew;   /* leaders are co-stopped */
	bool spread; /* siblings in different queues */
};

extern const struct cosched_row cosched_rows[COSCHED_ROWS];

const char *cosched_name(size_t i); /* NULL behind the last */

/* The progress with which a vCPU comes back from idling, when its busy siblings' least progress is
 * `slowest` (UINT64_MAX: none is busy): not behind them, and ahead by no more than the bound. */
static inline uint64_t cosched_rejoin(uint64_t progress, uint64_t slowest, uint64_t skew_stop)
{
	if (slowest == UINT64_MAX)
		return progress;
	if (progress < slowest)
		return slowest;
	return progress - slowest > skew_stop ? slowest + skew_stop : progress;
}

static inline uint64_t cosched_skew(uint64_t progress, uint64_t slowest)
{
	return progress > slowest ? progress - slowest : 0;
}

#endif
