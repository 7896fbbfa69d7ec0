/* SPDX-License-Identifier: MIT */
/*
 * What of a VM passes to another one. vCPU threads that end while their VM stays: another one takes
 * the place (a vCPU that is unplugged and plugged in again), another VM's has the id, or its process
 * becomes another program by execve() in a vCPU thread, whose end the kernel does not report. What
 * is measured then is held against the threads that there are. And the file of a page, which a VM
 * has that starts as the last one ends; and descriptors, which may be too few for all. VMs that come
 * and go as a whole are test_deschedd.c. Needs root and BPF; exits with 77 where there is none.
 */
#include "base/clock.h"
#include "base/proc.h"
#include "base/units.h"
#include "before_others.h"
#include "host/choice.h"
#include "host/frame.h"
#include "host/host_ledger.h"
#include "host/measure.h"
#include "host/measure_vms.h"
#include "own_pids.h"
#include "page_vm.h"

#include <errno.h>
#include <linux/sched.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define VCPUS	4
#define WAIT_NS (20 * NS_PER_SEC)

enum order { STAY, GO, END, EXEC };

/* Shared with the process that is the VM. */
static struct shared {
	_Atomic int order[VCPUS];
	_Atomic pid_t tid[VCPUS];
} * shared;

static void *ordered_vcpu(void *number)
{
	size_t n = (size_t)(uintptr_t)number;
	char name[16];

	snprintf(name, sizeof(name), "CPU %zu/TCG", n % 10);
	prctl(PR_SET_NAME, name);
	atomic_store(&shared->tid[n], gettid());
	while (atomic_load(&shared->order[n]) == GO)
		usleep(2000);
	if (atomic_load(&shared->order[n]) == EXEC)
		execl("/bin/sleep", "sleep", "1000", NULL);
	atomic_store(&shared->tid[n], 0);
	return NULL;
}

static void be_ordered_vm(void)
{
	pthread_t threads[VCPUS];
	bool there[VCPUS] = {false};

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (;; usleep(1000)) {
		for (size_t n = 0; n < VCPUS; n++) {
			int order = atomic_load(&shared->order[n]);

			if (order == GO && !there[n])
				there[n] = !pthread_create(&threads[n], NULL, ordered_vcpu,
							   (void *)(uintptr_t)n);
			if (order == END && there[n])
				there[n] = pthread_join(threads[n], NULL);
		}
	}
}

static void wait_for_thread(size_t n, bool there)
{
	for (uint64_t end = clock_mono() + WAIT_NS; !!atomic_load(&shared->tid[n]) != there;) {
		assert_true(clock_mono() < end);
		usleep(1000);
	}
}

static void begin(size_t n)
{
	atomic_store(&shared->order[n], GO);
	wait_for_thread(n, true);
}

static void end(size_t n)
{
	atomic_store(&shared->order[n], END);
	wait_for_thread(n, false);
}

/* Returns its process, once it has two vCPUs. */
static pid_t start_ordered_vm(void)
{
	pid_t pid;

	memset(shared, 0, sizeof(*shared));
	pid = fork();
	if (!pid)
		be_ordered_vm();
	assert_true(pid > 0);
	begin(0);
	begin(1);
	return pid;
}

