/* SPDX-License-Identifier: MIT */
/*
 * Hosts whose VMs change while they run: memory follows, so does demand by the day or from a trace,
 * and each of several hosts changes by its own keys. Expected values are arithmetic.
 */
#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/units.h"
#include "sim/demand.h"
#include "sim_folder.h"
#include "sim_text.h"

#define PART 0.01

/* A VM that fills the memory has all of it until another comes, and after that has gone. */
static void memory_divided(void **state)
{
	const char *text = "[host]\ncpus = 2\nmemory = 8GiB\n[run]\nwarmup = %gs\nduration = 4s\n"
			   "[vm a]\nmemory = 8GiB\n[vm b]\ncount = %d\nmemory = 8GiB\n"
			   "[at %gs]\nb.count = %d\n";
	struct sim_text t = sim_text_run("t.ini", text, 0.0, 0, 3.9999, 1);

	(void)state;
	assert_true(sim_text_value(&t, "a.faults") < 1);
	sim_text_near("half", sim_text_value(&t, "a.present"), 0.5, 1e-9);
	sim_text_end(&t);

	t = sim_text_run("t.ini", text, 2.0, 1, 1.0, 0);
	assert_true(sim_text_value(&t, "a.faults") == 0);
	sim_text_near("all again", sim_text_value(&t, "a.present"), 1, 1e-9);
	sim_text_near("wanted", sim_text_value(&t, "host.memory"), 1, 1e-9);
	sim_text_end(&t);
}

/* A vCPU that waits for a page when its VM goes doesn't when that comes again: the request of 4 s
 * waits for a page of its own, for 10 s. */
static void page_forgotten(void **state)
{
	struct sim_text t = sim_text_run(
		"t.ini", "[host]\nmemory = 1GiB\ndisk_time = 10s\n[run]\nduration = 4.5s\n[vm r]\n"
			 "memory = 2GiB\nworkload = requests\nrandom = no\narrival = 1s\n"
			 "burst = 100ms\n[at 2s]\nr.count = 0\n[at 3s]\nr.count = 1\n");

	(void)state;
	assert_true(sim_text_value(&t, "r.ops") == 0);
	sim_text_near("two waits", sim_text_value(&t, "r.swapwait") * 4.5, 1 + 0.5, PART);
	sim_text_end(&t);
}

/* What a VM of two vCPUs has in the 100 s after it was changed. */
static void check_demand(const char *keys, const char *change, double cpus)
{
	struct sim_text t = sim_text_run(
		scenario_path,
		"[host]\ncpus = 8\n[run]\nwarmup = 10s\nduration = 100s\n[vm a]\n"
		"vcpus = 2\nrandom = no\n%s\n[at 9s]\n%s\n",
		keys, change);

	sim_text_near(keys, sim_text_value(&t, "a.cpu"), cpus, PART);
	sim_text_end(&t);
}

static void demand_follows(void **state)
{
	(void)state;
	write_csv("50\n", strlen("50\n"));
	check_demand("workload = duty\nload = 0.4\nburst = 1ms\nday = 0:0.5", "a.vcpus = 4",
		     0.4 * 0.5 * 4);
	check_demand("workload = duty\ndemand = 0.4\nburst = 1ms\nday = 0:0.5", "a.vcpus = 4",
		     0.4 * 0.5);
	check_demand("workload = requests\narrival = 20ms\nburst = 5ms\nday = 0:0.5",
		     "a.burst = 10ms", 0.5 * 10 / 20);
	check_demand("workload = duty\nburst = 1ms\ntrace = t.csv\ntrace_unit = percent",
		     "a.vcpus = 4", 0.5 * 4);
	check_demand("workload = duty\nburst = 1ms\ntrace = t.csv\ntrace_unit = cpus\n"
		     "trace_scale = 0.01",
		     "a.vcpus = 4", 0.5);
}

/* One vCPU has work, which takes two CPUs: a second one doesn't do it. */
static void idle_newcomer(void **state)
{
	struct sim_text t = sim_text_run(
		"t.ini",
		"[host]\ncpus = 4\n[run]\nwarmup = 2s\nduration = 10s\n[vm r]\nactive = 1\n"
		"workload = requests\narrival = 5ms\nburst = 10ms\n[at 1s]\nr.vcpus = 2\n");

	(void)state;
	sim_text_near("one CPU", sim_text_value(&t, "r.cpu"), 1, 1e-6);
	sim_text_end(&t);
}

/* A guest's clock begins with it, whenever it comes, and neither a clock nor a queue is left where it
 * goes: not that of the 95 s since. */
