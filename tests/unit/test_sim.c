/* SPDX-License-Identifier: MIT */
/*
 * The simulator's own machinery: what files it refuses and with which words, conditions and the
 * closed form behind them, the same bits whatever the number of jobs, traces that are JSON. What
 * the policy does in it is told by the scenarios in tests/sim and by test_sim_random.c.
 */
#include "base/units.h"
#include "sim/random.h"
#include "sim/scenario_changes.h"
#include "sim/sim_report.h"
#include "sim/trace.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static struct scenario *parse(const char *text)
{
	struct failure f = {""};
	struct scenario *s = NULL;

	if (scenario_parse(text, strlen(text), "t.ini", &f, &s))
		fail_msg("%s", f.text);
	return s;
}

/* File, line, what is wrong, what was expected. */
static const struct {
	const char *text, *where, *what;
} bad[] = {
	{"", "t.ini: ", "no VM"},
	{"[vm a]\ncolour = red\n", "t.ini:2: ", "unknown key 'colour'"},
	{"[vm a]\nvcpus = -1\n", "t.ini:2: ", "whole number from 1 to 1024"},
	{"[vm a]\nvcpus = 1.5\n", "t.ini:2: ", "whole number"},
	{"[vm a]\nshares = 0\n", "t.ini:2: ", "low, normal, high or a number from 0.001"},
	{"[vm a]\nlimit = -0.5\n", "t.ini:2: ", "CPUs from"},
	{"[vm a]\nlimit = nan\n", "t.ini:2: ", "CPUs from"},
	{"[vm a]\nlimit = 0.2\nreservation = 0.5\n",
	 "t.ini:1: ", "limit 0.2 is below reservation 0.5"},
	{"[vm a]\nreservation = 2\n", "t.ini:1: ", "more than its 1 vCPUs"},
	{"[vm a]\nbudget = 11ms/10ms\n", "t.ini:2: ", "CPU time / period"},
	{"[vm a]\nbudget = 1ms/10ms\nlimit = 0.5\n", "t.ini:1: ", "take one out"},
	{"[vm a]\nburst = 10\n", "t.ini:2: ", "a time such as 5ms"},
	{"[vm a]\nburst = 0x10ms\n", "t.ini:2: ", "a time such as 5ms"},
	{"[vm a]\nburst = 1e400s\n", "t.ini:2: ", "a time such as 5ms"},
	{"[vm a]\ngroup = g\n", "t.ini:1: ", "there is no group g"},
	{"[group g]\nparent = h\n[group h]\n[vm a]\n", "t.ini:1: ", "no group further up"},
	{"[group g]\n[vm g]\n", "t.ini:2: ", "taken by a section of another kind"},
	{"[host g]\n[group g]\n[vm a]\n", "t.ini:2: ", "taken by a section of another kind"},
	{"[host]\ncpus = 0\n[vm a]\n", "t.ini:2: ", "whole number from 1"},
	{"[host]\ncpus = 5\nnodes = 2\n[vm a]\n", "t.ini:3: ", "does not divide cpus = 5"},
	{"[host]\nnodes = 2\ncpus = 5\n[vm a]\n", "t.ini:3: ", "does not divide cpus = 5"},
	{"[host]\nnodes = 2\n[vm a]\n", "t.ini:2: ", "does not divide cpus = 1"},
	{"[host]\ncpus = 8\ncell = 3\n[vm a]\n", "t.ini:3: ", "does not divide"},
	{"[host]\ncells = hard\n[vm a]\n", "t.ini:2: ", "needs cell"},
	{"[host]\nsmt = 2\ncpus = 3\n[vm a]\n", "t.ini:3: ", "even number"},
	{"[host]\nskew_stop = 1ms\n[vm a]\n", "t.ini:2: ", "skew_start is above skew_stop"},
	{"[host]\n[vm a]\n[host]\n",
	 "t.ini:3: ", "section host is given twice, the first time in line 1"},
	{"[run]\n[vm a]\n\n[run]\n",
	 "t.ini:4: ", "section run is given twice, the first time in line 1"},
	{"[vm a]\n[limits]\n[limits]\n", "t.ini:3: ", "the first time in line 2"},
	{"[vm a]\n[vm b]\n[vm a]\n",
	 "t.ini:3: ", "section vm a is given twice, the first time in line 1"},
	{"[group g]\n[vm a]\n[group g]\n",
	 "t.ini:3: ", "group g is given twice, the first time in line 1"},
	{"[vm a]\n[variant v]\n[variant v]\n", "t.ini:3: ", "the first time in line 2"},
	{"[vm a]\nload = 0.1\nvcpus = 2\nload = 0.2\n",
	 "t.ini:4: ", "load is given twice, the first time in line 2"},
	{"[host]\ncpus = 2\ncpus = 2\n[vm a]\n",
	 "t.ini:3: ", "cpus is given twice, the first time in line 2"},
	{"[vm a]\n[variant v]\na.load = 0.1\nhost.cpus = 2\na.load = 0.1\n",
	 "t.ini:5: ", "a.load is given twice, the first time in line 3"},
	{"[vm a]\n[limits]\nx = a.cpu < 1\nx = a.cpu < 2\n",
	 "t.ini:4: ", "limit x is given twice, the first time in line 3"},
	{"[cow]\nx = 1\n", "t.ini:1: ", "expected [host]"},
	{"[vm a b]\n", "t.ini:1: ", "expected [host]"},
	{" [cow g[hhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhh]\nx=1\n",
	 "t.ini:1: ", "']'"},
	{"  [cow]\nx = 1\n", "t.ini:1: ", "expected [host]"},
	{"[vm a\n", "t.ini:1: ", "expected ']'"},
	{"x = 1\n[vm a]\n", "t.ini:1: ", "a key before the first section"},
	{"[vm a]\nnonsense\n", "t.ini:2: ", "KEY = VALUE"},
	{"[host h]\n[host h]\n[vm a]\n", "t.ini:2: ", "the first time in line 1"},
	{"[host h]\n[vm h]\n", "t.ini:2: ", "taken by a section of another kind"},
	{"[host h]\n[vm a]\nhost = i\n", "t.ini:2: ", "there is no host i"},
	{"[host h]\n[host i]\n[vm a]\nhost = i\n", "t.ini:1: ", "no VM is there"},
	{"[host]\nhosts = 2\n[host h]\n[vm a]\n", "t.ini:2: ", "hosts alike"},
	{"[host h]\nhosts = 2\n[vm a]\n", "t.ini:2: ", "is one host"},
	{"[host]\nnodes = 2\ncpus = 2\n[host h]\ncpus = 5\n[vm a]\n",
	 "t.ini:5: ", "nodes = 2 does not divide cpus = 5"},
	{"[host h]\ncpus = x\n[vm a]\n",
	 "t.ini:2: ", "cpus: 'x' given, expected a whole number from 1"},
	{"[vm a]\nload = 0.5\ndemand = 0.5\n", "t.ini:3: ", "(the other in line 2)"},
	{"[vm a]\ndemand = 0.5\nload = 0.5\n", "t.ini:3: ", "(the other in line 2)"},
	{"[vm a]\nvcpus = 2\ndemand = 2\n", "t.ini:1: ", "demand = 2 is 1 of each vCPU"},
	{"[vm a]\nworkload = ticks\n", "t.ini:1: ", "needs tick_hz"},
	{"[vm a]\nprocesses = A:0.7 B:0.7\n", "t.ini:2: ", "loads up to 1"},
	{"[vm a]\nprocesses = A:0.1 B:0.1 C:0.1 D:0.1 E:0.1\n", "t.ini:2: ", "at most 4"},
	{"[vm a]\ntick_hz = 1000\ntick_cost = 1ms\n", "t.ini:1: ", "90 % of a CPU"},
	{"[vm a]\ncount = 1000000\nvcpus = 1024\n", "t.ini:1: ", "4,000,000"},
	{"[vm a]\n[variant v]\ncpus = 1\n", "t.ini:3: ", "SECTION.KEY"},
	{"[vm a]\n[limits]\nx = a.cpu\n", "t.ini:3: ", "one of == <= >= < >"},
	{"[vm a]\n[limits]\nx = (((a.cpu == 1\n", "t.ini:3: ", "')'"},
	{"[vm a]\n[limits]\nx = foo(1) == 1\n", "t.ini:3: ", "mmcn before '('"},
	{"[vm a]\n[at dawn]\na.vcpus = 2\n", "t.ini:2: ", "expected a time above 0"},
	{"[vm a]\n[at 2s]\n[at 1s]\n", "t.ini:3: ", "after [at 2s] in line 2"},
	{"[vm a]\n[at 2s]\n[at 2000ms]\n", "t.ini:3: ", "after [at 2s] in line 2"},
	{"[vm a]\n[at 10s]\na.vcpus = 2\n", "t.ini:2: ", "after the end of the run"},
	{"[vm a]\n[at 1s]\nvcpus = 2\n", "t.ini:3: ", "SECTION.KEY"},
	{"[vm a]\n[at 1s]\na.vcpus = 2\na.vcpus = 3\n", "t.ini:4: ", "the first time in line 3"},
	{"[vm a]\n[at 1s]\nb.vcpus = 2\n", "t.ini:3: ", "no VM, group or host is called 'b'"},
	{"[vm a]\n[at 1s]\na.vcpus = 0\n", "t.ini:3: ", "vcpus: '0' given, expected"},
	{"[vm a]\n[at 1s]\na.workload = idle\n", "t.ini:3: ", "cannot change"},
	{"[vm a]\n[at 1s]\nhost.cpus = 2\n", "t.ini:3: ", "cannot change"},
	{"[vm a]\n[at 1s]\nrun.duration = 2s\n", "t.ini:3: ", "cannot change"},
	{"[vm a]\n[at 1s]\na.limit = 0.1\n[at 2s]\na.reservation = 0.2\n",
	 "t.ini:4: ", "limit 0.1 is below reservation 0.2"},
	{"[host]\ncpus = 4\n[vm a]\n[at 1s]\nhost.offline = 2-4\n", "t.ini:4: ", "from 0 to 3"},
	{"[host]\noffline = 1,\ncpus = 4\n[vm a]\n", "t.ini:3: ", "from 0 to 3"},
	{"[vm a]\nworkload = barrier\nvcpus = 4\n[at 1s]\na.vcpus = 3\n",
	 "t.ini:4: ", "can lose vCPUs"},
	{"[vm a]\ncount = 0\n", "t.ini: ", "no VM"},
	{"[vm a]\n[at 1s]\na.count = 1000000\na.vcpus = 1024\n", "t.ini:2: ", "4,000,000"},
};

