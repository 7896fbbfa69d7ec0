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
#include "base/proc.h"
#include "base/units.h"
#include "before_others.h"
#include "host/find.h"
#include "host/frame.h"
#include "tracing.h"

#include <fcntl.h>
#include <inttypes.h>
#include <jansson.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
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
	bool seen;	   /* in the trace */
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
	w->seen = true;
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
	if (!truth.cpus[cpu].n) { /* it has been there since the trace began */
		const char *from = behind(line, "prev_comm="), *to = strstr(from, " prev_pid=");
		char first[17];

		snprintf(first, sizeof(first), "%.*s", (int)(to - from), from);
		add_run(cpu, 0, thread_of(number(line, "prev_pid="), first));
	}
	if (next && !next->seen) /* it has waited since before the trace began */
		begin_wait(next, 0, cpu);
	if (next) { /* before its own run is noted */
		charge(next, at);
		next->waits = false;
	}
	add_run(cpu, at, thread_of(number(line, "next_pid="), name));
	if (prev)
		charge(prev, at); /* its coming was not reported */
	if (prev) {
		prev->seen = true;
		prev->waits = false;
	}
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

/* ---- those who are there from the beginning ---- */

static void to_fifo(pid_t pid)
{
	const struct sched_param p = {.sched_priority = 1};

	if (sched_setscheduler(pid, SCHED_FIFO, &p)) {
		print_message("no real-time class here\n");
		skip();
	}
}

/* It leaves its CPU once a second at most, when the kernel takes it from a real-time thread. */
static void a_hog_that_does_not_switch(void **state)
{
	const char *const hogs[] = {"hog-fifo", NULL}, *names[] = {"starved"};
	int cpu = (int)sysconf(_SC_NPROCESSORS_ONLN) - 1;
	pid_t pid = start_vm(names[0]);
	struct host_frame f;
	uint64_t unknown;

	(void)state;
	usleep(100000); /* its vCPUs are there */
	to_fifo(start_hog(hogs[0], 0, cpu));
	usleep(100000);
	f = measure(&pid, 1);
	end_all();
	check_vm(&f, &pid, names, 1, 0, hogs);
	unknown = blamed(vm_in(&f, pid), "unknown");
	if (unknown > ready_of(vm_in(&f, pid)) / 1000)
		fail_msg("%.6f s are unknown", ns_to_s(unknown));
	host_frame_done(&f);
}

/* A vCPU that is on the CPU when its VM is entered, and stays there, is its VM's, not a process's. */
static void a_machine_that_does_not_switch(void **state)
{
	const char *const hogs[] = {NULL}, *names[] = {"waits", "is there"};
	pid_t pids[2] = {start_vm(names[0])};
	struct failure why = {""};
	struct host_frame f;
	struct host_vm vm;

	(void)state;
	pids[1] = start_vm(names[1]);
	usleep(300000);
	assert_int_equal(host_find_pid(pids[1], &why, &vm), 0);
	to_fifo(vm.vcpus[0].tid);
	host_vm_done(&vm);
	usleep(100000);
	f = measure(pids, 2);
	end_all();
	check_vm(&f, pids, names, 2, 0, hogs);
	assert_near("process", blamed(vm_in(&f, pids[0]), "like_vm"), 0, 0);
	host_frame_done(&f);
}

/* ---- the kernel's threads, and containers ---- */

#define KSM "/sys/kernel/mm/ksm/"

static struct {
	const char *file, *busy;
	char before[32];
} ksm[] = {{"sleep_millisecs", "0", ""}, {"pages_to_scan", "100000", ""}, {"run", "1", ""}};

static pid_t ksmd; /* 0: it is as it was */
static cpu_set_t ksmd_cpus;
static int ksmd_nice;

static bool put_ksm(size_t i, const char *text)
{
	char path[64];
	FILE *f;
	bool ok;

	snprintf(path, sizeof(path), KSM "%s", ksm[i].file);
	f = fopen(path, "w");
	ok = f && fputs(text, f) >= 0;
	return f && fclose(f) == 0 && ok;
}

static void rest_ksm(void)
{
	if (!ksmd)
		return;
	for (size_t i = ARRAY_SIZE(ksm); i > 0; i--)
		put_ksm(i - 1, ksm[i - 1].before);
	sched_setaffinity(ksmd, sizeof(ksmd_cpus), &ksmd_cpus);
	setpriority(PRIO_PROCESS, (id_t)ksmd, ksmd_nice);
	ksmd = 0;
}

/* Pages that ksmd, a kernel thread, compares all the time. */
static void start_merging(void)
{
	size_t size = 64 << 20;
	char *at;

	if (spawn())
		return;
	at = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (at == MAP_FAILED || madvise(at, size, MADV_MERGEABLE))
		_exit(1);
	for (size_t i = 0; i < size; i += 64)
		memcpy(at + i, &i, sizeof(i));
	for (;;)
		pause();
}

static pid_t pid_of_ksmd(void)
{
	FILE *f = popen("exec pgrep -x ksmd", "r");
	int pid = 0;

	assert_non_null(f);
	if (fscanf(f, "%d", &pid) != 1)
		pid = 0;
	pclose(f);
	return pid;
}

static void note_ksm(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(ksm); i++) {
		char path[64];
		FILE *f;

		snprintf(path, sizeof(path), KSM "%s", ksm[i].file);
		f = fopen(path, "r");
		if (!f || !fgets(ksm[i].before, sizeof(ksm[i].before), f)) {
			print_message("no KSM here\n");
			skip();
		}
		fclose(f);
	}
}

