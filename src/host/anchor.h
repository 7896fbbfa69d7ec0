/* SPDX-License-Identifier: MIT */
/*
 * The clock anchor of a page: counter, CLOCK_MONOTONIC and CLOCK_REALTIME at one instant, and the
 * counter's rate. A host may be a VM itself, whose CPU stops between two reads of clocks: only
 * readings about as tight as the best so far replace an earlier one, unless that is old.
 */
#ifndef HOST_ANCHOR_H
#define HOST_ANCHOR_H

#include "base/clock.h"

#include <desched/page.h>

struct anchor {
	struct page_clock clock;	 /* what to publish */
	uint64_t best;			 /* ns: the tightest bracket so far */
	struct clock_pair base, standby; /* the rate is taken from `base` to now */
};

void anchor_start(struct anchor *a);

/* Takes a reading, which the tests give themselves; `real` is CLOCK_REALTIME at pair->mono. */
void anchor_take(struct anchor *a, const struct clock_pair *pair, uint64_t real,
		 uint64_t real_error);
void anchor_update(struct anchor *a);

#endif
