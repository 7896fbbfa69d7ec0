/* SPDX-License-Identifier: MIT */
/*
 * Tick delivery: one periodic timer interrupt source of a guest that counts its ticks.
 *
 * A tick falls due every `period` ns, whether the guest runs or not. One that falls due while the
 * guest runs is delivered at once. Those that fall due while it does not run are its backlog when
 * it resumes; what happens to them is the policy, one row each, the first four with libvirt's
 * names:
 *
 *  delay    ticks go on at the normal rate: the backlog stays, guest time lags
 *  catchup  ticks come faster until the backlog is gone: guest time comes back, and whoever runs
 *           meanwhile is billed for the time when the guest did not run
 *  merge    one tick stands for the whole backlog
 *  discard  the backlog is dropped
 *  desched  the backlog is delivered only while the guest executes VMDesched, as fast as it is
 *           acknowledged: guest time comes back and VMDesched is billed
 *
 * A backlog of more than `resync` ns is dropped whatever the policy, and the guest's clock is set
 * (counted in `resyncs`). due == delivered + backlog + lost holds always.
 *
 * The caller says when the guest runs: tick_resume() when it got the CPU, then tick_fire() at the
 * times that tick_next() gives. No clock, no I/O, no allocation, integers only.
 */
#ifndef POLICY_TICK_H
#define POLICY_TICK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TICK_NEVER  UINT64_MAX
#define TICK_RESYNC UINT64_C(60000000000) /* ns */

enum tick_policy {
	TICK_DELAY,
	TICK_CATCHUP,
	TICK_MERGE,
	TICK_DISCARD,
	TICK_DESCHED,
	TICK_POLICIES,
};

struct tick_row {
	const char *name;
	const char *summary;
	bool keeps;	/* the backlog is kept */
	bool one;	/* a dropped backlog is announced by one tick */
	uint32_t speed; /* how many times faster than nominal ticks come while there is a backlog
			 * and any guest code runs; 0: no faster */
	bool desched;	/* ... and without bound while VMDesched runs */
};

extern const struct tick_row tick_rows[TICK_POLICIES];

const char *tick_policy_name(size_t i); /* NULL behind the last */
int tick_find(const char *name);	/* -EINVAL if there is no such policy */

struct tick {
	const struct tick_row *row;
	uint64_t period; /* ns */
	uint64_t resync; /* ns */
	uint64_t next;	 /* ns: when the next tick falls due */
	uint64_t last;	 /* ns: when one was delivered last */
	uint64_t away;	 /* ns: of tick_away(), less than a period, not yet a tick */

	uint64_t due;	    /* ticks that fell due */
	uint64_t delivered; /* interrupts injected */
	uint64_t backlog;   /* due, neither delivered nor lost */
	uint64_t lost;	    /* dropped by merge, discard or resynchronization */
	uint64_t resyncs;
	uint64_t set;	/* ticks by which resynchronizations have set the guest's clock forward */
	uint64_t worst; /* largest backlog seen */
};

void tick_start(struct tick *t, enum tick_policy policy, uint64_t period, uint64_t now);

/* Lets ticks fall due up to and including `now` without a delivery: the guest does not run. */
void tick_advance(struct tick *t, uint64_t now);

/* The guest did not run for `ns` that end now. Another way to say it than tick_advance(), and not
 * to be mixed with it: what falls due meanwhile is not decided by where the ticks happen to lie,
 * but by length. The ticks that are yet to come move back by `ns`, so that the guest has one for
 * every period that it ran, and each period that it did not run adds one to the backlog; what is
 * left of one counts for the next time. Then the policy on what has piled up. */
void tick_away(struct tick *t, uint64_t ns);

/* The guest was idle up to `now`, and its ticks were delivered as they fell due, with as much of a
 * backlog as the policy delivers meanwhile. Returns how many interrupts that were. */
uint64_t tick_idle(struct tick *t, uint64_t now);

/* The guest got the CPU at `now`: tick_advance(), then the policy on what has piled up. */
void tick_resume(struct tick *t, uint64_t now);

/* When the next interrupt is to be injected if the guest goes on running; never before `now`.
 * `vmdesched`: the guest executes VMDesched. */
uint64_t tick_next(const struct tick *t, uint64_t now, bool vmdesched);

/* The guest runs at `now`: true if one interrupt is to be injected, which is then recorded. */
bool tick_fire(struct tick *t, uint64_t now, bool vmdesched);

/* True if the guest should execute VMDesched: the policy has one and there is a backlog. */
bool tick_wants_vmdesched(const struct tick *t);

/* The guest's clock by its ticks, in ns since the start: what was delivered and what was set. */
uint64_t tick_guest_time(const struct tick *t);

#endif
