/* SPDX-License-Identifier: MIT */
/*
 * The enforcer sched_ext on processes with vCPU-like threads, in a machine whose kernel has
 * sched_ext (scx.sh). It gives the enforcer orders itself, so that what is expected is arithmetic:
 * CPU time by CLOCK_PROCESS_CPUTIME_ID, gaps by threads that look at the clock all the time. The
 * clock of such a machine is slow, so ratios are judged.
 */
#include "enforce/enforcer_sched_ext.h"

#include "base/clock.h"
#include "base/units.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysinfo.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define VMS_MAX	  128
#define VCPUS_MAX 8

static int failures;

#define CHECK(ok, ...)                                                                             \
	do {                                                                                       \
		printf("%s: ", (ok) ? "ok" : "FAILED");                                            \
		printf(__VA_ARGS__);                                                               \
		putchar('\n');                                                                     \
		fflush(stdout);                                                                    \
		failures += !(ok);                                                                 \
	} while (0)

/* ---- VMs ---- */

/* Shared with the VM's process. */
struct vm {
	pid_t pid;
	uint64_t started;
	uint32_t n;
	uint64_t run, rest; /* ns: of a vCPU in turns; rest 0: it runs all the time */
	atomic_uint ready;
	pid_t tid[VCPUS_MAX];
	_Atomic uint64_t seen[VCPUS_MAX]; /* when it last looked at the clock */
	_Atomic uint64_t gaps[64];	  /* all vCPUs off, by ms */
	_Atomic uint64_t longest;	  /* ns */
	_Atomic uint64_t first[256];	  /* ns from a wake to the first look, of vCPU 0 */
	atomic_uint wakes;
	_Atomic bool measure;
};

static struct vm *vms;
static size_t n_vms;

static void nap(uint64_t ns)
{
	struct timespec t = {(time_t)(ns / NS_PER_SEC), (long)(ns % NS_PER_SEC)};

	while (nanosleep(&t, &t) && errno == EINTR)
		;
}

/* One that looks after a pause in which no sibling looked has found a gap. */
static void look(struct vm *vm, uint32_t number)
{
	uint64_t now = clock_mono(), last = 0, gap;

	for (uint32_t i = 0; i < vm->n; i++)
		last = u64_max(last, atomic_load(&vm->seen[i]));
	atomic_store(&vm->seen[number], now);
	gap = now > last ? now - last : 0;
	if (!vm->measure || !last || gap < NS_PER_MS / 2)
		return;
	atomic_fetch_add(&vm->gaps[u64_min(gap / NS_PER_MS, 63)], 1);
	if (gap > vm->longest)
		vm->longest = gap;
}

static uint64_t thread_time(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (uint64_t)t.tv_sec * NS_PER_SEC + (uint64_t)t.tv_nsec;
}

struct vcpu {
	struct vm *vm;
	uint32_t number;
};

static void *vcpu(void *data)
{
	struct vcpu v = *(struct vcpu *)data;
	struct vm *vm = v.vm;

	vm->tid[v.number] = gettid();
	atomic_fetch_add(&vm->ready, 1);
	for (;;) {
		uint64_t end = vm->rest ? thread_time() + vm->run : UINT64_MAX;

		while (!vm->rest || thread_time() < end)
			look(vm, v.number);
		end = clock_mono() + vm->rest;
		nap(vm->rest);
		if (!v.number && vm->measure && vm->wakes < 256)
			atomic_store(&vm->first[atomic_fetch_add(&vm->wakes, 1)],
				     u64_sub_floor(clock_mono(), end));
	}
	return NULL;
}

static void vm_main(struct vm *vm)
{
	struct vcpu v[VCPUS_MAX];
	pthread_t t;

	for (uint32_t i = 0; i < vm->n; i++) {
		v[i] = (struct vcpu){vm, i};
		if (pthread_create(&t, NULL, vcpu, &v[i]))
			_exit(1);
	}
	for (;;)
		pause();
}

static struct vm *start_vm(uint32_t n, uint64_t run, uint64_t rest)
{
	struct vm *vm = &vms[n_vms++];
	pid_t pid;

	memset(vm, 0, sizeof(*vm));
	vm->n = n;
	vm->run = run;
	vm->rest = rest;
	pid = fork();
	if (!pid)
		vm_main(vm);
	vm->pid = pid;
	vm->started = clock_mono();
	while (atomic_load(&vm->ready) < n)
		nap(NS_PER_MS);
	return vm;
}

