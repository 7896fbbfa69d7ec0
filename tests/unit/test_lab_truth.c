/* SPDX-License-Identifier: MIT */
/*
 * Where the lab's ground truth comes from: arithmetic. Expected figures are worked out by hand in
 * the comments beside them. What is made of the truth is in test_lab.c.
 */
#include "base/units.h"
#include "lab/truth.h"

#include "random.h"

#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void assert_near(double value, double expected, double within)
{
	if (!(fabs(value - expected) <= within))
		fail_msg("%.12g is not within %g of %.12g", value, within, expected);
}

static void work_is_run_without_the_others(void **state)
{
	(void)state;
	assert_int_equal(truth_work(5 * NS_PER_SEC, 200 * NS_PER_MS), 4800 * NS_PER_MS);
	assert_int_equal(truth_work(NS_PER_SEC, 0), NS_PER_SEC);
	assert_int_equal(truth_work(NS_PER_SEC, NS_PER_SEC + 1), 0);
}

static void others_used_the_lower_of_two_bounds(void **state)
{
	(void)state;
	const struct truth_window alone = {8 * NS_PER_SEC, 8 * NS_PER_SEC};
	const struct truth_window third = {20 * NS_PER_SEC, 5 * NS_PER_SEC};
	uint64_t spread;

	/* 80 ms in 8 s alone: at most 200 ms in 20 s, at least 50 ms in 5 s of run. */
	assert_int_equal(truth_others(500 * NS_PER_MS, third, 80 * NS_PER_MS, alone, &spread),
			 125 * NS_PER_MS);
	assert_int_equal(spread, 75 * NS_PER_MS);
	/* Billed less than that: at most 150 ms. */
	assert_int_equal(truth_others(150 * NS_PER_MS, third, 80 * NS_PER_MS, alone, &spread),
			 100 * NS_PER_MS);
	assert_int_equal(spread, 50 * NS_PER_MS);
	/* Less than the least: all of it, and that is certain. */
	assert_int_equal(truth_others(30 * NS_PER_MS, third, 80 * NS_PER_MS, alone, &spread),
			 30 * NS_PER_MS);
	assert_int_equal(spread, 0);
	/* No calibration: between nothing and what was billed. */
	assert_int_equal(
		truth_others(150 * NS_PER_MS, third, 0, (struct truth_window){0, 0}, &spread),
		75 * NS_PER_MS);
}

static void a_unit_costs_its_time(void **state)
{
	(void)state;
	assert_near(truth_unit_cost(4800 * NS_PER_MS, 1000), 4.8e6, 1e-6);
	assert_true(isnan(truth_unit_cost(0, 1000)));
	assert_true(isnan(truth_unit_cost(NS_PER_SEC, 0)));
}

static void steady_units_cost_the_same(void **state)
{
	struct truth_sample s[4] = {{6 * NS_PER_SEC, 100, true, 0},
				    {3 * NS_PER_SEC, 200, true, 0},
				    {NS_PER_SEC, 10, false, 0},
				    {NS_PER_SEC, 0, false, 0}};

	(void)state;
	truth_costs(s, 4);
	assert_near(s[0].unit_ns, 30e6, 1e-6); /* 9 s / 300 */
	assert_near(s[1].unit_ns, 30e6, 1e-6);
	assert_near(s[2].unit_ns, 100e6, 1e-6);
	assert_true(isnan(s[3].unit_ns));
}

static void truth_is_split_by_units_times_cost(void **state)
{
	struct truth_share s[3] = {{100, 2e6, 0}, {300, 1e6, 0}, {0, NAN, 7}};
	double scale;

	(void)state;
	/* Weights 200 ms and 300 ms; 1 s of work: 400 and 600 ms, twice what was calibrated. */
	assert_int_equal(truth_split(NS_PER_SEC, s, 3, &scale), 0);
	assert_int_equal(s[0].truth, 400 * NS_PER_MS);
	assert_int_equal(s[1].truth, 600 * NS_PER_MS);
	assert_int_equal(s[2].truth, 0);
	assert_near(scale, 2, 1e-12);
}

static void a_common_factor_of_the_costs_cancels(void **state)
{
	struct truth_share slow[2] = {{100, 2e6 * 1.37, 0}, {300, 1e6 * 1.37, 0}};
	double scale;

	(void)state;
	assert_int_equal(truth_split(NS_PER_SEC, slow, 2, &scale), 0);
	assert_near((double)slow[0].truth, 400e6, 1);
	assert_near((double)slow[1].truth, 600e6, 1);
}

static void no_truth_comes_from_no_work(void **state)
{
	struct truth_share none[1] = {{0, 1e6, 5}};
	struct truth_share costless[2] = {{10, 1e6, 5}, {10, 0, 5}};
	struct truth_share unknown[1] = {{10, NAN, 5}};
	double scale = 42;

	(void)state;
	assert_int_equal(truth_split(NS_PER_SEC, none, 1, &scale), -EDOM);
	assert_int_equal(truth_split(NS_PER_SEC, none, 0, &scale), -EDOM);
	assert_int_equal(truth_split(NS_PER_SEC, costless, 2, &scale), -EINVAL);
	assert_int_equal(truth_split(NS_PER_SEC, unknown, 1, &scale), -EINVAL);
	assert_int_equal(none[0].truth, 5);
	assert_near(scale, 42, 0);
}

/* Whatever the rounding does, the parts are the whole, and no part is off by more than it. */
static void the_parts_are_the_whole(void **state)
{
	struct random rng = {11};

	(void)state;
	for (int round = 0; round < 20000; round++) {
		struct truth_share s[8];
		int n = 1 + (int)random_below(&rng, 8);
		uint64_t work = random_below(&rng, round % 2 ? 100 : 100 * NS_PER_SEC), sum = 0;
		long double weights = 0;
		double scale;

		for (int i = 0; i < n; i++) {
			s[i].units = 1 + random_below(&rng, 1000000);
			s[i].unit_ns = 1 + (double)random_below(&rng, 1000000) / 7;
			weights += (long double)s[i].units * s[i].unit_ns;
		}
		assert_int_equal(truth_split(work, s, n, &scale), 0);
		for (int i = 0; i < n; i++) {
			long double exact = work * ((long double)s[i].units * s[i].unit_ns) /
					    weights;

			assert_near((double)s[i].truth, (double)exact, n + 1e-4);
			sum += s[i].truth;
		}
		assert_int_equal(sum, work);
	}
}

static void errors_are_fractions_of_the_truth(void **state)
{
	(void)state;
	assert_near(truth_error(3e9, NS_PER_SEC), 2, 1e-12);
	assert_near(truth_error(0.97e9, NS_PER_SEC), -0.03, 1e-12);
	assert_true(isnan(truth_error(1, 0)));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(work_is_run_without_the_others),
		cmocka_unit_test(others_used_the_lower_of_two_bounds),
		cmocka_unit_test(a_unit_costs_its_time),
		cmocka_unit_test(steady_units_cost_the_same),
		cmocka_unit_test(truth_is_split_by_units_times_cost),
		cmocka_unit_test(a_common_factor_of_the_costs_cancels),
		cmocka_unit_test(no_truth_comes_from_no_work),
		cmocka_unit_test(the_parts_are_the_whole),
		cmocka_unit_test(errors_are_fractions_of_the_truth),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
