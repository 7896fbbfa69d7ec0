/* SPDX-License-Identifier: MIT */
/*
 * The event queue: a fixed set of timers. Whatever can happen next to a thing (a vCPU, a CPU, a VM,
 * the host) is one timer of its own, and all of them play a tournament for who is next. Timers of
 * the same instant go off in the order of their numbers.
 */
#ifndef SIM_TIMERS_H
#define SIM_TIMERS_H

#include "base/lines.h"
#include "policy/tournament.h"

#include <errno.h>
#include <stddef.h>

#define TIMER_NEVER TOURNAMENT_NEVER

struct timers {
	struct tournament queue;
};

static inline size_t timers_bytes(uint32_t count)
{
	return 2 * (size_t)count * (sizeof(uint64_t) + sizeof(uint32_t));
}

/* All off; -ENOMEM. */
static inline int timers_init(struct timers *t, uint32_t count)
{
	t->queue.n = count;
	t->queue.key = lines_alloc(2 * (size_t)count, sizeof(uint64_t));
	t->queue.id = lines_alloc(2 * (size_t)count, sizeof(uint32_t));
	if (!t->queue.key || !t->queue.id)
		return -ENOMEM;
	tournament_init(&t->queue);
	return 0;
}

static inline void timers_free(struct timers *t)
{
	free(t->queue.key);
	free(t->queue.id);
}

/* Sets a timer, on or off before; TIMER_NEVER turns it off. */
static inline void timer_set(struct timers *t, uint32_t timer, uint64_t at)
{
	tournament_set(&t->queue, timer, at);
}

/* Asks for the memory that setting it will need. */
static inline void timers_expect(const struct timers *t, uint32_t timer)
{
	tournament_expect(&t->queue, timer);
}

/* When it goes off, or TIMER_NEVER. */
static inline uint64_t timer_at(const struct timers *t, uint32_t timer)
{
	return tournament_key(&t->queue, timer);
}

/* When the next one goes off, TIMER_NEVER if none is on, and which. */
static inline uint64_t timers_next(const struct timers *t, uint32_t *ret_timer)
{
	*ret_timer = tournament_winner(&t->queue);
	return tournament_least(&t->queue);
}

#endif
