/* SPDX-License-Identifier: MIT */
/*
 * Host ledgers of real threads (fake_vm.h) against what the kernel's schedstat, the threads' own
 * clocks and the process CPU clock say. KVM vCPUs are test_host_kvm.c, pages test_publish.c. Needs
 * root and BPF; exits with 77 where there is none.
 *
 * Tolerances are shares of the time measured. On a machine that is itself a VM, RUN contains the
 * time that its hypervisor took from the CPU, and the kernel's figures may not: that much is
 * allowed on top where running times are compared.
 */
#include "base/proc.h"
#include "before_others.h"
#include "bpf/vcpu.h"
#include "fake_vm.h"
#include "host/find.h"
#include "host/host_ledger.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#define MEASURE_NS (3 * NS_PER_SEC)

static struct host_ledger *open_ledger(const char *source)
{
	struct failure f = {""};
	struct host_ledger *h = NULL;

	if (host_ledger_open(source, &f, &h))
		fail_msg("%s: %s", source, f.text);
	return h;
}

static int add(struct host_ledger *h, const struct fake_vm *fake_vm)
{
	struct failure f = {""};
	struct host_vm vm;
	int id = -1;

	if (host_find_pid(fake_vm->pid, &f, &vm))
		fail_msg("%s", f.text);
	assert_string_equal(vm.found_by, "names");
	assert_int_equal(vm.n_vcpus, 1);
	assert_int_equal(vm.vcpus[0].tid, atomic_load(&fake_vm->shared->vcpu));
	if (host_ledger_add(h, &vm, &f, &id))
		fail_msg("%s", f.text);
	host_vm_done(&vm);
	return id;
}

static struct ledger read_ledger(struct host_ledger *h, int id)
{
	struct ledger l;

	assert_int_equal(host_ledger_read(h, id, 0, &l), 0);
	assert_true(ledger_valid(&l));
	return l;
}

/* Everything that is held against the ledgers. */
struct truth {
	uint64_t run, delay; /* schedstat of the vCPU thread */
	uint64_t process;    /* CPU time of all its process's threads, exited ones too */
	uint64_t idle, lock;
	uint64_t steal; /* of the CPU */
};

static struct truth read_truth(const struct fake_vm *vm)
{
	struct proc_cpu cpu;
	struct timespec ts;
	struct truth t;
	clockid_t clock;
	char path[64];
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/schedstat", vm->pid,
		 atomic_load(&vm->shared->vcpu));
	file = fopen(path, "r");
	assert_non_null(file);
	assert_int_equal(fscanf(file, "%" SCNu64 " %" SCNu64, &t.run, &t.delay), 2);
	fclose(file);
	assert_int_equal(clock_getcpuclockid(vm->pid, &clock), 0);
	clock_gettime(clock, &ts);
	t.process = (uint64_t)ts.tv_sec * NS_PER_SEC + (uint64_t)ts.tv_nsec;
	t.idle = atomic_load(&vm->shared->idle_ns);
	t.lock = atomic_load(&vm->shared->lock_ns);
	assert_int_equal(proc_read_cpu(vm->cpu, &cpu), 0);
	t.steal = cpu.steal_ns;
	return t;
}

static void assert_near(const char *what, uint64_t a, uint64_t b, uint64_t tolerance)
{
	if ((a > b ? a - b : b - a) > tolerance)
		fail_msg("%s: %.6f s and %.6f s differ by more than %.6f s", what, ns_to_s(a),
			 ns_to_s(b), ns_to_s(tolerance));
}

/* ---- gaps ---- */

#define GAPS_MAX 200000

static struct {
	struct gap gap[GAPS_MAX];
	int n;
} gaps;

static void keep_gap(int id, const struct gap *gap, void *data)
{
	(void)data;
	assert_int_equal(id, 0);
	assert_true(gaps.n < GAPS_MAX);
	assert_int_equal(gap->vcpu, 0);
	assert_true(gap->end > gap->start);
	assert_true(!gaps.n || gap->start >= gaps.gap[gaps.n - 1].end);
	gaps.gap[gaps.n++] = *gap;
}