static void kill_vm(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

static struct measurement *open_measurement(bool pages)
{
	const struct measure_setup setup = {.no_pages = !pages, .no_blame = true};
	struct measurement *m = NULL;
	struct failure f = {""};

	if (measure_open(&setup, &f, &m))
		fail_msg("%s", f.text);
	return m;
}

/* Whether just the threads that there are, are measured. */
static bool is_measured(const struct measurement *m, pid_t pid)
{
	const struct measured *x = measure_vms_live(m, pid);
	size_t live = 0, there = 0;

	for (uint32_t v = 0; x && v < x->vm.n_vcpus; v++) {
		uint32_t n = x->vm.vcpus[v].index;

		if (x->vcpus[v].ended)
			continue;
		if (n >= VCPUS || x->vm.vcpus[v].tid != atomic_load(&shared->tid[n]))
			return false;
		live++;
	}
	for (size_t n = 0; n < VCPUS; n++)
		there += atomic_load(&shared->tid[n]) != 0;
	return live == there;
}

static uint64_t step_until_measured(struct measurement *m, pid_t pid)
{
	uint64_t start = clock_mono();

	while (!is_measured(m, pid)) {
		if (clock_mono() - start > WAIT_NS)
			fail_msg("other threads are measured than there are");
		measure_step(m);
		usleep(2000);
	}
	return clock_mono() - start;
}

/* ---- tests ---- */

static void test_replaced_thread_is_measured(void **state)
{
	struct measurement *m = open_measurement(false);
	pid_t pid = start_ordered_vm();
	uint64_t ns;

	(void)state;
	step_until_measured(m, pid);
	for (int i = 0; i < 3; i++) {
		end(1);
		step_until_measured(m, pid);
		begin(1); /* as many as ever, and one that wasn't there before */
		ns = step_until_measured(m, pid);
		/* or it would be seen only at the look that is taken every ten seconds */
		assert_true(ns < 5 * NS_PER_SEC);
	}
	end(0); /* and both at once */
	begin(2);
	step_until_measured(m, pid);
	kill_vm(pid);
	measure_close(m);
}

static void test_program_that_takes_the_process_over(void **state)
{
	struct measurement *m = open_measurement(false);
	pid_t pid = start_ordered_vm();

	(void)state;
	step_until_measured(m, pid);
	atomic_store(&shared->order[1], EXEC);
	for (uint64_t at = clock_mono(); measure_vms_live(m, pid);) {
		if (clock_mono() - at > WAIT_NS)
			fail_msg("a vCPU is measured that is no more");
		measure_step(m);
		usleep(2000);
	}
	kill_vm(pid);
	measure_close(m);
}

/* Of no effect to the ledger but for its length: it never runs back, and its states fill it. */
static void test_ledger_ends_at_its_last_reading(void **state)
{
	struct failure f = {""};
	struct host_ledger *h = NULL;
	pid_t pid = start_ordered_vm();
	struct host_vcpu vcpus[] = {{atomic_load(&shared->tid[0]), 0},
				    {atomic_load(&shared->tid[1]), 1}};
	struct host_vm vm = {.name = "ends", .pid = pid, .n_vcpus = 2, .vcpus = vcpus};
	struct ledger before, after;
	int id;

	(void)state;
	assert_int_equal(host_ledger_open("bpf", &f, &h), 0);
	assert_int_equal(host_ledger_add(h, &vm, &f, &id), 0);
	usleep(50000);
	assert_int_equal(host_ledger_read(h, id, 1, &before), 0);
	host_ledger_end(h, id, 1);
	assert_int_equal(host_ledger_read(h, id, 1, &after), -ESRCH);
	assert_true(host_ledger_ended(h, id, 1));
	assert_true(ledger_valid(&after));
	assert_true(after.at >= before.at && after.at - before.at < 20 * NS_PER_MS);
	for (unsigned s = 0; s < LEDGER_STATES; s++)
		assert_true(after.ns[s] >= before.ns[s]);
	assert_int_equal(host_ledger_read(h, id, 0, &after), 0);
	assert_true(after.at > before.at);
	host_ledger_close(h);
	kill_vm(pid);
}

/* A process of this number, which works a third of the time. */
static pid_t start_numbered(pid_t number)
{
	struct clone_args args = {
		.exit_signal = SIGCHLD, .set_tid = (uintptr_t)&number, .set_tid_size = 1};
	long pid = syscall(SYS_clone3, &args, sizeof(args));

	if (pid)
		return (pid_t)pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (;; usleep(2000))
		for (uint64_t until = clock_mono() + NS_PER_MS; clock_mono() < until;)
			;
}

static struct ledger read_one(struct host_ledger *h, int id)
{
	struct ledger l;

	assert_int_equal(host_ledger_read(h, id, 0, &l), 0);
	return l;
}

/* Its ledger goes on when the VM that had the number before is removed. */
static void check_numbered(struct host_ledger *h, pid_t number, int other)
{
	struct host_vcpu vcpu = {number, 0};
	struct host_vm vm = {.name = "numbered", .pid = number, .n_vcpus = 1, .vcpus = &vcpu};
	struct ledger from, to;
	struct failure f = {""};
	uint64_t run, run_to, wait;
	int id;

	if (host_ledger_add(h, &vm, &f, &id))
		fail_msg("%s", f.text);
	host_ledger_remove(h, other);
	from = read_one(h, id);
	assert_int_equal(proc_read_schedstat(number, number, &run, &wait), 0);
	do {
		usleep(50000);
		assert_int_equal(proc_read_schedstat(number, number, &run_to, &wait), 0);
	} while (run_to - run < 100 * NS_PER_MS);
	to = read_one(h, id);
	assert_true(to.ns[LEDGER_RUN] - from.ns[LEDGER_RUN] > 80 * NS_PER_MS);
	assert_true(to.ns[LEDGER_HALT] + to.ns[LEDGER_WAIT] >
		    from.ns[LEDGER_HALT] + from.ns[LEDGER_WAIT]);
}

static void test_number_of_an_ended_thread(void **state)
{
	struct failure f = {""};
	struct host_ledger *h = NULL;
	pid_t pid = start_ordered_vm(), number = atomic_load(&shared->tid[1]), numbered;
	struct host_vcpu vcpus[] = {{atomic_load(&shared->tid[0]), 0}, {number, 1}};
	struct host_vm vm = {.name = "first", .pid = pid, .n_vcpus = 2, .vcpus = vcpus};
	struct ledger l;
	int id;

	(void)state;
	assert_int_equal(host_ledger_open("bpf", &f, &h), 0);
	assert_int_equal(host_ledger_add(h, &vm, &f, &id), 0);
	end(1); /* which is what the thread says, when it is about to */
	for (uint64_t stop = clock_mono() + WAIT_NS; host_ledger_read(h, id, 1, &l) != -ESRCH;) {
		assert_true(clock_mono() < stop);
		usleep(1000);
	}
	numbered = start_numbered(number);
	if (numbered == number)
		check_numbered(h, number, id);
	if (numbered > 0)
		kill_vm(numbered);
	host_ledger_close(h);
	kill_vm(pid);
	if (numbered != number) /* somebody else was faster, or this kernel won't */
		skip();
}

/* A VM that is asked for as a process has all its vCPUs where each is shown by itself. */
static void test_process_of_vcpus(void **state)
{
	struct measurement *m = open_measurement(false);
	pid_t pid = start_ordered_vm();
	struct host_frame frame;
	char number[16], *const operands[] = {number};
	struct choice choice;
	size_t wanted = 0;

	(void)state;
	step_until_measured(m, pid);
	measure_read(m);
	assert_int_equal(host_frame_take_vcpus(m, &frame), 0);
	snprintf(number, sizeof(number), "%d", pid);
	assert_int_equal(choice_open(operands, 1, NULL, &choice), 0);
	for (size_t i = 0; i < frame.n_vms; i++)
		wanted += host_frame_wanted(&frame.vms[i], &choice);
	assert_int_equal(wanted, 2);
	assert_null(choice_unmet(&choice));
	choice_close(&choice);
	host_frame_done(&frame);
	kill_vm(pid);
	measure_close(m);
}

/* ---- descriptors ---- */

#define MANY 16

static void start_many(pid_t pids[MANY])
{
	static char name[] = "CPU 0/TCG";
	pthread_t thread;

	for (int i = 0; i < MANY; i++) {
		pids[i] = fork();
		if (pids[i])
			continue;
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		pthread_create(&thread, NULL, vcpu, name);
		for (;;)
			pause();
	}
}

static size_t count_live(const struct measurement *m)
{
	size_t n = 0;

	for (size_t i = 0; i < m->n; i++)
		n += m->vms[i]->id >= 0;
	return n;
}

static void step_until_live(struct measurement *m, size_t least, size_t most)
{
	for (uint64_t start = clock_mono(); count_live(m) < least || count_live(m) > most;) {
		if (clock_mono() - start > WAIT_NS)
			fail_msg("%zu are measured, not %zu", count_live(m), least);
		measure_step(m);
		usleep(2000);
	}
}

/* VMs that are not measured, and looks for some that failed. */
static uint64_t failures(const struct measurement *m)
{
	return measure_refused(m) + measure_failures(m);
}

static struct measurement *open_schedstat(void)
{
	const struct measure_setup setup = {.source = "schedstat", .no_pages = true};
	struct measurement *m = NULL;
	struct failure f = {""};

	if (measure_open(&setup, &f, &m))
		fail_msg("%s", f.text);
	return m;
}

/* The hundred descriptors that are let are enough, however few are set at first. */
static void measures_beyond_the_soft_limit(void)
{
	const struct rlimit few = {16, 100};
	struct measurement *m;
	pid_t pids[MANY];

	start_many(pids);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
	m = open_schedstat();
	step_until_live(m, MANY, MANY);
	measure_close(m);
	for (int i = 0; i < MANY; i++)
		kill_vm(pids[i]);
}

static void counts_what_it_has_no_descriptors_for(void)
{
	const struct rlimit few = {16, 16};
	struct measurement *m = open_schedstat();
	pid_t pids[MANY];

	start_many(pids);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
	for (uint64_t start = clock_mono(); !failures(m); usleep(2000)) {
		assert_true(clock_mono() - start < WAIT_NS);
		measure_step(m);
	}
	assert_true(count_live(m) < MANY);
	for (int i = 0; i < MANY - 1; i++)
		kill_vm(pids[i]);
	step_until_live(m, 1, 1); /* whichever it was that stays */
	assert_int_equal(measure_refused(m), 0);
	measure_close(m);
	kill_vm(pids[MANY - 1]);
}

/* In a process of its own, which doesn't get its limit back. */
static void in_a_child(void (*run)(void))
{
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		run();
		_exit(0);
	}
	waitpid(pid, &status, 0);
	assert_true(WIFEXITED(status) && !WEXITSTATUS(status));
}

