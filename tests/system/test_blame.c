/* SPDX-License-Identifier: MIT */
/*
 * Who ran while the vCPUs of processes that look like VMs waited, against sched_switch, sched_wakeup
 * and sched_migrate_task as ftrace recorded them meanwhile, put together here in the simplest way:
 * neither BPF nor any code of src/host takes part in that. Needs root, BPF and tracefs; exits with
 * 77 where there is none. What is worked out by hand is tests/unit/test_blame.c.
 *
 * ftrace's text has microseconds: a wait and a run are off by half of one at each end.
 */
#include "base/clock.h"
#include "base/units.h"
#include "before_others.h"
#include "host/frame.h"
#include "tracing.h"

#include <inttypes.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define SKIPPED	   77
#define WAITERS	   8
#define THREADS	   4096
#define MEASURE_NS (3 * NS_PER_SEC)
#define TRIES	   4

/* ---- the truth ---- */

struct waiter {
	pid_t tid;
	int vm, vcpu;
	uint64_t from, to; /* ns: its readings */
	bool waits;
	int cpu;
	uint64_t since;
	uint64_t ready; /* ns */
};

/* Who was on a CPU, and for how long while a vCPU of each VM waited. */
struct thread {
	pid_t tid; /* of a vCPU; 0: another one */
	bool is_idle;
	char comm[17];
	uint64_t ns[4]; /* by VM */
};

struct on_cpu {
	uint64_t since;
	size_t thread;
};

static struct {
	struct waiter waiters[WAITERS];
	int n_waiters;
	struct thread threads[THREADS];
	size_t n_threads;
	struct {
		struct on_cpu *runs;
		size_t n, room;
	} cpus[CPUS_MAX];
} truth;

static struct waiter *find_waiter(pid_t tid)
{
	for (int i = 0; i < truth.n_waiters; i++)
		if (truth.waiters[i].tid == tid)
			return &truth.waiters[i];
	return NULL;
}

/* All that are neither vCPUs nor idle are told apart by their names alone. */
static size_t thread_of(pid_t tid, const char *comm)
{
	pid_t id = find_waiter(tid) ? tid : 0;

	for (size_t i = 0; i < truth.n_threads; i++)
		if (truth.threads[i].tid == id && !strcmp(truth.threads[i].comm, comm))
			return i;
	assert_true(truth.n_threads < THREADS);
	truth.threads[truth.n_threads].tid = id;
	truth.threads[truth.n_threads].is_idle = !tid;
	snprintf(truth.threads[truth.n_threads].comm, sizeof(truth.threads[0].comm), "%s", comm);
	return truth.n_threads++;
}

/* A part of a wait, on one CPU. */
static void charge(struct waiter *w, uint64_t until)
{
	uint64_t from = u64_max(w->since, w->from), to = u64_min(until, w->to);

	if (!w->waits || from >= to)
		return;
	w->ready += to - from;
	for (size_t i = 0; i < truth.cpus[w->cpu].n; i++) {
		const struct on_cpu *run = &truth.cpus[w->cpu].runs[i];
		uint64_t end = i + 1 < truth.cpus[w->cpu].n ? run[1].since : UINT64_MAX;
		uint64_t a = u64_max(run->since, from), b = u64_min(end, to);

		if (a < b)
			truth.threads[run->thread].ns[w->vm] += b - a;
	}
}

static void begin_wait(struct waiter *w, uint64_t at, int cpu)
{
	w->waits = true;
	w->since = at;
	w->cpu = cpu;
}

static void add_run(int cpu, uint64_t at, size_t thread)
{
	if (truth.cpus[cpu].n == truth.cpus[cpu].room) {
		truth.cpus[cpu].room = truth.cpus[cpu].room * 2 + 1024;
		truth.cpus[cpu].runs = realloc(truth.cpus[cpu].runs,
					       truth.cpus[cpu].room * sizeof(struct on_cpu));
		assert_non_null(truth.cpus[cpu].runs);
	}
	truth.cpus[cpu].runs[truth.cpus[cpu].n++] = (struct on_cpu){at, thread};
}