static void refusals(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct failure f = {""};
		struct scenario *s = NULL;

		assert_true(scenario_parse(bad[i].text, strlen(bad[i].text), "t.ini", &f, &s) < 0);
		assert_null(s);
		if (strncmp(f.text, bad[i].where, strlen(bad[i].where)) ||
		    !strstr(f.text, bad[i].what))
			fail_msg("for %s\ngot '%s', expected '%s... %s'", bad[i].text, f.text,
				 bad[i].where, bad[i].what);
	}
}

/* A change of one host is none of another's; one that is varied changes all the same. */
/* What --keys says by default is what an embedder of the core gets. */
static void defaults(void **state)
{
	struct scenario *s = parse("[vm a]\n");

	(void)state;
	assert_memory_equal(&s->host.core, &core_defaults, sizeof(core_defaults));
	scenario_free(s);
}

static void changes(void **state)
{
	struct scenario *s = parse("[host x]\n[host y]\n[vm a]\nhost = x\n[vm b]\n[at 1s]\n"
				   "x.offline = none\na.count = 3\nb.vcpus = 2\n"
				   "[variant v]\nb.vcpus = 3\n"),
			*own, *before, *after, *varied;
	struct failure f = {""};

	(void)state;
	assert_int_equal(scenario_on_host(s, 1, &f, &own), 0);
	assert_int_equal(scenario_vms_per_host(own), 1);
	assert_int_equal(scenario_vcpus_per_host(own), 2);
	assert_int_equal(scenario_before(own, &before), 0);
	assert_int_equal(scenario_after(before, &own->changes[0], &f, &after), 0);
	scenario_free(before);
	assert_int_equal(after->vms[0].count, 0);
	assert_int_equal(after->vms[1].vcpus, 2);
	scenario_free(after);
	scenario_free(own);
	assert_int_equal(scenario_on_host(s, 0, &f, &own), 0);
	assert_int_equal(scenario_vms_per_host(own), 4);
	scenario_free(own);
	assert_int_equal(scenario_vary(s, 0, &f, &varied), 0);
	assert_int_equal(varied->vms[1].room, 3);
	assert_int_equal(varied->n_changes, 1);
	scenario_free(varied);
	scenario_free(s);
}