/* Gap time before `until` in one state. */
static uint64_t gaps_before(uint64_t until, uint32_t state)
{
	uint64_t sum = 0;

	for (int i = 0; i < gaps.n; i++) {
		const struct gap *g = &gaps.gap[i];

		if (g->state == state && g->start < until)
			sum += u64_min(g->end, until) - g->start;
	}
	return sum;
}

static void measure(struct host_ledger *h, uint64_t ns)
{
	for (uint64_t end = clock_mono() + ns; clock_mono() < end;) {
		usleep(20000);
		assert_int_equal(host_ledger_poll(h, keep_gap, NULL), 0);
	}
}

/* Until the gap in which the ledger was read, if it was in one, has ended and is told. */
static void measure_past(struct host_ledger *h, const struct ledger *l)
{
	uint64_t end = clock_mono() + 20 * NS_PER_SEC;

	if (l->state == LEDGER_RUN || l->state == LEDGER_HALT)
		return measure(h, 50 * NS_PER_MS);
	while ((!gaps.n || gaps.gap[gaps.n - 1].end < l->at) && clock_mono() < end)
		measure(h, 20 * NS_PER_MS);
}

/* ---- the tests ---- */

/* The longest that the vCPU waited for its CPU. */
static uint64_t longest_wait(void)
{
	uint64_t ns = 0;

	for (int i = 0; i < gaps.n; i++) {
		if (gaps.gap[i].state == LEDGER_READY)
			ns = u64_max(ns, gaps.gap[i].end - gaps.gap[i].start);
	}
	return ns;
}

/* The kernel adds a wait to run_delay when it ends: one under way at either end of the measurement
 * is wholly in or wholly out. */
static void check_run_and_ready(const char *who, const struct ledger *l, uint64_t run,
				uint64_t ready, uint64_t slack)
{
	uint64_t tolerance = ledger_wall(l) / 100 + slack;
	char what[64];

	snprintf(what, sizeof(what), "run, bpf and %s", who);
	assert_near(what, l->ns[LEDGER_RUN], run, tolerance);
	snprintf(what, sizeof(what), "ready, bpf and %s", who);
	assert_near(what, l->ns[LEDGER_READY], ready, tolerance + longest_wait());
}

/* Time within a condition wait is HALT, then READY, and a little RUN around it. */
static void check_waits(const struct ledger *l, const struct truth *a, const struct truth *b)
{
	uint64_t tolerance = ledger_wall(l) / 50 + longest_wait(), ready = l->ns[LEDGER_READY];
	uint64_t idle = b->idle - a->idle, lock = b->lock - a->lock;

	assert_true(l->ns[LEDGER_HALT] > 0 && l->ns[LEDGER_WAIT] > 0);
	assert_true(l->ns[LEDGER_HALT] <= idle + tolerance);
	assert_true(l->ns[LEDGER_WAIT] <= lock + tolerance);
	assert_true(l->ns[LEDGER_HALT] + l->ns[LEDGER_WAIT] + ready + tolerance >= idle + lock);
	assert_int_equal(l->ns[LEDGER_SWAPWAIT] + l->ns[LEDGER_COSTOP] + l->ns[LEDGER_LIMITED], 0);
}

static void check_gaps(const struct ledger *l)
{
	for (uint32_t s = 0; s < LEDGER_STATES; s++)
		assert_int_equal(gaps_before(l->at, s),
				 s == LEDGER_RUN || s == LEDGER_HALT ? 0 : l->ns[s]);
}

/* Everything at one instant, or as long as `width` says: this process may be descheduled as
 * well. */
struct reading {
	struct ledger bpf, polled;
	uint64_t overhead, polled_overhead;
	struct truth truth;
	uint64_t width; /* ns */
};

