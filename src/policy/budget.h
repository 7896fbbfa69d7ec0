/* SPDX-License-Identifier: MIT */
/*
 * Limits as budgets: a VM may run `quota` ns in each period of `period` ns; its vCPUs share that.
 *
 * What is overrun is a debt that the next periods pay, so that the long-run use is the quota to
 * within one overrun; of what is left over, `keep` at most is kept: a VM that had to wait for a
 * CPU at the end of a period makes up for it in the next. Integer-only and free of loops, for BPF.
 */
#ifndef POLICY_BUDGET_H
#define POLICY_BUDGET_H

#include <stdbool.h>
#include <stdint.h>

struct budget {
	uint64_t quota;	 /* ns a period */
	uint64_t period; /* ns; 0: no limit */
	uint64_t keep;	 /* ns */
	uint64_t began;	 /* ns: start of the present period, a multiple of `period` */
	int64_t left;	 /* ns; negative: debt */
};

/* Begins the period that `now` falls into, if it has not begun yet. */
static inline void budget_refresh(struct budget *b, uint64_t now)
{
	uint64_t periods;
	int64_t filled;

	if (!b->period || now < b->began + b->period)
		return;
	periods = (now - b->began) / b->period;
	b->began += periods * b->period;
	if (periods > (UINT64_C(1) << 20))
		periods = UINT64_C(1) << 20;
	filled = b->left + (int64_t)(periods * b->quota);
	b->left = filled > (int64_t)(b->quota + b->keep) ? (int64_t)(b->quota + b->keep) : filled;
}

static inline bool budget_exhausted(const struct budget *b)
{
	return b->period && b->left <= 0;
}

/* When an exhausted budget has something left again, if nobody runs until then. */
static inline uint64_t budget_ready_at(const struct budget *b)
{
	uint64_t debt = b->left > 0 ? 0 : (uint64_t)-b->left;

	return b->began + b->period * (1 + (b->quota ? debt / b->quota : 0));
}

/* For how long one of `running` vCPUs may run before somebody has to look again; at least 1. */
static inline uint64_t budget_grant(const struct budget *b, uint32_t running)
{
	uint64_t each;

	if (!b->period)
		return UINT64_MAX;
	each = b->left > 0 ? (uint64_t)b->left / (running ? running : 1) : 0;
	return each ? each : 1;
}

#endif
