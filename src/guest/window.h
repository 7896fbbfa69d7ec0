/* SPDX-License-Identifier: MIT */
/*
 * A window: the runs of one CPU over some time, for away time of which only the sum is known. The
 * sum is spread over the runs in proportion to their lengths. That is the coarse method: it cannot
 * see that a short run was never interrupted, so whoever uses it counts what went through it.
 */
#ifndef GUEST_WINDOW_H
#define GUEST_WINDOW_H

#include "guest/account.h"

struct window_share {
	struct account_task *task; /* pinned until the window is cleared */
	uint64_t ns;
	uint64_t due; /* the owner's own use */
};

struct window {
	struct window_share *share;
	size_t n, room;
	uint64_t total; /* ns of all shares */
};

/* Takes over the run's pin. -ENOMEM: the run is not in the window, but booked as unaccounted. */
int window_add(struct window *w, struct account *a, const struct account_run *run);

/* Books all runs, once before anything is charged: what they were is known now. */
void window_book(const struct window *w, struct account *a, unsigned cpu);

/* Charges `ns` in `state`, or AMOUNTS_UNKNOWN, over all runs, exactly, the remainder to the
 * longest; returns what could be charged (less than ns only when there were not that many ns of
 * runs). */
uint64_t window_charge(struct window *w, struct account *a, unsigned cpu, uint32_t state,
		       uint64_t ns);

/* The task that had most of it; NULL for an empty window. */
struct account_task *window_longest(const struct window *w);

/* Forgets and releases the runs; keeps the memory. */
void window_clear(struct window *w, struct account *a);
void window_free(struct window *w, struct account *a);

#endif
