/* SPDX-License-Identifier: MIT */
/*
 * What planners ask of the simulator: demand from traces and by the time of day, memory and disk
 * that VMs share, and VMs that move between hosts. Expected values are arithmetic. Faults that
 * queue: test_sim_closed.c.
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
#include "sim/random.h"
#include "sim_folder.h"
#include "sim_text.h"

#define PART 0.01

static void bad_rows(void **state)
{
	static const struct {
		const char *text, *column, *what;
	} rows[] = {
		{"", "1", "no values in column 1"},
		{"a,b\n", "2", "no values in column 2"},
		{"a,b\n1,2\n", "c", "t.csv:1: there is no column c"},
		{"1,2\n3\n", "2", "t.csv:2: there is no column 2 in this row"},
		{"a,b\n1,2\n3,x\n", "b", "t.csv:3: column b: 'x': expected a number from 0 to 50"},
		{"a,b\n1,2\n\n3,-1\n", "b", "t.csv:4: column b: '-1': expected"},
		{"a,b\n1,2\n3,51\n", "b", "t.csv:3: column b: '51': expected"},
		{"a,b\n1,2\n3,nan\n", "b", "t.csv:3: column b: 'nan': expected"},
		{"a,b\n1,2\n3,0x3\n", "b", "t.csv:3: column b: '0x3': expected"},
		{"a,b\n1,2\n3,\n", "b", "t.csv:3: column b: '': expected"},
		{"a,b\n1,2\n3,4;5\n", "b", "t.csv:3: column b: '4;5': expected"},
		{"a,b,a\n1,2,3\n", "a", "t.csv:1: column a: 'a': expected one column of this"},
		{"a\n1\n2\n3\n4\n5\n6\n", "a", "t.csv:7: traces of a scenario have at most"},
	};
	struct failure f;
	float *values;
	uint32_t n;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		write_csv(rows[i].text, strlen(rows[i].text));
		assert_true(demand_read_csv(csv_path, rows[i].column, 0.02, 1, 5, &f, &values, &n) <
			    0);
		if (!strstr(f.text, rows[i].what))
			fail_msg("%s\ngot '%s', expected '%s'", rows[i].text, f.text, rows[i].what);
	}
	write_csv("a\n1\0\n2\n", 7); /* not 12 */
	assert_true(demand_read_csv(csv_path, "a", 0.02, 1, 5, &f, &values, &n) < 0);
	assert_non_null(strstr(f.text, "t.csv:2: a zero byte"));
	assert_true(demand_read_csv(folder, "1", 1, 1, 5, &f, &values, &n) < 0);
	assert_non_null(strstr(f.text, "not a file"));
	assert_true(demand_read_csv("/dev/zero", "1", 1, 1, 5, &f, &values, &n) < 0);
	assert_true(demand_read_csv("/nonexistent", "1", 1, 1, 5, &f, &values, &n) < 0);
}

static void columns(void **state)
{
	static const struct {
		const char *text, *column;
	} rows[] = {
		{"t,cpu\n0,0.25\n1,0.5\n", "cpu"},
		{"t,cpu\n0,0.25\n1,0.5\n", "2"},
		{"0,0.25\n1,0.5\n", "2"},
		{"t;\"cpu, all\"\r\n0;0.25\r\n1;0.5", "cpu, all"},
		{"\xef\xbb\xbf"
		 "cpu\tx\n 0.25 \t1\n\n0.5\t1\n",
		 "cpu"},
	};
	struct failure f;
	float *values;
	uint32_t n;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		write_csv(rows[i].text, strlen(rows[i].text));
		if (demand_read_csv(csv_path, rows[i].column, 2, 1, 5, &f, &values, &n))
			fail_msg("%s: %s", rows[i].text, f.text);
		assert_int_equal(n, 2);
		assert_true(values[0] == 0.5F && values[1] == 1);
		free(values);
	}
}

