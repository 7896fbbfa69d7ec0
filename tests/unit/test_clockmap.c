/* SPDX-License-Identifier: MIT */
/*
 * guest/clockmap.h and guest/lateness.h, the two estimators of the guest, against worlds with known
 * answers: two machines with clocks of their own and a vCPU that is descheduled between stamp and
 * reading; a CPU that is away for a known share of the time.
 */
#include "base/units.h"
#include "guest/clockmap.h"
#include "guest/lateness.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "chance.h"

/* The world: counter at 2.1 GHz, the guest's counter behind by 7e12 ticks, the host's clock 30 ppm
 * fast, the guest's 20 ppm slow, different epochs. Time t is in true ns. */
#define TICKS_PER_NS 2.1
#define TICKS_BEHIND 7000000000000.0

static uint64_t host_ticks(double t)
{
	return (uint64_t)(1e13 + t * TICKS_PER_NS);
}

static uint64_t host_mono(double t)
{
	return (uint64_t)(5e12 + t * (1 + 30e-6));
}

static uint64_t guest_ticks(double t)
{
	return (uint64_t)(1e13 - TICKS_BEHIND + t * TICKS_PER_NS);
}

static uint64_t guest_mono(double t)
{
	return (uint64_t)(9e9 + t * (1 - 20e-6));
}

static void look(struct clockmap *m, double stamp_time, double delay)
{
	struct page_clock stamp = {.ticks = host_ticks(stamp_time), .mono = host_mono(stamp_time)};
	struct clock_pair pair = {.ticks = guest_ticks(stamp_time + delay),
				  .mono = guest_mono(stamp_time + delay)};

	struct clock_pair before = {.ticks = guest_ticks(stamp_time - 20e6),
				    .mono = guest_mono(stamp_time - 20e6)};

	clockmap_guest(m, &pair);
	clockmap_stamp(m, &stamp, &before, &pair);
	clockmap_settle(m);
}

/* Most readings are milliseconds late; a few are tight. The map is as good as the tightest. */
static void the_tightest_reading_wins(void **state)
{
	struct clockmap m;
	double t = 0;

	(void)state;
	random_state = 1;
	clockmap_init(&m);
	assert_false(clockmap_ready(&m));
	for (int i = 0; i < 400; i++) {
		t += 5e6;
		look(&m, t, i % 20 == 3 ? 300 : exponential(2e6) + 300);
	}
	assert_true(clockmap_ready(&m));
	assert_true(clockmap_same_rate(&m));
	for (double when = t - 1e8; when < t; when += 1e6) {
		double error = (double)clockmap_to_guest(&m, host_mono(when)) -
			       (double)guest_mono(when);

		/* A reading that is 300 ns late puts everything 300 ns late; half a microsecond
		 * more for the rates over 100 ms. */
		assert_true(error > 200 && error < 800);
	}
}

static void the_same_stamp_twice_is_one_sample(void **state)
{
	struct clockmap m;

	(void)state;
	clockmap_init(&m);
	look(&m, 1e6, 500);
	look(&m, 1e6, 900);
	assert_int_equal(m.samples, 1);
}

static void another_rate_is_refused(void **state)
{
	struct clockmap m;

	(void)state;
	clockmap_init(&m);
	for (double t = 1e6; t < 1e9; t += 1e7) {
		struct page_clock stamp = {.ticks = host_ticks(t), .mono = host_mono(t)};
		struct clock_pair pair = {.ticks = (uint64_t)(t * 1.05), .mono = guest_mono(t)};

		clockmap_guest(&m, &pair);
		clockmap_stamp(&m, &stamp, &pair, &pair);
		clockmap_settle(&m);
	}
	assert_true(clockmap_ready(&m));
	assert_false(clockmap_same_rate(&m));
}

static const struct lateness_bias no_bias;

/*
 * A CPU that runs for `run` ns and is away for `away` ns, both exponential; sampled at random
 * instants, every timer costing a baseline of 40 to 80 us. Returns the share of time away.
 */
static double sample_cpu(struct lateness *l, double run, double away, int samples)
{
	double edge = 0, due = 0, total_away = 0;
	double away_from = exponential(run), away_to = away_from + exponential(away);

	for (int i = 0; i < samples; i++) {
		due += exponential(10e6);
		while (due >= away_to) {
			total_away += away_to - away_from;
			edge = away_to;
			away_from = edge + exponential(run);
			away_to = away_from + exponential(away);
		}
		lateness_add(l, (uint64_t)((due > away_from ? away_to - due : 0) + 40e3 +
					   40e3 * uniform()));
	}
	return total_away / edge;
}

static void check_share(double run, double away, double tolerance)
{
	struct lateness l = {0};
	struct lateness_estimate e;
	double truth = sample_cpu(&l, run, away, 20000);

	assert_true(lateness_estimate(&l, &no_bias, &e));
	if (fabs(e.share - truth) > tolerance * truth)
		fail_msg("away %.0f us of %.0f us: share %.4f, truth %.4f", away / 1e3,
			 (away + run) / 1e3, e.share, truth);
	assert_true(e.low <= e.share && e.share <= e.high);
}

