/* SPDX-License-Identifier: MIT */
/* view/kept.h: snapshots of agents that live, are started anew and lie; processes that come, go
 * and leave their number to others. */
#include "view/kept.h"

#include "base/units.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define MS    NS_PER_MS
#define BEGIN (1000 * NS_PER_SEC) /* the machine's clock when the agent was started */

static int setup(void **state)
{
	*state = kept_new();
	return *state ? 0 : -1;
}

static int teardown(void **state)
{
	kept_free(*state);
	return 0;
}

static int take(struct kept *f, json_t *o, pid_t holder, uint64_t now)
{
	struct snapshot s;
	int err = snapshot_decode(o, NULL, &s);

	json_decref(o);
	if (err)
		return err;
	err = kept_update(f, &s, holder, now);
	snapshot_done(&s);
	return err;
}

/* A snapshot `elapsed` s after its agent's start; `processes` is JSON. */
static int update_at(struct kept *f, double elapsed, double vmdesched, const char *processes,
		     uint64_t now)
{
	json_t *list = json_loads(processes, 0, NULL);
	json_t *o = json_pack("{s:s, s:f, s:{s:f}, s:[{s:f, s:f, s:f}], s:o}", "schema",
			      "desched-agent/1", "elapsed_s", elapsed, "totals", "vmdesched_s",
			      vmdesched, "cpus", "busy_s", elapsed, "idle_s", 0.0, "descheduled_s",
			      vmdesched, "processes", list);

	assert_non_null(o);
	return take(f, o, 99, now);
}

static void update(struct kept *f, double elapsed, double vmdesched, const char *processes)
{
	uint64_t now = BEGIN + (uint64_t)(elapsed * 1e9);

	assert_int_equal(update_at(f, elapsed, vmdesched, processes, now), 0);
}

static struct task_figures of(struct kept *f, pid_t pid, pid_t tid)
{
	struct task_figures figures;
	struct task_shown *shown;

	assert_int_equal(kept_task(f, pid, tid, BEGIN, &figures, &shown), 0);
	return figures;
}

/* Seconds in a text are good to a microsecond or so. */
static void is_about(uint64_t value, uint64_t expected)
{
	assert_in_range(value, expected - u64_min(expected, 2000), expected + 2000);
}

static void what_a_process_did_not_have(void **state)
{
	struct kept *f = *state;

	update(f, 10, 3,
	       "[{\"pid\":7,\"reported_s\":5.5,\"true_s\":2.5,"
	       "\"children\":{\"reported_s\":1,\"true_s\":0.25}}]");
	is_about(of(f, 7, 0).excess, 3000 * MS);
	is_about(of(f, 7, 0).children_excess, 750 * MS);
	is_about(of(f, 7, 7).excess, 3000 * MS); /* its only thread */
	is_about(of(f, 7, 0).truth, 2500 * MS);
	is_about(of(f, 7, 7).truth, 2500 * MS);
	is_about(of(f, 7, 0).since, BEGIN);
	assert_true(of(f, 7, 0).live);
	assert_false(of(f, 8, 0).live);
	assert_int_equal(of(f, 7, 0).more, 0);
	assert_int_equal(of(f, 8, 0).excess, 0); /* nobody spoke of it */
}

static void the_holder_shows_it_all(void **state)
{
	struct kept *f = *state;

	update(f, 10, 3, "[{\"pid\":99,\"reported_s\":1,\"true_s\":1}]");
	is_about(of(f, 99, 0).more, 3000 * MS);
	is_about(of(f, 99, 99).more, 3000 * MS);
	is_about(of(f, 99, 0).truth, 4000 * MS);
	assert_true(of(f, 99, 0).live);
	assert_int_equal(of(f, 99, 100).more, 0);
	assert_int_equal(of(f, 98, 0).more, 0);
}

