/* SPDX-License-Identifier: MIT */
/*
 * vmm/ticker.c and tick_away(): invented histories of run, away, idle and VMDesched, against sums
 * that are kept beside them. What the policies do with a backlog is in test_policy.c.
 */
#include "random.h"
#include "vmm/ticker.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define MS     UINT64_C(1000000)
#define PERIOD (10 * MS)

/* A guest's history: clocks, and what was in it. */
struct history {
	struct ticker k;
	uint64_t mono, cpu;
	uint64_t run, away, vmdesched, idle;
	uint64_t live, late; /* interrupts while others run, while VMDesched does */
};

static void begin(struct history *h, enum tick_policy policy)
{
	*h = (struct history){.mono = 1000 * MS, .cpu = 5 * MS};
	ticker_set_policy(&h->k, policy);
	ticker_start(&h->k, PERIOD, h->mono, h->cpu);
}

static void fire(struct history *h)
{
	while (ticker_fire(&h->k))
		*(h->k.vmdesched ? &h->late : &h->live) += 1;
}

static void run_for(struct history *h, uint64_t ns)
{
	h->mono += ns;
	h->cpu += ns;
	*(h->k.vmdesched ? &h->vmdesched : &h->run) += ns;
	ticker_reading(&h->k, h->mono, h->cpu);
	fire(h);
}

static void away_for(struct history *h, uint64_t ns)
{
	h->mono += ns;
	h->away += ns;
	ticker_reading(&h->k, h->mono, h->cpu);
	fire(h);
}

static void idle_for(struct history *h, uint64_t ns)
{
	h->mono += ns;
	h->idle += ns;
	ticker_idle(&h->k, h->mono);
	ticker_reading(&h->k, h->mono, h->cpu);
	fire(h);
}

static void assert_near(uint64_t a, uint64_t b, uint64_t by)
{
	assert_true(a <= b + by && b <= a + by);
}

/* 50 ms away at a 10 ms tick are five ticks, wherever they begin. */
static void gap_of_five(void **state)
{
	(void)state;
	for (uint64_t at = 0; at < 10; at++) {
		struct history h;

		begin(&h, TICK_DESCHED);
		for (uint64_t ms = 0; ms < 20 + at; ms++)
			run_for(&h, MS);
		away_for(&h, 50 * MS);
		assert_int_equal(h.k.tick.backlog, 5);
		assert_int_equal(h.live, 2);
		h.k.vmdesched = true;
		fire(&h);
		assert_int_equal(h.late, 5);
		assert_int_equal(h.k.tick.backlog, 0);
	}
}

static void minute_is_given_up(void **state)
{
	struct history h;

	(void)state;
	begin(&h, TICK_DESCHED);
	run_for(&h, 5 * MS);
	away_for(&h, 61000 * MS);
	assert_int_equal(h.k.tick.resyncs, 1);
	assert_int_equal(h.k.tick.backlog, 0);
	assert_true(ticker_lag(&h.k) < 2 * PERIOD);
}

/* A guest gets a tick for each period that it ran, another for each that it did not; VMDesched's
 * own time is with the latter. */
static void one_history(uint64_t seed)
{
	struct random r = {seed};
	struct history h;

	begin(&h, TICK_DESCHED);
	for (int i = 0; i < 3000; i++) {
		uint64_t ns = random_below(&r, 6 * MS);

		switch (random_below(&r, 4)) {
		case 0:
			run_for(&h, ns);
			break;
		case 1:
			away_for(&h, 3 * ns);
			break;
		case 2:
			if (!h.k.vmdesched)
				idle_for(&h, ns);
			break;
		default:
			h.k.vmdesched = tick_wants_vmdesched(&h.k.tick);
			fire(&h);
			run_for(&h, h.k.vmdesched ? ns / 100 : ns);
			h.k.vmdesched = tick_wants_vmdesched(&h.k.tick);
		}
	}
	assert_int_equal(h.k.run_ns, h.run + h.vmdesched);
	assert_int_equal(h.k.away_ns, h.away);
	assert_int_equal(h.k.idle_ns, h.idle);
	assert_int_equal(h.k.vmdesched_ns, h.vmdesched);
	assert_int_equal(h.k.tick.due, h.k.tick.delivered + h.k.tick.backlog + h.k.tick.lost);
	assert_near(h.live, (h.run + h.idle) / PERIOD, 2);
	assert_near(h.late + h.k.tick.backlog, (h.away + h.vmdesched) / PERIOD, 2);
	assert_int_equal(h.k.tick.delivered, h.live + h.late);
}

static void any_history(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 200; seed++)
		one_history(seed);
}

/* With catchup all ticks come while others run; with discard those of the gaps never do. */
static void other_policies(void **state)
{
	struct history c, d;

	(void)state;
	begin(&c, TICK_CATCHUP);
	begin(&d, TICK_DISCARD);
	for (int i = 0; i < 300; i++) {
		away_for(&c, 20 * MS);
		away_for(&d, 20 * MS);
		for (int k = 0; k < 100; k++) {
			run_for(&c, MS / 10);
			run_for(&d, MS / 10);
		}
	}
	assert_near(c.live, 300 * 3, 3);
	assert_near(d.live, 300, 3);
	assert_int_equal(d.k.tick.lost, 300 * 2);
}

/* The two clocks are read one after the other: what one reading has too much, the next has too
 * little. */
