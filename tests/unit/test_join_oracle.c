/* SPDX-License-Identifier: MIT */
/*
 * The join of runs and gaps in random histories: in order, late, interleaved, overlapping, empty,
 * too many. Each is held against an oracle that knows nothing of intervals: it notes for each
 * nanosecond of a small range who ran, whether there was a gap, and who got it. test_join.c has the
 * examples.
 */
#include "ledger/join.h"

#include "base/units.h"
#include "random.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#define HISTORIES 20000
#define RANGE	  192 /* ns */
#define OPS_MAX	  80
#define NO_GAP	  0xff
#define COUNTERS  (sizeof(struct join_counters) / sizeof(uint64_t))

struct oracle_run {
	uint64_t owner, start, end;
	bool finished;
};

/* What should be. For each ns: the owner of the run there, the gap's state, and who got it. */
struct oracle {
	uint64_t capacity, until, runs_end, gaps_end;
	uint64_t running[RANGE];
	uint8_t gap[RANGE];
	uint16_t gap_number[RANGE];
	bool handed[RANGE];
	uint64_t owner[RANGE];
	struct oracle_run runs[OPS_MAX];
	size_t n_runs;
	uint16_t n_gaps;
	struct join_counters counters;
};

/* What was. */
struct seen {
	const struct oracle *oracle;
	bool handed[RANGE];
	uint64_t owner[RANGE];
	uint8_t gap[RANGE];
	struct oracle_run done[OPS_MAX];
	size_t n_done, n_expected; /* of `done`; n_expected counts those that the oracle wants */
	uint64_t order;		   /* pieces of one call begin at or after this */
	bool in_until;
};

static void see_piece(uint64_t owner, uint64_t start, uint64_t end, uint32_t state, void *data)
{
	struct seen *s = data;

	assert_true(start < end && end <= RANGE);
	assert_true(start >= s->order);
	s->order = end;
	for (uint64_t t = start; t < end; t++) {
		assert_false(s->handed[t]);
		s->handed[t] = true;
		s->owner[t] = owner;
		s->gap[t] = (uint8_t)state;
	}
}

static void see_done(uint64_t owner, uint64_t start, uint64_t end, void *data)
{
	struct seen *s = data;

	assert_true(s->n_done < OPS_MAX);
	s->done[s->n_done++] = (struct oracle_run){owner, start, end, true};
	for (uint64_t t = start; s->in_until && t < end; t++)
		assert_true(s->handed[t] || s->oracle->gap[t] == NO_GAP);
}

/* The next `done` that has not been looked at yet is this one. */
static void expect_done(struct seen *s, uint64_t owner, uint64_t start, uint64_t end)
{
	const struct oracle_run *d = &s->done[s->n_expected++];

	assert_true(s->n_expected <= s->n_done);
	assert_int_equal(d->owner, owner);
	if (start < end) {
		assert_int_equal(d->start, start);
		assert_int_equal(d->end, end);
	} else {
		assert_int_equal(d->start, d->end);
	}
}

static uint64_t oracle_waiting_runs(const struct oracle *o)
{
	uint64_t n = 0;

	for (size_t i = 0; i < o->n_runs; i++)
		n += !o->runs[i].finished;
	return n;
}

static uint64_t oracle_waiting_gaps(const struct oracle *o)
{
	uint64_t n = 0;
	int last = -1;

	for (int t = 0; t < RANGE; t++) {
		if (o->gap[t] == NO_GAP || o->handed[t] || o->gap_number[t] == last)
			continue;
		last = o->gap_number[t];
		n++;
	}
	return n;
}

static void oracle_add_run(struct oracle *o, struct seen *s, uint64_t start, uint64_t end,
			   uint64_t owner)
{
	uint64_t from = u64_max(start, o->runs_end);

	if (end > start && from > start)
		o->counters.disorder++;
	if (end <= from) {
		expect_done(s, owner, 0, 0);
		return;
	}
	o->runs_end = end;
	if (oracle_waiting_runs(o) == o->capacity) {
		o->counters.overflow++;
		expect_done(s, owner, from, end);
		return;
	}
	o->runs[o->n_runs++] = (struct oracle_run){owner, from, end, false};
	for (uint64_t t = from; t < end; t++)
		o->running[t] = owner;
}

static void oracle_hand(struct oracle *o, uint64_t t, uint64_t owner)
{
	o->handed[t] = true;
	o->owner[t] = owner;
	o->counters.handed_ns++;
	o->counters.nobody_ns += owner == JOIN_NOBODY;
}

static void oracle_add_gap(struct oracle *o, uint64_t start, uint64_t end, uint8_t state)
{
	bool full = oracle_waiting_gaps(o) == o->capacity;
	uint64_t kept = 0, dropped = 0;

	for (uint64_t t = start; t < end; t++) {
		if (t < o->gaps_end) {
			dropped++;
			continue;
		}
		kept++;
		o->gap[t] = state;
		o->gap_number[t] = o->n_gaps;
		if (full)
			oracle_hand(o, t, JOIN_NOBODY);
	}
	o->n_gaps++;
	o->gaps_end = u64_max(o->gaps_end, end > start ? end : 0);
	o->counters.disorder += dropped > 0;
	o->counters.disorder_ns += dropped;
	o->counters.gaps += kept > 0;
	o->counters.gap_ns += kept;
	o->counters.gap_overflow += kept > 0 && full;
}

static void oracle_until(struct oracle *o, uint64_t until)
{
	for (uint64_t t = 0; t < until; t++) {
		if (o->gap[t] != NO_GAP && !o->handed[t])
			oracle_hand(o, t, o->running[t]);
	}
	o->until = until;
}

