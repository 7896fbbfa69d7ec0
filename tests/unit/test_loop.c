/* SPDX-License-Identifier: MIT */
/* service/loop.h: nobody is served twice before everybody once, signals come whatever else does. */
#include "service/loop.h"

#include "base/clock.h"
#include "base/units.h"

#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#define WATCHES 40 /* more than there are places at first */

struct fixture {
	struct loop *loop;
	int ends[WATCHES][2];
	struct loop_watch watches[WATCHES];
	int calls[WATCHES];
	int remove; /* the first watch that is called removes this one; -1: none */
};

static struct fixture f;

static void on_ready(short events, void *data)
{
	struct loop_watch *w = data;
	size_t i = (size_t)(w - f.watches);

	assert_true(events & POLLIN);
	f.calls[i]++;
	if (f.remove >= 0) {
		loop_unwatch(f.loop, &f.watches[f.remove]);
		f.remove = -1;
	}
}

static void open_all(void)
{
	f = (struct fixture){.remove = -1};
	assert_int_equal(loop_new(&f.loop), 0);
	for (int i = 0; i < WATCHES; i++) {
		assert_int_equal(pipe(f.ends[i]), 0);
		f.watches[i] = (struct loop_watch){.fd = f.ends[i][0],
						   .events = POLLIN,
						   .ready = on_ready,
						   .data = &f.watches[i]};
		assert_int_equal(loop_watch(f.loop, &f.watches[i]), 0);
		assert_int_equal(write(f.ends[i][1], "x", 1), 1);
	}
}

static void close_all(void)
{
	f.loop = loop_free(f.loop);
	for (int i = 0; i < WATCHES; i++) {
		close(f.ends[i][0]);
		close(f.ends[i][1]);
	}
}

static void each_descriptor_has_one_call_a_turn(void **state)
{
	(void)state;
	open_all();
	for (int turn = 1; turn <= 3; turn++) {
		assert_int_equal(loop_turn(f.loop, 0), 0);
		for (int i = 0; i < WATCHES; i++)
			assert_int_equal(f.calls[i], turn);
	}
	f.watches[7].events = 0;
	assert_int_equal(loop_turn(f.loop, 0), 0);
	assert_int_equal(f.calls[7], 3);
	assert_int_equal(f.calls[8], 4);
	close_all();
}

static void a_watch_that_is_removed_is_not_called(void **state)
{
	(void)state;
	open_all();
	f.remove = WATCHES - 1;
	for (int turn = 0; turn < 3; turn++)
		assert_int_equal(loop_turn(f.loop, 0), 0);
	assert_int_equal(f.calls[WATCHES - 1], 0);
	assert_int_equal(f.calls[WATCHES - 2], 3);
	f.remove = 0; /* itself */
	assert_int_equal(loop_turn(f.loop, 0), 0);
	assert_int_equal(loop_turn(f.loop, 0), 0);
	assert_int_equal(f.calls[0], 4);
	assert_int_equal(f.calls[1], 5);
	close_all();
}

struct count {
	struct loop *loop;
	struct loop_timer timer, other;
	int fired;
	bool again, removes;
};

static void on_timer(uint64_t now, void *data)
{
	struct count *c = data;

	c->fired++;
	if (c->again)
		c->timer.due = now;
	if (c->removes)
		loop_timer_remove(c->loop, &c->other);
}

static void a_timer_fires_once_a_turn_and_not_before_its_time(void **state)
{
	struct count soon = {.again = true}, later = {0};
	uint64_t start = clock_mono();

	(void)state;
	assert_int_equal(loop_new(&soon.loop), 0);
	soon.timer = (struct loop_timer){.due = 0, .fire = on_timer, .data = &soon};
	later.timer = (struct loop_timer){
		.due = start + 50 * NS_PER_MS, .fire = on_timer, .data = &later};
	loop_timer_add(soon.loop, &soon.timer);
	loop_timer_add(soon.loop, &later.timer);
	for (int turn = 1; turn <= 5; turn++) {
		assert_int_equal(loop_turn(soon.loop, LOOP_NEVER), 0);
		assert_int_equal(soon.fired, turn);
	}
	loop_timer_remove(soon.loop, &soon.timer);
	while (!later.fired)
		assert_int_equal(loop_turn(soon.loop, NS_PER_SEC), 0);
	assert_true(clock_mono() - start >= 50 * NS_PER_MS);
	assert_int_equal(loop_turn(soon.loop, 0), 0);
	assert_int_equal(later.fired, 1);
	loop_free(soon.loop);
}

