/* SPDX-License-Identifier: MIT */
/*
 * The ledger: where a vCPU's time went.
 *
 * At every instant a vCPU is in exactly one state. A ledger counts nanoseconds per state since it
 * was started, and the identity
 *
 *     at - start == sum of ns[] over all states
 *
 * holds exactly, in integers. Times are nanoseconds of one monotonic clock, the same for all calls
 * on one ledger; which clock that is, is the caller's affair.
 */
#ifndef DESCHED_LEDGER_H
#define DESCHED_LEDGER_H

#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The states, with esxtop's name for each. The numbers are part of the page's ABI (docs/page.5). */
enum ledger_state {
	LEDGER_RUN,	 /* on a physical CPU, guest code or its exits  %RUN   */
	LEDGER_READY,	 /* runnable, waiting for a physical CPU        %RDY   */
	LEDGER_COSTOP,	 /* runnable, held back for its siblings        %CSTP  */
	LEDGER_LIMITED,	 /* runnable, held back by its limit            %MLMTD */
	LEDGER_SWAPWAIT, /* blocked, the host brings back guest memory  %SWPWT */
	LEDGER_HALT,	 /* the guest is idle                           %IDLE  */
	LEDGER_WAIT,	 /* blocked on other host work                  %WAIT  */
	LEDGER_STATES,
};

struct ledger {
	uint64_t start;		    /* ns: when the ledger was started */
	uint64_t at;		    /* ns: up to when ns[] is complete; start <= at */
	uint64_t ns[LEDGER_STATES]; /* ns spent in each state between start and at */
	uint32_t state;		    /* enum ledger_state from `at` on */
	uint32_t backwards;	    /* calls whose time was before `at`, and changed no figure */
};

/* Starts a ledger at time `now` with all counters zero. `state` must be below LEDGER_STATES. */
void ledger_start(struct ledger *l, uint64_t now, enum ledger_state state);

/* Charges the time since `at` to the present state. A `now` before `at` charges nothing and is
 * counted in `backwards`. */
inline void ledger_advance(struct ledger *l, uint64_t now)
{
	if (now < l->at) {
		l->backwards++;
		return;
	}
	l->ns[l->state] += now - l->at;
	l->at = now;
}

/* Advances to `now`, then changes to `state`. */
inline void ledger_enter(struct ledger *l, uint64_t now, enum ledger_state state)
{
	ledger_advance(l, now);
	l->state = state;
}

/* at - start. */
uint64_t ledger_wall(const struct ledger *l);

/* READY + COSTOP + LIMITED + SWAPWAIT: wanted to run and did not. */
uint64_t ledger_descheduled(const struct ledger *l);

/* The identity of this file's head. False only for a ledger from a hostile or broken source. */
bool ledger_valid(const struct ledger *l);

/*
 * What happened between two readings of the same ledger: *ret_delta starts at before->at and
 * ends at now->at. Returns -ERANGE and leaves *ret_delta untouched when any counter runs backwards,
 * as it does after a restart or a migration: the caller then starts a new epoch.
 */
int ledger_delta(const struct ledger *before, const struct ledger *now, struct ledger *ret_delta);

/*
 * Adds the counters of `from` to `into`, as a sum over vCPUs: wall times add up. `start` and
 * `state` of `into` stay and `at` moves forward so that the identity holds: the `at` of a sum is no
 * instant, but ledger_wall() and ledger_delta() work on sums too. A sum may begin with {0}.
 */
void ledger_merge(struct ledger *into, const struct ledger *from);

/* "run", "ready", ...: the names in JSON and metrics. NULL for a number that is no state. */
const char *ledger_state_name(uint32_t state);

/* True for the four states in which a vCPU wanted to run and did not. */
bool ledger_state_descheduled(uint32_t state);

#ifdef __cplusplus
}
#endif

#endif