/* The CPUs that a VM of two vCPUs, whose demand is a trace of 20, 50 and 90, has from..to
 * seconds. */
static void check_trace(const char *keys, const char *run, double from, double to, double cpus)
{
	static const char csv[] = "cpu\n20\n50\n90\n";
	static const char *const workloads[] = {"duty", "requests"};

	write_csv(csv, sizeof(csv) - 1);
	for (int i = 0; i < 2; i++) {
		struct sim_text t = sim_text_run(
			scenario_path,
			"[host]\ncpus = 2\n[run]\nwarmup = %gs\nduration = %gs\n%s\n[vm a]\nvcpus "
			"= "
			"2\nworkload = %s\nburst = 1ms\nrandom = no\ntrace = t.csv\ntrace_column = "
			"cpu\n%s\n",
			from, to - from, run, workloads[i], keys);

		sim_text_near(keys, sim_text_value(&t, "a.cpu"), cpus, PART);
		sim_text_end(&t);
	}
}

static void traces(void **state)
{
	(void)state;
	check_trace("trace_unit = percent\ntrace_step = 10s", "", 0.1, 10, 0.4);
	check_trace("trace_unit = percent\ntrace_step = 10s", "", 10.1, 20, 1);
	check_trace("trace_unit = percent\ntrace_step = 10s", "", 20.1, 30, 1.8);
	check_trace("trace_unit = percent\ntrace_step = 10s", "", 30.1, 40, 0.4);
	check_trace("trace_unit = percent\ntrace_step = 10s\ntrace_end = idle", "", 30.1, 40, 0);
	check_trace("trace_unit = cpus\ntrace_scale = 0.01\ntrace_step = 10s", "", 10.1, 20, 0.5);
	check_trace("trace_unit = percent\ntrace_end = stretch", "", 40.1, 60, 1.8);
	check_trace("trace_unit = percent\ntrace_step = 300s", "compress = 30", 10.1, 20, 1);
}

/* A column for each VM of a section; one that has none is refused. */
static void numbered(void **state)
{
	static const char csv[] = "day,load1,load2\n1,0.2,0.5\n2,0.4,0.7\n";

	(void)state;
	write_csv(csv, strlen(csv));
	for (int count = 2; count <= 3; count++) {
		struct scenario *s = NULL;
		struct failure f = {0};
		char text[256], path[512];
		int err;

		snprintf(path, sizeof(path), "%s/t.ini", folder);
		snprintf(text, sizeof(text),
			 "[vm a]\ncount = %d\nworkload = duty\ntrace = t.csv\ntrace_column = "
			 "load{n}\ntrace_unit = cpus\ntrace_step = 1s\n",
			 count);
		assert_int_equal(scenario_parse(text, strlen(text), path, &f, &s), 0);
		err = demand_load(s, &f);
		assert_true((err == 0) == (count == 2));
		if (err) {
			assert_non_null(strstr(f.text, "t.csv:1: there is no column load3"));
			assert_non_null(strstr(f.text, "trace of vm a"));
		} else {
			sim_text_near("first", demand_mean(&s->vms[0], 0, 0, 2 * NS_PER_SEC), 0.3,
				      1e-6);
			sim_text_near("second", demand_mean(&s->vms[0], 1, 0, 2 * NS_PER_SEC), 0.6,
				      1e-6);
		}
		scenario_free(s);
	}
}

#define HALF(time, a, b, web)                                                                      \
	"{\"kind\":\"interval\",\"time_s\":" time                                                  \
	",\"seconds\":4,\"vms\":[{\"name\":\"db\",\"pid\":501,"                                    \
	"\"vcpus\":[{\"index\":0,\"seconds\":" a "},{\"index\":1,\"seconds\":" b "}]},"            \
	"{\"name\":\"web\",\"pid\":502,\"vcpus\":[{\"index\":0,\"seconds\":" web "}]}]}\n"