static void a_timer_that_is_removed_by_another_does_not_fire(void **state)
{
	struct count first = {.removes = true}, second = {0};

	(void)state;
	assert_int_equal(loop_new(&first.loop), 0);
	first.timer = (struct loop_timer){.fire = on_timer, .data = &first};
	first.other = (struct loop_timer){.fire = on_timer, .data = &second};
	loop_timer_add(first.loop, &first.other);
	loop_timer_add(first.loop, &first.timer); /* in front of it */
	assert_int_equal(loop_turn(first.loop, 0), 0);
	assert_int_equal(first.fired, 1);
	assert_int_equal(second.fired, 0);
	loop_free(first.loop);
}

static void missed_rounds_are_left_out(void **state)
{
	const uint64_t interval = 50 * NS_PER_MS;
	const struct timespec pause = {.tv_nsec = (long)(4 * interval)};
	struct count c = {0};
	uint64_t first, began, last = 0;

	(void)state;
	assert_int_equal(loop_new(&c.loop), 0);
	first = clock_mono() - interval / 2;
	c.timer = (struct loop_timer){
		.due = first, .interval = interval, .fire = on_timer, .data = &c};
	loop_timer_add(c.loop, &c.timer);
	assert_int_equal(loop_turn(c.loop, 0), 0);
	assert_int_equal(c.fired, 1);
	assert_true(c.timer.due == first + interval || c.timer.due > first + 2 * interval);
	nanosleep(&pause, NULL);
	began = clock_mono();
	for (int turn = 0; turn < 3; turn++) {
		last = clock_mono();
		c.fired += loop_turn(c.loop, 0);
	}
	/* Not the four or more that were missed; what fell due between the turns is not missed. */
	assert_in_range(c.fired, 2, 3 + (clock_mono() - began) / interval);
	assert_true(c.timer.due > last - interval);
	loop_free(c.loop);
}

static void stop(int number, void *data)
{
	assert_int_equal(number, SIGTERM);
	loop_stop(*(struct loop **)data);
}

/* poll(2) that finds something at once never lets a signal in that is blocked outside of it. */
static void a_signal_comes_through_a_flood_of_events(void **state)
{
	static const int ends[] = {SIGTERM};

	(void)state;
	open_all();
	assert_int_equal(loop_signals(f.loop, ends, 1, stop, &f.loop), 0);
	assert_int_equal(kill(getpid(), SIGTERM), 0);
	alarm(20);
	assert_int_equal(loop_run(f.loop), 0);
	alarm(0);
	for (int i = 0; i < WATCHES; i++)
		assert_true(f.calls[i] <= 1);
	/* The second one finds a program that is ending already, and so does the third. */
	assert_int_equal(kill(getpid(), SIGTERM), 0);
	close_all();
	assert_int_equal(kill(getpid(), SIGTERM), 0);
}

static void signals_that_did_not_come_are_unblocked(void **state)
{
	static const int ends[] = {SIGUSR1};
	sigset_t now;

	(void)state;
	open_all();
	assert_int_equal(loop_signals(f.loop, ends, 1, stop, &f.loop), 0);
	close_all();
	assert_int_equal(sigprocmask(SIG_BLOCK, NULL, &now), 0);
	assert_false(sigismember(&now, SIGUSR1));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_descriptor_has_one_call_a_turn),
		cmocka_unit_test(a_watch_that_is_removed_is_not_called),
		cmocka_unit_test(a_timer_fires_once_a_turn_and_not_before_its_time),
		cmocka_unit_test(a_timer_that_is_removed_by_another_does_not_fire),
		cmocka_unit_test(missed_rounds_are_left_out),
		cmocka_unit_test(a_signal_comes_through_a_flood_of_events),
		cmocka_unit_test(signals_that_did_not_come_are_unblocked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