static void stop_vms(void)
{
	for (size_t i = 0; i < n_vms; i++)
		kill(vms[i].pid, SIGKILL);
	for (size_t i = 0; i < n_vms; i++)
		waitpid(vms[i].pid, NULL, 0);
	n_vms = 0;
}

static uint64_t used(const struct vm *vm)
{
	struct timespec t;
	clockid_t clock;

	if (clock_getcpuclockid(vm->pid, &clock) || clock_gettime(clock, &t))
		return 0;
	return (uint64_t)t.tv_sec * NS_PER_SEC + (uint64_t)t.tv_nsec;
}

/* ---- orders ---- */

/* Who schedules: the enforcer, or the kernel alone by threads or by a cgroup for each VM. */
static enum { BY_ENFORCER, BY_THREAD, BY_GROUP } mode;
static void *state;
static struct enforce_order orders[VMS_MAX];
static size_t n_ordered; /* VMs in the last set */

static void print_outcome(const struct enforce_outcome *o, void *data)
{
	char *why = data;

	if (!o->pid && why)
		snprintf(why, 256, "%s", o->why);
}

static void write_file(const char *dir, const char *name, const char *text)
{
	char path[256];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		CHECK(false, "%s: %s", path, strerror(errno));
	if (fd >= 0)
		close(fd);
}

#define CGROUPS "/sys/fs/cgroup"

static void group_dir(size_t i, char ret[64])
{
	snprintf(ret, 64, CGROUPS "/vm%zu", i);
}

static void order_groups(void)
{
	char dir[64], text[64];

	write_file(CGROUPS, "cgroup.subtree_control", "+cpu");
	for (size_t i = 0; i < n_vms; i++) {
		group_dir(i, dir);
		mkdir(dir, 0755);
		snprintf(text, sizeof(text), "%d", (int)vms[i].pid);
		write_file(dir, "cgroup.procs", text);
		snprintf(text, sizeof(text), "%d",
			 (int)fmax(1, 100 * fmax(orders[i].rate, orders[i].reservation)));
		write_file(dir, "cpu.weight", text);
		if (orders[i].limit > 0)
			snprintf(text, sizeof(text), "%d 100000", (int)(orders[i].limit * 1e5));
		else
			snprintf(text, sizeof(text), "max");
		write_file(dir, "cpu.max", text);
	}
}

static int order_enforcer(void)
{
	static struct host_vcpu vcpus[VMS_MAX * VCPUS_MAX];
	struct enforce_orders set = {orders, vcpus, NULL, n_vms, 0, 0};
	int err;

	for (size_t i = 0; i < n_vms; i++) {
		orders[i].pid = vms[i].pid;
		orders[i].start_ns = vms[i].started;
		orders[i].period = 10 * NS_PER_MS;
		orders[i].first_vcpu = (uint32_t)set.n_vcpus;
		orders[i].n_vcpus = vms[i].n;
		for (uint32_t v = 0; v < vms[i].n; v++)
			vcpus[set.n_vcpus++] = (struct host_vcpu){vms[i].tid[v], v};
	}
	err = enforcer_sched_ext.take(state, print_outcome, NULL);
	return err ? err : enforcer_sched_ext.apply(state, &set);
}

static int order(void)
{
	int err = 0;

	n_ordered = n_vms;
	if (mode == BY_ENFORCER)
		err = order_enforcer();
	if (mode == BY_GROUP)
		order_groups();
	if (err)
		CHECK(false, "orders are taken: %s", strerror(-err));
	return err;
}

/* As deschedd does each second: the same orders again. */
static void remind(void)
{
	size_t all = n_vms;

	if (mode != BY_ENFORCER)
		return;
	n_vms = n_ordered;
	order();
	n_vms = all;
}

/* Used by each in the time, as CPUs. */
static void measure(double time, double *cpus)
{
	uint64_t before[VMS_MAX], began, end;

	for (size_t i = 0; i < n_vms; i++)
		before[i] = used(&vms[i]);
	began = clock_mono();
	end = began + (uint64_t)(time * 1e9);
	while (clock_mono() < end) {
		nap(u64_min(end - clock_mono(), NS_PER_SEC));
		remind();
	}
	for (size_t i = 0; i < n_vms; i++)
		cpus[i] = (double)(used(&vms[i]) - before[i]) / (double)(clock_mono() - began);
}