static struct reading read_all(struct host_ledger *bpf, int id, struct host_ledger *polled,
			       int polled_id, const struct fake_vm *vm)
{
	struct reading r;

	r.bpf = read_ledger(bpf, id);
	assert_int_equal(host_ledger_overhead(bpf, id, &r.overhead), 0);
	r.truth = read_truth(vm);
	r.polled = read_ledger(polled, polled_id);
	assert_int_equal(host_ledger_overhead(polled, polled_id, &r.polled_overhead), 0);
	r.width = clock_mono() - r.bpf.at;
	return r;
}

static void check_overhead(const struct reading *a, const struct reading *b, uint64_t tolerance)
{
	uint64_t process = b->truth.process - a->truth.process;
	uint64_t others = process - (b->truth.run - a->truth.run);
	uint64_t overhead = b->overhead - a->overhead;

	assert_near("overhead, bpf and the process's CPU clock", overhead, others, tolerance);
	assert_near("overhead, schedstat and the process's CPU clock",
		    b->polled_overhead - a->polled_overhead, others, 2 * tolerance);
	assert_true(overhead > 0);
}

/* Returns false, having checked nothing, when the kernel left out switches of the vCPU. */
static bool measure_and_check(const struct fake_vm *vm)
{
	struct host_ledger *bpf = open_ledger("bpf"), *polled = open_ledger("schedstat");
	int id = add(bpf, vm), polled_id = add(polled, vm);
	struct host_ledger_counters c;
	struct ledger lb, lp;
	struct reading a, b;
	uint64_t slack;

	gaps.n = 0;
	a = read_all(bpf, id, polled, polled_id, vm);
	measure(bpf, MEASURE_NS);
	b = read_all(bpf, id, polled, polled_id, vm);
	measure_past(bpf, &b.bpf);
	host_ledger_counters(bpf, &c);
	host_ledger_close(bpf);
	host_ledger_close(polled);
	if (c.bpf_missed)
		return false;
	slack = b.truth.steal - a.truth.steal + a.width + b.width;
	assert_int_equal(ledger_delta(&a.bpf, &b.bpf, &lb), 0);
	assert_int_equal(ledger_delta(&a.polled, &b.polled, &lp), 0);
	check_run_and_ready("schedstat's source", &lb, lp.ns[LEDGER_RUN], lp.ns[LEDGER_READY],
			    slack);
	check_run_and_ready("/proc", &lb, b.truth.run - a.truth.run, b.truth.delay - a.truth.delay,
			    slack);
	check_waits(&lb, &a.truth, &b.truth);
	check_overhead(&a, &b, ledger_wall(&lb) / 100 + slack);
	assert_int_equal(c.gaps_lost, 0);
	assert_int_equal(c.gaps, (uint64_t)gaps.n);
	check_gaps(&b.bpf);
	return true;
}

static void sources_and_kernel_agree(void **state)
{
	struct fake_vm vm;
	bool checked = false;

	(void)state;
	assert_true(fake_vm_start(&vm, FAKE_MIXED, true));
	for (int i = 0; i < 5 && !checked; i++)
		checked = measure_and_check(&vm);
	fake_vm_end(&vm);
	if (!checked) {
		print_message("this kernel does not report every switch\n");
		skip();
	}
}

/* A reading never contradicts an earlier one, whatever the thread does in between. */
static void readings_never_run_back(void **state)
{
	struct host_ledger *h = open_ledger("bpf");
	struct ledger first, last, l, d;
	uint64_t overhead = 0;
	struct fake_vm vm;
	int id, n = 0;

	(void)state;
	gaps.n = 0;
	assert_true(fake_vm_start(&vm, FAKE_MIXED, true));
	id = add(h, &vm);
	first = last = read_ledger(h, id);
	while (last.at - first.at < NS_PER_SEC) {
		uint64_t now = clock_mono(), o;

		l = read_ledger(h, id);
		assert_int_equal(ledger_delta(&last, &l, &d), 0);
		assert_true(l.at + 10 * NS_PER_US >= now); /* it is of this instant */
		assert_int_equal(host_ledger_overhead(h, id, &o), 0);
		assert_true(o >= overhead);
		overhead = o;
		last = l;
		if (++n % 1000 == 0)
			assert_int_equal(host_ledger_poll(h, keep_gap, NULL), 0);
	}
	assert_true(n > 1000);
	host_ledger_close(h);
	fake_vm_end(&vm);
}