static void nothing_left(void **state)
{
	struct sim_text t = sim_text_run(
		"t.ini",
		"[host]\ncpus = 4\n[run]\nwarmup = 4s\nduration = 96s\n[vm late]\ncount = 0\n"
		"workload = ticks\ntick_hz = 100\nprocesses = a:0.5\n[vm gone]\nworkload = ticks\n"
		"tick_hz = 100\nprocesses = a:0.5\n[vm r]\nworkload = requests\narrival = 20ms\n"
		"burst = 1ms\n[at 5s]\ngone.count = 0\nr.count = 0\n[at 6s]\nlate.count = 1\n");

	(void)state;
	assert_true(fabs(sim_text_value(&t, "late.lag")) < 0.1);
	assert_true(sim_text_value(&t, "late.behind") < 0.1);
	assert_true(sim_text_value(&t, "gone.lag") == 0);
	assert_true(sim_text_value(&t, "r.queue") == 0);
	sim_text_end(&t);
}

/* Hosts of different sizes; what is said of all doesn't change what one has for itself. */
static void own_keys(void **state)
{
	const char *text = "[host]\ncpus = 8\n[host a]\ncpus = 2\n%s[host b]\n%s[run]\nwarmup = "
			   "2s\nduration = 2s\n[vm x]\ncount = 8\n[at 1s]\n%s\n";
	static const struct {
		const char *a, *b, *change;
		double of_a, of_b; /* CPUs that are there */
	} rows[] = {
		{"", "offline = 4-7\n", "x.shares = high", 2, 4},
		{"offline = 1\n", "", "host.offline = 4-6", 1, 5},
		{"", "", "a.offline = 1\nb.offline = 2-7", 1, 2},
		{"", "", "a.offline = none\n[at 1.5s]\nhost.offline = 7", 2, 7},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct sim_text t = sim_text_run("t.ini", text, rows[i].a, rows[i].b,
						 rows[i].change);

		sim_text_near(rows[i].change, sim_text_value(&t, "a.busy") * 2, rows[i].of_a, 1e-6);
		sim_text_near(rows[i].change, sim_text_value(&t, "b.busy") * 8, rows[i].of_b, 1e-6);
		assert_true(sim_text_value(&t, "host.refusals") == 0);
		sim_text_end(&t);
	}
}

/* What fits only after something else has changed is tried again at once; a CPU that a gang needs
 * stays. */
static void at_one_time(void **state)
{
	struct sim_text t = sim_text_run(
		"t.ini",
		"[run]\nwarmup = 2s\nduration = 20s\n[vm b]\nreservation = 0.1\n[vm a]\n"
		"reservation = 0.85\n[at 1s]\nb.reservation = 0.85\na.reservation = 0.1\n");

	(void)state;
	assert_true(sim_text_value(&t, "host.refusals") == 0);
	sim_text_near("b", sim_text_value(&t, "b.cpu"), 0.85, PART);
	sim_text_end(&t);

	t = sim_text_run("t.ini", "[host]\ncpus = 4\ncosched = strict\n[run]\nduration = 4s\n"
				  "[vm g]\nvcpus = 4\n[at 1s]\nhost.offline = 3\n");
	assert_true(sim_text_value(&t, "host.refusals") == 1);
	sim_text_near("gang", sim_text_value(&t, "g.cpu"), 4, PART);
	sim_text_end(&t);
}

static void refused(const char *text, const char *what)
{
	struct run_options o = {.seed = 1, .jobs = 1};
	struct scenario *s = NULL;
	struct run *run = NULL;
	struct failure f = {""};

	if (!scenario_parse(text, strlen(text), scenario_path, &f, &s) &&
	    !run_scenario(s, &o, &f, &run)) {
		failure_set(&f, 0, "%s", run_results(run, 0, 0)->reason);
		run_free(run);
	}
	scenario_free(s);
	if (!strstr(f.text, what))
		fail_msg("%s\ngot '%s', expected '%s'", text, f.text, what);
}

static void refusals(void **state)
{
	(void)state;
	write_csv("50\n25\n", strlen("50\n25\n"));
	refused("[host]\ncpus = 8\n[host a]\ncpus = 2\n[host b]\n[vm x]\n[at 1s]\n"
		"host.offline = 4-7\n",
		"t.ini:7: [at 1s] [host] offline: expected CPUs from 0 to 1");
	refused("[host]\ncpus = 2\noffline = 0-1\n[vm x]\n", "offline takes all CPUs");
	refused("[host]\ncpus = 2\n[host a]\n[host b]\n[cluster]\nplace = yes\n[vm x]\n[at 1s]\n"
		"x.vcpus = 3\n",
		"no host has room for vm x: 3 vCPUs");
	refused("[vm x]\n[at 1000001s]\nx.count = 2\n", "up to 1000000s");
	refused("[run]\ncompress = 1e6\n[vm x]\nworkload = duty\ntrace = t.csv\n"
		"trace_unit = percent\ntrace_step = 1ms\n",
		"expected at least 1000, by a longer trace_step");
}