static void threads_have_their_own(void **state)
{
	struct kept *f = *state;

	update(f, 10, 3,
	       "[{\"pid\":7,\"reported_s\":5,\"true_s\":2,\"threads\":["
	       "{\"tid\":7,\"reported_s\":1,\"true_s\":1},"
	       "{\"tid\":8,\"reported_s\":4,\"true_s\":1}]}]");
	is_about(of(f, 7, 0).excess, 3000 * MS);
	is_about(of(f, 7, 7).excess, 0);
	is_about(of(f, 7, 8).excess, 3000 * MS);
	is_about(of(f, 8, 0).excess, 3000 * MS); /* /proc/8 is the process of thread 8 */
	/* Thread 8 has ended; what is new is the first one's. */
	update(f, 11, 3, "[{\"pid\":7,\"reported_s\":5.5,\"true_s\":2.25}]");
	is_about(of(f, 7, 0).excess, 3250 * MS);
	is_about(of(f, 7, 7).excess, 250 * MS);
	is_about(of(f, 7, 7).truth, 1250 * MS);
	assert_true(of(f, 7, 7).live);
	assert_false(of(f, 7, 8).live);
}

static void an_agent_that_is_started_anew(void **state)
{
	struct kept *f = *state;
	uint64_t epoch, old;

	update(f, 100, 3, "[{\"pid\":7,\"reported_s\":5,\"true_s\":2}]");
	epoch = kept_system(f)->epoch;
	old = of(f, 7, 0).epoch;
	/* 10 s later there is one that is 4 s old. */
	assert_int_equal(update_at(f, 4, 1, "[{\"pid\":7,\"reported_s\":2,\"true_s\":1.5}]",
				   BEGIN + 110 * NS_PER_SEC),
			 0);
	is_about(of(f, 7, 0).excess, 3500 * MS);
	is_about(of(f, 7, 7).excess, 3500 * MS);
	is_about(of(f, 7, 0).truth, 1500 * MS);
	is_about(of(f, 7, 7).truth, 1500 * MS);
	assert_int_not_equal(of(f, 7, 0).epoch, old);
	is_about(of(f, 99, 0).more, 4000 * MS);
	assert_int_not_equal(kept_system(f)->epoch, epoch);
	is_about(kept_system(f)->cpu[0].ended_away, 3000 * MS);
	epoch = kept_system(f)->epoch;
	assert_int_equal(update_at(f, 6, 1.5, "[{\"pid\":7,\"reported_s\":3,\"true_s\":2}]",
				   BEGIN + 112 * NS_PER_SEC),
			 0);
	is_about(of(f, 7, 0).excess, 4000 * MS);
	is_about(of(f, 99, 0).more, 4500 * MS);
	assert_int_equal(kept_system(f)->epoch, epoch);
}

/* Even one that has been up for longer than the first one was when we last asked it. */
static void an_agent_anew_after_a_long_pause(void **state)
{
	struct kept *f = *state;

	update(f, 10, 3, "[{\"pid\":7,\"reported_s\":5,\"true_s\":2}]");
	assert_int_equal(update_at(f, 3590, 5, "[{\"pid\":7,\"reported_s\":50,\"true_s\":46}]",
				   BEGIN + 3610 * NS_PER_SEC),
			 0);
	is_about(of(f, 7, 0).excess, 7000 * MS);
	is_about(of(f, 99, 0).more, 8000 * MS);
}

static void a_number_is_used_again(void **state)
{
	struct kept *f = *state;

	update(f, 10, 3, "[{\"pid\":7,\"id\":1,\"reported_s\":5,\"true_s\":2}]");
	/* By its id, though it has more than the first one had. */
	update(f, 20, 13, "[{\"pid\":7,\"id\":2,\"reported_s\":9,\"true_s\":2}]");
	is_about(of(f, 7, 0).excess, 7000 * MS);
	is_about(of(f, 7, 7).excess, 7000 * MS);
	/* The same one, whose figures go back: they are not believed. */
	update(f, 25, 13, "[{\"pid\":7,\"id\":2,\"reported_s\":9,\"true_s\":8}]");
	is_about(of(f, 7, 0).excess, 7000 * MS);
	/* Of an agent that gives no ids: by figures that go back. */
	update(f, 30, 13, "[{\"pid\":7,\"reported_s\":1,\"true_s\":0.5}]");
	is_about(of(f, 7, 0).excess, 500 * MS);
}

