/* SPDX-License-Identifier: MIT */
/*
 * When the vCPU ran, and what that makes of its timer's ticks (policy/tick.h).
 *
 * The vCPU's own thread gives two clocks at each reading: real time, and its CPU time. What passed
 * and was neither run nor idle, the guest was away: runnable without a CPU, stopped, or waiting for
 * memory. The time that VMDesched takes counts as away too, for that is what it costs to say so: a
 * guest has one tick to charge to its processes for every period that those really ran.
 *
 * No clock and no I/O here; times are ns.
 */
#ifndef VMM_TICKER_H
#define VMM_TICKER_H

#include "policy/tick.h"

#define TICKER_SLACK 20000 /* a tick may come so much early, rather than cost another exit */

struct ticker {
	struct tick tick;
	enum tick_policy policy;
	bool on;
	bool vmdesched; /* the guest executes it */
	bool asked;	/* ... and takes one tick, now or not at all */
	bool asking;	/* it has asked, and may be about to do so again */
	uint64_t asking_ns;

	uint64_t mono, cpu;				 /* the last reading */
	uint64_t start;					 /* mono when the timer was started */
	uint64_t run_ns, idle_ns, away_ns, vmdesched_ns; /* since then */
	uint64_t ahead; /* idle time that was found to be run or away as well */

	uint64_t lag_worst; /* ns: how far the guest's clock was behind at most */
	uint64_t late_from; /* mono: the present backlog was largest then, 0: there is none */
	uint64_t late_most; /* ticks: the most that it was */
	uint64_t late_resyncs;
	uint64_t worst_most; /* ticks: the largest backlog that has been delivered or dropped */
	uint64_t worst_ns;   /* ... and in what time */
};

/* The guest's timer goes off every `period` ns from now on. */
void ticker_start(struct ticker *k, uint64_t period, uint64_t mono, uint64_t cpu);
void ticker_stop(struct ticker *k);

/* Another policy from now on; the backlog stays until the policy has its say. */
void ticker_set_policy(struct ticker *k, enum tick_policy policy);

void ticker_reading(struct ticker *k, uint64_t mono, uint64_t cpu);

/* The vCPU was halted since the last reading, up to when it was to be woken or was, if earlier. */
void ticker_idle(struct ticker *k, uint64_t until);

/* Forgets what was largest so far. */
void ticker_forget(struct ticker *k);

/* True if an interrupt is to be raised as of the last reading. Ask only when the guest has taken
 * the one before: ticks that it does not take stay where they are. */
bool ticker_fire(struct ticker *k);

/* VMDesched runs at this instant and takes one tick of the backlog, if there is one: the next
 * ticker_fire() gives it. Until it asks in vain, or for a period, the guest is taken to execute it.
 * True if there was a backlog. */
bool ticker_ask(struct ticker *k);

/* There is a backlog that VMDesched is to take. */
bool ticker_wants_vmdesched(const struct ticker *k);

/* When ticker_fire() will be true at the earliest, or TICK_NEVER. */
uint64_t ticker_next(const struct ticker *k);

/* How far the guest's clock is behind, as of the last reading. */
uint64_t ticker_lag(const struct ticker *k);

#endif
