/* SPDX-License-Identifier: MIT */
/*
 * What to do about a guest's clock that differs from its host's. A decision, no clock and no I/O:
 * observations in, one a second, an action out.
 *
 * `offset` is the host's time less the guest's: positive means that the guest lags. It changes in
 * three ways. It drifts, by parts in a million. It jumps, when the guest was paused and its clock
 * stood still. And it shrinks by itself, when the hypervisor delivers the ticks that it owes: while
 * it does, whatever we do would come on top, so nothing is done until it has been quiet.
 *
 * A running chronyd is fed and decides alone. Somebody else who disciplines the clock is left
 * alone. Without either, and only where it was asked for, a small offset is slewed, and one beyond
 * a second stepped: forward only, and once, since a second step soon after would mean that we are
 * wrong about something.
 */
#ifndef VMDESCHED_CLOCK_POLICY_H
#define VMDESCHED_CLOCK_POLICY_H

#include <stdbool.h>
#include <stdint.h>

#define CLOCK_STEP_NS	  1000000000	  /* beyond it a step, forward */
#define CLOCK_JUMP_NS	  10000000	  /* a change between two observations that is no drift */
#define CLOCK_CATCHUP_PPM 2000		  /* shrinking faster is the hypervisor, not a slew (500) */
#define CLOCK_QUIET	  3		  /* observations without either before anything is done */
#define CLOCK_STEP_AGAIN  300000000000ull /* ns that must have passed since the last step */

enum clock_mode {
	CLOCK_WATCH, /* look, never touch */
	CLOCK_FEED,  /* tell chronyd */
	CLOCK_SET,   /* tell chronyd, without one set the clock */
};

enum clock_action {
	CLOCK_DO_NOTHING,
	CLOCK_DO_FEED,
	CLOCK_DO_SLEW, /* by the offset */
	CLOCK_DO_STEP, /* by the offset */
};

struct clock_observation {
	uint64_t mono;	  /* ns, guest's CLOCK_MONOTONIC */
	int64_t offset;	  /* ns */
	uint64_t error;	  /* ns by which the offset may be wrong */
	bool chrony;	  /* a chronyd takes what it is fed */
	bool disciplined; /* the kernel says that somebody keeps this clock */
};

struct clock_policy {
	enum clock_mode mode;
	bool begun;
	struct clock_observation last;
	int quiet;	     /* observations since the last jump or catching up */
	bool catching_up;    /* by the last observation */
	bool stepped;	     /* once at least */
	uint64_t step_time;  /* ns, when */
	int64_t step_expect; /* ns: the last action's step, which is no jump */
	uint64_t jumps, jump_ns;
};

enum clock_action clock_decide(struct clock_policy *p, const struct clock_observation *o);

#endif