/* Long absences, as under a host scheduler with slices of milliseconds: 20,000 samples leave a
 * standard error of about 1 %. */
static void share_of_long_absences(void **state)
{
	(void)state;
	random_state = 7;
	check_share(4e6, 4e6, 0.04);
	check_share(3e6, 6e6, 0.04);
	check_share(9e6, 3e6, 0.06);
}

/* Absences hardly longer than the threshold: the extrapolation is worth something. */
static void share_of_short_absences(void **state)
{
	(void)state;
	random_state = 9;
	check_share(0.5e6, 0.5e6, 0.12);
}

/* Timers that reach their guest through a thread which has to wait, with probability k, wherever
 * somebody else waits for the CPU: `siblings` that always want it, or one that does for a part of
 * the time. All get turns of the same length. */
static double sample_shared_cpu(struct lateness *l, double siblings, double k)
{
	double away = siblings < 1 ? siblings / 2 : siblings / (siblings + 1);
	double others_wait = siblings < 1 ? siblings / 2 : 1 / (siblings + 1);

	for (int i = 0; i < 20000; i++) {
		double now = uniform();
		bool late = now < away || (now < away + others_wait && uniform() < k);

		lateness_add(l, (uint64_t)(40e3 + 40e3 * uniform() +
					   (late ? 1e6 + exponential(3e6) : 0)));
	}
	return away;
}

static void timers_that_wait_though_their_cpu_runs(void **state)
{
	static const struct lateness_bias bias = {.low = 0.3, .k = 0.4, .high = 0.5};
	static const double siblings[] = {0.2, 0.6, 1, 2, 3};

	(void)state;
	random_state = 11;
	for (unsigned i = 0; i < sizeof(siblings) / sizeof(siblings[0]); i++) {
		struct lateness l = {0};
		struct lateness_estimate e;
		double truth = sample_shared_cpu(&l, siblings[i], bias.k);

		assert_true(lateness_estimate(&l, &bias, &e));
		if (fabs(e.share - truth) > 0.05 * truth)
			fail_msg("%.1f siblings: %.4f away, estimated %.4f", siblings[i], truth,
				 e.share);
		assert_in_range(truth * 1e6, e.low * 1e6, e.high * 1e6);
	}
}

/* What late samples stand for follows the competitors: half of one in the first half of the time,
 * four in the second. */
static void what_a_late_sample_stands_for_is_of_now(void **state)
{
	static const struct lateness_bias bias = {.low = 0.3, .k = 0.4, .high = 0.5};
	struct lateness recent = {0};
	struct lateness_estimate e;
	double charged = 0;

	(void)state;
	random_state = 13;
	for (int i = 0; i < 8000; i++) {
		double now = uniform(), away = i < 4000 ? 0.25 : 0.8;
		bool late = now < away || (now < away + fmin(away, 1 - away) && uniform() < bias.k);
		uint64_t ns = (uint64_t)(50e3 + (late ? 1e6 + exponential(3e6) : 20e3 * uniform()));

		lateness_add_recent(&recent, ns, 500);
		if (i >= 5000 && lateness_estimate(&recent, &bias, &e) && ns > e.threshold)
			charged += lateness_stands_for(&e);
	}
	assert_in_range(charged, 0.96 * 0.8 * 3000, 1.04 * 0.8 * 3000);
}

/* The only late sample, counted just when all counts are halved; and one later than any bucket. */
static void a_late_sample_of_which_no_count_is_left(void **state)
{
	static const uint64_t late[] = {5000000, 100000000000};

	(void)state;
	random_state = 17;
	for (size_t i = 0; i < 2; i++) {
		struct lateness recent = {0};
		struct lateness_estimate e;

		for (int k = 0; k < 499; k++)
			lateness_add_recent(&recent, (uint64_t)(40e3 + 40e3 * uniform()), 500);
		lateness_add_recent(&recent, late[i], 500);
		assert_true(lateness_estimate(&recent, &no_bias, &e));
		assert_true(late[i] > e.threshold);
		assert_true(lateness_stands_for(&e) == 0);
	}
}

static void nothing_away(void **state)
{
	struct lateness l = {0};
	struct lateness_estimate e;

	(void)state;
	random_state = 3;
	for (int i = 0; i < 99; i++)
		lateness_add(&l, 50000);
	assert_false(lateness_estimate(&l, &no_bias, &e));
	for (int i = 0; i < 5000; i++)
		lateness_add(&l, (uint64_t)(40e3 + 40e3 * uniform()));
	assert_true(lateness_estimate(&l, &no_bias, &e));
	assert_true(e.share < 0.001);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_tightest_reading_wins),
		cmocka_unit_test(the_same_stamp_twice_is_one_sample),
		cmocka_unit_test(another_rate_is_refused),
		cmocka_unit_test(share_of_long_absences),
		cmocka_unit_test(share_of_short_absences),
		cmocka_unit_test(timers_that_wait_though_their_cpu_runs),
		cmocka_unit_test(what_a_late_sample_stands_for_is_of_now),
		cmocka_unit_test(a_late_sample_of_which_no_count_is_left),
		cmocka_unit_test(nothing_away),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