static void readings_that_disagree(void **state)
{
	struct ticker k = {0};

	(void)state;
	ticker_set_policy(&k, TICK_DESCHED);
	ticker_start(&k, PERIOD, 0, 0);
	for (uint64_t i = 1; i <= 1000; i++)
		ticker_reading(&k, i * MS, i * MS + (i % 2 ? MS / 2 : 0));
	ticker_reading(&k, 1000 * MS, 1000 * MS);
	assert_true(k.away_ns < 2 * MS);
}

/* A guest that does not take its ticks finds them in its backlog, none lost. */
static void not_taken(void **state)
{
	struct ticker k = {0};

	(void)state;
	ticker_set_policy(&k, TICK_DESCHED);
	ticker_start(&k, PERIOD, 0, 0);
	ticker_reading(&k, 100 * MS, 100 * MS);
	assert_true(ticker_fire(&k));
	assert_int_equal(k.tick.due, 10);
	assert_int_equal(k.tick.delivered + k.tick.backlog, 10);
	assert_int_equal(k.tick.lost, 0);
}

static void policy_changes(void **state)
{
	struct history h;

	(void)state;
	begin(&h, TICK_DESCHED);
	away_for(&h, 100 * MS);
	assert_int_equal(h.k.tick.backlog, 10);
	ticker_set_policy(&h.k, TICK_DISCARD);
	assert_int_equal(h.k.tick.backlog, 0);
	assert_int_equal(h.k.tick.lost, 10);
}

/* What the process gets that asks for ticks: one each time, the backlog and no more; and nobody
 * else gets any of it. */
static void one_for_each_asking(void **state)
{
	struct history h;
	uint64_t got = 0;

	(void)state;
	begin(&h, TICK_DESCHED);
	assert_false(ticker_ask(&h.k)); /* there is none */
	away_for(&h, 70 * MS);
	run_for(&h, 9 * MS);
	assert_int_equal(h.live, 0);
	while (ticker_ask(&h.k)) {
		assert_true(ticker_fire(&h.k));
		assert_false(ticker_fire(&h.k));
		got++;
	}
	assert_int_equal(got, 7);
	assert_int_equal(h.k.tick.backlog, 0);
	run_for(&h, 2 * MS);
	assert_int_equal(h.live, 1); /* the time in VMDesched was none here */
}

/* One tick that was asked for and could not be delivered is not delivered to somebody else
 * later. */
static void asking_is_for_now(void **state)
{
	struct history h;

	(void)state;
	begin(&h, TICK_DESCHED);
	away_for(&h, 50 * MS);
	assert_true(ticker_ask(&h.k));
	h.mono += MS;
	h.cpu += MS;
	ticker_reading(&h.k, h.mono, h.cpu);
	assert_false(ticker_fire(&h.k));
	assert_int_equal(h.k.tick.backlog, 5);
}

/* Its time is no time of the others: it goes to the backlog. One that asked and never came back, as
 * when it was killed, is forgotten after a period. */
static void who_asks_runs(void **state)
{
	struct history h;

	(void)state;
	begin(&h, TICK_DESCHED);
	away_for(&h, 50 * MS);
	assert_true(ticker_ask(&h.k));
	fire(&h);
	run_for(&h, 4 * MS);
	assert_int_equal(h.k.vmdesched_ns, 4 * MS);
	for (int i = 0; i < 100; i++)
		run_for(&h, MS);
	assert_in_range(h.k.vmdesched_ns, 10 * MS, 12 * MS);
	assert_in_range(h.live, 1 + 9, 1 + 9);
	assert_false(h.k.asking);
}

static void only_desched_is_asked(void **state)
{
	struct history h;

	(void)state;
	begin(&h, TICK_DELAY);
	away_for(&h, 50 * MS);
	assert_false(ticker_ask(&h.k));
	assert_false(ticker_fire(&h.k));
}

/* A catch-up is timed from when the backlog was largest, though VMDesched's own time adds to it. */
static void time_of_a_catchup(void **state)
{
	uint64_t largest;
	struct history h;

	(void)state;
	begin(&h, TICK_DESCHED);
	away_for(&h, 1000 * MS);
	largest = h.mono;
	run_for(&h, 5 * MS);
	h.k.vmdesched = true;
	while (h.k.tick.backlog) {
		h.mono += MS / 5;
		h.cpu += MS / 5;
		ticker_reading(&h.k, h.mono, h.cpu);
		assert_true(ticker_fire(&h.k));
	}
	assert_int_equal(h.k.worst_most, 100);
	assert_int_equal(h.k.worst_ns, h.mono - largest);
	assert_true(h.mono - largest >= 25 * MS); /* 100 ticks of 0.2 ms */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(gap_of_five),
		cmocka_unit_test(minute_is_given_up),
		cmocka_unit_test(any_history),
		cmocka_unit_test(other_policies),
		cmocka_unit_test(not_taken),
		cmocka_unit_test(readings_that_disagree),
		cmocka_unit_test(policy_changes),
		cmocka_unit_test(one_for_each_asking),
		cmocka_unit_test(asking_is_for_now),
		cmocka_unit_test(who_asks_runs),
		cmocka_unit_test(only_desched_is_asked),
		cmocka_unit_test(time_of_a_catchup),
	};

	return cmocka_run_group_tests_name("ticker", tests, NULL, NULL);
}