/* Rows of a microsecond of the run, half and a quarter of a vCPU in turns. An idle vCPU begins a
 * burst at 1 and at 1/3 of the rate of its bursts' ends: after one and a half bursts on average. */
static void long_waits(void **state)
{
	const double burst = 1e13;
	struct sim_text t;
	const struct vm_spec *vm;

	(void)state;
	write_csv("50\n25\n", strlen("50\n25\n"));
	t = sim_text_run(scenario_path,
			 "[run]\ncompress = 1000\nduration = 1ms\n[vm x]\nworkload = duty\nburst = "
			 "10000s\nrandom = no\ntrace = t.csv\ntrace_unit = percent\ntrace_step = "
			 "1ms\n");
	vm = &t.scenario->vms[0];
	sim_text_near("the first", (double)demand_pass(vm, 0, 0, 1), 1.5 * burst, 1e-6);
	sim_text_near("from amid a row", (double)demand_pass(vm, 0, 1500, 2), 3 * burst, 1e-6);
	sim_text_near("mean", demand_mean(vm, 0, 700, 1000000000000700), 0.375, 1e-9);
	sim_text_near("of a row", demand_mean(vm, 0, 1200, 1700), 0.25, 1e-9);
	sim_text_near("of four", demand_mean(vm, 0, 0, 4000), 0.375, 1e-9);
	sim_text_near("of seven", demand_mean(vm, 0, 0, 7000), (4 * 0.5 + 3 * 0.25) / 7, 1e-9);
	sim_text_end(&t);

	write_csv("0\n0\n", strlen("0\n0\n"));
	t = sim_text_run(scenario_path, "[run]\nduration = 1s\n[vm x]\nworkload = duty\ntrace = "
					"t.csv\ntrace_unit = percent\ntrace_step = 1ms\n");
	assert_true(demand_pass(&t.scenario->vms[0], 0, 0, 1) == UINT64_MAX);
	sim_text_end(&t);
}

/* A budget is taken away, or given way to a limit: 0.9 CPUs before, then half of one
 * that two share, or 0.2. */
static void budget_ends(void **state)
{
	const char *text =
		"[run]\nwarmup = 10s\nduration = 20s\n[vm a]\nbudget = 9ms/10ms\n[vm b]\n"
		"[at 5s]\na.budget = none\n%s";
	struct sim_text t = sim_text_run("t.ini", text, "");

	(void)state;
	sim_text_near("equal", sim_text_value(&t, "a.cpu"), 0.5, PART);
	sim_text_end(&t);
	t = sim_text_run("t.ini", text, "a.limit = 0.2\n");
	sim_text_near("limited", sim_text_value(&t, "a.cpu"), 0.2, PART);
	sim_text_end(&t);
}

/* Threads that were at a barrier when their VM went don't count when it comes again, smaller: two
 * threads with 100 ms each on one CPU are through five times a second. */
static void barrier_forgotten(void **state)
{
	(void)state;
	for (unsigned ms = 386; ms < 400; ms += 3) {
		struct sim_text t = sim_text_run(
			"t.ini",
			"[host]\ncpus = 1\n[run]\nwarmup = 1s\nduration = 4s\n[vm b]\nvcpus = 4\n"
			"workload = barrier\nrandom = no\nburst = 100ms\n[at %ums]\nb.count = 0\n"
			"[at 500ms]\nb.vcpus = 2\nb.count = 1\n",
			ms);

		sim_text_near("rounds a second", sim_text_value(&t, "b.ops"), 5, PART);
		sim_text_end(&t);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(memory_divided), cmocka_unit_test(page_forgotten),
		cmocka_unit_test(demand_follows), cmocka_unit_test(idle_newcomer),
		cmocka_unit_test(at_one_time),	  cmocka_unit_test(own_keys),
		cmocka_unit_test(refusals),	  cmocka_unit_test(nothing_left),
		cmocka_unit_test(long_waits),	  cmocka_unit_test(barrier_forgotten),
		cmocka_unit_test(budget_ends),
	};

	return cmocka_run_group_tests(tests, sim_folder_make, NULL);
}
