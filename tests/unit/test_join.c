/* SPDX-License-Identifier: MIT */
/*
 * The join of runs and gaps: small examples worked out by hand, and a long stream. Random histories
 * are test_join_oracle.c's affair.
 */
#include "ledger/join.h"

#include "base/units.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

/* Callbacks write one line each: "A 5-10 s1" for a piece, "A done 0-10" for a run. Owners are
 * letters, '-' is nobody. */
struct notes {
	char text[4096];
	size_t used;
};

static char letter(uint64_t owner)
{
	return owner == JOIN_NOBODY ? '-' : (char)owner;
}

__attribute__((format(printf, 2, 3))) static void note(struct notes *n, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	n->used += (size_t)vsnprintf(n->text + n->used, sizeof(n->text) - n->used, format, ap);
	va_end(ap);
	assert_true(n->used < sizeof(n->text));
}

static void note_piece(uint64_t owner, uint64_t start, uint64_t end, uint32_t state, void *data)
{
	note(data, "%c %ju-%ju s%u\n", letter(owner), (uintmax_t)start, (uintmax_t)end, state);
}

static void note_done(uint64_t owner, uint64_t start, uint64_t end, void *data)
{
	note(data, "%c done %ju-%ju\n", letter(owner), (uintmax_t)start, (uintmax_t)end);
}

/* A history in a few words: 'r' a run of `who`, 'g' a gap in state `who`, 'u' until `end`. */
struct step {
	char kind;
	uint64_t start, end, who;
};

static int put_gap(struct join *j, uint64_t start, uint64_t end, uint32_t state)
{
	struct gap gap = {.start = start, .end = end, .state = state};

	return join_gap(j, &gap);
}

static void play(struct join *j, const struct step *steps)
{
	for (const struct step *s = steps; s->kind; s++) {
		if (s->kind == 'r')
			assert_int_equal(join_run(j, s->start, s->end, s->who), 0);
		else if (s->kind == 'g')
			assert_int_equal(put_gap(j, s->start, s->end, (uint32_t)s->who), 0);
		else
			join_until(j, s->end);
	}
}

static const struct {
	const char *name;
	uint32_t capacity;
	struct step steps[12];
	const char *expected;
	struct join_counters counters; /* in the order of struct join_counters */
	uint64_t waiting;
} examples[] = {
	{"a gap over two runs",
	 8,
	 {{'r', 0, 10, 'A'}, {'r', 10, 20, 'B'}, {'g', 5, 15, 1}, {'u', 0, 20, 0}},
	 "A 5-10 s1\nA done 0-10\nB 10-15 s1\nB done 10-20\n",
	 {1, 10, 10, 0, 0, 0, 0, 0},
	 0},
	{"two gaps in one run, and runs that touch no gap",
	 8,
	 {{'r', 0, 10, 'A'},
	  {'r', 10, 50, 'B'},
	  {'r', 50, 60, 'C'},
	  {'g', 12, 14, 1},
	  {'g', 20, 30, 4},
	  {'u', 0, 60, 0}},
	 "A done 0-10\nB 12-14 s1\nB 20-30 s4\nB done 10-50\nC done 50-60\n",
	 {2, 12, 12, 0, 0, 0, 0, 0},
	 0},
	{"before, between and behind the runs a gap is nobody's",
	 8,
	 {{'r', 10, 20, 'A'}, {'r', 30, 40, 'B'}, {'g', 5, 45, 2}, {'u', 0, 50, 0}},
	 "- 5-10 s2\nA 10-20 s2\nA done 10-20\n- 20-30 s2\nB 30-40 s2\nB done 30-40\n- 40-45 s2\n",
	 {1, 40, 40, 20, 0, 0, 0, 0},
	 0},
	{"nothing is handed out before join_until, and nothing behind it",
	 8,
	 {{'g', 0, 10, 1}, {'r', 0, 4, 'A'}, {'u', 0, 3, 0}, {'r', 4, 10, 'B'}, {'u', 0, 6, 0}},
	 "A 0-3 s1\nA 3-4 s1\nA done 0-4\nB 4-6 s1\n",
	 {1, 10, 6, 0, 0, 0, 0, 0},
	 4},
	{"a run is done only when it has ended",
	 8,
	 {{'r', 0, 10, 'A'}, {'u', 0, 9, 0}, {'g', 9, 10, 1}, {'u', 0, 10, 0}},
	 "A 9-10 s1\nA done 0-10\n",
	 {1, 1, 1, 0, 0, 0, 0, 0},
	 0},
	{"an earlier join_until does nothing",
	 8,
	 {{'r', 0, 4, 'A'}, {'u', 0, 10, 0}, {'r', 4, 8, 'B'}, {'g', 5, 6, 1}, {'u', 0, 9, 0}},
	 "A done 0-4\n",
	 {1, 1, 0, 0, 0, 0, 0, 0},
	 1},
	{"a late gap goes to the run that still waits, else to nobody",
	 8,
	 {{'r', 0, 5, 'A'}, {'r', 5, 20, 'B'}, {'u', 0, 10, 0}, {'g', 3, 8, 1}, {'u', 0, 10, 0}},
	 "A done 0-5\n- 3-5 s1\nB 5-8 s1\n",
	 {1, 5, 5, 2, 0, 0, 0, 0},
	 0},
	{"a late run gets what has not been handed out",
	 8,
	 {{'g', 0, 10, 1}, {'u', 0, 5, 0}, {'r', 0, 10, 'A'}, {'u', 0, 10, 0}},
	 "- 0-5 s1\nA 5-10 s1\nA done 0-10\n",
	 {1, 10, 10, 5, 0, 0, 0, 0},
	 0},
	{"gaps that overlap are cut, or dropped",
	 8,
	 {{'g', 0, 10, 1}, {'g', 5, 15, 2}, {'g', 3, 12, 3}, {'g', 15, 16, 1}, {'u', 0, 20, 0}},
	 "- 0-10 s1\n- 10-15 s2\n- 15-16 s1\n",
	 {3, 16, 16, 16, 2, 14, 0, 0},
	 0},
	{"runs that overlap are cut, or done at once",
	 8,
	 {{'r', 0, 10, 'A'},
	  {'r', 5, 15, 'B'},
	  {'r', 2, 15, 'C'},
	  {'g', 0, 20, 1},
	  {'u', 0, 20, 0}},
	 "C done 15-15\nA 0-10 s1\nA done 0-10\nB 10-15 s1\nB done 10-15\n- 15-20 s1\n",
	 {1, 20, 20, 5, 2, 0, 0, 0},
	 0},
	{"empty intervals are ignored",
	 8,
	 {{'r', 5, 5, 'A'}, {'g', 7, 7, 1}, {'r', 9, 3, 'B'}, {'g', 9, 3, 1}, {'u', 0, 20, 0}},
	 "A done 5-5\nB done 9-9\n",
	 {0, 0, 0, 0, 0, 0, 0, 0},
	 0},
	{"when queues are full, runs are dropped and gaps are nobody's",
	 2,
	 {{'r', 0, 10, 'A'},
	  {'r', 10, 20, 'B'},
	  {'r', 20, 30, 'C'},
	  {'g', 0, 1, 1},
	  {'g', 2, 3, 1},
	  {'g', 25, 27, 4},
	  {'u', 0, 15, 0},
	  {'g', 28, 29, 1},
	  {'r', 30, 31, 'D'},
	  {'u', 0, 31, 0}},
	 "C done 20-30\n- 25-27 s4\nA 0-1 s1\nA 2-3 s1\nA done 0-10\nB done 10-20\n- 28-29 s1\n"
	 "D done 30-31\n",
	 {4, 5, 5, 3, 0, 0, 1, 1},
	 0},
	{"the whole range of times",
	 8,
	 {{'r', 0, UINT64_MAX, 'A'}, {'g', 0, UINT64_MAX, 1}, {'u', 0, UINT64_MAX, 0}},
	 "A 0-18446744073709551615 s1\nA done 0-18446744073709551615\n",
	 {1, UINT64_MAX, UINT64_MAX, 0, 0, 0, 0, 0},
	 0},
};

