/* SPDX-License-Identifier: MIT */
/*
 * Finding a KVM vCPU by its file descriptor, and its states: a guest of a few bytes that either
 * leaves to user space all the time or halts for good; and its exits. Needs root, BPF and a /dev/kvm that runs
 * guests, and exits with 77 where that is missing. Threads without KVM are test_host_ledger.c.
 */
#include "base/clock.h"
#include "base/units.h"
#include "before_others.h"
#include "host/find.h"
#include "host/frame.h"
#include "host/host_ledger.h"
#include "kvm_guest.h"

#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static const uint8_t guest_exits[] = {0xe6, 0x10, 0xeb, 0xfc}; /* out %al, $0x10; jmp back */
static const uint8_t guest_halts[] = {0xf4, 0xeb, 0xfd};       /* hlt; jmp back */

struct shared {
	_Atomic pid_t tid;
	_Atomic uint64_t exits; /* KVM_RUN came back */
	_Atomic uint64_t work;	/* ns of CPU time that the monitor works then */
	_Atomic uint64_t there; /* ns of CPU time outside of KVM_RUN, so far */
	_Atomic int failed;	/* errno */
};

struct kvm_vm {
	pid_t pid;
	struct shared *shared;
};

struct guest {
	const uint8_t *code;
	size_t size;
	int vcpu;
	struct shared *shared;
};

/* What a monitor does for its guest. */
static void serve(struct shared *s)
{
	uint64_t start = clock_thread();

	atomic_fetch_add(&s->exits, 1);
	while (clock_thread() - start < s->work)
		;
	if (s->work)
		atomic_fetch_add(&s->there, clock_thread() - start);
}

/* Not named like a vCPU: only the descriptor tells; unless that can't be seen, while it never blocks. */
static bool named;

static void *run_vcpu(void *data)
{
	struct guest *g = data;

	if (named)
		prctl(PR_SET_NAME, "CPU 0/KVM");
	atomic_store(&g->shared->tid, gettid());
	while (!ioctl(g->vcpu, KVM_RUN, 0))
		serve(g->shared);
	atomic_store(&g->shared->failed, errno);
	return NULL;
}

static void child(struct guest *g)
{
	pthread_t t;
	struct kvm_guest kvm;
	int err = kvm_guest_open(&kvm, g->code, g->size, 1);

	g->vcpu = kvm.vcpus[0];
	if (err)
		atomic_store(&g->shared->failed, -err);
	else
		pthread_create(&t, NULL, run_vcpu, g);
	for (;;)
		pause();
}