static void no_run(const struct host_run *run, void *data)
{
	(void)run;
	(void)data;
}

static void no_wait(const struct host_wait *wait, void *data)
{
	(void)wait;
	(void)data;
}

/* Gaps come out of two buffers then, one of them a CPU's: they are whole, and in order (keep_gap). */
static void gaps_where_waits_are_recorded(void **state)
{
	const struct host_runs_fns fns = {.run = no_run, .now = no_run, .wait = no_wait};
	struct host_ledger *h = open_ledger("bpf");
	struct failure f = {""};
	struct ledger first, l;
	struct fake_vm vm;
	int id;

	(void)state;
	gaps.n = 0;
	assert_int_equal(host_ledger_record(h, HOST_RECORD_WAITS, &f), 0);
	assert_int_equal(host_ledger_runs(h, &fns), 0);
	assert_true(fake_vm_start(&vm, FAKE_MIXED, true));
	id = add(h, &vm);
	first = read_ledger(h, id);
	measure(h, NS_PER_SEC);
	host_ledger_runs(h, &fns);
	measure(h, NS_PER_SEC);
	l = read_ledger(h, id);
	measure_past(h, &l);
	assert_true(l.ns[LEDGER_READY] > first.ns[LEDGER_READY] &&
		    l.ns[LEDGER_WAIT] > first.ns[LEDGER_WAIT]);
	check_gaps(&l);
	assert_int_equal(host_ledger_gaps_lost(h, id, 0), 0);
	host_ledger_close(h);
	fake_vm_end(&vm);
}

/* Two that always want the CPU: who ran instead is the other one. */
static void competitor_is_who_ran_instead(void **state)
{
	struct host_ledger *h = open_ledger("bpf");
	uint64_t by_competitor = 0;
	struct fake_vm vm;
	struct ledger l;
	int id;

	(void)state;
	gaps.n = 0;
	assert_true(fake_vm_start(&vm, FAKE_SPIN, true));
	if (!fake_vm_outranks_others(&vm)) {
		host_ledger_close(h);
		fake_vm_end(&vm);
		skip();
	}
	id = add(h, &vm);
	measure(h, NS_PER_SEC);
	l = read_ledger(h, id);
	measure_past(h, &l);
	check_gaps(&l);
	for (int i = 0; i < gaps.n; i++) {
		if (gaps.gap[i].by == (uint32_t)vm.competitor)
			by_competitor += gaps.gap[i].end - gaps.gap[i].start;
	}
	assert_true(l.ns[LEDGER_READY] > ledger_wall(&l) / 4);
	assert_true(by_competitor > l.ns[LEDGER_READY] / 2);
	host_ledger_close(h);
	fake_vm_end(&vm);
}