/* An indented line is a key of its own, and what --set changes has no line to blame. */
static void lines(void **state)
{
	struct scenario *s = parse(
		"[host]\n  cpus = 4\n\tnodes = 2\n[vm a]\n [vm b]\n  vcpus = 3\n");
	struct failure f = {""};

	(void)state;
	assert_int_equal(s->host.cpus, 4);
	assert_int_equal(s->host.nodes, 2);
	assert_int_equal(s->vms[1].vcpus, 3);
	assert_int_equal(scenario_set(s, "host.nodes=3", &f), 0);
	assert_true(scenario_check(s, &f) < 0);
	assert_string_equal(f.text, "t.ini:2: [host] nodes = 3 does not divide cpus = 4");
	scenario_free(s);
}

/* Not a text at all: long lines, zero bytes, a megabyte and more. */
static void not_a_text(void **state)
{
	size_t size = SCENARIO_FILE_MAX + 1;
	char *junk = malloc(size);
	struct scenario *s = NULL;
	struct failure f;

	(void)state;
	assert_non_null(junk);
	memset(junk, 'x', size);
	assert_true(scenario_parse(junk, size, "t.ini", &f, &s) < 0);
	assert_non_null(strstr(f.text, "at most 1 MiB"));
	assert_true(scenario_parse(junk, size - 1, "t.ini", &f, &s) < 0);
	assert_non_null(strstr(f.text, "t.ini:1: a line of more than 190"));
	memset(junk, 0, size);
	assert_true(scenario_parse(junk, 100, "t.ini", &f, &s) < 0);
	free(junk);
}