/* ... and what was before them is over. */
static void order_and_settle(void)
{
	order();
	nap(NS_PER_SEC);
}

static void print_figures(void)
{
	struct sched_ext_globals g;

	if (mode != BY_ENFORCER)
		return;
	g = sched_ext_figures(state);
	printf("    holds %llu, looks %llu, let go %llu, stuck %llu, signals %llu, longest %.1f "
	       "ms, preempts %llu, "
	       "yields %llu, rescues %llu\n",
	       g.holds, g.looks, g.lets, g.stuck, g.signals, (double)g.longest / NS_PER_MS,
	       g.preempts, g.yields, g.rescues);
}

static void end_vms(void)
{
	char dir[64];
	size_t n = n_vms;

	print_figures();
	stop_vms();
	memset(orders, 0, sizeof(orders));
	order();
	for (size_t i = 0; i < n && mode == BY_GROUP; i++) {
		group_dir(i, dir);
		rmdir(dir);
	}
}

/* What the kernel says of schedulers: "enabled", "disabled", or something between. */
static bool is_state(const char *state_is)
{
	char text[32] = "";
	FILE *f = fopen("/sys/kernel/sched_ext/state", "re");

	if (f && !fgets(text, sizeof(text), f))
		text[0] = '\0';
	if (f)
		fclose(f);
	text[strcspn(text, "\n")] = '\0';
	return !strcmp(text, state_is);
}

static bool in_charge(void)
{
	return is_state("enabled");
}

static bool wait_in_charge(bool is, double seconds)
{
	uint64_t end = clock_mono() + (uint64_t)(seconds * 1e9);

	while (!is_state(is ? "enabled" : "disabled") && clock_mono() < end)
		nap(5 * NS_PER_MS);
	return is_state(is ? "enabled" : "disabled");
}

static void *open_enforcer(void)
{
	struct failure f = {""};
	void *opened = NULL;
	int err = enforcer_sched_ext.probe("", &f);

	if (!err)
		err = enforcer_sched_ext.open(&f, &opened);
	CHECK(!err && in_charge(), "the enforcer opens, and is in charge: %s", f.text);
	if (err)
		exit(1);
	return opened;
}

/* What the baselines say is shown, what the enforcer says is judged. */
#define JUDGE(ok, ...) CHECK((ok) || mode != BY_ENFORCER, __VA_ARGS__)

/* ---- parts ---- */

static double seconds = 5;

/* VMs with one busy vCPU, three for each CPU, with shares 1:2:4. */
static void shares(void)
{
	double cpus[VMS_MAX], of[3] = {0}, sum = 0, worst = 0, single = 0;
	uint32_t n = (uint32_t)get_nprocs();

	for (uint32_t i = 0; i < 3 * n; i++) {
		start_vm(1, 1, 0);
		orders[i].rate = 0.2 * (1 << i % 3);
	}
	order_and_settle();
	measure(seconds, cpus);
	for (size_t i = 0; i < n_vms; i++) {
		sum += cpus[i];
		of[i % 3] += cpus[i];
	}
	for (int i = 0; i < 3; i++)
		worst = fmax(worst, fabs(of[i] / (sum * (1 << i) / 7) - 1));
	for (size_t i = 0; i < n_vms; i++)
		single = fmax(single, fabs(cpus[i] / (sum * (1 << i % 3) / 7 / n) - 1));
	JUDGE(worst < 0.05, "shares 1:2:4: %.3f, %.3f, %.3f CPUs, %.1f %% off; a single VM %.1f %%",
	      of[0], of[1], of[2], worst * 100, single * 100);
	end_vms();
}

/* A 2-way VM of which one vCPU is busy, beside 1-way VMs, all with the same shares. */
static void one_busy(void)
{
	double cpus[VMS_MAX], sum = 0;
	uint32_t n = (uint32_t)get_nprocs();

	for (uint32_t i = 0; i < 2 * n; i++) {
		start_vm(i ? 1 + i % 2 : 1, 1, 0); /* the others: half of them with both busy */
		orders[i].rate = 0.5;
	}
	order_and_settle();
	measure(seconds, cpus);
	for (size_t i = 0; i < n_vms; i++)
		sum += cpus[i];
	JUDGE(fabs(cpus[0] / (sum / (double)n_vms) - 1) < 0.1,
	      "one busy vCPU among VMs with two: %.3f of %.3f CPUs, %+.1f %%", cpus[0],
	      sum / (double)n_vms, 100 * (cpus[0] / (sum / (double)n_vms) - 1));
	end_vms();
}

