/* SPDX-License-Identifier: MIT */
/*
 * The ledger: identity, changes of state, deltas, sums, names. Its way through a page is
 * test_page.c's affair.
 */
#include <desched/ledger.h>

#include "base/units.h"
#include "random.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#define HISTORIES 2000
#define RANGE	  256 /* ns that one random history lasts */

static uint64_t sum(const struct ledger *l)
{
	uint64_t total = 0;

	for (int s = 0; s < LEDGER_STATES; s++)
		total += l->ns[s];
	return total;
}

static void test_charges_the_state_it_was_in(void **state)
{
	struct ledger l;

	(void)state;
	ledger_start(&l, 1000, LEDGER_RUN);
	assert_int_equal(ledger_wall(&l), 0);
	ledger_enter(&l, 1010, LEDGER_READY);
	ledger_enter(&l, 1013, LEDGER_HALT);
	ledger_advance(&l, 1020);
	ledger_enter(&l, 1020, LEDGER_SWAPWAIT);
	ledger_enter(&l, 1025, LEDGER_WAIT);
	ledger_enter(&l, 1026, LEDGER_COSTOP);
	ledger_enter(&l, 1028, LEDGER_LIMITED);
	ledger_enter(&l, 1100, LEDGER_RUN);
	assert_int_equal(l.ns[LEDGER_RUN], 10);
	assert_int_equal(l.ns[LEDGER_READY], 3);
	assert_int_equal(l.ns[LEDGER_HALT], 7);
	assert_int_equal(l.ns[LEDGER_SWAPWAIT], 5);
	assert_int_equal(l.ns[LEDGER_WAIT], 1);
	assert_int_equal(l.ns[LEDGER_COSTOP], 2);
	assert_int_equal(l.ns[LEDGER_LIMITED], 72);
	assert_int_equal(ledger_wall(&l), 100);
	assert_int_equal(ledger_descheduled(&l), 3 + 5 + 2 + 72);
	assert_int_equal(l.state, LEDGER_RUN);
	assert_true(ledger_valid(&l));
}

static void test_time_that_runs_backwards_changes_no_figure(void **state)
{
	struct ledger l, before;

	(void)state;
	ledger_start(&l, 500, LEDGER_RUN);
	ledger_advance(&l, 600);
	before = l;
	ledger_advance(&l, 599);
	assert_int_equal(l.backwards, 1);
	assert_int_equal(l.at, before.at);
	assert_memory_equal(l.ns, before.ns, sizeof(l.ns));
	ledger_enter(&l, 0, LEDGER_HALT); /* the state changes all the same, at 600 */
	assert_int_equal(l.backwards, 2);
	ledger_advance(&l, 650);
	assert_int_equal(l.ns[LEDGER_RUN], 100);
	assert_int_equal(l.ns[LEDGER_HALT], 50);
	assert_true(ledger_valid(&l));
}

/* What each nanosecond of one random history was spent in, written down one by one. */
struct diary {
	uint8_t state[RANGE];
	uint64_t from, now;
};

static void check_against_diary(const struct ledger *l, const struct diary *d)
{
	uint64_t ns[LEDGER_STATES] = {0};

	for (uint64_t t = 0; t < d->now; t++)
		ns[d->state[t]]++;
	assert_memory_equal(l->ns, ns, sizeof(ns));
	assert_int_equal(l->start, d->from);
	assert_int_equal(l->at, d->from + d->now);
	assert_int_equal(sum(l), d->now);
	assert_true(ledger_valid(l));
}

static void random_history(struct random *r)
{
	struct diary d = {.from = random_next(r) >> 1};
	uint8_t in = (uint8_t)random_below(r, LEDGER_STATES);
	struct ledger l, middle, delta;

	ledger_start(&l, d.from, in);
	middle = l;
	while (d.now < RANGE) {
		uint64_t next = u64_min(d.now + random_below(r, 20), RANGE);

		memset(d.state + d.now, in, next - d.now);
		d.now = next;
		in = (uint8_t)random_below(r, LEDGER_STATES);
		ledger_enter(&l, d.from + d.now, in);
		check_against_diary(&l, &d);
		if (random_below(r, 8) == 0)
			middle = l;
	}
	assert_int_equal(ledger_delta(&middle, &l, &delta), 0);
	assert_int_equal(delta.start, middle.at);
	assert_int_equal(delta.at, l.at);
	assert_int_equal(sum(&delta), l.at - middle.at);
	assert_true(ledger_valid(&delta));
}

static void test_identity_in_random_histories(void **state)
{
	struct random r = {1};

	(void)state;
	for (int i = 0; i < HISTORIES; i++)
		random_history(&r);
}

static void test_valid_finds_every_broken_figure(void **state)
{
	struct ledger good, l;

	(void)state;
	ledger_start(&good, 100, LEDGER_RUN);
	ledger_advance(&good, 200);
	assert_true(ledger_valid(&good));
	for (int s = 0; s < LEDGER_STATES; s++) {
		l = good;
		l.ns[s]++;
		assert_false(ledger_valid(&l));
		l.ns[s] = UINT64_MAX; /* the sum wraps around to 99 */
		assert_false(ledger_valid(&l));
	}
	l = good;
	l.state = LEDGER_STATES;
	assert_false(ledger_valid(&l));
	l = good;
	l.at = 99;
	assert_false(ledger_valid(&l));
	l = (struct ledger){.start = 1, .at = 0, .ns = {UINT64_MAX}}; /* 0 - 1 in 64 bits */
	assert_false(ledger_valid(&l));
}