static void unknown_metric(void **state)
{
	struct run_options o = {.seed = 1, .jobs = 1};
	struct scenario *s = parse("[vm a]\n[variant v]\n[limits]\nx = v:a.speed == 1\n");
	struct failure f = {""};
	struct run *r = NULL;

	(void)state;
	assert_true(run_scenario(s, &o, &f, &r) < 0);
	assert_non_null(strstr(f.text, "t.ini:4: "));
	assert_non_null(strstr(f.text, "a metric that exists"));
	scenario_free(s);
}

/* Each would hold for the zeros of what was never measured. */
static void no_data(void **state)
{
	static const char *const texts[] = {
		"[vm a]\ncount=2\nreservation=0.6\n[limits]\nx = a.cpu <= 1\n",
		"[vm a]\ncount=2\nreservation=0.6\n[limits]\nx = host.waste == 0\n",
		"[vm a]\n[vm b]\nstart=100s\n[limits]\nx = b.delay <= 0.01\n",
		"[vm a]\nworkload=idle\n[limits]\nx = a.local >= 0\n",
		"[vm a]\nworkload=idle\n[limits]\nx = a.ready_p99 <= 1\n",
		"[vm a]\n[limits]\nx = a.response_p95 <= 1\n",
		"[vm a]\nworkload=requests\nstart=100s\n[limits]\nx = a.response <= 1\n",
	};
	struct run_options o = {.seed = 1, .jobs = 1};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		struct scenario *s = parse(texts[i]);
		struct failure f = {""};
		struct run *r = NULL;

		assert_int_equal(run_scenario(s, &o, &f, &r), 0);
		if (r->broken != 1)
			fail_msg("kept without data: %s", texts[i]);
		run_free(r);
		scenario_free(s);
	}
}

static void too_large(void **state)
{
	struct run_options o = {.seed = 1, .jobs = 1};
	struct scenario *s = parse("[host]\ncpus = 8\nhosts = 1000000\n[vm a]\ncount = 100000\n");
	struct failure f = {""};
	struct run *r = NULL;

	(void)state;
	assert_true(run_scenario(s, &o, &f, &r) < 0);
	assert_non_null(strstr(f.text, "GiB"));
	scenario_free(s);
}

static int three(void *data, const char *name, double *ret)
{
	(void)data;
	*ret = 3;
	return strcmp(name, "a.x") ? -2 : 0;
}