static void see_switch(const char *line, int cpu, uint64_t at)
{
	struct waiter *prev = find_waiter(number(line, "prev_pid="));
	struct waiter *next = find_waiter(number(line, "next_pid="));
	const char *comm = behind(line, "next_comm="), *end = strstr(comm, " next_pid=");
	char name[17];

	snprintf(name, sizeof(name), "%.*s", (int)(end - comm), comm);
	if (next) { /* before its own run is noted */
		charge(next, at);
		next->waits = false;
	}
	add_run(cpu, at, thread_of(number(line, "next_pid="), name));
	if (prev)
		charge(prev, at); /* its coming was not reported */
	if (prev)
		prev->waits = false;
	if (prev && *behind(line, "prev_state=") == 'R')
		begin_wait(prev, at, cpu);
}

static void see_migration(const char *line, uint64_t at)
{
	struct waiter *w = find_waiter(number(line, " pid="));

	if (!w || !w->waits)
		return;
	charge(w, at);
	begin_wait(w, at, number(line, "dest_cpu="));
}

static void see_wakeup(const char *line, uint64_t at)
{
	struct waiter *w = find_waiter(number(line, " pid="));
	bool runs = w && truth.cpus[w->cpu].n &&
		    truth.threads[truth.cpus[w->cpu].runs[truth.cpus[w->cpu].n - 1].thread].tid ==
			    w->tid;

	if (w && !w->waits && !runs)
		begin_wait(w, at, number(line, "target_cpu="));
}

static void see(const char *line, int cpu, uint64_t at)
{
	if (!strncmp(line, "sched_switch:", 13))
		see_switch(line, cpu, at);
	else if (!strncmp(line, "sched_migrate", 13))
		see_migration(line, at);
	else
		see_wakeup(line, at);
}

static void read_trace(void)
{
	tracing_read(see);
	for (int i = 0; i < truth.n_waiters; i++)
		charge(&truth.waiters[i], UINT64_MAX);
}

/* ---- measuring ---- */

static struct measurement *open_measurement(const pid_t *pids, int n)
{
	static char texts[4][32], *operands[4];
	const struct measure_setup setup = {
		.source = "bpf", .no_pages = true, .operands = operands, .n_operands = n};
	struct measurement *m = NULL;
	struct failure f = {""};

	for (int i = 0; i < n; i++) {
		snprintf(texts[i], sizeof(texts[i]), "pid=%d", pids[i]);
		operands[i] = texts[i];
	}
	if (measure_open(&setup, &f, &m))
		fail_msg("%s", f.text);
	return m;
}

static void measure_for(struct measurement *m, uint64_t ns)
{
	for (uint64_t end = clock_mono() + ns; clock_mono() < end;) {
		usleep((useconds_t)(measure_interval(m) / NS_PER_US));
		measure_step(m);
	}
}

static const struct measured *find_vm(const struct measurement *m, pid_t pid)
{
	for (size_t i = 0; i < m->n; i++)
		if (m->vms[i]->vm.pid == pid)
			return m->vms[i];
	return NULL;
}

static void note_waiters(const struct measurement *m, const pid_t *pids, int n)
{
	truth.n_waiters = 0;
	for (int i = 0; i < n; i++) {
		const struct measured *x = find_vm(m, pids[i]);

		assert_non_null(x);
		for (uint32_t v = 0; v < x->vm.n_vcpus; v++) {
			assert_true(truth.n_waiters < WAITERS);
			truth.waiters[truth.n_waiters++] = (struct waiter){
				.tid = x->vm.vcpus[v].tid,
				.vm = i,
				.vcpu = (int)v,
				.from = x->vcpus[v].ledger[MEASURE_FIRST].at,
				.to = x->vcpus[v].ledger[MEASURE_NOW].at};
		}
	}
}

/* ---- comparing ---- */

static const struct host_frame_vm *vm_in(const struct host_frame *f, pid_t pid)
{
	for (size_t i = 0; i < f->n_vms; i++)
		if (f->vms[i].pid == pid)
			return &f->vms[i];
	return NULL;
}

