/* SPDX-License-Identifier: MIT */
/*
 * The timeline of a host as Perfetto's documentation of the JSON format wants it: an object with
 * `traceEvents`, complete events ("X") with name, pid, tid, ts and dur, metadata ("M"), markers
 * ("i"). What becomes of real threads is in the system suite (test_blame.c).
 */
#include "host/host_vm.h"
#include "host/trace.h"

#include <desched/ledger.h>
#include <jansson.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define START 1000000ull /* ns */

static struct host_vcpu vcpus[] = {{4001, 0}, {4002, 1}};
static char *text;
static size_t size;
static FILE *stream;
static struct trace *t;

static bool find(int id, struct trace_vm *ret, void *data)
{
	(void)data;
	*ret = (struct trace_vm){4000, "we\"b\n", 2, vcpus};
	return id == 0;
}

static struct host_run run_of(uint32_t cpu, uint64_t start, uint64_t end, const char *name)
{
	struct host_run run = {.start = START + start,
			       .end = START + end,
			       .cpu = cpu,
			       .vm = -1,
			       .vcpu = -1,
			       .tid = 77,
			       .pid = 70};

	strcpy(run.name, name);
	return run;
}

static void stay(uint64_t start, uint64_t end, uint32_t vcpu, uint32_t state)
{
	const struct host_stay s = {.start = START + start,
				    .end = START + end,
				    .vm = 0,
				    .vcpu = vcpu,
				    .state = state,
				    .cpu = 1};

	trace_fns.stay(&s, t);
}

static void waited(uint32_t cpu, uint64_t start, uint64_t end, bool over)
{
	const struct host_wait w = {
		.start = START + start, .end = START + end, .cpu = cpu, .vm = 0, .over = over};

	trace_fns.wait(&w, t);
}

static void begin_stream(void)
{
	const struct trace_setup setup = {.to = stream = open_memstream(&text, &size),
					  .start = START,
					  .real = 1700000000000000000ull,
					  .n_cpus = 2,
					  .vm = find};

	assert_non_null(stream);
	assert_int_equal(trace_new(&setup, &t), 0);
}

static json_t *finish(void)
{
	json_t *o;

	trace_finish(t, START + 1000000);
	fclose(stream);
	t = trace_free(t);
	o = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
	if (!o)
		fail_msg("no JSON: %s", text);
	free(text);
	return o;
}

/* The number-th event with this member. */
static json_t *event(json_t *o, const char *member, const char *value, int number)
{
	json_t *e;
	size_t i;

	json_array_foreach(json_object_get(o, "traceEvents"), i, e)
	{
		const char *is = json_string_value(json_object_get(e, member));

		if (is && !strcmp(is, value) && !number--)
			return e;
	}
	return NULL;
}

static void assert_slice(json_t *e, int pid, int tid, double ts, double dur)
{
	assert_non_null(e);
	assert_string_equal(json_string_value(json_object_get(e, "ph")), "X");
	assert_int_equal(json_integer_value(json_object_get(e, "pid")), pid);
	assert_int_equal(json_integer_value(json_object_get(e, "tid")), tid);
	assert_true(fabs(json_number_value(json_object_get(e, "ts")) - ts) < 1e-6);
	assert_true(fabs(json_number_value(json_object_get(e, "dur")) - dur) < 1e-6);
}

static json_t *argument(json_t *e, const char *name)
{
	return json_object_get(json_object_get(e, "args"), name);
}

static void empty_trace_is_whole(void **state)
{
	json_t *o;

	(void)state;
	begin_stream();
	o = finish();
	assert_non_null(event(o, "name", "process_name", 0));
	assert_non_null(event(o, "name", "thread_name", 1));
	assert_null(event(o, "ph", "X", 0));
	assert_string_equal(
		json_string_value(json_object_get(json_object_get(o, "otherData"), "format")),
		"desched-trace/1");
	json_decref(o);
}

/* One that began before the trace begins with it; interrupts are told; idle is no slice. */
static void runs_are_slices_of_cpus(void **state)
{
	struct host_run hog = run_of(1, 0, 2500, "hog"), vm = run_of(0, 10, 20, "CPU 0/KVM");
	struct host_run idle = run_of(1, 2500, 4000, "");
	json_t *o;

	(void)state;
	begin_stream();
	hog.start -= 500;
	hog.irq = 250;
	trace_fns.run(&hog, t);
	idle.tid = 0;
	trace_fns.run(&idle, t);
	vm.vm = 0;
	vm.vcpu = 0;
	vm.tid = 4001;
	vm.pid = 4000;
	trace_fns.run(&vm, t);
	o = finish();
	assert_slice(event(o, "name", "hog", 0), TRACE_HOST_PID, TRACE_HOST_PID + 2, 0, 2.5);
	assert_true(json_number_value(argument(event(o, "name", "hog", 0), "interrupts_us")) ==
		    0.25);
	assert_int_equal(json_integer_value(argument(event(o, "name", "hog", 0), "tid")), 77);
	assert_slice(event(o, "name", "we'b?: CPU 0/KVM", 0), TRACE_HOST_PID, TRACE_HOST_PID + 1,
		     0.01, 0.01);
	assert_null(event(o, "ph", "X", 2));
	json_decref(o);
}

