/* SPDX-License-Identifier: MIT */
/*
 * The guest's clock beside its host's, once a second: reads the host's time (guest/hosttime.h),
 * lets clock_policy.h decide and does what that says. Whoever keeps it pauses with the VM, so that
 * it also knows pauses: times in which it did not come to be called. It sees as well, without any
 * host, that the guest was suspended, and that somebody else has set its clock.
 */
#ifndef VMDESCHED_TIMEKEEPER_H
#define VMDESCHED_TIMEKEEPER_H

#include "base/failure.h"
#include "guest/hosttime.h"
#include "vmdesched/clock_policy.h"

#include <jansson.h>

#define TIMEKEEPER_PAUSE_NS 40000000ull /* a call that is later than that was a pause */

struct timekeeper {
	struct hosttime host;
	struct clock_policy policy;
	struct hosttime_reading reading; /* the last one */
	bool known;			 /* it is of the last second */
	const char *chrony_path;
	int chrony;			 /* -1: nobody listens */
	uint64_t last_call, last_chrony; /* ns, CLOCK_MONOTONIC */
	uint64_t fed, slews, steps, failures;
	uint64_t pauses, pause_ns, longest_pause_ns;
	uint64_t suspends, suspend_ns;
	uint64_t sets, set_ns; /* of the clock by others; the sum of how far */
	bool watched;
	uint64_t slept; /* ns, clock_slept() of the last second */
	int64_t ahead;	/* ns, of the clock before CLOCK_BOOTTIME; our own steps are in it */
};

/* What a mode may be called; NULL behind the last. */
const char *timekeeper_mode_name(size_t i);

/* `mode`: one of these names; -EINVAL for anything else. Without host time only pauses
 * are known, which is no failure. `chrony_path` outlives it. */
int timekeeper_open(struct timekeeper *t, const char *mode, const char *chrony_path,
		    const char *page_path, struct failure *f);
void timekeeper_close(struct timekeeper *t);

/* True for a mode that may call clock_adjtime(2) and clock_settime(2). */
bool timekeeper_sets_clock(const char *mode);

/* To be called every `interval` ns: who is called late was not running. */
void timekeeper_called(struct timekeeper *t, uint64_t interval);

/* To be called once a second. Writes what has happened to the clock, if anything, to `line`. */
void timekeeper_tick(struct timekeeper *t, char line[128]);

/* A part of that, for tests: what the guest's clocks say of themselves. */
void timekeeper_watch(struct timekeeper *t, uint64_t mono, uint64_t slept, uint64_t real,
		      char line[128]);

/* The snapshot's "host_clock"; NULL without memory. */
json_t *timekeeper_json(const struct timekeeper *t);

#endif