static uint64_t blamed(const struct host_frame_vm *vm, const char *name)
{
	uint64_t ns = 0;

	for (size_t i = 0; i < vm->n_blames; i++)
		ns += !strcmp(vm->blames[i].name, name) ? vm->blames[i].ns : 0;
	return ns;
}

static uint64_t ready_of(const struct host_frame_vm *vm)
{
	uint64_t ns = 0;

	for (size_t i = 0; i < vm->n_vcpus; i++)
		ns += vm->vcpus[i].ns[LEDGER_READY];
	return ns;
}

static void assert_near(const char *what, uint64_t a, uint64_t b, uint64_t tolerance)
{
	if (getenv("BLAME_SHOW"))
		print_message("%-16s blame %.6f ftrace %.6f (%.6f)\n", what, ns_to_s(a), ns_to_s(b),
			      ns_to_s(tolerance));
	if ((a > b ? a - b : b - a) > tolerance)
		fail_msg("%s: blame has %.6f s, ftrace %.6f s: more than %.6f s apart", what,
			 ns_to_s(a), ns_to_s(b), ns_to_s(tolerance));
}

static uint64_t true_of_comm(int vm, const char *comm)
{
	uint64_t ns = 0;

	for (size_t i = 0; i < truth.n_threads; i++)
		ns += !strcmp(truth.threads[i].comm, comm) ? truth.threads[i].ns[vm] : 0;
	return ns;
}

/* Of the vCPUs of VM `of`. */
static uint64_t true_of_vcpus(int vm, int of)
{
	uint64_t ns = 0;

	for (int w = 0; w < truth.n_waiters; w++)
		for (size_t i = 0; i < truth.n_threads; i++)
			if (truth.waiters[w].vm == of &&
			    truth.threads[i].tid == truth.waiters[w].tid)
				ns += truth.threads[i].ns[vm];
	return ns;
}

static uint64_t true_idle(int vm)
{
	uint64_t ns = 0;

	for (size_t i = 0; i < truth.n_threads; i++)
		ns += truth.threads[i].is_idle ? truth.threads[i].ns[vm] : 0;
	return ns;
}

static uint64_t true_ready(int vm)
{
	uint64_t ns = 0;

	for (int w = 0; w < truth.n_waiters; w++)
		ns += truth.waiters[w].vm == vm ? truth.waiters[w].ready : 0;
	return ns;
}

static void check_sum(const struct host_frame_vm *vm)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < vm->n_blames; i++)
		sum += vm->blames[i].ns;
	assert_int_equal(sum, ready_of(vm));
}

/* Each culprit is within 1 % of the VM's ready time. */
static void check_vm(const struct host_frame *f, const pid_t *pids, const char *const *names,
		     int n_vms, int i, const char *const *hogs)
{
	const struct host_frame_vm *vm = vm_in(f, pids[i]);
	uint64_t ready = ready_of(vm), tolerance = ready / 100;

	check_sum(vm);
	assert_true(ready > NS_PER_SEC);
	assert_near("ready time", ready, true_ready(i), tolerance);
	for (int j = 0; j < n_vms; j++)
		assert_near(names[j], blamed(vm, j == i ? "itself (vCPUs)" : names[j]),
			    true_of_vcpus(i, j), tolerance);
	for (; *hogs; hogs++)
		assert_near(*hogs, blamed(vm, *hogs), true_of_comm(i, *hogs), tolerance);
	assert_near("idle", blamed(vm, "idle"), true_idle(i), tolerance);
	assert_true(blamed(vm, "unknown") <= tolerance);
}

/* Measures, and reads what ftrace recorded meanwhile. */
static struct host_frame measure(const pid_t *pids, int n_vms)
{
	struct measurement *m;
	struct host_frame f;

