/* SPDX-License-Identifier: MIT */
/*
 * `desched trace` of processes that look like VMs, against sched_switch as ftrace recorded it
 * meanwhile: the same switches, on the same CPUs, at the same times. Needs root, BPF and tracefs;
 * exits with 77 where there is none. How events are written is tests/unit/test_trace.c.
 */
#include "base/clock.h"
#include "before_others.h"
#include "host/host_ledger.h"
#include "host/trace.h"
#include "tracing.h"

#include <fcntl.h>
#include <jansson.h>
#include <math.h>
#include <sched.h>

#define SKIPPED	  77
#define SWITCHES  65536
#define THREADS	  4
#define FAR_NS	  (50.0 * NS_PER_US)
#define MARGIN_NS (20.0 * NS_PER_MS) /* at both ends of the trace */
#define PLACE	  "/tmp/test-trace.json"

static const char *desched, *perfetto_check;

/* A vCPU's thread came to a CPU. */
struct coming {
	double at; /* ns */
	int cpu;
};

struct comings {
	pid_t tid;
	struct coming list[SWITCHES];
	size_t n;
};

static struct comings by_ftrace[THREADS], by_trace[THREADS];
static size_t n_threads;

static void add(struct comings *list, pid_t tid, double at, int cpu)
{
	for (size_t i = 0; i < n_threads; i++) {
		if (list[i].tid != tid)
			continue;
		assert_true(list[i].n < SWITCHES);
		list[i].list[list[i].n++] = (struct coming){at, cpu};
	}
}

static void see(const char *line, int cpu, uint64_t at)
{
	if (!strncmp(line, "sched_switch:", 13))
		add(by_ftrace, number(line, "next_pid="), (double)at, cpu);
}

static double member(const json_t *o, const char *name)
{
	return json_number_value(json_object_get(o, name));
}

/* The threads that have tracks as vCPUs. */
static void find_threads(const json_t *events)
{
	json_t *e;
	size_t i;

	json_array_foreach(events, i, e)
	{
		if (strcmp(json_string_value(json_object_get(e, "name")), "thread_name") != 0 ||
		    member(e, "pid") == TRACE_HOST_PID)
			continue;
		assert_true(n_threads < THREADS);
		by_ftrace[n_threads].tid = by_trace[n_threads].tid = (pid_t)member(e, "tid");
		n_threads++;
	}
}

/* That of a CPU isn't empty. */
static void check_track(const json_t *events, int tid)
{
	double last = 0;
	json_t *e;
	size_t i;

	json_array_foreach(events, i, e)
	{
		if (*json_string_value(json_object_get(e, "ph")) == 'X' && member(e, "tid") == tid)
			last = member(e, "ts") + member(e, "dur");
	}
	assert_true(last > 0);
}

static void take_slices(const json_t *events, double start)
{
	json_t *e;
	size_t i;

	json_array_foreach(events, i, e)
	{
		if (*json_string_value(json_object_get(e, "ph")) == 'X' &&
		    member(e, "pid") == TRACE_HOST_PID)
			add(by_trace, (pid_t)member(json_object_get(e, "args"), "tid"),
			    start + member(e, "ts") * NS_PER_US,
			    (int)member(e, "tid") - TRACE_HOST_PID - 1);
	}
}

static size_t first_behind(const struct comings *c, double at)
{
	size_t i = 0;

	while (i < c->n && c->list[i].at < at)
		i++;
	return i;
}

/* Between two instants both have the same comings; but where the kernel keeps a switch to itself,
 * one of them may know more, by the other end of the run. */
static void check_comings(const struct comings *a, const struct comings *b, double from, double to)
{
	size_t j = first_behind(b, from - FAR_NS), n = 0, same = 0, more = 0;

	for (size_t i = first_behind(a, from); i < a->n && a->list[i].at < to; i++, n++) {
		for (; j < b->n && b->list[j].at < a->list[i].at - FAR_NS; j++)
			more += b->list[j].at >= from + FAR_NS;
		if (j == b->n || b->list[j].at > a->list[i].at + FAR_NS ||
		    b->list[j].cpu != a->list[i].cpu)
			continue;
		same++;
		j++;
	}
	if (n <= 10 || n - same > n / 100 || more > n / 100)
		fail_msg("thread %d: ftrace has %zu switches, of which trace has %zu, and %zu more",
			 a->tid, n, same, more);
}