static double gap_quantile(const struct vm *vm, double q)
{
	uint64_t n = 0, seen = 0;

	for (int i = 0; i < 64; i++)
		n += vm->gaps[i];
	for (int i = 0; i < 64; i++) {
		seen += vm->gaps[i];
		if (n && (double)seen >= q * (double)n)
			return i + 1;
	}
	return 0;
}

/* Nothing is got above the limit, however busy the emulator's machine is; below it what that
 * leaves. The kernel's own quota stops a VM for 70 ms at a time. */
static void one_limit(const char *what, uint32_t n, double limit, double most)
{
	double cpus[VMS_MAX];
	struct vm *vm = start_vm(n, 1, 0);

	orders[0].rate = limit;
	orders[0].limit = limit;
	order_and_settle();
	vm->measure = true;
	measure(seconds, cpus);
	JUDGE(cpus[0] < 1.05 * limit && cpus[0] > 0.5 * limit && gap_quantile(vm, 0.5) <= most,
	      "%s: %.3f CPUs at a limit of %.2g, %+.1f %%; all its vCPUs off p50 %.0f, p99 %.0f, "
	      "most %.1f ms",
	      what, cpus[0], limit, 100 * (cpus[0] / limit - 1), gap_quantile(vm, 0.5),
	      gap_quantile(vm, 0.99), (double)vm->longest / NS_PER_MS);
	end_vms();
}

static void limits(void)
{
	one_limit("one vCPU", 1, 0.3, 16);
	one_limit("two vCPUs", 2, 0.3, 16);
	one_limit("three vCPUs", 3, 2, 8);
}

