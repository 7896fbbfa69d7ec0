/* SPDX-License-Identifier: MIT */
/*
 * The least of a fixed set of things, numbered from 0, each with one key: a tournament. The things
 * are the leaves of a binary tree, each inner node holds the winner of the two below it, and the
 * root the least of all; of equal keys the lower number wins. A change plays again on the way from
 * its leaf to the root: as many steps as the tree is high, without a branch that depends on keys.
 * Far below the root of a large tree it looks whether it changes anything further up.
 */
#ifndef POLICY_TOURNAMENT_H
#define POLICY_TOURNAMENT_H

#include <stdbool.h>
#include <stdint.h>

#define TOURNAMENT_NEVER UINT64_MAX /* the key of what does not take part */
#define TOURNAMENT_NEAR	 1024	    /* nodes before this one are in the nearest cache anyway */

/* Nodes are 2n: 1 is the root, 2i and 2i + 1 are below i. The memory is the caller's. */
struct tournament {
	uint64_t *key; /* of a node's winner */
	uint32_t *id;
	uint32_t n;
};

/* Nobody takes part; all else is set. */
static inline void tournament_init(struct tournament *t)
{
	for (uint32_t i = 0; i < 2 * t->n; i++) {
		t->key[i] = TOURNAMENT_NEVER;
		t->id[i] = i < t->n ? 0 : i - t->n;
	}
}

/* The least key, and whose it is. */
static inline uint64_t tournament_least(const struct tournament *t)
{
	return t->key[1];
}

static inline uint32_t tournament_winner(const struct tournament *t)
{
	return t->id[1];
}

static inline uint64_t tournament_key(const struct tournament *t, uint32_t id)
{
	return t->key[t->n + id];
}

struct tournament_entry {
	uint64_t key;
	uint64_t id;
};

/* Whoever of `e` and the winner of node `i` comes first. No branch: nobody can predict it. */
static inline struct tournament_entry tournament_play(const struct tournament *t, uint64_t i,
						      struct tournament_entry e)
{
	uint64_t key = t->key[i], id = t->id[i];
	bool before = ((unsigned __int128)key << 64 | id) < ((unsigned __int128)e.key << 64 | e.id);

	return (struct tournament_entry){before ? key : e.key, before ? id : e.id};
}

static inline void tournament_put(const struct tournament *t, uint64_t i, struct tournament_entry e)
{
	t->key[i] = e.key;
	t->id[i] = (uint32_t)e.id;
}

/* Asks for the memory on the way from a leaf to nodes that are in a cache anyway. */
static inline void tournament_expect(const struct tournament *t, uint32_t id)
{
	for (uint64_t i = (uint64_t)t->n + id; i >= 8 * TOURNAMENT_NEAR; i /= 2) {
		__builtin_prefetch(&t->key[i]);
		__builtin_prefetch(&t->id[i]);
	}
}

static inline void tournament_set(struct tournament *t, uint32_t id, uint64_t key)
{
	struct tournament_entry winner = {key, id};
	uint64_t i = (uint64_t)t->n + id;

	if (t->key[i] == key)
		return;
	tournament_put(t, i, winner);
	while (i >= 2 * TOURNAMENT_NEAR) {
		winner = tournament_play(t, i ^ 1, winner);
		i /= 2;
		if (t->key[i] == winner.key && t->id[i] == winner.id)
			return;
		tournament_put(t, i, winner);
	}
	while (i > 1) {
		winner = tournament_play(t, i ^ 1, winner);
		i /= 2;
		tournament_put(t, i, winner);
	}
}

#endif