static void test_many_descriptors(void **state)
{
	(void)state;
	in_a_child(measures_beyond_the_soft_limit);
	in_a_child(counts_what_it_has_no_descriptors_for);
}

/* ---- a page ---- */

static pid_t start_page_vm(const char *file)
{
	char object[160];
	pid_t pid;

	snprintf(object, sizeof(object), "memory-backend-file,id=m,share=on,mem-path=%s", file);
	pid = fork();
	if (pid)
		return pid;
	execl("/proc/self/exe", "qemu", "-name", "heir", "-object", object, "-device",
	      "ivshmem-plain,memdev=m", file, "CPU 0/TCG", NULL);
	_exit(127);
}

static bool is_written(const struct measurement *m, pid_t pid)
{
	const struct measured *x = measure_vms_live(m, pid);

	return x && x->page && x->page->n == 1 && !x->page->verdicts[0].why[0];
}

static bool is_left_alone(const struct measurement *m, pid_t pid)
{
	const struct measured *x = measure_vms_live(m, pid);

	return x && x->page && x->page->n == 1 && strstr(x->page->verdicts[0].why, "another VM");
}

static void step_until(struct measurement *m, pid_t pid,
		       bool (*is)(const struct measurement *m, pid_t pid))
{
	for (uint64_t start = clock_mono(); !is(m, pid);) {
		if (clock_mono() - start > WAIT_NS)
			fail_msg("the page isn't as it should be");
		measure_step(m);
		usleep(2000);
	}
}