/* A ledger of two times four seconds, in which `db` wanted 1 and 0.2 CPUs, `web` 0.2 and 0.5; what a
 * VM may not run by its limit doesn't count. */
static const char ledger[] = HALF(
	"1004", "{\"run\":1.5,\"ready\":0.5,\"limited\":2}", "{\"run\":1,\"costop\":1,\"halt\":2}",
	"{\"run\":0.8,\"halt\":3.2}") HALF("1008", "{\"run\":0.4,\"halt\":3.6}",
					   "{\"run\":0.4,\"halt\":3.6}", "{\"run\":2,\"halt\":2}");

static void try_recorded(const char *keys, const char *refusal, double first, double all)
{
	struct scenario *s = NULL;
	struct failure f = {0};
	char text[256];
	int err;

	snprintf(text, sizeof(text),
		 "[vm a]\nworkload = duty\ntrace = t.csv\ntrace_unit = recorded\n%s\n", keys);
	assert_int_equal(scenario_parse(text, strlen(text), scenario_path, &f, &s), 0);
	err = demand_load(s, &f);
	if (refusal && (!err || !strstr(f.text, refusal)))
		fail_msg("%s\ngot '%s', expected '%s'", text, f.text, refusal);
	if (!refusal && err)
		fail_msg("%s\n%s", text, f.text);
	if (!refusal) {
		sim_text_near(keys, demand_mean(&s->vms[0], 0, 0, 3 * NS_PER_SEC), first, 1e-6);
		sim_text_near(keys, demand_mean(&s->vms[0], 0, 0, 8 * NS_PER_SEC), all, 1e-6);
	}
	scenario_free(s);
}

static void recorded(void **state)
{
	(void)state;
	write_csv(ledger, strlen(ledger));
	try_recorded("trace_column = db\ntrace_step = 2s", NULL, 1, 0.6);
	try_recorded("trace_column = 501\ntrace_step = 4s", "no VM or machine 501", 0, 0);
	try_recorded("trace_column = web\ntrace_step = 2s", NULL, 0.2, 0.35);
	try_recorded("trace_column = 2\ntrace_step = 1s", NULL, 0.2, 0.35);
	try_recorded("trace_step = 3s", NULL, 1, (3 + 1 + 2 * 0.2 + 2 * 0.2) / 8);
	try_recorded("trace_column = db\ntrace_step = 2s\ntrace_scale = 0.5", NULL, 0.5, 0.3);
	try_recorded("trace_column = db\ntrace_step = 2s\ntrace_scale = 1.2",
		     "t.csv: db wanted 1.2 CPUs in row 1; its vCPUs can use 1", 0, 0);
	try_recorded("trace_column = mail", "no VM or machine mail; desched data lists its 2", 0,
		     0);
	write_csv("day,load\n1,0.2\n", strlen("day,load\n1,0.2\n"));
	try_recorded("", "t.csv", 0, 0);
}

static void trace_refusals(void **state)
{
	static const char *const keys[][2] = {
		{"trace = t.csv\ntrace_unit = cpus\nworkload = busy", "workload duty or requests"},
		{"trace = t.csv\nworkload = duty", "needs trace_unit"},
		{"trace = t.csv\ntrace_unit = cpus\nday = 0:1\nworkload = duty", "take one out"},
		{"day = 5:1 4:2\nworkload = duty", "rising hours"},
		{"day = 24:1\nworkload = duty", "rising hours"},
		{"day = wave 1 0 3\nworkload = duty", "wave LOW HIGH"},
		{"memory = 4", "bytes such as 4GiB"},
		{"memory = 1GiB\nworking_set = 2GiB", "working_set is more than its memory"},
	};
	char text[256];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
		struct scenario *s = NULL;
		struct failure f;

		snprintf(text, sizeof(text), "[vm a]\n%s\n", keys[i][0]);
		assert_true(scenario_parse(text, strlen(text), "t.ini", &f, &s) < 0);
		if (!strstr(f.text, keys[i][1]))
			fail_msg("%s\ngot '%s', expected '%s'", text, f.text, keys[i][1]);
	}
}

