/* SPDX-License-Identifier: MIT */
/*
 * From the host's CLOCK_MONOTONIC to the guest's, by one of two ways:
 *
 *     constant   host ns -> host ticks -> (+ constant) -> guest ticks -> guest ns
 *     following  host ns -> (+ offset) -> guest ns
 *
 * The counter that both sides see differs by a constant where the hardware serves the guest, and
 * where an emulator has one CPU: then nothing is as good as the tightest reading there ever was
 * (still.h). The counter of an emulator on several CPUs gains on the host's, in steps and at any
 * rate; a machine that is stopped loses. Where that is found the two clocks themselves are followed
 * (follow.h), through a drift that changes, and their map gets an error that grows with its age.
 *
 * Both live on sightings: the host writes a stamp of its clocks into the page, and the guest, whose
 * clocks were read before and behind that moment, has the offset between the two. So it is
 * bounded from both sides, and a movement is seen, whichever way it goes. Each clock is one for all
 * CPUs of its machine, and so is the map; what a vCPU's own gaps say of it is hostclock.h's part.
 */
#ifndef GUEST_CLOCKMAP_H
#define GUEST_CLOCKMAP_H

#include "base/clock.h"
#include "guest/follow.h"
#include "guest/still.h"

#include <desched/page.h>
#include <stdbool.h>
#include <stdint.h>

#define CLOCKMAP_UNKNOWN UINT64_MAX /* an error that cannot be stated */

/* Where a clock is read as pairs with the counter: two that are a second or two apart. */
struct clockmap_side {
	struct clock_pair old, middle, new;
	double ns_per_tick; /* 0: not known yet */
	uint64_t tightest;  /* ns: the smallest error of a pair */
};

struct clockmap {
	struct clockmap_side host, guest;
	struct still still;   /* guest ticks less host ticks, as ns from `ticks_base` */
	struct follow follow; /* guest ns less host ns, from `mono_base` */
	uint64_t ticks_base, mono_base;
	uint64_t samples;    /* distinct stamps seen */
	uint64_t last_stamp; /* host ticks of the last one */
	uint64_t last_mono;  /* ns, host clock: the newest */
	bool following;
	/* The way that is taken, as of the last clockmap_settle(): times near `from` become times
	 * near `to`, and the guest's clock gains `rate` 1e-9. */
	uint64_t from, to;
	int64_t rate;
	uint64_t error; /* ns */
};

void clockmap_init(struct clockmap *m);

/*
 * A stamp that is in the page now, with the guest's counter and clock as they were read behind the
 * look that found it, `after`, and before the look that did not find it yet, `before` (ticks 0:
 * there was none).
 */
void clockmap_stamp(struct clockmap *m, const struct page_clock *stamp,
		    const struct clock_pair *before, const struct clock_pair *after);

/* One tight reading of the guest's own counter and clock. */
void clockmap_guest(struct clockmap *m, const struct clock_pair *pair);

/* Chooses the way again; to be called when there was anything of the above. */
void clockmap_settle(struct clockmap *m);

/* Enough is known to convert. */
bool clockmap_ready(const struct clockmap *m);

/* Both sides' counters run at one rate to within 0.1 %; otherwise they count different things. */
bool clockmap_same_rate(const struct clockmap *m);

/* 0 for what was before the guest's clock began. */
uint64_t clockmap_to_guest(const struct clockmap *m, uint64_t host_ns);

/* ns by which a time that is converted now may be wrong; CLOCKMAP_UNKNOWN. */
uint64_t clockmap_error(const struct clockmap *m);

/* A stamp contradicts what is known; the next ones will say which is right. */
bool clockmap_in_doubt(const struct clockmap *m);

/* Stamps that contradicted what was known, and times that the counter's constant was given up. */
uint64_t clockmap_contradicted(const struct clockmap *m);
uint64_t clockmap_moved(const struct clockmap *m);

#endif