/* The second one is there before the first one's end is seen, as where a VM is restarted. */
static void test_page_passes_to_the_next_vm(void **state)
{
	struct measurement *m = open_measurement(true);
	char file[64];
	pid_t first, second;

	(void)state;
	assert_non_null(mkdtemp(directory));
	snprintf(file, sizeof(file), "%s/page", directory);
	first = start_page_vm(file);
	step_until(m, first, is_written);
	second = start_page_vm(file);
	step_until(m, second, is_left_alone);
	kill_vm(first);
	step_until(m, second, is_written);
	kill_vm(second);
	measure_close(m);
	unlink(file);
	rmdir(directory);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest of_ledgers[] = {
		cmocka_unit_test(test_ledger_ends_at_its_last_reading),
		cmocka_unit_test(test_number_of_an_ended_thread),
	};
	const struct CMUnitTest of_measuring[] = {
		cmocka_unit_test(test_replaced_thread_is_measured),
		cmocka_unit_test(test_program_that_takes_the_process_over),
		cmocka_unit_test(test_process_of_vcpus),
		cmocka_unit_test(test_page_passes_to_the_next_vm),
		cmocka_unit_test(test_many_descriptors),
	};

	struct host_ledger *h;
	struct failure f;

	if (argc > 8)
		return become_vm(argc, argv);
	before_others();
	if (host_ledger_open("bpf", &f, &h)) {
		printf("skipped: %s\n", f.text);
		return 77;
	}
	host_ledger_close(h);
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
		      0);
	/* The first of them with numbers as the kernel's own, as far as may be. */
	if (cmocka_run_group_tests(of_ledgers, NULL, NULL))
		return 1;
	own_pids();
	own_pids_end(cmocka_run_group_tests(of_measuring, NULL, NULL));
}