static void a_kernel_that_subtracts(void **state)
{
	struct kept *f = *state;

	update(f, 10, 3, "[{\"pid\":7,\"reported_s\":2,\"true_s\":2,\"descheduled_s\":3}]");
	assert_int_equal(of(f, 7, 0).excess, 0);
	is_about(of(f, 99, 0).more, 3000 * MS);
}

static void the_time_of_a_cpu(void **state)
{
	struct kept *f = *state;
	const struct system_figures *s = kept_system(f);
	json_t *o = json_loads(
		"{\"schema\":\"desched-agent/1\",\"elapsed_s\":10,\"totals\":{},\"processes\":[],"
		"\"cpus\":["
		"{\"busy_s\":6,\"idle_s\":4,\"descheduled_s\":2,\"wait_s\":1,"
		"\"idle_descheduled_s\":0.5,\"idle_wait_s\":0.25},"
		"{\"busy_s\":1,\"idle_s\":9}]}",
		0, NULL);

	assert_int_equal(take(f, o, 0, BEGIN), 0);
	assert_int_equal(s->n_cpus, 2);
	is_about(s->cpu[0].busy, 3000 * MS);
	is_about(s->cpu[0].idle, 3250 * MS);
	is_about(s->cpu[0].away, 3750 * MS);
	is_about(s->cpu[0].busy_away, 3000 * MS);
	is_about(s->all.busy + s->all.idle + s->all.away, 20000 * MS);
	assert_true(s->live);
	kept_stale(f);
	assert_false(s->live);
}

/* Figures that nobody can have, in a snapshot that is one: the kernel's own stand. */
static void what_makes_no_sense(void **state)
{
	struct kept *f = *state;

	update(f, 10, 3, "[{\"pid\":7,\"reported_s\":5,\"true_s\":2}]");
	update(f, 10, 3,
	       "[{\"pid\":-1}, {\"pid\":0,\"reported_s\":5}, {\"reported_s\":5},"
	       "{\"pid\":9,\"reported_s\":1,\"true_s\":4e9},"
	       "{\"pid\":10,\"reported_s\":1,\"true_s\":2,\"threads\":[{},{\"tid\":0}]}]");
	is_about(of(f, 7, 0).excess, 3000 * MS);
	assert_int_equal(of(f, 9, 0).excess, 0);
	assert_int_equal(of(f, 10, 0).excess, 0);
}

static void more_cpus_than_a_view_has(void **state)
{
	struct snapshot s;

	snapshot_init(&s);
	s.n_cpus = VIEW_CPUS_MAX + 1;
	assert_int_equal(kept_update(*state, &s, 0, BEGIN), -E2BIG);
	assert_int_equal(kept_system(*state)->n_cpus, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(what_a_process_did_not_have, setup, teardown),
		cmocka_unit_test_setup_teardown(the_holder_shows_it_all, setup, teardown),
		cmocka_unit_test_setup_teardown(threads_have_their_own, setup, teardown),
		cmocka_unit_test_setup_teardown(an_agent_that_is_started_anew, setup, teardown),
		cmocka_unit_test_setup_teardown(an_agent_anew_after_a_long_pause, setup, teardown),
		cmocka_unit_test_setup_teardown(a_number_is_used_again, setup, teardown),
		cmocka_unit_test_setup_teardown(a_kernel_that_subtracts, setup, teardown),
		cmocka_unit_test_setup_teardown(the_time_of_a_cpu, setup, teardown),
		cmocka_unit_test_setup_teardown(what_makes_no_sense, setup, teardown),
		cmocka_unit_test_setup_teardown(more_cpus_than_a_view_has, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