/* Perfetto's importer ends at one escape or another, and at empty names; characters it takes. */
static void names_need_no_escape(void **state)
{
	static const struct {
		const char *name, *shown;
	} cases[] = {
		{"web\\", "web/"},
		{"a \"b\"", "a 'b'"},
		{"", "?"},
		{"\001|S", "?|S"},
		{"caf\303\251", "caf\303\251"},
		{"\360\237\245\201", "\360\237\245\201"},
		{"\303", "?"},
	};
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char expected[64];
		struct host_run run = run_of(0, 0, 1000, cases[i].name);

		begin_stream();
		trace_fns.run(&run, t);
		trace_finish(t, START + 1000000);
		fclose(stream);
		t = trace_free(t);
		snprintf(expected, sizeof(expected), "\"X\",\"name\":\"%s\",", cases[i].shown);
		if (!strstr(text, expected))
			fail_msg("no %s in %s", expected, text);
		assert_null(strchr(text, '\\'));
		free(text);
	}
}

static void states_are_slices_of_vcpus(void **state)
{
	json_t *o;

	(void)state;
	begin_stream();
	stay(0, 1000, 0, LEDGER_RUN);
	stay(0, 1500, 1, LEDGER_HALT);
	stay(1000, 3000, 0, LEDGER_WAIT);
	trace_round(t, 0);
	trace_last(t, &(struct host_stay){.start = START + 1500,
					  .end = START + 9000,
					  .vcpu = 1,
					  .state = LEDGER_RUN});
	o = finish();
	assert_slice(event(o, "name", "run", 0), 4000, 4001, 0, 1);
	assert_slice(event(o, "name", "halt", 0), 4000, 4002, 0, 1.5);
	assert_slice(event(o, "name", "wait", 0), 4000, 4001, 1, 2);
	assert_slice(event(o, "name", "run", 1), 4000, 4002, 1.5, 7.5);
	json_decref(o);
}

/* It waited for CPU 0 from 1000 to 3000 and for CPU 1 to 4000, the log of which comes later: hog
 * 1500, other 500 + 200, idle 800. */
static void wait_says_who_ran(void **state)
{
	struct host_run hog = run_of(0, 0, 2500, "hog"), other = run_of(0, 2500, 3500, "other");
	struct host_run idle = run_of(1, 0, 3800, ""), more = run_of(1, 3800, 4000, "other");
	json_t *o;

	(void)state;
	begin_stream();
	trace_fns.run(&hog, t);
	waited(1, 3000, 4000, true);
	stay(1000, 4000, 0, LEDGER_READY);
	trace_fns.run(&other, t);
	waited(0, 1000, 3000, false);
	idle.tid = 0;
	trace_fns.run(&idle, t);
	trace_fns.run(&more, t);
	trace_round(t, 0);
	o = finish();
	assert_slice(event(o, "name", "ready", 0), 4000, 4001, 1, 3);
	assert_string_equal(json_string_value(argument(event(o, "name", "ready", 0), "who")),
			    "hog 1.5 us, idle 0.8 us, other 0.7 us");
	json_decref(o);
}

static void losses_are_marked(void **state)
{
	struct host_run hog = run_of(0, 0, 2500, "hog");
	json_t *o, *e;

	(void)state;
	begin_stream();
	trace_fns.run(&hog, t);
	trace_round(t, 0);
	trace_round(t, 12);
	trace_round(t, 12);
	o = finish();
	e = event(o, "ph", "i", 0);
	assert_string_equal(json_string_value(json_object_get(e, "name")), "12 records lost");
	assert_true(json_number_value(json_object_get(e, "ts")) == 2.5);
	assert_null(event(o, "ph", "i", 1));
	json_decref(o);
}

/* What is under way when the trace ends is in it. */
static void last_runs_end_with_the_trace(void **state)
{
	struct host_run hog = run_of(0, 100, 900, "");
	json_t *o;

	(void)state;
	begin_stream();
	hog.tid = hog.pid = 4000000; /* no process has this id */
	trace_fns.now(&hog, t);
	hog.end = START + 2000000; /* behind the trace's end */
	trace_fns.now(&hog, t);
	o = finish();
	assert_slice(event(o, "name", "tid 4000000", 0), TRACE_HOST_PID, TRACE_HOST_PID + 1, 0.1,
		     999.9);
	json_decref(o);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(empty_trace_is_whole),
		cmocka_unit_test(runs_are_slices_of_cpus),
		cmocka_unit_test(names_need_no_escape),
		cmocka_unit_test(states_are_slices_of_vcpus),
		cmocka_unit_test(wait_says_who_ran),
		cmocka_unit_test(losses_are_marked),
		cmocka_unit_test(last_runs_end_with_the_trace),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
