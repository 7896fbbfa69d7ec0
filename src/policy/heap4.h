/* SPDX-License-Identifier: MIT */
/*
 * An indexed 4-ary heap: a fixed set of things numbered from 0, each in it at most once with one
 * key, so that a change is a move and there are no stale entries. Memory is the caller's. The
 * order of equal keys follows from the history alone: the same calls give the same order
 * everywhere.
 */
#ifndef POLICY_HEAP4_H
#define POLICY_HEAP4_H

#include <stdint.h>

#define HEAP4_OFF   UINT32_MAX
#define HEAP4_NEVER UINT64_MAX /* the key of what is not in the heap */

struct heap4_entry {
	uint64_t key;
	uint32_t id;
};

struct heap4 {
	struct heap4_entry *heap;
	uint32_t *place; /* of each thing in `heap`, or HEAP4_OFF */
	uint32_t n;
};

static inline void heap4_put(struct heap4 *h, uint32_t i, struct heap4_entry e)
{
	h->heap[i] = e;
	h->place[e.id] = i;
}

static inline void heap4_up(struct heap4 *h, uint32_t i, struct heap4_entry e)
{
	while (i) {
		uint32_t parent = (i - 1) / 4;

		if (e.key >= h->heap[parent].key)
			break;
		heap4_put(h, i, h->heap[parent]);
		i = parent;
	}
	heap4_put(h, i, e);
}

/* The child with the least key of four from `first`; of those there are, at least one. */
static inline uint32_t heap4_least(const struct heap4 *h, uint32_t first)
{
	const struct heap4_entry *c = &h->heap[first];
	uint32_t a, b;

	if (h->n - first >= 4) { /* without a branch that depends on keys */
		a = c[1].key < c[0].key;
		b = 2 + (c[3].key < c[2].key);
		return first + (c[b].key < c[a].key ? b : a);
	}
	a = first;
	for (b = first + 1; b < h->n; b++)
		a = h->heap[b].key < h->heap[a].key ? b : a;
	return a;
}

static inline void heap4_down(struct heap4 *h, uint32_t i, struct heap4_entry e)
{
	for (uint32_t first; (first = 4 * i + 1) < h->n;) {
		uint32_t least = heap4_least(h, first);

		if (h->heap[least].key >= e.key)
			break;
		heap4_put(h, i, h->heap[least]);
		i = least;
	}
	heap4_put(h, i, e);
}

static inline void heap4_remove(struct heap4 *h, uint32_t id)
{
	uint32_t i = h->place[id];
	struct heap4_entry last;

	if (i == HEAP4_OFF)
		return;
	h->place[id] = HEAP4_OFF;
	last = h->heap[--h->n];
	if (i == h->n)
		return;
	if (i && last.key < h->heap[(i - 1) / 4].key)
		heap4_up(h, i, last);
	else
		heap4_down(h, i, last);
}

/* Puts a thing in, moves it, or takes it out (HEAP4_NEVER). */
static inline void heap4_set(struct heap4 *h, uint32_t id, uint64_t key)
{
	struct heap4_entry e = {key, id};
	uint32_t i = h->place[id];

	if (key == HEAP4_NEVER)
		heap4_remove(h, id);
	else if (i == HEAP4_OFF)
		heap4_up(h, h->n++, e);
	else if (key < h->heap[i].key)
		heap4_up(h, i, e);
	else if (key != h->heap[i].key)
		heap4_down(h, i, e);
}

#endif
