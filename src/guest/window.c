/* SPDX-License-Identifier: MIT */
#include "guest/window.h"

#include "base/clock.h"
#include "base/units.h"

#include <errno.h>
#include <stdlib.h>

/* Tasks that take turns are found again within the last few; the others stand twice, which costs
 * memory and is right all the same. */
#define LOOK_BACK 8

static struct window_share *find(struct window *w, const struct account_task *task)
{
	for (size_t i = w->n; i > 0 && i + LOOK_BACK > w->n; i--)
		if (w->share[i - 1].task == task)
			return &w->share[i - 1];
	return NULL;
}

static int grow(struct window *w)
{
	size_t room = w->room ? 2 * w->room : 64;
	struct window_share *share = reallocarray(w->share, room, sizeof(*share));

	if (!share)
		return -ENOMEM;
	w->share = share;
	w->room = room;
	return 0;
}

int window_add(struct window *w, struct account *a, const struct account_run *run)
{
	uint64_t ns = run->end - run->start;
	struct window_share *s = find(w, run->task);

	if (s) {
		s->ns += ns;
		w->total += ns;
		account_release(a, run->task);
		return 0;
	}
	if (w->n == w->room && grow(w)) {
		account_book(a, run->task, run->cpu, ns);
		account_charge(a, run->task, run->cpu, AMOUNTS_UNKNOWN, ns);
		account_release(a, run->task);
		return -ENOMEM;
	}
	w->share[w->n++] = (struct window_share){.task = run->task, .ns = ns};
	w->total += ns;
	return 0;
}

static size_t longest_share(const struct window *w)
{
	size_t longest = 0;

	for (size_t i = 0; i < w->n; i++)
		if (w->share[i].ns > w->share[longest].ns)
			longest = i;
	return longest;
}

struct account_task *window_longest(const struct window *w)
{
	return w->n ? w->share[longest_share(w)].task : NULL;
}

void window_book(const struct window *w, struct account *a, unsigned cpu)
{
	for (size_t i = 0; i < w->n; i++)
		account_book(a, w->share[i].task, cpu, w->share[i].ns);
}

uint64_t window_charge(struct window *w, struct account *a, unsigned cpu, uint32_t state,
		       uint64_t ns)
{
	uint64_t left = u64_min(ns, w->total), charged = 0;
	uint64_t want = left;

	for (size_t i = 0; i < w->n; i++) {
		uint64_t part = clock_muldiv(w->share[i].ns, want, w->total);

		charged += account_charge(a, w->share[i].task, cpu, state, part);
		left -= part;
	}
	if (left && w->n)
		charged += account_charge(a, w->share[longest_share(w)].task, cpu, state, left);
	return charged;
}

void window_clear(struct window *w, struct account *a)
{
	for (size_t i = 0; i < w->n; i++)
		account_release(a, w->share[i].task);
	w->n = 0;
	w->total = 0;
}

void window_free(struct window *w, struct account *a)
{
	window_clear(w, a);
	free(w->share);
	w->share = NULL;
	w->room = 0;
}