static void conditions(void **state)
{
	static const struct {
		const char *text;
		bool kept;
	} rows[] = {
		{"1 + 2 * 3 == 7", true},
		{"(1 + 2) * 3 == 9", true},
		{"2 - 3 - 4 == -5", true},
		{"a.x / 2 == 1.5", true},
		{"100 == 101 within 1%", true},
		{"100 == 102 within 1%", false},
		{"100 == 101 within 0.5", false},
		{"a.x < 3", false},
		{"a.x <= 3", true},
		{"0 / 0 == 0 within 5", false},
		{"a.x / 0 > 1", false},
		{"1 / (1 / 0) < 1", false},
		{"max(0 / 0, 4) == 4", false},
		{"min(2, 1 / 0) == 2", false},
		{"1 == 1 within 1 / 0", false},
		{"max(1, min(5, a.x)) == 3", true},
		{"sqrt(16) > abs(-3)", true},
	};
	struct limit_outcome out;
	struct failure f;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		assert_int_equal(limit_evaluate(rows[i].text, three, NULL, &f, &out), 0);
		if (out.kept != rows[i].kept)
			fail_msg("%s", rows[i].text);
	}
	assert_true(limit_evaluate("b.y == 1", three, NULL, &f, &out) < 0);
}

/* M/M/c//N by iterating its Markov chain, uniformized, until it stands still. */
static double by_iteration(unsigned c, unsigned n, double load)
{
	double p[64] = {1}, q[64], busy = 0, up = load, down = 1 - load;

	for (int step = 0; step < 400000; step++) {
		for (unsigned k = 0; k <= n; k++) {
			double birth = (n - k) * up, death = (k < c ? k : c) * down;

			q[k] = p[k] * (1 - (birth + death) / (2 * n));
			if (k)
				q[k] += p[k - 1] * (n - k + 1) * up / (2 * n);
			if (k < n)
				q[k] += p[k + 1] * (k + 1 < c ? k + 1 : c) * down / (2 * n);
		}
		memcpy(p, q, sizeof(p));
	}
	for (unsigned k = 0; k <= n; k++)
		busy += p[k] * (k < c ? k : c);
	return busy / c;
}

static void closed_form(void **state)
{
	(void)state;
	assert_true(fabs(limit_mmcn(2, 4, 0.55) - 0.894) < 0.0005); /* as published */
	assert_true(fabs(limit_mmcn(2, 4, 0.55) - by_iteration(2, 4, 0.55)) < 1e-6);
	assert_true(fabs(limit_mmcn(4, 16, 0.3) - by_iteration(4, 16, 0.3)) < 1e-6);
	assert_true(fabs(limit_mmcn(8, 3, 0.4) - 3 * 0.4 / 8) < 1e-9); /* nobody waits */
}

static int by_size(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

/* Against the sorted times, of sizes from 1 us to 1,000 s. */
static void percentiles(void **state)
{
	static const double parts[] = {0.01, 0.5, 0.95, 0.99, 1};
	static struct quantiles q;
	static uint64_t all[20001];
	uint64_t random = 1;

	(void)state;
	assert_true(quantiles_at(&q, 0.5) == 0);
	for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
		all[i] = (uint64_t)(1e3 * pow(1e9, random_unit(&random)));
		quantiles_add(&q, all[i]);
	}
	qsort(all, ARRAY_SIZE(all), sizeof(all[0]), by_size);
	for (size_t i = 0; i < ARRAY_SIZE(parts); i++) {
		double want = (double)all[(size_t)(parts[i] * 20000)];

		assert_true(fabs(quantiles_at(&q, parts[i]) - want) <= want / 100 + 1024);
	}
	quantiles_add(&q, UINT64_MAX);
	assert_true(quantiles_at(&q, 1) > 1e15);
}

/* A request of 2 ms each ms, for 10 s: 10,000 have come, 5,000 are done. */
static void overloaded(void **state)
{
	struct run_options o = {.seed = 1, .jobs = 1};
	struct scenario *s = parse(
		"[vm a]\nworkload=requests\narrival=1ms\nburst=2ms\nrandom=no\n"
		"[limits]\nx = a.queue == 5000 within 2\ny = a.ops == 500 within 1\n"
		"z = a.response_max == 5 within 1%\n");
	struct failure f = {""};
	struct run *r = NULL;

	(void)state;
	assert_int_equal(run_scenario(s, &o, &f, &r), 0);
	assert_int_equal(r->n_reports, 3);
	assert_int_equal(r->broken, 0);
	run_free(r);
	scenario_free(s);
}