static void missing_pages_are_swapwait(void **state)
{
	struct host_ledger *h = open_ledger("bpf");
	struct host_ledger_counters c;
	uint64_t waited, descheduled;
	struct fake_vm vm;
	struct ledger l;
	int id;

	(void)state;
	gaps.n = 0;
	if (!fake_vm_start(&vm, FAKE_FAULTS, false)) {
		host_ledger_close(h);
		fake_vm_end(&vm);
		skip();
	}
	id = add(h, &vm);
	atomic_store(&vm.shared->go, 1);
	for (int i = 0; i < 1000 && atomic_load(&vm.shared->faults) < FAULTS; i++)
		measure(h, 20 * NS_PER_MS);
	assert_int_equal(atomic_load(&vm.shared->faults), FAULTS);
	waited = atomic_load(&vm.shared->fault_ns);
	l = read_ledger(h, id);
	measure_past(h, &l);
	/* The handler may wake and take its time before the vCPU has quite left the CPU: READY. */
	descheduled = l.ns[LEDGER_SWAPWAIT] + l.ns[LEDGER_READY];
	host_ledger_counters(h, &c);
	if (descheduled < waited && !c.bpf_missed)
		fail_msg("%.6f s of %.6f s that pages came late are in the ledger",
			 ns_to_s(descheduled), ns_to_s(waited));
	assert_true(l.ns[LEDGER_SWAPWAIT] >= waited / 2);
	assert_true(l.ns[LEDGER_SWAPWAIT] <= waited * 3 / 2);
	assert_int_equal(l.ns[LEDGER_HALT] + l.ns[LEDGER_WAIT], 0);
	assert_int_equal(gaps_before(l.at, LEDGER_SWAPWAIT), l.ns[LEDGER_SWAPWAIT]);
	host_ledger_close(h);
	fake_vm_end(&vm);
}

static void stopped_process_waits(void **state)
{
	struct host_ledger *h = open_ledger("bpf");
	struct fake_vm vm;
	struct ledger a, b, d;
	uint64_t stopped;
	int id;

	(void)state;
	assert_true(fake_vm_start(&vm, FAKE_SPIN, false));
	id = add(h, &vm);
	stopped = clock_mono();
	kill(vm.pid, SIGSTOP);
	assert_int_equal(waitpid(vm.pid, NULL, WUNTRACED), vm.pid);
	do
		a = read_ledger(h, id); /* its parent is told just before it stops */
	while (a.state != LEDGER_WAIT && clock_mono() - stopped < 20 * NS_PER_SEC);
	usleep(300000);
	b = read_ledger(h, id);
	kill(vm.pid, SIGCONT);
	stopped = clock_mono() - stopped;
	assert_int_equal(ledger_delta(&a, &b, &d), 0);
	assert_int_equal(d.ns[LEDGER_WAIT], ledger_wall(&d));
	assert_true(b.ns[LEDGER_WAIT] <= stopped);
	host_ledger_close(h);
	fake_vm_end(&vm);
}

static void check_end(const char *source)
{
	struct host_ledger *h = open_ledger(source);
	struct ledger l, last;
	struct fake_vm vm;
	int err = 0, id;

	assert_true(fake_vm_start(&vm, FAKE_SPIN, false));
	id = add(h, &vm);
	usleep(100000);
	read_ledger(h, id);
	atomic_store(&vm.shared->go, 1); /* the thread ends, its process lives on */
	for (int i = 0; i < 6000 && !err; i++) {
		usleep(5000);
		err = host_ledger_read(h, id, 0, &l);
	}
	assert_int_equal(err, -ESRCH);
	assert_true(ledger_valid(&l));
	assert_true(l.ns[LEDGER_RUN] > ledger_wall(&l) / 100);
	usleep(10000);
	last = read_ledger(h, id);
	assert_int_equal(last.at, l.at);
	host_ledger_close(h);
	fake_vm_end(&vm);
}

static void ended_thread_stands_still(void **state)
{
	(void)state;
	check_end("bpf");
	check_end("schedstat");
}

