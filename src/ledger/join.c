/* SPDX-License-Identifier: MIT */
/*
 * Two queues of intervals, runs and gaps, each in order of time and without overlap: that is made
 * so when they are put in. join_until() walks both from the front like the merge of two sorted
 * lists. The first gap is cut into pieces by where the first run begins and ends and by `until`; a
 * run that ends at or before the first gap's beginning can have no more pieces and is done. Every
 * step removes a run or a gap or ends the walk, or cuts a gap at a run's edge, so the cost is O(1)
 * per run and gap, however they arrive.
 */
#include "ledger/join.h"

#include "base/units.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>

#define QUEUE_FIRST_SIZE 16

struct interval {
	uint64_t start;
	uint64_t end;
	uint64_t tag; /* a run's owner, a gap's state */
};

/* A ring buffer that grows. */
struct queue {
	struct interval *slots;
	size_t size; /* slots allocated, at most the join's capacity */
	size_t head; /* slot of the first interval */
	size_t n;
	uint64_t last_end; /* of whatever was put in: nothing may begin before it */
};

struct join {
	struct queue runs;
	struct queue gaps;
	size_t capacity;
	uint64_t until;
	join_piece_fn piece;
	join_done_fn done;
	void *data;
	struct join_counters counters;
};

static struct interval *queue_slot(const struct queue *q, size_t i)
{
	size_t slot = q->head + i;

	return &q->slots[slot < q->size ? slot : slot - q->size];
}

static struct interval *queue_first(const struct queue *q)
{
	return q->n > 0 ? queue_slot(q, 0) : NULL;
}

static void queue_drop_first(struct queue *q)
{
	q->head = q->head + 1 < q->size ? q->head + 1 : 0;
	q->n--;
}

/* Makes room for one more. -ENOSPC at the capacity, -ENOMEM. */
static int queue_reserve(struct queue *q, size_t capacity)
{
	size_t size = u64_min(capacity, q->size ? 2 * q->size : QUEUE_FIRST_SIZE);
	struct interval *slots;

	if (q->n < q->size)
		return 0;
	if (q->n == capacity)
		return -ENOSPC;
	slots = calloc(size, sizeof(*slots));
	if (!slots)
		return -ENOMEM;
	for (size_t i = 0; i < q->n; i++)
		slots[i] = *queue_slot(q, i);
	free(q->slots);
	q->slots = slots;
	q->size = size;
	q->head = 0;
	return 0;
}

static void queue_append(struct queue *q, const struct interval *new)
{
	q->n++;
	*queue_slot(q, q->n - 1) = *new;
}

int join_new(uint32_t capacity, join_piece_fn piece, join_done_fn done, void *data,
	     struct join **ret)
{
	struct join *j;

	if (capacity == 0)
		return -EINVAL;
	j = calloc(1, sizeof(*j));
	if (!j)
		return -ENOMEM;
	j->capacity = capacity;
	j->piece = piece;
	j->done = done;
	j->data = data;
	*ret = j;
	return 0;
}

struct join *join_free(struct join *j)
{
	if (j) {
		free(j->runs.slots);
		free(j->gaps.slots);
	}
	free(j);
	return NULL;
}

/* Cuts *v to what lies behind everything that was put into `q`. Returns the time that was cut
 * off. */
static uint64_t cut_front(struct queue *q, struct interval *v)
{
	uint64_t start = u64_max(v->start, q->last_end);
	uint64_t end = u64_max(v->end, start);
	uint64_t cut = (v->end - v->start) - (end - start);

	v->start = start;
	v->end = end;
	q->last_end = end;
	return cut;
}

static void finish(struct join *j, const struct interval *run)
{
	if (j->done)
		j->done(run->tag, run->start, run->end, j->data);
}

static void hand_out(struct join *j, uint64_t owner, uint64_t start, uint64_t end, uint64_t state)
{
	j->counters.handed_ns += end - start;
	if (owner == JOIN_NOBODY)
		j->counters.nobody_ns += end - start;
	if (j->piece)
		j->piece(owner, start, end, (uint32_t)state, j->data);
}

int join_run(struct join *j, uint64_t start, uint64_t end, uint64_t owner)
{
	struct interval run = {start, u64_max(start, end), owner};
	int room = queue_reserve(&j->runs, j->capacity);

	if (room == -ENOMEM)
		return room;
	if (run.start < run.end)
		j->counters.disorder += cut_front(&j->runs, &run) > 0;
	if (run.start == run.end) {
		finish(j, &run);
	} else if (room < 0) {
		j->counters.overflow++;
		finish(j, &run);
	} else {
		queue_append(&j->runs, &run);
	}
	return 0;
}

int join_gap(struct join *j, const struct gap *gap)
{
	struct interval new = {gap->start, gap->end, gap->state};
	int room = queue_reserve(&j->gaps, j->capacity);
	uint64_t cut;

	if (room == -ENOMEM)
		return room;
	if (new.end <= new.start)
		return 0;
	cut = cut_front(&j->gaps, &new);
	j->counters.disorder += cut > 0;
	j->counters.disorder_ns += cut;
	if (new.start == new.end)
		return 0;
	j->counters.gaps++;
	j->counters.gap_ns += new.end - new.start;
	if (room < 0) {
		j->counters.gap_overflow++;
		hand_out(j, JOIN_NOBODY, new.start, new.end, new.tag);
	} else {
		queue_append(&j->gaps, &new);
	}
	return 0;
}

static void finish_runs(struct join *j, uint64_t until)
{
	struct interval *run;

	while ((run = queue_first(&j->runs)) && run->end <= until) {
		struct interval finished = *run;

		queue_drop_first(&j->runs);
		finish(j, &finished);
	}
}

/* Hands out the first gap's first piece, no further than `until`. */
static void cut_piece(struct join *j, struct interval *gap, uint64_t until)
{
	const struct interval *run = queue_first(&j->runs);
	uint64_t start = gap->start;
	uint64_t end = u64_min(gap->end, until);
	uint64_t owner = JOIN_NOBODY;

	if (run && run->start <= start) {
		owner = run->tag;
		end = u64_min(end, run->end);
	} else if (run) {
		end = u64_min(end, run->start);
	}
	gap->start = end;
	hand_out(j, owner, start, end, gap->tag);
	if (gap->start == gap->end)
		queue_drop_first(&j->gaps);
}

void join_until(struct join *j, uint64_t until)
{
	struct interval *gap;

	if (until < j->until)
		return;
	j->until = until;
	while ((gap = queue_first(&j->gaps)) && gap->start < until) {
		finish_runs(j, gap->start);
		cut_piece(j, gap, until);
	}
	finish_runs(j, until);
}

bool join_gaps_full(const struct join *j)
{
	return j->gaps.n == j->capacity;
}

bool join_first_run(const struct join *j, uint64_t *ret_start, uint64_t *ret_owner)
{
	const struct interval *run = queue_first(&j->runs);

	if (!run)
		return false;
	*ret_start = run->start;
	*ret_owner = run->tag;
	return true;
}

const struct join_counters *join_counters(const struct join *j)
{
	return &j->counters;
}

uint64_t join_waiting_ns(const struct join *j)
{
	return j->counters.gap_ns - j->counters.handed_ns;
}