static int by_size(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

/* A VM with a reservation of half a CPU that wakes among sixteen busy processes of the host. */
static void reservation(void)
{
	double cpus[VMS_MAX];
	uint64_t first[256];
	const double rest = 0.04;
	struct vm *vm = start_vm(1, 60 * NS_PER_MS, (uint64_t)(rest * 1e9));
	size_t hogs = 16, n;
	double part;

	orders[0].rate = 0.5;
	orders[0].reservation = 0.5;
	for (size_t i = 0; i < hogs; i++)
		start_vm(1, 1, 0);
	n_vms = 1; /* no orders for them */
	order_and_settle();
	vm->measure = true;
	measure(seconds, cpus);
	n = u64_min(atomic_load(&vm->wakes), 256);
	for (size_t i = 0; i < n; i++)
		first[i] = vm->first[i];
	qsort(first, n, sizeof(*first), by_size);
	part = cpus[0] / (1 - (double)n * rest / seconds); /* of the time in which it wanted to */
	JUDGE(n > 3 && part > 0.3,
	      "reservation 0.5 among %zu hogs: %.3f CPUs while awake, %zu wakes, first run p50 "
	      "%.1f, most %.1f ms",
	      hogs, part, n, n ? (double)first[n / 2] / NS_PER_MS : 0,
	      n ? (double)first[n - 1] / NS_PER_MS : 0);
	n_vms = 1 + hogs;
	end_vms();
}

/* Four VMs with reservations of 3/4 of all CPUs together, and twelve busy processes of the host. */
static void foreign(void)
{
	double cpus[VMS_MAX], sum = 0, all = 0, part = 0.75 * get_nprocs();
	size_t hogs = 12;

	for (size_t i = 0; i < 4; i++) {
		start_vm(1, 1, 0);
		orders[i].rate = part / 4;
		orders[i].reservation = part / 4;
	}
	for (size_t i = 0; i < hogs; i++)
		start_vm(1, 1, 0);
	n_vms = 4;
	order_and_settle();
	n_vms += hogs;
	measure(seconds, cpus);
	for (size_t i = 0; i < n_vms; i++) {
		sum += i < 4 ? cpus[i] : 0;
		all += cpus[i];
	}
	JUDGE(sum / all > 0.68 && sum / all < 0.85,
	      "VMs with reservations of 75 %% among %zu hogs of the host: %.1f %%", hogs,
	      100 * sum / all);
	end_vms();
}

static double seconds_since(uint64_t since)
{
	return (double)(clock_mono() - since) / NS_PER_SEC;
}

static char task_state(const struct vm *vm)
{
	char path[64], text[256] = "", *end;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/stat", (int)vm->pid, (int)vm->tid[0]);
	f = fopen(path, "re");
	if (f && !fgets(text, sizeof(text), f))
		text[0] = '\0';
	if (f)
		fclose(f);
	end = strrchr(text, ')');
	return end ? end[2] : '?';
}

static double until_state(const struct vm *vm, char is)
{
	uint64_t since = clock_mono();

	while (task_state(vm) != is && seconds_since(since) < 5)
		nap(NS_PER_MS);
	return seconds_since(since);
}

static bool frozen(const char *dir)
{
	char path[128], line[64];
	bool is = false;
	FILE *f;

	snprintf(path, sizeof(path), "%s/cgroup.events", dir);
	f = fopen(path, "re");
	while (f && fgets(line, sizeof(line), f))
		is |= !strcmp(line, "frozen 1\n");
	if (f)
		fclose(f);
	return is;
}

/* vCPUs that are held nearly all the time see signals and the freezer. */
static void signals(void)
{
	double stop = 0, kill_ = 0, freeze = 0;
	const char *dir = CGROUPS "/frozen";
	char text[32];

	mkdir(dir, 0755);
	for (int i = 0; i < 5; i++) {
		struct vm *vm = start_vm(2, 1, 0);
		uint64_t since;

		orders[0].rate = orders[0].limit = 0.05;
		order_and_settle();
		kill(vm->pid, SIGSTOP);
		stop = fmax(stop, until_state(vm, 'T'));
		kill(vm->pid, SIGCONT);
		nap(100 * NS_PER_MS);
		snprintf(text, sizeof(text), "%d", (int)vm->pid);
		write_file(dir, "cgroup.procs", text);
		write_file(dir, "cgroup.freeze", "1");
		since = clock_mono();
		while (!frozen(dir) && seconds_since(since) < 5)
			nap(NS_PER_MS);
		freeze = fmax(freeze, seconds_since(since));
		write_file(dir, "cgroup.freeze", "0");
		nap(100 * NS_PER_MS);
		since = clock_mono();
		kill(vm->pid, SIGKILL);
		waitpid(vm->pid, NULL, 0);
		kill_ = fmax(kill_, seconds_since(since));
		n_vms = 0;
		end_vms();
	}
	rmdir(dir);
	JUDGE(stop < 0.3 && kill_ < 0.3 && freeze < 0.3,
	      "held vCPUs: SIGSTOP after %.0f ms, the freezer %.0f, SIGKILL %.0f at most",
	      stop * 1e3, freeze * 1e3, kill_ * 1e3);
}

/* VMs that come and go, with orders at each step, while others are busy. */
static void churn(void)
{
	int n = seconds > 10 ? 1000 : 100;

	for (int i = 0; i < n; i++) {
		struct vm *vm = start_vm(1 + (uint32_t)i % 3, 2 * NS_PER_MS, i % 2 ? 0 : NS_PER_MS);

		orders[n_vms - 1].rate = 1;
		orders[n_vms - 1].limit = i % 4 ? 0 : 0.1;
		if (order())
			break;
		if (n_vms < 8)
			continue;
		vm = &vms[(size_t)i % 8];
		kill(vm->pid, SIGKILL);
		waitpid(vm->pid, NULL, 0);
		*vm = vms[--n_vms];
		orders[vm - vms] = orders[n_vms];
	}
	JUDGE(in_charge(), "%d VMs came and went", n);
	end_vms();
}

/* For as long as is asked: VMs at a limit of 0.05, stopped and continued. */
static void storm(void)
{
	uint64_t end = clock_mono() + (uint64_t)(seconds * 1e9), stops = 0;
	double cpus[VMS_MAX];

	for (size_t i = 0; i < 8; i++) {
		start_vm(2, 1, 0);
		orders[i].rate = orders[i].limit = 0.05;
	}
	order_and_settle();
	while (clock_mono() < end && (mode != BY_ENFORCER || in_charge())) {
		struct vm *vm = &vms[stops++ % n_vms];

		kill(vm->pid, SIGSTOP);
		nap(20 * NS_PER_MS);
		kill(vm->pid, SIGCONT);
		if (stops % 32 == 0 && order())
			break;
	}
	measure(2, cpus);
	JUDGE(in_charge() && cpus[0] > 0.03 && cpus[0] < 0.07,
	      "limit 0.05, %d times SIGSTOP in %.0f s: still in charge, %.3f CPUs", (int)stops,
	      seconds, cpus[0]);
	end_vms();
}

/* The process that holds the enforcer is killed: the kernel schedules again by itself. */
static void kills(void)
{
	int n = seconds > 10 ? 50 : 3, good = 0;
	double longest = 0;

	enforcer_sched_ext.close(state);
	for (int i = 0; i < n; i++) {
		uint64_t since;
		pid_t pid = fork();

		if (!pid) {
			state = open_enforcer();
			for (;;)
				pause();
		}
		if (!wait_in_charge(true, 60))
			break;
		nap(50 * NS_PER_MS);
		kill(pid, SIGKILL);
		since = clock_mono();
		good += wait_in_charge(false, 20);
		longest = fmax(longest, seconds_since(since));
		waitpid(pid, NULL, 0);
	}
	state = open_enforcer();
	JUDGE(good == n, "killed %d of %d times: the kernel schedules again after %.0f ms at most",
	      good, n, longest * 1e3);
}

/* More VMs than there is room for end it, with a reason. */
static void full(void)
{
	static struct enforce_order many[2000];
	struct enforce_orders set = {many, NULL, NULL, ARRAY_SIZE(many), 0, 0};
	char why[256] = "";
	int err;

	for (size_t i = 0; i < ARRAY_SIZE(many); i++)
		many[i] = (struct enforce_order){
			.pid = (pid_t)(100000 + i), .start_ns = 1, .rate = 1};
	err = enforcer_sched_ext.apply(state, &set);
	CHECK(err == -EPIPE && enforcer_sched_ext.take(state, print_outcome, why) == -EPIPE &&
		      wait_in_charge(false, 20),
	      "2000 VMs are too many: %s", why);
	enforcer_sched_ext.close(state);
	state = open_enforcer();
}

/* A daemon that says nothing for ten seconds isn't there any more. */
static void silence(void)
{
	char why[256] = "";

	order();
	CHECK(wait_in_charge(false, 30) &&
		      enforcer_sched_ext.take(state, print_outcome, why) == -EPIPE,
	      "without orders: %s", why);
	enforcer_sched_ext.close(state);
	state = open_enforcer();
}

static const struct part {
	const char *name;
	void (*run)(void);
} parts[] = {
	{"shares", shares},   {"one_busy", one_busy},
	{"limits", limits},   {"reservation", reservation},
	{"foreign", foreign}, {"signals", signals},
	{"churn", churn},     {"storm", storm},
	{"kills", kills},     {"full", full},
	{"silence", silence},
};

/* The machine is an emulated one, whose CPUs may be away for longer than what is measured: a figure
 * that isn't good is measured again, in more time. One that never is good fails; so does a storm
 * that the scheduler doesn't outlive once. */
static void insist(void (*run)(void))
{
	for (int attempt = 1;; attempt++) {
		int before = failures;

		run();
		if (failures == before || attempt == 4 || run == storm)
			return;
		printf("once more, in more time\n");
		failures = before;
		seconds *= 1.5;
		if (mode != BY_ENFORCER || in_charge())
			continue;
		enforcer_sched_ext.close(state);
		wait_in_charge(false, 20);
		state = open_enforcer();
	}
}

static void run_part(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(parts); i++)
		if (!strcmp(parts[i].name, name)) {
			insist(parts[i].run);
			return;
		}
	CHECK(false, "there is a part %s", name);
}

/* ext|thread|group SECONDS PART...; ext-strict: with the watchdog of a host that isn't virtual */
int main(int argc, char **argv)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	if (argc < 4)
		return 2;
	mode = !strcmp(argv[1], "thread")  ? BY_THREAD
	       : !strcmp(argv[1], "group") ? BY_GROUP
					   : BY_ENFORCER;
	sched_ext_virtual = strcmp(argv[1], "ext-strict") != 0;
	seconds = atof(argv[2]);
	vms = mmap(NULL, VMS_MAX * sizeof(*vms), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
		   -1, 0);
	if (vms == MAP_FAILED)
		return 1;
	if (mode == BY_ENFORCER)
		state = open_enforcer();
	for (int i = 3; i < argc; i++)
		run_part(argv[i]);
	if (mode == BY_ENFORCER) {
		enforcer_sched_ext.close(state);
		CHECK(wait_in_charge(false, 20), "closed: the kernel schedules again");
	}
	return failures ? 1 : 0;
}