static char *outcome(const char *text, uint32_t jobs, uint64_t seed)
{
	struct run_options o = {.seed = seed, .jobs = jobs};
	struct scenario *s = parse(text);
	struct failure f = {""};
	struct run *r = NULL;
	json_t *json;
	char *dump;

	if (run_scenario(s, &o, &f, &r))
		fail_msg("%s", f.text);
	json = sim_report_json(r);
	json_object_del(json, "seconds");
	json_object_del(json, "cpu_seconds");
	json_object_del(json, "events_per_second");
	dump = json_dumps(json, JSON_SORT_KEYS | JSON_REAL_PRECISION(17));
	json_decref(json);
	run_free(r);
	scenario_free(s);
	return dump;
}

static const char noisy[] = "[host]\nhosts=5\ncpus=6\nnodes=2\nswitch_cost=3us\n[run]\nseeds=3\n"
			    "duration=2s\n[vm a]\ncount=4\nvcpus=2\nworkload=duty\nload=0.7\n"
			    "[vm b]\ncount=3\nworkload=io\n[vm c]\nlimit=0.4\n"
			    "[variant x]\nhost.cosched=relaxed\n[variant y]\nhost.cosched=strict\n";

static void same_bits(void **state)
{
	char *one = outcome(noisy, 1, 1), *four = outcome(noisy, 4, 1),
	     *again = outcome(noisy, 7, 1);
	char *other = outcome(noisy, 4, 2);

	(void)state;
	assert_string_equal(one, four);
	assert_string_equal(one, again);
	assert_string_not_equal(one, other); /* seeds do matter */
	free(one);
	free(four);
	free(again);
	free(other);
}

static struct trace *trace;

static void traced(void *data, uint32_t vcpu, uint64_t now, enum ledger_state state)
{
	(void)data;
	trace_state(trace, vcpu, now, state);
}

/* The slices of each vCPU in the trace add up to its ledger. */
static void traces(void **state)
{
	struct scenario *s = parse("[host]\ncpus=2\n[vm a]\ncount=3\nworkload=duty\n");
	char path[] = "/tmp/desched-trace-XXXXXX";
	double run[3] = {0}, all[3] = {0};
	struct failure f = {""};
	struct sim *sim;
	json_t *json, *events, *e;
	size_t i;

	(void)state;
	close(mkstemp(path));
	assert_int_equal(sim_new(s, 1, 0, &f, &sim), 0);
	assert_int_equal(trace_open(sim, path, 0, UINT64_MAX, &f, &trace), 0);
	core_set_watch(sim->core, (struct core_watch){traced, NULL});
	sim_run(sim, NS_PER_SEC);
	sim_settle(sim);
	assert_int_equal(trace_close(trace, sim, &f), 0);
	json = json_load_file(path, 0, NULL);
	unlink(path);
	events = json_object_get(json, "traceEvents");
	assert_true(json_array_size(events) > 100);
	json_array_foreach(events, i, e)
	{
		json_int_t vcpu = json_integer_value(json_object_get(e, "tid")) - 1;
		double us = json_number_value(json_object_get(e, "dur"));

		if (strcmp(json_string_value(json_object_get(e, "ph")), "X"))
			continue;
		assert_in_range(vcpu, 0, 2);
		all[vcpu] += us;
		if (!strcmp(json_string_value(json_object_get(e, "name")), "run"))
			run[vcpu] += us;
	}
	for (int v = 0; v < 3; v++) {
		struct core_vcpu_figures read;

		core_read_vcpu(sim->core, (uint32_t)v, &read);
		assert_true(fabs(all[v] - 1e6) < 1e-3);
		assert_true(fabs(run[v] - (double)read.ledger->ns[LEDGER_RUN] / 1e3) < 1e-3);
	}
	json_decref(json);
	sim_free(sim);
	scenario_free(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(refusals),    cmocka_unit_test(defaults),
		cmocka_unit_test(changes),     cmocka_unit_test(lines),
		cmocka_unit_test(not_a_text),  cmocka_unit_test(unknown_metric),
		cmocka_unit_test(no_data),     cmocka_unit_test(too_large),
		cmocka_unit_test(conditions),  cmocka_unit_test(closed_form),
		cmocka_unit_test(same_bits),   cmocka_unit_test(traces),
		cmocka_unit_test(percentiles), cmocka_unit_test(overloaded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