	assert_true(write_text("trace", "") && write_text("tracing_on", "1"));
	usleep(300000); /* all have been on a CPU since */
	m = open_measurement(pids, n_vms);
	measure_for(m, MEASURE_NS);
	measure_read(m);
	assert_int_equal(host_frame_take(m, &f), 0);
	usleep(100000); /* their waits are over */
	write_text("tracing_on", "0");
	note_waiters(m, pids, n_vms);
	measure_close(m);
	memset(truth.threads, 0, sizeof(truth.threads));
	truth.n_threads = 0;
	for (int c = 0; c < CPUS_MAX; c++)
		truth.cpus[c].n = 0;
	read_trace();
	return f;
}

/* Where the kernel leaves out switches of vCPUs, the two see different things: then again. */
static void compare(const pid_t *pids, const char *const *names, int n_vms, const char *const *hogs,
		    void (*more)(const struct host_frame_vm *vm))
{
	struct host_frame f = measure(pids, n_vms);

	for (int i = 0; i < TRIES && f.counters.missed; i++) {
		host_frame_done(&f);
		f = measure(pids, n_vms);
	}
	end_all();
	if (f.counters.missed) {
		host_frame_done(&f);
		print_message("this kernel does not report every switch\n");
		skip();
	}
	assert_int_equal(f.counters.runs_lost, 0);
	for (int i = 0; i < n_vms; i++)
		check_vm(&f, pids, names, n_vms, i, hogs);
	if (more)
		more(vm_in(&f, pids[0]));
	host_frame_done(&f);
}

/* Weights of nice 0 and 3 are 1024 and 526 (sched_prio_to_weight): 1.95 to 1. */
static void check_shares(const struct host_frame_vm *vm)
{
	double ratio = (double)blamed(vm, "hog-heavy") / (double)blamed(vm, "hog-light");

	if (ratio < 1.75 || ratio > 2.15)
		fail_msg("hogs of weights 1.95 to 1 have %.3f to 1", ratio);
}

static void machines_and_hogs_on_one_cpu(void **state)
{
	const char *const hogs[] = {"hog-heavy", "hog-light", NULL}, *names[] = {"north", "south"};
	int cpu = (int)sysconf(_SC_NPROCESSORS_ONLN) - 1;
	pid_t pids[2];

	(void)state;
	for (int i = 0; i < 2; i++)
		pids[i] = start_vm(names[i]);
	start_hog("hog-heavy", 0, cpu);
	start_hog("hog-light", 3, cpu);
	usleep(300000);
	compare(pids, names, 2, hogs, check_shares);
}

/* The kernel takes those that wait from queue to queue. */
static void waits_are_followed_over_cpus(void **state)
{
	const char *const hogs[] = {"roamer-1", "roamer-2", "roamer-3", NULL};
	const char *const names[] = {"east", "west"};
	char all[64] = "0";
	pid_t pids[2];

	(void)state;
	if (sysconf(_SC_NPROCESSORS_ONLN) < 2)
		skip();
	snprintf(all, sizeof(all), "0-%ld", sysconf(_SC_NPROCESSORS_ONLN) - 1);
	for (int i = 0; i < 2; i++)
		pids[i] = start_vm(names[i]);
	for (int i = 0; hogs[i]; i++)
		start_hog(hogs[i], 5, -1);
	usleep(300000);
	for (int i = 0; i < 2; i++) { /* they pin themselves at their start */
		char line[128];

		snprintf(line, sizeof(line), "taskset -a -cp %s %d >/dev/null", all, pids[i]);
		assert_int_equal(system(line), 0);
	}
	compare(pids, names, 2, hogs, NULL);
}

static int tear_down(void **state)
{
	(void)state;
	end_all();
	return 0;
}

static bool has_bpf(void)
{
	struct failure f = {""};
	struct host_ledger *h;

	if (host_ledger_open("bpf", &f, &h)) {
		printf("skipped: %s\n", f.text);
		return false;
	}
	host_ledger_close(h);
	return true;
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(machines_and_hogs_on_one_cpu, tear_down),
		cmocka_unit_test_teardown(waits_are_followed_over_cpus, tear_down),
	};
	int failed;

	if (argc < 2 || !has_bpf())
		return argc < 2 ? 1 : SKIPPED;
	like_vm = argv[1];
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