static void vm_is_added_once_and_again(void **state)
{
	struct host_ledger *h = open_ledger("bpf");
	struct host_vm found;
	struct failure f = {""};
	struct fake_vm vm;
	struct ledger l;
	uint64_t first;
	int id, other;

	(void)state;
	assert_true(fake_vm_start(&vm, FAKE_SPIN, false));
	id = add(h, &vm);
	first = read_ledger(h, id).start;
	assert_int_equal(host_find_pid(vm.pid, &f, &found), 0);
	assert_int_equal(host_ledger_add(h, &found, &f, &other), -EEXIST);
	usleep(20000);
	assert_true(ledger_wall(&(struct ledger){.start = first, .at = read_ledger(h, id).at}) > 0);
	host_ledger_remove(h, id);
	assert_int_equal(host_ledger_read(h, id, 0, &l), -EINVAL);
	assert_int_equal(host_ledger_add(h, &found, &f, &other), 0);
	assert_true(read_ledger(h, other).start > first);
	assert_int_equal(host_ledger_read(h, other, 1, &l), -EINVAL);
	found.vcpus[0].tid = INT32_MAX - 1;
	host_ledger_remove(h, other);
	assert_int_equal(host_ledger_add(h, &found, &f, &other), -ESRCH);
	host_vm_done(&found);
	host_ledger_close(h);
	fake_vm_end(&vm);
}

#define PID_MAX "/proc/sys/kernel/pid_max"

static bool write_text(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	bool ok = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);

	if (fd >= 0)
		close(fd);
	return ok;
}

/* The next process, and then its threads, get the ids that are so much behind. */
static bool start_behind(struct fake_vm *vm, const struct fake_vm *first)
{
	char last[16];

	snprintf(last, sizeof(last), "%d", first->pid + VCPU_NUMBERS - 1);
	if (!write_text("/proc/sys/kernel/ns_last_pid", last))
		return false;
	return fake_vm_start(vm, FAKE_SPIN, false);
}

/* Two VMs whose ids are the same in their low bits are told apart; and one, when the other is gone. */
static void low_bits_are_shared(void **state)
{
	struct host_ledger *h = open_ledger("bpf");
	struct fake_vm vms[2];
	char before[16] = "";
	int id[2];

	(void)state;
	if (file_read(PID_MAX, before, sizeof(before)) <= 0 ||
	    (atoi(before) < 4 * VCPU_NUMBERS && !write_text(PID_MAX, "4194304")))
		skip();
	assert_true(fake_vm_start(&vms[0], FAKE_SPIN, false));
	assert_true(start_behind(&vms[1], &vms[0]));
	write_text(PID_MAX, before);
	print_message("processes %d, %d; threads %d, %d\n", vms[0].pid, vms[1].pid,
		      atomic_load(&vms[0].shared->vcpu), atomic_load(&vms[1].shared->vcpu));
	for (int i = 0; i < 2; i++)
		id[i] = add(h, &vms[i]);
	for (int i = 0; i < 2; i++) {
		struct truth a = read_truth(&vms[i]);
		struct ledger l = read_ledger(h, id[i]);
		uint64_t ran = l.ns[LEDGER_RUN] + l.ns[LEDGER_READY];

		usleep(300000);
		l = read_ledger(h, id[i]);
		ran = l.ns[LEDGER_RUN] + l.ns[LEDGER_READY] - ran;
		assert_true(l.ns[LEDGER_RUN] > 0);
		assert_true(ran >= (uint64_t)(0.9 * 300e6));
		assert_true(read_truth(&vms[i]).run > a.run);
		host_ledger_remove(h, id[i]);
		fake_vm_end(&vms[i]);
	}
	host_ledger_close(h);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(sources_and_kernel_agree),
		cmocka_unit_test(readings_never_run_back),
		cmocka_unit_test(gaps_where_waits_are_recorded),
		cmocka_unit_test(competitor_is_who_ran_instead),
		cmocka_unit_test(missing_pages_are_swapwait),
		cmocka_unit_test(stopped_process_waits),
		cmocka_unit_test(ended_thread_stands_still),
		cmocka_unit_test(vm_is_added_once_and_again),
		cmocka_unit_test(low_bits_are_shared),
	};
	struct host_ledger *h;
	struct failure f;

	before_others();
	if (host_ledger_open("bpf", &f, &h)) {
		printf("skipped: %s\n", f.text);
		return 77;
	}
	host_ledger_close(h);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