/* Perfetto would take all of it. */
static json_t *load(void)
{
	json_error_t error;
	char command[512];
	json_t *o;

	snprintf(command, sizeof(command), "%s " PLACE " >&2", perfetto_check);
	assert_int_equal(system(command), 0);
	o = json_load_file(PLACE, JSON_REJECT_DUPLICATES, &error);
	if (!o)
		fail_msg(PLACE ": %s", error.text);
	unlink(PLACE);
	return o;
}

static void switches_are_those_of_ftrace(void **state)
{
	int cpus = (int)sysconf(_SC_NPROCESSORS_ONLN);
	double start, end = 0;
	json_t *o, *events;
	char line[256];

	(void)state;
	start_vm("north");
	start_vm("so\303\266th\\");
	start_hog("h\"og\\", 3, cpus - 1);
	usleep(300000);
	assert_true(write_text("trace", "") && write_text("tracing_on", "1"));
	snprintf(line, sizeof(line), "%s trace -o " PLACE " 1.5 north 'so*' 2>/dev/null", desched);
	assert_int_equal(system(line), 0);
	write_text("tracing_on", "0");
	end_all();
	o = load();
	events = json_object_get(o, "traceEvents");
	start = strtod(json_string_value(json_object_get(json_object_get(o, "otherData"),
							 "monotonic_start_ns")),
		       NULL);
	find_threads(events);
	assert_int_equal(n_threads, 4);
	take_slices(events, start);
	tracing_read(see);
	for (size_t i = 0; i < n_threads; i++)
		for (size_t j = 0; j < by_trace[i].n; j++)
			end = fmax(end, by_trace[i].list[j].at);
	for (size_t i = 0; i < n_threads; i++)
		check_comings(&by_ftrace[i], &by_trace[i], start + MARGIN_NS, end - MARGIN_NS);
	for (int c = 0; c < cpus; c++)
		check_track(events, TRACE_HOST_PID + 1 + c);
	json_decref(o);
}

/* Of VMs that stay on one CPU, also those states that the end found them in. */
static void check_cpu(const json_t *events, int cpu)
{
	size_t i, n = 0;
	json_t *e;

	json_array_foreach(events, i, e)
	{
		if (*json_string_value(json_object_get(e, "ph")) != 'X' ||
		    member(e, "pid") == TRACE_HOST_PID)
			continue;
		assert_int_equal((int)member(json_object_get(e, "args"), "cpu"), cpu);
		n++;
	}
	assert_true(n > 0);
}

/* Who is started from now on stays there. */
static void stay_on(int first, int last)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	for (int c = first; c <= last; c++)
		CPU_SET(c, &set);
	assert_int_equal(sched_setaffinity(0, sizeof(set), &set), 0);
}

/* The file is there, and whole, and holds what there was until then. */
static void interrupt_ends_it_in_order(void **state)
{
	uint64_t end = clock_mono() + 20 * NS_PER_SEC;
	int last = (int)sysconf(_SC_NPROCESSORS_ONLN) - 1, status;
	json_t *o;
	pid_t pid;

	(void)state;
	stay_on(last, last);
	start_vm("north");
	usleep(200000);
	stay_on(0, last);
	pid = fork();
	if (!pid) {
		dup2(open("/dev/null", O_WRONLY), STDERR_FILENO);
		execl(desched, desched, "trace", "-o", PLACE, "3600", "north", NULL);
		_exit(1);
	}
	usleep(1500000);
	kill(pid, SIGINT);
	while (!waitpid(pid, &status, WNOHANG) && clock_mono() < end)
		usleep(10000);
	assert_true(WIFEXITED(status) && !WEXITSTATUS(status));
	o = load();
	assert_true(json_array_size(json_object_get(o, "traceEvents")) > 10);
	check_cpu(json_object_get(o, "traceEvents"), last);
	json_decref(o);
}

static int tear_down(void **state)
{
	(void)state;
	end_all();
	return 0;
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(switches_are_those_of_ftrace, tear_down),
		cmocka_unit_test_teardown(interrupt_ends_it_in_order, tear_down),
	};
	struct failure f = {""};
	struct host_ledger *h;
	int failed;

	if (argc < 4)
		return 1;
	desched = argv[1];
	like_vm = argv[2];
	perfetto_check = argv[3];
	if (host_ledger_open("bpf", &f, &h)) {
		printf("skipped: %s\n", f.text);
		return SKIPPED;
	}
	host_ledger_close(h);
	before_others();
	if (!open_tracing()) {
		printf("skipped: no tracefs\n");
		close_tracing();
		return SKIPPED;
	}
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	close_tracing();
	return failed;
}
