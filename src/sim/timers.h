/* SPDX-License-Identifier: MIT */
/*
 * The event queue: a fixed set of timers in an indexed heap. Whatever can happen next to a thing (a
 * vCPU, a CPU, a VM, the host) is one timer of its own. The four children of an entry are in one
 * cache line.
 */
#ifndef SIM_TIMERS_H
#define SIM_TIMERS_H

#include "base/lines.h"
#include "policy/heap4.h"

#include <stddef.h>

#define TIMER_NEVER HEAP4_NEVER
#define TIMER_OFF   HEAP4_OFF

struct timers {
	struct heap4 queue;
	void *memory; /* queue.heap is in it, so that heap[1] begins a cache line */
};

static inline size_t timers_bytes(uint32_t count)
{
	return ((size_t)count + 12) * sizeof(struct heap4_entry) + (size_t)count * sizeof(uint32_t);
}

static inline int timers_init(struct timers *t, uint32_t count)
{
	t->queue.n = 0;
	t->memory = lines_alloc((size_t)count + 4, sizeof(struct heap4_entry));
	t->queue.place = lines_alloc((size_t)count + 1, sizeof(uint32_t));
	if (!t->memory || !t->queue.place)
		return -1;
	t->queue.heap = (struct heap4_entry *)t->memory + 3;
	for (uint32_t i = 0; i < count; i++)
		t->queue.place[i] = TIMER_OFF;
	return 0;
}

static inline void timers_free(struct timers *t)
{
	free(t->memory);
	free(t->queue.place);
}

/* Sets a timer, on or off before; TIMER_NEVER turns it off. */
static inline void timer_set(struct timers *t, uint32_t timer, uint64_t at)
{
	heap4_set(&t->queue, timer, at);
}

/* When it goes off, or TIMER_NEVER. */
static inline uint64_t timer_at(const struct timers *t, uint32_t timer)
{
	uint32_t i = t->queue.place[timer];

	return i == TIMER_OFF ? TIMER_NEVER : t->queue.heap[i].key;
}

/* When the next one goes off, TIMER_NEVER if none is on, and which. */
static inline uint64_t timers_next(const struct timers *t, uint32_t *ret_timer)
{
	if (!t->queue.n)
		return TIMER_NEVER;
	*ret_timer = t->queue.heap[0].id;
	return t->queue.heap[0].key;
}

#endif
