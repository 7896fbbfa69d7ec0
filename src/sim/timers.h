/* SPDX-License-Identifier: MIT */
/*
 * The event queue: a fixed set of timers in an indexed 4-ary heap.
 *
 * Whatever can happen next to a thing (a vCPU, a CPU, a VM, the host) is one timer of its own, so
 * that nothing is ever in the queue twice and a change is a move, not a stale entry. Timers that
 * go off at the same instant do so in order of their numbers: a run is the same everywhere.
 */
#ifndef SIM_TIMERS_H
#define SIM_TIMERS_H

#include <stdint.h>
#include <stdlib.h>

#define TIMER_NEVER UINT64_MAX
#define TIMER_OFF   UINT32_MAX

struct timer_entry {
	uint64_t at;
	uint32_t timer;
};

struct timers {
	struct timer_entry *heap;
	uint32_t *place; /* of each timer in the heap, or TIMER_OFF */
	uint32_t n;
};

static inline size_t timers_bytes(uint32_t count)
{
	return (size_t)count * (sizeof(struct timer_entry) + sizeof(uint32_t));
}

static inline int timers_init(struct timers *t, uint32_t count)
{
	t->n = 0;
	t->heap = malloc(((size_t)count + 1) * sizeof(*t->heap));
	t->place = malloc(((size_t)count + 1) * sizeof(*t->place));
	if (!t->heap || !t->place)
		return -1;
	for (uint32_t i = 0; i < count; i++)
		t->place[i] = TIMER_OFF;
	return 0;
}

static inline void timers_free(struct timers *t)
{
	free(t->heap);
	free(t->place);
}

static inline int timer_before(struct timer_entry a, struct timer_entry b)
{
	return a.at < b.at || (a.at == b.at && a.timer < b.timer);
}

static inline void timer_put(struct timers *t, uint32_t i, struct timer_entry e)
{
	t->heap[i] = e;
	t->place[e.timer] = i;
}

static inline void timer_up(struct timers *t, uint32_t i, struct timer_entry e)
{
	while (i) {
		uint32_t parent = (i - 1) / 4;

		if (!timer_before(e, t->heap[parent]))
			break;
		timer_put(t, i, t->heap[parent]);
		i = parent;
	}
	timer_put(t, i, e);
}

static inline void timer_down(struct timers *t, uint32_t i, struct timer_entry e)
{
	for (;;) {
		uint32_t first = 4 * i + 1, end = first + 4, least = first;

		if (first >= t->n)
			break;
		if (end > t->n)
			end = t->n;
		for (uint32_t c = first + 1; c < end; c++) {
			if (timer_before(t->heap[c], t->heap[least]))
				least = c;
		}
		if (!timer_before(t->heap[least], e))
			break;
		timer_put(t, i, t->heap[least]);
		i = least;
	}
	timer_put(t, i, e);
}

static inline void timer_off(struct timers *t, uint32_t timer)
{
	uint32_t i = t->place[timer];
	struct timer_entry last;

	if (i == TIMER_OFF)
		return;
	t->place[timer] = TIMER_OFF;
	last = t->heap[--t->n];
	if (i == t->n)
		return;
	if (i && timer_before(last, t->heap[(i - 1) / 4]))
		timer_up(t, i, last);
	else
		timer_down(t, i, last);
}

/* Sets a timer, on or off before; TIMER_NEVER turns it off. */
static inline void timer_set(struct timers *t, uint32_t timer, uint64_t at)
{
	struct timer_entry e = {at, timer};
	uint32_t i = t->place[timer];

	if (at == TIMER_NEVER) {
		timer_off(t, timer);
	} else if (i == TIMER_OFF) {
		timer_up(t, t->n++, e);
	} else if (timer_before(e, t->heap[i])) {
		timer_up(t, i, e);
	} else if (at != t->heap[i].at) {
		timer_down(t, i, e);
	}
}

#endif
