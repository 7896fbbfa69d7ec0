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

#include <stdint.h>

#define TOURNAMENT_NEVER UINT64_MAX /* the key of what does not take part */
#define TOURNAMENT_NEAR	 1024	    /* nodes before this one are in the nearest cache anyway */

struct tournament_entry {
	uint64_t key;
	uint32_t id;
};

struct tournament {
	struct tournament_entry *node; /* the caller's: 2n; 1 is the root, 2i and 2i + 1 below i */
	uint32_t n;
};

/* Nobody takes part; `node` and `n` are set. */
static inline void tournament_init(struct tournament *t)
{
	for (uint32_t i = 0; i < 2 * t->n; i++)
		t->node[i] = (struct tournament_entry){TOURNAMENT_NEVER, i < t->n ? 0 : i - t->n};
}

static inline const struct tournament_entry *tournament_least(const struct tournament *t)
{
	return &t->node[1];
}

static inline uint64_t tournament_key(const struct tournament *t, uint32_t id)
{
	return t->node[t->n + id].key;
}

static inline unsigned __int128 tournament_rank(struct tournament_entry e)
{
	return (unsigned __int128)e.key << 64 | e.id;
}

static inline void tournament_set(struct tournament *t, uint32_t id, uint64_t key)
{
	struct tournament_entry winner = {key, id};
	uint32_t i = t->n + id;

	if (t->node[i].key == key)
		return;
	t->node[i] = winner;
	while (i > 1) {
		struct tournament_entry other = t->node[i ^ 1];

		winner = tournament_rank(other) < tournament_rank(winner) ? other : winner;
		i /= 2;
		if (i >= TOURNAMENT_NEAR && t->node[i].key == winner.key &&
		    t->node[i].id == winner.id)
			return;
		t->node[i] = winner;
	}
}

#endif