static void oracle_finish_runs(struct oracle *o, struct seen *s)
{
	for (size_t i = 0; i < o->n_runs; i++) {
		struct oracle_run *run = &o->runs[i];

		if (run->finished || run->end > o->until)
			continue;
		run->finished = true;
		expect_done(s, run->owner, run->start, run->end);
		for (uint64_t t = run->start; t < run->end; t++)
			o->running[t] = JOIN_NOBODY;
	}
}

static void compare(const struct oracle *o, const struct seen *s, const struct join *j)
{
	uint64_t waiting = 0;

	assert_int_equal(s->n_done, s->n_expected);
	assert_memory_equal(join_counters(j), &o->counters, sizeof(o->counters));
	assert_memory_equal(o->handed, s->handed, sizeof(o->handed));
	for (int t = 0; t < RANGE; t++) {
		if (o->handed[t]) {
			assert_int_equal(s->owner[t], o->owner[t]);
			assert_int_equal(s->gap[t], o->gap[t]);
		} else {
			waiting += o->gap[t] != NO_GAP;
		}
	}
	assert_int_equal(join_waiting_ns(j), waiting);
	assert_int_equal(o->counters.gap_ns, o->counters.handed_ns + waiting);
}

/* How one history behaves: how its streams hurry, overlap, and are held up. */
struct temper {
	uint64_t backwards; /* one interval in so many begins before the end of the last */
	uint64_t length;    /* of intervals, below */
	uint64_t distance;  /* between intervals, below */
	uint64_t until;	    /* one operation in so many is join_until() */
	bool late;	    /* join_until() may run ahead of the streams */
};

struct history {
	struct random *random;
	struct temper temper;
	struct oracle oracle;
	struct seen seen;
	struct join *join;
};

/* An interval of the stream that has come to `at`. */
static void pick_interval(struct history *h, uint64_t at, uint64_t *start, uint64_t *end)
{
	if (random_below(h->random, h->temper.backwards) == 0)
		at -= u64_min(at, random_below(h->random, 12));
	*start = u64_min(at + random_below(h->random, h->temper.distance), RANGE);
	*end = u64_min(*start + random_below(h->random, h->temper.length), RANGE);
}

static void do_run(struct history *h)
{
	uint64_t owner = random_below(h->random, 16) ? 1000 + h->oracle.n_runs : JOIN_NOBODY;
	uint64_t start, end;

	pick_interval(h, h->oracle.runs_end, &start, &end);
	assert_int_equal(join_run(h->join, start, end, owner), 0);
	oracle_add_run(&h->oracle, &h->seen, start, end, owner);
}

static void do_gap(struct history *h)
{
	uint8_t state = (uint8_t)(1 + random_below(h->random, 4));
	uint64_t start, end;
	struct gap gap;

	pick_interval(h, h->oracle.gaps_end, &start, &end);
	gap = (struct gap){.start = start, .end = end, .state = state};
	h->seen.order = 0;
	assert_int_equal(join_gap(h->join, &gap), 0);
	oracle_add_gap(&h->oracle, start, end, state);
}

static void do_effective_until(struct history *h, uint64_t until)
{
	oracle_until(&h->oracle, until);
	h->seen.order = 0;
	h->seen.in_until = true;
	join_until(h->join, until);
	h->seen.in_until = false;
	oracle_finish_runs(&h->oracle, &h->seen);
}

static void do_until(struct history *h)
{
	const struct oracle *o = &h->oracle;
	uint64_t most = h->temper.late ? u64_max(o->runs_end, o->gaps_end)
				       : u64_min(o->runs_end, o->gaps_end);
	uint64_t until = random_below(h->random, most + 1);

	if (until >= o->until)
		do_effective_until(h, until);
	else
		join_until(h->join, until);
	compare(&h->oracle, &h->seen, h->join);
}

static void random_history(struct random *r, uint64_t *totals)
{
	struct history h = {
		.random = r,
		.temper = {.backwards = 1 + random_below(r, 40),
			   .length = 1 + random_below(r, 30),
			   .distance = 1 + random_below(r, 12),
			   .until = 2 + random_below(r, 12),
			   .late = random_below(r, 2)},
		.oracle.capacity = 1 + random_below(r, random_below(r, 2) ? 6 : 100),
	};

	h.seen.oracle = &h.oracle;
	memset(h.oracle.gap, NO_GAP, sizeof(h.oracle.gap));
	assert_int_equal(
		join_new((uint32_t)h.oracle.capacity, see_piece, see_done, &h.seen, &h.join), 0);
	for (int i = 0; i < OPS_MAX; i++) {
		if (random_below(r, h.temper.until) == 0)
			do_until(&h);
		else if (random_below(r, 2))
			do_run(&h);
		else
			do_gap(&h);
	}
	do_effective_until(&h, RANGE);
	compare(&h.oracle, &h.seen, h.join);
	assert_int_equal(join_waiting_ns(h.join), 0);
	for (size_t i = 0; i < COUNTERS; i++)
		totals[i] += ((const uint64_t *)join_counters(h.join))[i];
	join_free(h.join);
}

static void test_random_histories(void **state)
{
	struct random r = {20260101};
	uint64_t totals[COUNTERS] = {0};

	(void)state;
	for (int i = 0; i < HISTORIES; i++)
		random_history(&r, totals);
	for (size_t i = 0; i < COUNTERS; i++) /* the histories went everywhere */
		assert_true(totals[i] > HISTORIES);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_random_histories)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
