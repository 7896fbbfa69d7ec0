/* SPDX-License-Identifier: MIT */
/*
 * vmdesched/clock_policy.h against a simulated guest whose clock stands still in pauses, is caught up
 * by its hypervisor or not, and drifts. The rule that is never broken: the clock is not turned back
 * and not driven past the host's.
 */
#include "base/units.h"
#include "vmdesched/clock_policy.h"

#include "random.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#define SECOND ((int64_t)NS_PER_SEC)
#define ERROR  (20 * NS_PER_US)

/* A guest, a second at a time. */
struct guest {
	struct clock_policy policy;
	uint64_t mono;	/* ns */
	int64_t offset; /* ns, host less guest */
	int64_t owed;	/* ns that the hypervisor will still deliver */
	int64_t drift;	/* ns a second */
	bool chrony, disciplined;
	int steps, slews, feeds;
	int64_t seen; /* ns, the offset that was decided about */
	int64_t set;  /* ns, by us, in all */
};

static enum clock_action second(struct guest *g)
{
	int64_t delivered = g->owed < SECOND / 2 ? g->owed : SECOND / 2; /* half as fast again */
	enum clock_action action;

	g->mono += NS_PER_SEC;
	g->owed -= delivered;
	g->offset += g->drift - delivered;
	g->seen = g->offset;
	action = clock_decide(&g->policy,
			      &(struct clock_observation){.mono = g->mono,
							  .offset = g->offset,
							  .error = ERROR,
							  .chrony = g->chrony,
							  .disciplined = g->disciplined});
	g->feeds += action == CLOCK_DO_FEED;
	if (action == CLOCK_DO_STEP) {
		g->steps++;
		g->set += g->offset;
		g->offset = 0;
	} else if (action == CLOCK_DO_SLEW) {
		int64_t by = g->offset > 500000	   ? 500000
			     : g->offset < -500000 ? -500000
						   : g->offset;

		g->slews++;
		g->set += by;
		g->offset -= by;
	}
	return action;
}

static void seconds(struct guest *g, int n)
{
	while (n--)
		second(g);
}

/* The VM does not run for `ns`; its hypervisor will deliver `owed` of that. */
static void pause_guest(struct guest *g, int64_t ns, int64_t owed)
{
	g->offset += ns;
	g->owed += owed;
}

static struct guest begin(enum clock_mode mode)
{
	struct guest g = {.policy.mode = mode, .mono = NS_PER_SEC, .drift = 5000};

	seconds(&g, 10);
	g.slews = 0;
	return g;
}

static void watching_never_touches(void **state)
{
	struct guest g = begin(CLOCK_WATCH);

	(void)state;
	g.chrony = true;
	pause_guest(&g, 61 * SECOND, 0);
	seconds(&g, 100);
	assert_int_equal(g.steps + g.slews + g.feeds, 0);
	assert_int_equal(g.policy.jumps, 1);
	assert_int_equal(g.policy.jump_ns / NS_PER_SEC, 61);
}

static void a_long_pause_is_one_step(void **state)
{
	struct guest g = begin(CLOCK_SET);

	(void)state;
	pause_guest(&g, 61 * SECOND, 0);
	seconds(&g, CLOCK_QUIET);
	assert_int_equal(g.steps, 0); /* it may be about to be caught up */
	second(&g);
	assert_int_equal(g.steps, 1);
	seconds(&g, 60);
	assert_int_equal(g.steps, 1);
	assert_true(llabs(g.offset) < 100000);
	assert_int_equal(g.policy.jumps, 1); /* our own step is none */
}

static void a_second_step_waits(void **state)
{
	struct guest g = begin(CLOCK_SET);

	(void)state;
	pause_guest(&g, 61 * SECOND, 0);
	seconds(&g, 20);
	pause_guest(&g, 3 * SECOND, 0);
	seconds(&g, 20);
	assert_int_equal(g.steps, 1);
	assert_true(g.slews > 0);
	seconds(&g, 400);
	assert_int_equal(g.steps, 2); /* five minutes later it is another story */
}

static void short_pauses_are_slewed(void **state)
{
	struct guest g = begin(CLOCK_SET);

	(void)state;
	pause_guest(&g, SECOND / 20, 0);
	seconds(&g, 150);
	assert_int_equal(g.steps, 0);
	assert_true(llabs(g.offset) < 100000);
}

/* While the hypervisor delivers what it owes, nobody is told anything and nothing is set. */
static void catching_up_is_left_alone(void **state)
{
	static const enum clock_mode modes[] = {CLOCK_FEED, CLOCK_SET};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(modes); i++) {
		struct guest g = begin(modes[i]);

		g.chrony = modes[i] == CLOCK_FEED;
		pause_guest(&g, 61 * SECOND, 61 * SECOND);
		g.feeds = 0;
		for (int s = 0; s < 122; s++) {
			assert_int_equal(second(&g), CLOCK_DO_NOTHING);
			assert_true(g.policy.catching_up || s == 0);
		}
		seconds(&g, 20);
		assert_int_equal(g.steps, 0);
		assert_true(llabs(g.offset) < SECOND);
		assert_true(modes[i] == CLOCK_SET || g.feeds > 10);
	}
}

static void a_guest_that_is_ahead_is_never_turned_back(void **state)
{
	struct guest g = begin(CLOCK_SET);

	(void)state;
	pause_guest(&g, -5 * SECOND, 0);
	for (int i = 0; i < 600; i++)
		assert_int_not_equal(second(&g), CLOCK_DO_STEP);
	assert_true(g.offset > -5 * SECOND); /* slewed */
}

static void others_are_left_to_their_work(void **state)
{
	struct guest g = begin(CLOCK_SET);

	(void)state;
	g.disciplined = true;
	pause_guest(&g, 61 * SECOND, 0);
	seconds(&g, 60);
	assert_int_equal(g.steps + g.slews, 0);
	g.chrony = true;
	seconds(&g, 10);
	assert_int_equal(g.feeds, 10);
	assert_int_equal(g.steps + g.slews, 0);
}

/* Any story: what we do is towards the host and never past it. */
static void no_story_drives_the_clock_past_the_hosts(void **state)
{
	struct random dice = {.state = 6};

	(void)state;
	for (int story = 0; story < 500; story++) {
		struct guest g = begin(CLOCK_SET);

		g.drift = (int64_t)random_below(&dice, 100000) - 50000;
		for (int s = 0; s < 600; s++) {
			int64_t set = g.set, pause;

			if (random_below(&dice, 60) == 0) {
				pause = (int64_t)random_below(&dice, 100) * SECOND / 10;
				pause_guest(&g, pause, random_below(&dice, 2) ? pause : 0);
			}
			second(&g);
			if (g.set == set)
				continue;
			/* What is still owed comes by itself: setting the clock now would end past
			 * the host's. */
			if (g.owed)
				fail_msg("set by %lld ns while %lld are owed",
					 (long long)(g.set - set), (long long)g.owed);
			assert_true((g.set > set) == (g.seen > 0));
			assert_true(g.offset == 0 || (g.offset > 0) == (g.seen > 0));
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(watching_never_touches),
		cmocka_unit_test(a_long_pause_is_one_step),
		cmocka_unit_test(a_second_step_waits),
		cmocka_unit_test(short_pauses_are_slewed),
		cmocka_unit_test(catching_up_is_left_alone),
		cmocka_unit_test(a_guest_that_is_ahead_is_never_turned_back),
		cmocka_unit_test(others_are_left_to_their_work),
		cmocka_unit_test(no_story_drives_the_clock_past_the_hosts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