/* On one CPU, with as much weight as our session has (before_others.h). */
static void busy_ksm(int cpu)
{
	cpu_set_t set;

	note_ksm();
	ksmd = pid_of_ksmd();
	assert_true(ksmd > 0);
	ksmd_nice = getpriority(PRIO_PROCESS, (id_t)ksmd);
	assert_int_equal(sched_getaffinity(ksmd, sizeof(ksmd_cpus), &ksmd_cpus), 0);
	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	assert_int_equal(sched_setaffinity(ksmd, sizeof(set), &set), 0);
	assert_int_equal(setpriority(PRIO_PROCESS, (id_t)ksmd, -20), 0);
	for (size_t i = 0; i < ARRAY_SIZE(ksm); i++)
		assert_true(put_ksm(i, ksm[i].busy));
	start_merging();
}

/* In a PID namespace of its own; its number there is 1. */
static void start_contained_hog(const char *name, int cpu)
{
	if (spawn())
		return;
	if (unshare(CLONE_NEWPID)) /* for its children */
		_exit(1);
	start_hog(name, 5, cpu);
	for (;;)
		pause();
}

static const struct host_frame_blame *row_of(const struct host_frame_vm *vm, const char *name)
{
	for (size_t i = 0; i < vm->n_blames; i++)
		if (!strcmp(vm->blames[i].name, name))
			return &vm->blames[i];
	fail_msg("no culprit is called %s", name);
	return NULL;
}

static void check_kinds(const struct host_frame_vm *vm)
{
	const struct host_frame_blame *merging = row_of(vm, "ksmd");
	const struct host_frame_blame *contained = row_of(vm, "hog-contained");

	assert_int_equal(merging->kind, CULPRIT_KERNEL);
	assert_int_equal(merging->pid, 0);
	assert_int_equal(contained->kind, CULPRIT_PROCESS);
	assert_true(contained->pid > 1); /* as the host counts */
	assert_true(merging->ns > NS_PER_SEC / 10 && contained->ns > NS_PER_SEC / 10);
}

static void the_kernel_and_containers(void **state)
{
	const char *const hogs[] = {"ksmd", "hog-contained", NULL}, *names[] = {"beside"};
	int cpu = (int)sysconf(_SC_NPROCESSORS_ONLN) - 1;
	pid_t pid;

	(void)state;
	busy_ksm(cpu);
	pid = start_vm(names[0]);
	start_contained_hog(hogs[1], cpu);
	usleep(300000);
	compare(&pid, names, 1, hogs, check_kinds);
}

/* ---- in a container ---- */

/* There, with a VM of its own: what its vCPUs, one by one, measure goes into `to`. */
static void measure_inside(int to)
{
	struct measurement *m;
	struct host_frame f;
	json_t *o;
	pid_t pid;

	if (mount("proc", "/proc", "proc", 0, NULL))
		_exit(1);
	pid = start_vm("inside");
	usleep(300000);
	m = open_measurement(&pid, 1);
	measure_for(m, MEASURE_NS);
	measure_read(m);
	if (host_frame_take_vcpus(m, &f))
		_exit(1);
	o = host_frame_json(&f);
	_exit(json_dumpfd(o, to, 0) != 0);
}

static pid_t start_inside(int to)
{
	pid_t pid = spawn();

	if (pid)
		return pid;
	if (unshare(CLONE_NEWPID | CLONE_NEWNS) ||
	    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL))
		_exit(1);
	pid = fork();
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		n_children = 0;
		measure_inside(to);
	}
	waitpid(pid, NULL, 0);
	_exit(0);
}

static double cpu_time_of(pid_t pid)
{
	uint64_t run, wait;

	assert_int_equal(proc_read_schedstat(pid, pid, &run, &wait), 0);
	return ns_to_s(run);
}

/* Those outside have no number there, but their own names, in the middle of their runs, too. The
 * first vCPU waits whenever one of them runs, so their waits are as their CPU times. */
static void culprits_outside_of_the_namespace(void **state)
{
	int cpu = (int)sysconf(_SC_NPROCESSORS_ONLN) - 1, out[2];
	pid_t heavy = start_hog("hog-heavy", 0, cpu), light = start_hog("hog-light", 3, cpu);
	struct failure why = {""};
	double expected, ratio;
	struct host_frame f;
	json_t *o;

	(void)state;
	assert_int_equal(pipe2(out, O_CLOEXEC), 0); /* which no hog keeps open */
	start_inside(out[1]);
	close(out[1]);
	o = json_loadfd(out[0], 0, NULL);
	close(out[0]);
	expected = cpu_time_of(heavy) / cpu_time_of(light);
	end_all();
	assert_non_null(o);
	if (host_frame_decode(o, &why, &f))
		fail_msg("%s", why.text);
	json_decref(o);
	assert_int_equal(f.n_vms, 2);
	check_sum(&f.vms[0]);
	ratio = (double)blamed(&f.vms[0], "hog-heavy") / (double)blamed(&f.vms[0], "hog-light");
	if (ratio < 0.95 * expected || ratio > 1.05 * expected)
		fail_msg("hogs used CPU as %.3f to 1, and are blamed as %.3f to 1", expected,
			 ratio);
	assert_int_equal(row_of(&f.vms[0], "hog-heavy")->pid, 0);
	assert_true(blamed(&f.vms[0], "unknown") <= ready_of(&f.vms[0]) / 100);
	host_frame_done(&f);
}

static int tear_down(void **state)
{
	(void)state;
	rest_ksm();
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
		cmocka_unit_test_teardown(a_hog_that_does_not_switch, tear_down),
		cmocka_unit_test_teardown(a_machine_that_does_not_switch, tear_down),
		cmocka_unit_test_teardown(the_kernel_and_containers, tear_down),
		cmocka_unit_test_teardown(culprits_outside_of_the_namespace, tear_down),
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
