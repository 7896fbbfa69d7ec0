/* SPDX-License-Identifier: MIT */
#include "screen/trails.h"

#include "base/hash.h"
#include "base/units.h"

#include <stdbool.h>
#include <stdlib.h>

struct key {
	uint64_t since;
	pid_t pid;
	uint32_t none; /* 0: no padding in a key */
};

struct cell {
	uint64_t span; /* its number */
	double share;  /* ns that it wanted to run and did not, per vCPU */
	uint64_t ns;
};

struct trail {
	struct key key;
	struct cell cells[TRAIL_CELLS]; /* a span's is at its number modulo TRAIL_CELLS */
	uint64_t last;			/* up to when it is known */
	UT_hash_handle hh;
};

struct trails {
	struct trail *all;
	uint64_t last; /* up to when any is known */
};

struct trails *trails_new(void)
{
	return calloc(1, sizeof(struct trails));
}

static void drop(struct trails *t, struct trail *one)
{
	HASH_DEL(t->all, one);
	free(one);
}

struct trails *trails_free(struct trails *t)
{
	struct trail *one, *next;

	if (!t)
		return NULL;
	HASH_ITER (hh, t->all, one, next)
		drop(t, one);
	free(t);
	return NULL;
}

static struct trail *find(const struct trails *t, pid_t pid, uint64_t since)
{
	const struct key key = {.since = since, .pid = pid};
	struct trail *one;

	HASH_FIND(hh, t->all, &key, sizeof(key), one);
	return one;
}

static struct trail *find_or_make(struct trails *t, pid_t pid, uint64_t since)
{
	struct trail *one = find(t, pid, since);

	if (one)
		return one;
	one = calloc(1, sizeof(*one));
	if (!one)
		return NULL;
	one->key = (struct key){.since = since, .pid = pid};
	HASH_ADD(hh, t->all, key, sizeof(one->key), one);
	if (one->hh.tbl)
		return one;
	free(one);
	return NULL;
}

void trails_add(struct trails *t, pid_t pid, uint64_t since, uint64_t from, uint64_t to,
		double share)
{
	struct trail *one = find_or_make(t, pid, since);
	uint64_t first = u64_max(from, u64_sub_floor(to, TRAIL_CELLS * TRAIL_SPAN));

	t->last = to; /* not the most: who tells may begin again */
	if (!one)
		return;
	one->last = to;
	for (uint64_t at = first, end; at < to; at = end) {
		uint64_t span = at / TRAIL_SPAN;
		struct cell *cell = &one->cells[span % TRAIL_CELLS];

		end = at + u64_min(to - at, TRAIL_SPAN - at % TRAIL_SPAN);
		if (cell->span != span)
			*cell = (struct cell){.span = span};
		cell->share += share * (double)(end - at);
		cell->ns += end - at;
	}
}

void trails_forget(struct trails *t, uint64_t time)
{
	struct trail *one, *next;

	HASH_ITER (hh, t->all, one, next)
		if (one->last < time)
			drop(t, one);
}

void trails_get(const struct trails *t, pid_t pid, uint64_t since, double ret[TRAIL_CELLS])
{
	const struct trail *one = t ? find(t, pid, since) : NULL;
	uint64_t now = t && t->last ? (t->last - 1) / TRAIL_SPAN : 0;

	for (unsigned i = 0; i < TRAIL_CELLS; i++) {
		unsigned back = TRAIL_CELLS - 1 - i;
		const struct cell *cell = one && now >= back
						  ? &one->cells[(now - back) % TRAIL_CELLS]
						  : NULL;
		bool known = cell && cell->ns && cell->span == now - back;

		ret[i] = known ? cell->share / (double)cell->ns : -1;
	}
}