#define CALIBRATION "{\"schema\": \"desched-calibration/1\", \"host\": {}, \"vms\": ["
#define IDLE(cpus, wakeups)                                                                        \
	"{\"name\": \"web\", \"coefficients\": {\"idle_vcpu\": {\"mean\": " cpus                   \
	"}, \"idle_wakeups\": {\"mean\": " wakeups "}}}]}"

/* The good ones are 88-calibrated.ini. */
static void calibration_refusals(void **state)
{
	static const struct {
		const char *file, *keys, *what;
	} rows[] = {
		{"", "calibrated = web\n[host]\ncalibration = t.csv", "t.csv: "},
		{"{}", "calibrated = web\n[host]\ncalibration = t.csv", "schema desched-calib"},
		{"[1", "calibrated = web\n[host]\ncalibration = t.csv", "t.csv: "},
		{"{}", "calibrated = web", "vm a: calibrated needs a file"},
		{"{}", "[host]\ncalibration = none.json", "none.json: "},
		{"{}", "[host]\ncalibration = .", "not a file; expected a calibration"},
		{"{}", "[host b]\ncalibration = t.csv", "calibration belongs into [host]"},
		{CALIBRATION "]}", "calibrated = web\n[host]\ncalibration = t.csv",
		 "has no VM called 'web'"},
		{CALIBRATION IDLE("null", "5"), "calibrated = web\n[host]\ncalibration = t.csv",
		 "web was never idle"},
		{CALIBRATION IDLE("1.01", "5"), "calibrated = web\n[host]\ncalibration = t.csv",
		 "idle_vcpu of web is not a number from 0 to 1"},
		{CALIBRATION IDLE("0.1", "-5"), "calibrated = web\n[host]\ncalibration = t.csv",
		 "idle_wakeups of web is not a number from 0 to 10000"},
		{CALIBRATION IDLE("0.1", "\"5\""), "calibrated = web\n[host]\ncalibration = t.csv",
		 "idle_wakeups of web is not a number"},
	};
	struct run_options o = {.seed = 1, .jobs = 1};
	char text[256];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct scenario *s = NULL;
		struct run *r = NULL;
		struct failure f;

		write_csv(rows[i].file, strlen(rows[i].file));
		snprintf(text, sizeof(text), "[vm a]\n%s\n", rows[i].keys);
		if (!scenario_parse(text, strlen(text), scenario_path, &f, &s))
			assert_true(run_scenario(s, &o, &f, &r) < 0);
		if (!strstr(f.text, rows[i].what))
			fail_msg("%s\ngot '%s', expected '%s'", text, f.text, rows[i].what);
		scenario_free(s);
	}
}

/* A day in 24 s, of which the hours from..to are counted. */
static double day_cpu(const char *day, double hour, double from, double to)
{
	struct sim_text t = sim_text_run(
		"t.ini",
		"[run]\ncompress = 3600\nhour = %g\nwarmup = %gs\nduration = %gs\n[vm a]\nworkload "
		"= duty\ndemand = 0.8\nburst = 0.1ms\nrandom = no\nday = %s\n",
		hour, from, to - from, day);
	double cpu = sim_text_value(&t, "a.cpu");

	sim_text_end(&t);
	return cpu;
}