static void test_examples(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(examples); i++) {
		struct notes notes = {0};
		struct join *j;

		assert_int_equal(join_new(examples[i].capacity, note_piece, note_done, &notes, &j),
				 0);
		play(j, examples[i].steps);
		assert_string_equal(notes.text, examples[i].expected);
		assert_memory_equal(join_counters(j), &examples[i].counters,
				    sizeof(struct join_counters));
		assert_int_equal(join_waiting_ns(j), examples[i].waiting);
		assert_null(join_free(j));
	}
}

static void test_refuses_no_capacity(void **state)
{
	struct join *j = (struct join *)state;

	assert_int_equal(join_new(0, note_piece, note_done, NULL, &j), -EINVAL);
	assert_ptr_equal(j, state);
	assert_null(join_free(NULL));
}

static void test_works_without_callbacks(void **state)
{
	struct join *j;

	(void)state;
	assert_int_equal(join_new(4, NULL, NULL, NULL, &j), 0);
	assert_int_equal(join_run(j, 0, 10, 'A'), 0);
	assert_int_equal(put_gap(j, 5, 15, 1), 0);
	join_until(j, 20);
	assert_int_equal(join_counters(j)->handed_ns, 10);
	assert_int_equal(join_counters(j)->nobody_ns, 5);
	join_free(j);
}

struct tally {
	uint64_t pieces, done, ns, next_owner;
};

static void tally_piece(uint64_t owner, uint64_t start, uint64_t end, uint32_t state, void *data)
{
	struct tally *t = data;

	(void)state;
	assert_int_equal(start / 10, owner - 1); /* run `n` is [10 n, 10 n + 10), its owner n + 1 */
	t->pieces++;
	t->ns += end - start;
}

static void tally_done(uint64_t owner, uint64_t start, uint64_t end, void *data)
{
	struct tally *t = data;

	assert_int_equal(owner, ++t->next_owner);
	assert_int_equal(start, 10 * (owner - 1));
	assert_int_equal(end, 10 * owner);
	t->done++;
}

/* 300,000 runs and gaps, at most 1000 waiting: quadratic cost would not end in a test's time. */
static void test_long_streams_with_a_deep_queue(void **state)
{
	const uint64_t n = 300000, depth = 1000;
	struct tally t = {0};
	struct join *j;

	(void)state;
	assert_int_equal(join_new((uint32_t)depth, tally_piece, tally_done, &t, &j), 0);
	for (uint64_t i = 0; i < n; i++) {
		assert_int_equal(join_run(j, 10 * i, 10 * i + 10, i + 1), 0);
		assert_int_equal(put_gap(j, 10 * i + 3, 10 * i + 7, 1), 0);
		if (i >= depth - 1)
			join_until(j, 10 * (i + 2 - depth));
	}
	assert_int_equal(join_counters(j)->overflow, 0);
	assert_int_equal(join_counters(j)->gap_overflow, 0);
	assert_int_equal(join_waiting_ns(j), 4 * (depth - 1));
	join_until(j, 10 * n);
	assert_int_equal(t.pieces, n);
	assert_int_equal(t.ns, 4 * n);
	assert_int_equal(t.done, n);
	join_free(j);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_examples),
		cmocka_unit_test(test_refuses_no_capacity),
		cmocka_unit_test(test_works_without_callbacks),
		cmocka_unit_test(test_long_streams_with_a_deep_queue),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