static const struct {
	const char *what;
	size_t offset; /* of a 64-bit counter of the newer reading */
} counters[] = {
	{"at", offsetof(struct ledger, at)},
	{"run", offsetof(struct ledger, ns[LEDGER_RUN])},
	{"ready", offsetof(struct ledger, ns[LEDGER_READY])},
	{"costop", offsetof(struct ledger, ns[LEDGER_COSTOP])},
	{"limited", offsetof(struct ledger, ns[LEDGER_LIMITED])},
	{"swapwait", offsetof(struct ledger, ns[LEDGER_SWAPWAIT])},
	{"halt", offsetof(struct ledger, ns[LEDGER_HALT])},
	{"wait", offsetof(struct ledger, ns[LEDGER_WAIT])},
};

static void assert_delta_refused(const struct ledger *old, const struct ledger *new)
{
	struct ledger untouched, delta;

	memset(&untouched, 0xa5, sizeof(untouched));
	delta = untouched;
	assert_int_equal(ledger_delta(old, new, &delta), -ERANGE);
	assert_memory_equal(&delta, &untouched, sizeof(delta));
}

static void test_delta_refuses_counters_that_run_backwards(void **state)
{
	struct ledger old = {.start = 10, .at = 80, .backwards = 3};
	struct ledger new;

	(void)state;
	for (int s = 0; s < LEDGER_STATES; s++)
		old.ns[s] = 10;
	new = old;
	assert_int_equal(ledger_delta(&old, &new, &new), 0);
	assert_int_equal(ledger_wall(&new), 0);
	for (size_t i = 0; i < ARRAY_SIZE(counters); i++) {
		new = old;
		*(uint64_t *)((char *)&new + counters[i].offset) -= 1;
		assert_delta_refused(&old, &new);
	}
	new = old;
	new.backwards--;
	assert_delta_refused(&old, &new);
	new = old;
	new.start++; /* another ledger, even where every counter is ahead */
	assert_delta_refused(&old, &new);
}

static void test_delta_of_two_readings(void **state)
{
	struct ledger l, old, delta;

	(void)state;
	ledger_start(&l, 0, LEDGER_RUN);
	ledger_enter(&l, 40, LEDGER_READY);
	old = l;
	ledger_enter(&l, 45, LEDGER_RUN);
	ledger_advance(&l, 44);
	ledger_enter(&l, 60, LEDGER_HALT);
	assert_int_equal(ledger_delta(&old, &l, &delta), 0);
	assert_int_equal(delta.start, 40);
	assert_int_equal(delta.at, 60);
	assert_int_equal(delta.ns[LEDGER_RUN], 15);
	assert_int_equal(delta.ns[LEDGER_READY], 5);
	assert_int_equal(delta.state, LEDGER_HALT);
	assert_int_equal(delta.backwards, 1);
}

/* Sixteen vCPUs since boot have more wall time than the clock shows: a sum must hold that. */
static void test_merge_of_many_vcpus(void **state)
{
	struct ledger one, all = {0}, earlier, delta;

	(void)state;
	ledger_start(&one, 5, LEDGER_RUN);
	ledger_enter(&one, 105, LEDGER_READY);
	for (int i = 0; i < 16; i++)
		ledger_merge(&all, &one);
	assert_int_equal(ledger_wall(&all), 1600);
	assert_int_equal(all.ns[LEDGER_RUN], 1600);
	assert_true(ledger_valid(&all));

	earlier = all;
	all = (struct ledger){0};
	ledger_advance(&one, 112);
	ledger_advance(&one, 111);
	for (int i = 0; i < 16; i++)
		ledger_merge(&all, &one);
	assert_true(ledger_valid(&all));
	assert_int_equal(all.backwards, 16);
	assert_int_equal(ledger_delta(&earlier, &all, &delta), 0);
	assert_int_equal(ledger_wall(&delta), 16 * 7);
	assert_int_equal(delta.ns[LEDGER_READY], 16 * 7);
	assert_true(ledger_valid(&delta));
}

static void test_names(void **state)
{
	static const struct {
		uint32_t number;
		const char *name;
		bool descheduled;
	} expected[] = {
		{0, "run", false},    {1, "ready", true},    {2, "costop", true},
		{3, "limited", true}, {4, "swapwait", true}, {5, "halt", false},
		{6, "wait", false},
	};

	(void)state;
	assert_int_equal(ARRAY_SIZE(expected), LEDGER_STATES);
	for (size_t i = 0; i < ARRAY_SIZE(expected); i++) {
		assert_string_equal(ledger_state_name(expected[i].number), expected[i].name);
		assert_int_equal(ledger_state_descheduled(expected[i].number),
				 expected[i].descheduled);
	}
	assert_null(ledger_state_name(7));
	assert_null(ledger_state_name(UINT32_MAX));
	assert_false(ledger_state_descheduled(7));
	assert_false(ledger_state_descheduled(UINT32_MAX));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_charges_the_state_it_was_in),
		cmocka_unit_test(test_time_that_runs_backwards_changes_no_figure),
		cmocka_unit_test(test_identity_in_random_histories),
		cmocka_unit_test(test_valid_finds_every_broken_figure),
		cmocka_unit_test(test_delta_refuses_counters_that_run_backwards),
		cmocka_unit_test(test_delta_of_two_readings),
		cmocka_unit_test(test_merge_of_many_vcpus),
		cmocka_unit_test(test_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