/* Returns 0 when the guest runs, otherwise what failed. */
static int start(struct kvm_vm *vm, const uint8_t *code, size_t size)
{
	struct guest g = {.code = code, .size = size};

	vm->shared = mmap(NULL, sizeof(*vm->shared), PROT_READ | PROT_WRITE,
			  MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	g.shared = vm->shared;
	vm->pid = fork();
	if (!vm->pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		child(&g);
	}
	for (int i = 0; i < 60000 && !vm->shared->failed && !vm->shared->tid; i++)
		usleep(1000);
	usleep(50000);
	return vm->shared->failed;
}

static void end(struct kvm_vm *vm)
{
	kill(vm->pid, SIGKILL);
	waitpid(vm->pid, NULL, 0);
	munmap(vm->shared, sizeof(*vm->shared));
}

static int add(struct host_ledger *h, const struct kvm_vm *kvm_vm, const char *found_by)
{
	struct failure f = {""};
	struct host_vm vm;
	int id = -1;

	if (host_find_pid(kvm_vm->pid, &f, &vm))
		fail_msg("%s", f.text);
	assert_string_equal(vm.found_by, found_by);
	assert_int_equal(vm.n_vcpus, 1);
	assert_int_equal(vm.vcpus[0].tid, kvm_vm->shared->tid);
	assert_int_equal(vm.vcpus[0].index, 0);
	if (host_ledger_add(h, &vm, &f, &id))
		fail_msg("%s", f.text);
	host_vm_done(&vm);
	return id;
}

static struct host_ledger *open_ledger(void)
{
	struct failure f;
	struct host_ledger *h = NULL;

	assert_int_equal(host_ledger_open("bpf", &f, &h), 0);
	return h;
}

static void halted_vcpu_is_halt(void **state)
{
	struct host_ledger *h = open_ledger();
	struct kvm_vm vm;
	struct ledger l;
	int id;

	(void)state;
	assert_int_equal(start(&vm, guest_halts, sizeof(guest_halts)), 0);
	id = add(h, &vm, "kvm-fd");
	usleep(200000);
	assert_int_equal(host_ledger_read(h, id, 0, &l), 0);
	assert_true(ledger_valid(&l));
	assert_int_equal(l.state, LEDGER_HALT);
	assert_true(l.ns[LEDGER_HALT] > ledger_wall(&l) * 9 / 10);
	assert_int_equal(l.ns[LEDGER_WAIT] + l.ns[LEDGER_SWAPWAIT], 0);
	host_ledger_close(h);
	end(&vm);
}

/* A vCPU that never sleeps is either on a CPU or waits for one, and its exits are counted. */
static void busy_vcpu_runs_and_exits(void **state)
{
	struct host_ledger *h = open_ledger();
	struct host_ledger_counters a, b;
	struct host_vm found = {.n_vcpus = 1, .name = "busy", .vcpus = &(struct host_vcpu){0, 0}};
	struct kvm_vm vm;
	struct failure f;
	struct ledger l;
	uint64_t exits;
	int id;

	(void)state;
	assert_int_equal(start(&vm, guest_exits, sizeof(guest_exits)), 0);
	found.pid = vm.pid;
	found.vcpus[0].tid = vm.shared->tid;
	assert_int_equal(host_ledger_add(h, &found, &f, &id), 0);
	usleep(50000); /* until it has been switched in under the eyes of BPF */
	host_ledger_counters(h, &a);
	exits = vm.shared->exits;
	usleep(300000);
	exits = vm.shared->exits - exits;
	host_ledger_counters(h, &b);
	assert_int_equal(host_ledger_read(h, id, 0, &l), 0);
	assert_true(exits > 0);
	assert_true(l.ns[LEDGER_RUN] + l.ns[LEDGER_READY] > ledger_wall(&l) * 9 / 10);
	if (!b.kvm_exits)
		print_message("this kernel's KVM does not report kvm_exit\n");
	else
		assert_true(b.kvm_exits - a.kvm_exits >= exits * 9 / 10);
	host_ledger_close(h);
	end(&vm);
}

/* A vCPU known by its thread, and counted from its next switch on. */
static int add_thread(struct host_ledger *h, const struct kvm_vm *vm)
{
	struct host_vm found = {.n_vcpus = 1, .name = "kvm", .vcpus = &(struct host_vcpu){0, 0}};
	struct failure f = {""};
	int id = -1;

	found.pid = vm->pid;
	found.vcpus[0].tid = vm->shared->tid;
	if (host_ledger_count_exits(h, &f) || host_ledger_add(h, &found, &f, &id))
		fail_msg("%s", f.text);
	return id;
}

static struct vcpu_exits exits_of(const struct host_ledger *h, int id)
{
	struct vcpu_exits e;

	assert_int_equal(host_ledger_exits(h, id, 0, &e), 0);
	return e;
}

/* Until its exits are seen, and as many more. */
static void await_trips(const struct host_ledger *h, int id, uint64_t more)
{
	uint64_t n = exits_of(h, id).user[EXIT_PORT].n + more;

	for (int i = 0; i < 30000 && exits_of(h, id).user[EXIT_PORT].n < n; i++)
		usleep(1000);
	assert_true(exits_of(h, id).user[EXIT_PORT].n >= n);
}

/* The monitor counts its own trips and their time: its clock and BPF's agree, but for what it takes
 * to get into and out of the kernel, which is dear where the CPU is emulated. */
static void trips_are_counted_and_timed(void **state)
{
	struct host_ledger *h = open_ledger();
	struct vcpu_exits a, b;
	uint64_t exits, there, n, ns;
	struct kvm_vm vm;
	int id;

	(void)state;
	assert_int_equal(start(&vm, guest_exits, sizeof(guest_exits)), 0);
	vm.shared->work = 200 * NS_PER_US;
	id = add_thread(h, &vm);
	await_trips(h, id, 1);
	a = exits_of(h, id);
	exits = vm.shared->exits;
	there = vm.shared->there;
	await_trips(h, id, 2000);
	b = exits_of(h, id);
	exits = vm.shared->exits - exits;
	there = vm.shared->there - there;
	n = b.user[EXIT_PORT].n - a.user[EXIT_PORT].n;
	ns = b.user[EXIT_PORT].ns - a.user[EXIT_PORT].ns;
	print_message("%lu trips, BPF %lu; %.1f us each, BPF %.1f\n", exits, n,
		      (double)there / 1e3 / (double)exits, (double)ns / 1e3 / (double)n);
	assert_in_range(n, exits - 2, exits + 2);
	assert_true(ns / n >= 199 * NS_PER_US);
	assert_true((double)ns / (double)n < 1.25 * (double)there / (double)exits);
	if (b.kernel[EXIT_PORT].n) /* where KVM reports exits, each was one */
		assert_in_range(b.kernel[EXIT_PORT].n - a.kernel[EXIT_PORT].n, n - 2, n + 2);
	host_ledger_close(h);
	end(&vm);
}

/* Sleeping in HLT is no CPU time of the exit. */
static void a_halt_costs_no_time(void **state)
{
	struct host_ledger *h = open_ledger();
	struct vcpu_exits e;
	struct kvm_vm vm;
	int id;

	(void)state;
	assert_int_equal(start(&vm, guest_halts, sizeof(guest_halts)), 0);
	id = add_thread(h, &vm);
	usleep(200000);
	e = exits_of(h, id);
	for (int i = 0; i < EXIT_CLASSES; i++)
		assert_true(e.kernel[i].ns + e.user[i].ns < 20 * NS_PER_MS);
	host_ledger_close(h);
	end(&vm);
}

/* The VM's only vCPU leaves for its port alone. */
static uint64_t trips_in_frame(struct measurement *m)
{
	uint64_t trips = 0;
	struct host_frame f;

	measure_read(m);
	assert_int_equal(host_frame_take(m, &f), 0);
	assert_true(f.has_exits && f.n_vms == 1);
	for (size_t i = 0; i < f.vms[0].n_exits; i++)
		if (!strcmp(f.vms[0].exits[i].class, "port"))
			trips = f.vms[0].exits[i].trips;
	host_frame_done(&f);
	return trips;
}

static struct measurement *measure_exits(const struct kvm_vm *vm)
{
	char operand[32], *operands[] = {operand};
	const struct measure_setup setup = {
		.operands = operands, .n_operands = 1, .no_pages = true, .exits = true};
	struct measurement *m = NULL;
	struct failure f = {""};

	snprintf(operand, sizeof(operand), "pid=%d", vm->pid);
	if (measure_open(&setup, &f, &m))
		fail_msg("%s", f.text);
	return m;
}

static void frames_have_exits_by_class(void **state)
{
	struct measurement *m;
	uint64_t exits, trips;
	struct kvm_vm vm;

	(void)state;
	named = true;
	assert_int_equal(start(&vm, guest_exits, sizeof(guest_exits)), 0);
	named = false;
	vm.shared->work = 200 * NS_PER_US;
	m = measure_exits(&vm);
	for (int i = 0; i < 30000 && !trips_in_frame(m); i++)
		usleep(1000);
	exits = vm.shared->exits;
	trips = trips_in_frame(m);
	usleep(500000);
	exits = vm.shared->exits - exits;
	trips = trips_in_frame(m) - trips;
	end(&vm);
	measure_close(m);
	print_message("%lu trips, in frames %lu\n", exits, trips);
	assert_true(exits > 100);
	assert_true(trips >= exits * 9 / 10 && trips <= exits * 11 / 10);
}

static void exits_are_counted_only_when_asked(void **state)
{
	struct host_ledger *h = open_ledger();
	struct vcpu_exits e;
	struct kvm_vm vm;
	struct failure f;

	(void)state;
	assert_int_equal(start(&vm, guest_halts, sizeof(guest_halts)), 0);
	assert_int_equal(host_ledger_exits(h, add(h, &vm, "kvm-fd"), 0, &e), -ENODATA);
	assert_int_equal(host_ledger_exits(h, 99, 0, &e), -EINVAL);
	host_ledger_close(h);
	assert_int_equal(host_ledger_open("schedstat", &f, &h), 0);
	assert_int_equal(host_ledger_count_exits(h, &f), -EOPNOTSUPP);
	assert_string_equal(f.text, "source schedstat doesn't count exits");
	host_ledger_close(h);
	end(&vm);
}

static int skipped(const char *why)
{
	printf("skipped: %s\n", why);
	return 77;
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(halted_vcpu_is_halt),
		cmocka_unit_test(busy_vcpu_runs_and_exits),
		cmocka_unit_test(trips_are_counted_and_timed),
		cmocka_unit_test(a_halt_costs_no_time),
		cmocka_unit_test(frames_have_exits_by_class),
		cmocka_unit_test(exits_are_counted_only_when_asked),
	};
	struct host_ledger *h;
	struct kvm_vm vm;
	struct failure f;
	int err;

	before_others();
	if (host_ledger_open("bpf", &f, &h))
		return skipped(f.text);
	host_ledger_close(h);
	err = start(&vm, guest_halts, sizeof(guest_halts));
	end(&vm);
	if (err)
		return skipped(strerror(err));
	return cmocka_run_group_tests(tests, NULL, NULL);
}
