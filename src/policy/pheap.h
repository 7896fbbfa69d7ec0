/* SPDX-License-Identifier: MIT */
/*
 * A pairing heap over an array: nodes are indices, links are indices, memory is the caller's.
 *
 * It orders run queues by virtual time: insert O(1), pop and remove O(log n) amortized, and no
 * allocation. A node is in at most one heap; a heap is the index of its root, PHEAP_NONE if empty.
 * Equal keys are ordered by index, so that the same inputs give the same order everywhere.
 */
#ifndef POLICY_PHEAP_H
#define POLICY_PHEAP_H

#include <stdbool.h>
#include <stdint.h>

#define PHEAP_NONE UINT32_MAX

struct pheap_node {
	uint64_t key;
	uint32_t child; /* first child */
	uint32_t next;	/* next sibling */
	uint32_t prev;	/* previous sibling, or the parent of a first child */
};

static inline bool pheap_before(const struct pheap_node *n, uint32_t a, uint32_t b)
{
	return n[a].key < n[b].key || (n[a].key == n[b].key && a < b);
}

/* Two roots into one; either may be PHEAP_NONE. */
static inline uint32_t pheap_meld(struct pheap_node *n, uint32_t a, uint32_t b)
{
	uint32_t swap;

	if (a == PHEAP_NONE)
		return b;
	if (b == PHEAP_NONE)
		return a;
	if (pheap_before(n, b, a)) {
		swap = a;
		a = b;
		b = swap;
	}
	n[b].next = n[a].child;
	if (n[b].next != PHEAP_NONE)
		n[n[b].next].prev = b;
	n[b].prev = a;
	n[a].child = b;
	return a;
}

static inline uint32_t pheap_insert(struct pheap_node *n, uint32_t root, uint32_t i, uint64_t key)
{
	n[i] = (struct pheap_node){key, PHEAP_NONE, PHEAP_NONE, PHEAP_NONE};
	return pheap_meld(n, root, i);
}

/* Melds a list of siblings pairwise, left to right, then all pairs into one. */
static inline uint32_t pheap_merge_list(struct pheap_node *n, uint32_t first)
{
	uint32_t pairs = PHEAP_NONE, root = PHEAP_NONE;

	while (first != PHEAP_NONE) {
		uint32_t a = first, b = n[a].next;

		first = b == PHEAP_NONE ? PHEAP_NONE : n[b].next;
		n[a].next = n[a].prev = PHEAP_NONE;
		if (b != PHEAP_NONE)
			n[b].next = n[b].prev = PHEAP_NONE;
		a = pheap_meld(n, a, b);
		n[a].next = pairs;
		pairs = a;
	}
	while (pairs != PHEAP_NONE) {
		uint32_t a = pairs;

		pairs = n[a].next;
		n[a].next = n[a].prev = PHEAP_NONE;
		root = pheap_meld(n, root, a);
	}
	return root;
}

/* Without the root, which must exist. */
static inline uint32_t pheap_pop(struct pheap_node *n, uint32_t root)
{
	return pheap_merge_list(n, n[root].child);
}

/* Without node i, which must be in this heap. */
static inline uint32_t pheap_remove(struct pheap_node *n, uint32_t root, uint32_t i)
{
	if (i == root)
		return pheap_pop(n, root);
	if (n[n[i].prev].child == i)
		n[n[i].prev].child = n[i].next;
	else
		n[n[i].prev].next = n[i].next;
	if (n[i].next != PHEAP_NONE)
		n[n[i].next].prev = n[i].prev;
	n[i].next = n[i].prev = PHEAP_NONE;
	return pheap_meld(n, root, pheap_merge_list(n, n[i].child));
}

#endif