static void days(void **state)
{
	const char *table = "6:0.5 12:1 18:0.25";

	(void)state;
	sim_text_near("night", day_cpu(table, 0, 0.01, 6), 0.2, PART);
	sim_text_near("morning", day_cpu(table, 0, 6.01, 12), 0.4, PART);
	sim_text_near("noon", day_cpu(table, 0, 12.01, 18), 0.8, PART);
	sim_text_near("evening", day_cpu(table, 0, 18.01, 24), 0.2, PART);
	sim_text_near("the next night", day_cpu(table, 0, 24.01, 30), 0.2, PART);
	sim_text_near("from noon on", day_cpu(table, 12, 0.01, 6), 0.8, PART);
	/* The mean of a cosine over a period, and over a quarter of it around its top. */
	sim_text_near("wave", day_cpu("wave 0.2 1 14", 0, 1, 25), 0.8 * 0.6, PART);
	sim_text_near("top", day_cpu("wave 0.2 1 14", 0, 11, 17),
		      0.8 * (0.6 + 0.4 * sin(M_PI / 4) / (M_PI / 4)), PART);
}

/* Memory is divided in proportion to working sets, above what is reserved. */
static void memory(void **state)
{
	struct sim_text t = sim_text_run(
		"t.ini", "[host]\ncpus = 3\nmemory = 2GiB\n[run]\nduration = 1s\n[vm a]\nmemory = "
			 "2GiB\nworking_set = 1GiB\nmemory_reserved = 900MiB\n[vm b]\nmemory = "
			 "1GiB\n[vm c]\nmemory = 512MiB\n");

	(void)state;
	sim_text_near("a", sim_text_value(&t, "a.present"), 900 / 1024.0, 1e-6);
	sim_text_near("b", sim_text_value(&t, "b.present"), (2048 - 900) / 1536.0, 1e-6);
	sim_text_near("c", sim_text_value(&t, "c.present"), (2048 - 900) / 1536.0, 1e-6);
	sim_text_near("wanted", sim_text_value(&t, "host.memory"), 2560 / 2048.0, 1e-6);
	sim_text_end(&t);
}

/* A disk that takes 1 ms and 1 ms more for its bytes serves 500 a second, whoever asks. */
static void disk(void **state)
{
	struct sim_text t = sim_text_run(
		"t.ini",
		"[host]\ncpus = 2\ndisk_time = 1ms\ndisk_rate = 4096kB\n[run]\nwarmup = 1s\n"
		"duration = 20s\n[vm a]\nworkload = io\ndevice = host\nio_size = 4096B\nstreams = "
		"3\nburst = 10us\nrandom = no\n[vm b]\nworkload = io\ndevice = host\nio_size = "
		"4096B\nstreams = 1\nburst = 10us\nrandom = no\n");

	(void)state;
	sim_text_near("a", sim_text_value(&t, "a.ops"), 375, PART);
	sim_text_near("b", sim_text_value(&t, "b.ops"), 125, PART);
	sim_text_near("disk", sim_text_value(&t, "host.disk"), 1, 0.001);
	sim_text_near("wait", sim_text_value(&t, "host.disk_wait"), 0.008, PART);
	sim_text_end(&t);
}

/*
 * A day in 100 s. A VM of 8 GiB that writes a fifth of what the link takes goes where there is room
 * when the neighbour begins to work: 8 GiB, then a fifth, then a twenty-fifth, for which it stands
 * still.
 */
static void pre_copy(void **state)
{
	struct sim_text t = sim_text_run(
		"t.ini",
		"[host]\ncpus = 4\n[host one]\n[host two]\n[cluster]\nplace = yes\nrebalance = "
		"10s\nthreshold = 0.4\nbusy = 0.4\nlink = 1250MB\nmove_cost = 0.8s\ndowntime = "
		"300ms\n[run]\n"
		"duration = 100s\ncompress = 864\n[vm early]\nhost = two\nworkload = duty\nload = "
		"0.99\nrandom = no\nday = 0:1 12:0\n[vm late]\nhost = one\nworkload = duty\nload = "
		"0.99\nrandom = no\nday = 0:0 12:1\n[vm a]\nmemory = 8GiB\ndirty = 250MB\n");
	double gib = 8 * (1 + 0.2 + 0.04);

	(void)state;
	sim_text_near("moves", sim_text_value(&t, "a.moved"), 1, 0);
	sim_text_near("at", sim_text_value(&t, "a.host"), 1, 0);
	sim_text_near("downtime", sim_text_value(&t, "a.downtime"), 8 * 0.04 * 0x1p30 / 1250e6,
		      0.02);
	sim_text_near("stands still", sim_text_value(&t, "a.wait") * 86400,
		      sim_text_value(&t, "a.downtime"), 1e-6);
	sim_text_near("and runs otherwise", sim_text_value(&t, "a.cpu") * 86400,
		      86400 - sim_text_value(&t, "a.downtime"), 1e-6);
	sim_text_near("one pays", sim_text_value(&t, "one.moving") * 86400, 0.8 * gib, PART);
	sim_text_near("two pays", sim_text_value(&t, "two.moving") * 86400, 0.8 * gib, PART);
	sim_text_end(&t);
}

