/* SPDX-License-Identifier: MIT */
/*
 * From the host's CLOCK_MONOTONIC to the guest's, through the counter that both see.
 *
 *     host ns -> host ticks -> (+ offset) -> guest ticks -> guest ns
 *
 * The outer steps use a recent pair of readings on either side and the counter's rate on that
 * side's clock. The offset is a constant: the host stamps the page with its counter, the guest
 * reads its own counter right after the stamp, so that every reading is the offset plus a delay
 * that is never negative. The smallest of many readings is the best one; a single one can be wrong
 * by milliseconds when the vCPU is descheduled between stamp and reading, and nothing would show
 * it.
 */
#ifndef GUEST_CLOCKMAP_H
#define GUEST_CLOCKMAP_H

#include "base/clock.h"

#include <desched/page.h>
#include <stdbool.h>
#include <stdint.h>

struct clockmap {
	uint64_t offset;	    /* guest ticks - host ticks, modulo 2^64 */
	uint64_t second;	    /* ticks by which the second smallest reading was larger */
	uint64_t samples;	    /* distinct stamps seen */
	uint64_t last_stamp;	    /* host ticks of the last one */
	struct clock_pair host[2];  /* older, newer: counter and host clock */
	struct clock_pair guest[2]; /* older, newer: counter and guest clock */
	double host_ns_per_tick;
	double guest_ns_per_tick;
};

void clockmap_init(struct clockmap *m);

/* One stamp from the page, with the guest's counter as it was read right after. */
void clockmap_stamp(struct clockmap *m, const struct page_clock *stamp, uint64_t guest_ticks);

/* One tight reading of the guest's own counter and clock. */
void clockmap_guest(struct clockmap *m, const struct clock_pair *pair);

/* Enough is known to convert. */
bool clockmap_ready(const struct clockmap *m);

/* Both sides' counters run at one rate to within 0.1 %; otherwise there is no constant offset. */
bool clockmap_same_rate(const struct clockmap *m);

uint64_t clockmap_to_guest(const struct clockmap *m, uint64_t host_ns);

/* ns since the host's last stamp, by the host's clock, at a reading of the guest's counter. */
uint64_t clockmap_stamp_age(const struct clockmap *m, uint64_t guest_ticks);

/* ns by which a converted time may be wrong, as far as the readings tell. */
uint64_t clockmap_error(const struct clockmap *m);

#endif