/* Largest first, each where it leaves least load; a VM that fits nowhere is refused by name. */
static void placement(void **state)
{
	const char *text = "[host]\ncpus = 4\nmemory = 8GiB\n[host one]\n[host two]\n[cluster]\n"
			   "place = yes\n[run]\nduration = 1s\n[vm big]\nvcpus = 3\nmemory = "
			   "6GiB\n[vm small]\ncount = 3\nmemory = 2GiB\n%s\n";
	struct sim_text t = sim_text_run("t.ini", text, "");

	(void)state;
	sim_text_near("big", sim_text_value(&t, "big.host"), 0, 0);
	sim_text_near("small", sim_text_value(&t, "small.host.min"), 1, 0);
	sim_text_near("all of it", sim_text_value(&t, "small.cpu.min"), 1, 1e-9);
	sim_text_near("once", sim_text_value(&t, "two.busy"), 0.75, 1e-9);
	sim_text_end(&t);

	t = sim_text_run("t.ini", text, "[vm vast]\nmemory = 3GiB\n");
	assert_int_equal(run_results(t.run, 0, 0)->refused, -ENOSPC);
	assert_non_null(strstr(run_results(t.run, 0, 0)->reason, "no host has room for vm vast"));
	sim_text_end(&t);
}

/* Guests of every kind, on hosts that begin to differ: whatever moves, each ns of each vCPU is in
 * one state, what hosts ran is what VMs and movers ran, and each request is served once. */
static void check_moves(uint64_t seed, double *moved)
{
	static const char *const kinds[] = {"busy\nreservation = 0.2\nlimit = 0.6",
					    "duty\nburst = 3ms\ndemand = 0.7",
					    "io\ndevice = host\nburst = 1ms",
					    "barrier\nvcpus = 2\nburst = 2ms",
					    "spinlock\nvcpus = 3\nburst = 0.2ms",
					    ("requests\nvcpus = 2\narrival = 20ms\n"
					     "random = no")};
	uint64_t random = random_stream(seed, 1);
	char vms[2048] = "", name[32];
	double ran = 0, hosts = 0;
	struct sim_text t;
	size_t at = 0;

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
		at += (size_t)snprintf(vms + at, sizeof(vms) - at,
				       "[vm v%zu]\ncount = %u\nmemory = %uMiB\ndirty = 50MB\n"
				       "workload = %s\n",
				       i, 1 + (unsigned)(random_next(&random) % 3),
				       20 + (unsigned)(random_next(&random) % 100), kinds[i]);
	t = sim_text_run(
		"t.ini",
		"[host]\ncpus = 4\nmemory = %s\ndisk_time = 0.3ms\n[host one]\n[host two]\n"
		"cpus = 3\n[host three]\ncpus = 6\n[cluster]\nplace = yes\nrebalance = "
		"0.5s\nthreshold = 0.02\nbusy = 0\n[run]\nwarmup = %us\nduration = 8s\n[vm late]\n"
		"host = one\ncount = 3\nmemory = 700MiB\nstart = %us\n%s[at 5s]\nv0.reservation = "
		"0.1\nv0.limit = 0.5\nv1.demand = 0.4\nv3.shares = 300\nlate.shares = 4000\n",
		seed % 2 ? "0B" : "2GiB", (unsigned)(seed % 3), 3 + (unsigned)(seed % 3), vms);
	sim_text_near("valid", sim_text_value(&t, "host.valid"), 1, 0);
	for (size_t i = 0; i < ARRAY_SIZE(kinds) + 1; i++) {
		static const char *const states[] = {"cpu",  "ready", "costop",	 "limited",
						     "halt", "wait",  "swapwait"};
		double sum = 0, count, vcpus;
		char vm[16] = "late";

		if (i < ARRAY_SIZE(kinds))
			snprintf(vm, sizeof(vm), "v%zu", i);
		for (size_t k = 0; k < ARRAY_SIZE(states); k++) {
			snprintf(name, sizeof(name), "%s.%s.sum", vm, states[k]);
			sum += sim_text_value(&t, name);
			ran += k ? 0 : sim_text_value(&t, name);
		}
		snprintf(name, sizeof(name), "%s.count", vm);
		count = sim_text_value(&t, name);
		snprintf(name, sizeof(name), "%s.vcpus", vm);
		vcpus = sim_text_value(&t, name);
		sim_text_near(vm, sum, count * vcpus, 1e-9);
		snprintf(name, sizeof(name), "%s.moved.sum", vm);
		*moved += sim_text_value(&t, name);
	}
	hosts = 4 * sim_text_value(&t, "one.busy") + 3 * sim_text_value(&t, "two.busy") +
		6 * sim_text_value(&t, "three.busy");
	/* Guests go on: locks are passed on, requests that come each 20 ms served. */
	assert_true(sim_text_value(&t, "v4.ops.min") > 100);
	sim_text_near("requests", sim_text_value(&t, "v5.ops.min"), 50, 0.04);
	sim_text_near("hosts", hosts, ran + 3 * sim_text_value(&t, "host.moving"), 1e-9);
	sim_text_end(&t);
}

static void moves(void **state)
{
	double moved = 0;

	(void)state;
	for (uint64_t seed = 1; seed <= 12; seed++)
		check_moves(seed, &moved);
	assert_true(moved > 24);
}

/* Requests that come each 4 ms go on to be served where the VM is; what comes while it stands still
 * waits, and nothing is lost or served twice. */
static void requests_move(void **state)
{
	struct sim_text t = sim_text_run(
		"t.ini",
		"[host]\ncpus = 2\n[host one]\n[host two]\n[cluster]\nplace = yes\nrebalance = "
		"4s\nbusy = 0\n[run]\nduration = 40s\n[vm a]\nworkload = requests\nrandom = "
		"no\narrival = "
		"4ms\nburst = 1ms\nmemory = 1GiB\n[vm late]\nhost = one\ncount = 2\nstart = "
		"20s\n[vm early]\nhost = two\nworkload = duty\nload = 0.5\n");

	(void)state;
	assert_true(sim_text_value(&t, "a.moved") >= 1);
	sim_text_near("served", sim_text_value(&t, "a.ops") * 40 + sim_text_value(&t, "a.queue"),
		      10000, 0);
	sim_text_near("work", sim_text_value(&t, "a.work") * 40, 9.999, 0.001);
	sim_text_end(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bad_rows),	 cmocka_unit_test(columns),
		cmocka_unit_test(traces),	 cmocka_unit_test(trace_refusals),
		cmocka_unit_test(numbered),	 cmocka_unit_test(recorded),
		cmocka_unit_test(days),		 cmocka_unit_test(memory),
		cmocka_unit_test(disk),		 cmocka_unit_test(pre_copy),
		cmocka_unit_test(placement),	 cmocka_unit_test(moves),
		cmocka_unit_test(requests_move), cmocka_unit_test(calibration_refusals),
	};

	return cmocka_run_group_tests(tests, sim_folder_make, NULL);
}
