/* SPDX-License-Identifier: MIT */
/*
 * The enforcer `dispatch` on real threads of processes that look like VMs: what is set comes about,
 * and whatever becomes of deschedd's processes, each thread is back in its class, on its CPUs, in its
 * cgroups, and runs, within a second. What is compared is all of that as a text. What settings mean
 * is unit/test_enforce_dispatch.c's, how well they are kept bench/bench_enforce.c's. Needs root, BPF
 * and the freezer of cgroups of version 2.
 *
 *     test_enforce_dispatch DESCHEDD ROUNDS [TEST]
 */
#include "base/clock.h"
#include "base/proc.h"
#include "base/units.h"
#include "before_others.h"
#include "daemon_unit.h"
#include "enforce/dispatch_place.h"
#include "needs_bpf.h"
#include "own_pids.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <time.h>

#define PATIENCE_NS (60 * NS_PER_SEC)
#define TEXT	    32768
#define VMS	    3
#define VCPUS	    2

static int rounds;
static struct dispatch_host host;

/* ---- processes that look like VMs ---- */

/* [VMS + 1], shared: how often each VM's threads looked at the clock; 1: VM a is to make a thread */
static _Atomic uint64_t *work;
static pid_t vms[VMS];

static void *rest(void *data)
{
	prctl(PR_SET_NAME, "worker");
	for (;;)
		pause();
	return data;
}

static void *run_vcpu(void *data)
{
	size_t n = (size_t)(uintptr_t)data;
	pthread_t thread;
	char name[16];

	snprintf(name, sizeof(name), "CPU %zu/TCG", n % VCPUS);
	prctl(PR_SET_NAME, name);
	for (uint64_t one = 1;; one = 1) {
		atomic_fetch_add(&work[n / VCPUS], clock_mono() > 0);
		if (!n && atomic_compare_exchange_strong(&work[VMS], &one, 2))
			pthread_create(&thread, NULL, rest, NULL);
	}
	return NULL;
}

static int become_vm(const char *name)
{
	size_t vm = (size_t)(name[0] - 'a');
	int fd = open("/run/work", O_RDWR | O_CLOEXEC);
	pthread_t thread;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	work = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (work == MAP_FAILED)
		return 1;
	for (size_t i = 0; i < VCPUS; i++)
		pthread_create(&thread, NULL, run_vcpu, (void *)(uintptr_t)(vm * VCPUS + i));
	for (;;)
		pause();
}

static pid_t start_vm(const char *name)
{
	pid_t pid = fork();

	if (pid == 0) {
		execl("/proc/self/exe", "qemu", "-name", name, NULL);
		_exit(127);
	}
	return pid;
}

static void end(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

static int count_thread(pid_t tid, void *n)
{
	(void)tid;
	++*(unsigned *)n;
	return 0;
}

static void await_threads(pid_t pid)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/task", pid);
	for (unsigned n = 0; n < VCPUS + 1; usleep(2000)) {
		n = 0;
		proc_each_id(path, count_thread, &n);
	}
}

static int set_up(void **state)
{
	int fd = open("/run/work", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	char name[2] = "a";

	(void)state;
	if (ftruncate(fd, 4096))
		return -1;
	work = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	for (int i = 0; i < VMS; i++, name[0]++)
		vms[i] = start_vm(name);
	for (int i = 0; i < VMS; i++)
		await_threads(vms[i]);
	return work == MAP_FAILED;
}

static int tear_down(void **state)
{
	(void)state;
	for (int i = 0; i < VMS; i++)
		end(vms[i]);
	return 0;
}

/* ---- all of it as a text ---- */

static void add_groups(const struct cgroup_host *h, char *text)
{
	DIR *dir = opendir(h->mount);
	const struct dirent *d;

	while (dir && (d = readdir(dir)))
		if (!strncmp(d->d_name, "desched-", 8)) {
			size_t used = strlen(text);

			snprintf(text + used, TEXT - used, "%s/%s\n", h->mount, d->d_name);
		}
	if (dir)
		closedir(dir);
}

struct telling {
	pid_t pid;
	char *text;
};

static int add_thread(pid_t tid, void *data)
{
	const struct telling *t = data;
	char groups[4096] = "";
	struct thread_class c = {0};
	struct thread_mask m = {{0}};
	size_t used = strlen(t->text);

	thread_class_get(tid, 0, &c);
	thread_mask_get(tid, &m);
	proc_read_cgroups("", t->pid, tid, groups, sizeof(groups));
	snprintf(t->text + used, TEXT - used,
		 "%d: class %u nice %d slice %llu flags %llx mask %lx\n%s\n", tid, c.policy, c.nice,
		 (unsigned long long)c.runtime, (unsigned long long)c.flags, m.bits[0], groups);
	return 0;
}

static void look(char text[TEXT])
{
	text[0] = '\0';
	for (int i = 0; i < VMS; i++) {
		struct telling t = {vms[i], text};
		char path[64];

		snprintf(path, sizeof(path), "/proc/%d/task", vms[i]);
		proc_each_id(path, add_thread, &t);
	}
	add_groups(&host.hold, text);
	add_groups(&host.cpu, text);
}

/* They all work on: nobody is frozen. */
static void await_work(void)
{
	uint64_t was[VMS], until = clock_mono() + PATIENCE_NS;

	for (int i = 0; i < VMS; i++)
		was[i] = atomic_load(&work[i]);
	for (int i = 0; i < VMS; i++)
		while (atomic_load(&work[i]) == was[i]) {
			usleep(1000);
			if (clock_mono() > until)
				fail_msg("VM %d stands still", i);
		}
}

/* Until all is as it was; how long that took. */
static uint64_t await_as_before(const char *before, uint64_t since)
{
	static char now[TEXT];

	for (;;) {
		uint64_t at = clock_mono();

		look(now);
		if (!strcmp(now, before)) {
			await_work();
			return at - since;
		}
		if (at > since + PATIENCE_NS)
			fail_msg("was:\n%s\nis after a minute:\n%s", before, now);
		usleep(2000);
	}
}

/* ---- the daemon ---- */

static const char dispatching[] = "seccomp = yes\n[enforce]\nenforcer = dispatch\n";

static bool all_enforced(const json_t *policy, size_t n)
{
	const json_t *vm, *list = json_object_get(policy, "vms");
	size_t i;

	json_array_foreach(list, i, vm)
	{
		if (!json_is_true(json_object_get(vm, "enforced")))
			return false;
	}
	return json_array_size(list) == n;
}

static void await_enforced(const struct service *s, size_t n)
{
	uint64_t until = clock_mono() + PATIENCE_NS;

	for (;;) {
		json_t *o = ask(s, "policy");
		bool done = all_enforced(o, n);

		if (clock_mono() > until)
			fail_msg("not enforced after a minute: %s", json_dumps(o, 0));
		json_decref(o);
		if (done)
			return;
		usleep(20000);
	}
}

static void begin(struct service *s, const char *conf)
{
	write_config(s, conf);
	spawn(s);
	expect_told(s, "READY=1\nSTATUS=source ");
}

static void set(const struct service *s, const char *request)
{
	json_t *o = ask_with(s, request);
	const char *error = json_string_value(json_object_get(o, "error"));

	if (error)
		fail_msg("%s: %s", request, error);
	json_decref(o);
}

static void await_line(const struct service *s, const char *what)
{
	uint64_t until = clock_mono() + PATIENCE_NS;
	char text[16384] = "";

	while (file_read(s->log, text, sizeof(text)) < 0 || !strstr(text, what)) {
		usleep(20000);
		if (clock_mono() > until)
			fail_msg("the log has no '%s':\n%s", what, text);
	}
}

struct named {
	const char *name;
	pid_t pid;
};

static int find_named(pid_t pid, void *data)
{
	struct named *n = data;
	struct proc_stat stat;

	if (!proc_read_stat(pid, 0, &stat) && !strcmp(stat.comm, n->name) && stat.state != 'Z')
		n->pid = pid;
	return 0;
}

static pid_t process(const char *name)
{
	struct named n = {name, 0};

	proc_each_id("/proc", find_named, &n);
	return n.pid;
}

static uint64_t cpu_time(pid_t pid)
{
	struct timespec t = {0};
	clockid_t clock;

	if (!clock_getcpuclockid(pid, &clock))
		clock_gettime(clock, &t);
	return (uint64_t)t.tv_sec * NS_PER_SEC + (uint64_t)t.tv_nsec;
}

/* CPUs that a process uses, over a second of the host's. */
static double used(pid_t pid)
{
	uint64_t at = clock_mono(), before = cpu_time(pid);

	sleep(1);
	return (double)(cpu_time(pid) - before) / (double)(clock_mono() - at);
}

/* ---- tests ---- */

/* 0.2 of a CPU of the two that it wants, and all of it again; a freezer may be late on a busy machine,
 * and a limit is never exceeded for that. */
static void a_limit_comes_and_goes(void **state)
{
	static char before[TEXT];
	struct service *s = *state;
	uint64_t until = clock_mono() + PATIENCE_NS;

	look(before);
	begin(s, dispatching);
	await_enforced(s, VMS);
	set(s, "{\"do\":\"set\",\"vm\":\"a\",\"settings\":{\"limit\":\"0.2\"}}");
	while (used(vms[0]) > 0.22)
		if (clock_mono() > until)
			fail_msg("the limit of 0.2 isn't kept after a minute");
	assert_true(used(vms[0]) < 0.25);
	set(s, "{\"do\":\"unset\",\"vm\":\"a\"}");
	set(s, "{\"do\":\"set\",\"vm\":\"a\",\"settings\":{\"shares\":\"100000\"}}");
	while (used(vms[0]) < 2 * used(vms[1]))
		if (clock_mono() > until)
			fail_msg("the shares don't come about after a minute");
	stop(s);
	assert_true(await_as_before(before, clock_mono()) < NS_PER_SEC);
	assert_int_equal(process("deschedd-guard"), 0);
}

static void privileges(void **state)
{
	struct service *s = *state;
	pid_t guard, dispatcher;

	begin(s, dispatching);
	await_enforced(s, VMS);
	guard = process("deschedd-guard");
	dispatcher = process("deschedd-disp");
	assert_int_equal(status_field(guard, "CapEff:", 16),
			 1 << CAP_DAC_OVERRIDE | 1 << CAP_SYS_NICE);
	assert_int_equal(status_field(dispatcher, "CapEff:", 16) & ~(1 << CAP_SYS_PTRACE),
			 1 << CAP_DAC_OVERRIDE | 1 << CAP_SYS_NICE);
#ifndef DESCHED_ASAN
	assert_int_equal(status_field(guard, "Seccomp:", 10), 2);
	assert_int_equal(status_field(dispatcher, "Seccomp:", 10), 2);
	assert_int_equal(status_field(process("deschedd-watch"), "Seccomp:", 10), 2);
#endif
	assert_int_equal(sched_getscheduler(dispatcher), SCHED_FIFO);
	stop(s);
}

static int take_last(pid_t tid, void *last)
{
	if (tid > *(pid_t *)last)
		*(pid_t *)last = tid;
	return 0;
}

/* One whose vCPUs somebody has pinned is left alone, and that is said. */
static void a_pinned_vm_is_left_alone(void **state)
{
	struct thread_mask one = thread_mask_of(0), all;
	struct service *s = *state;
	const json_t *vm;
	json_t *o = NULL;
	size_t i;
	bool said = false;
	char path[64];
	pid_t tid = 0;

	snprintf(path, sizeof(path), "/proc/%d/task", vms[1]);
	proc_each_id(path, take_last, &tid);
	assert_true(tid > vms[1]);
	thread_mask_get(tid, &all);
	thread_mask_set(tid, &one);
	begin(s, dispatching);
	for (uint64_t until = clock_mono() + PATIENCE_NS; !said && clock_mono() < until;) {
		json_decref(o);
		usleep(20000);
		o = ask(s, "policy");
		json_array_foreach(json_object_get(o, "vms"), i, vm)
		{
			char *text = json_dumps(vm, 0);

			said |= strstr(text, "its vCPUs are pinned") != NULL;
			free(text);
		}
	}
	json_decref(o);
	assert_true(said);
	stop(s);
	thread_mask_get(tid, &one);
	assert_int_equal(one.bits[0], 1);
	thread_mask_set(tid, &all);
}

static void a_reload_to_none_restores(void **state)
{
	static char before[TEXT];
	struct service *s = *state;

	look(before);
	begin(s, dispatching);
	await_enforced(s, VMS);
	write_config(s, "[enforce]\nenforcer = none\n");
	kill(s->pid, SIGHUP);
	await_as_before(before, clock_mono());
	await_line(s, "enforcer = none: everything is as it was");
	stop(s);
}

/* Ten seconds without orders, and orders again. */
static void a_daemon_that_stands_still(void **state)
{
	static char before[TEXT];
	struct service *s = *state;

	if (rounds < 50)
		skip(); /* the suite `slow` has time */
	look(before);
	begin(s, dispatching);
	await_enforced(s, VMS);
	set(s, "{\"do\":\"set\",\"vm\":\"a\",\"settings\":{\"limit\":\"0.05\"}}");
	kill(s->pid, SIGSTOP);
	await_as_before(before, clock_mono());
	await_line(s, "nothing was ordered for 10 s");
	kill(s->pid, SIGCONT);
	for (uint64_t until = clock_mono() + PATIENCE_NS; used(vms[0]) > 0.06;)
		if (clock_mono() > until)
			fail_msg("the limit doesn't come again");
	stop(s);
	await_as_before(before, clock_mono());
}

/* Threads that a vCPU's thread made: they are no vCPUs, and are left in nobody's class. */
static void new_threads(void **state)
{
	static char after[TEXT];
	struct service *s = *state;

	begin(s, dispatching);
	await_enforced(s, VMS);
	atomic_store(&work[VMS], 1); /* VM a makes one */
	while (atomic_load(&work[VMS]) == 1)
		usleep(2000);
	sleep(3);
	stop(s);
	look(after);
	assert_null(strstr(after, "desched-"));
	assert_null(strstr(after, "class 5")); /* SCHED_IDLE */
	assert_null(strstr(after, " mask 1\n"));
	assert_null(strstr(after, " mask 2\n"));
}

/* VMs that end while they are dispatched, and others that come. */
static void churn(void **state)
{
	static char before[TEXT];
	struct service *s = *state;

	look(before);
	begin(s, dispatching);
	await_enforced(s, VMS);
	set(s, "{\"do\":\"set\",\"vm\":\"d*\",\"settings\":{\"limit\":\"0.3\"}}");
	for (int i = 0; i < rounds; i++) {
		pid_t pid = start_vm("d");

		await_threads(pid);
		if (i % 2)
			await_enforced(s, VMS + 1);
		end(pid);
	}
	await_enforced(s, VMS);
	stop(s);
	await_as_before(before, clock_mono());
	assert_int_equal(access(DISPATCH_RECORD, F_OK), -1);
}

static void forget(struct service *s)
{
	waitpid(s->pid, NULL, 0);
	s->pid = 0;
}

/* At any time: among the first orders, while some are held, while settings change. */
static void a_kill_at_any_time(void **state)
{
	static const char *const requests[] = {
		"{\"do\":\"set\",\"vm\":\"a\",\"settings\":{\"limit\":\"0.1\"}}",
		"{\"do\":\"set\",\"vm\":\"b\",\"settings\":{\"shares\":\"5000\"}}",
		"{\"do\":\"set\",\"vm\":\"*\",\"settings\":{\"limit\":\"0.3\"}}",
	};
	static char before[TEXT];
	struct service *s = *state;
	uint64_t worst = 0;
	unsigned seed = (unsigned)clock_real();

	look(before);
	print_message("seed %u\n", seed);
	for (int i = 0; i < rounds; i++) {
		begin(s, dispatching);
		if (rand_r(&seed) % 2)
			set(s, requests[rand_r(&seed) % ARRAY_SIZE(requests)]);
		usleep((useconds_t)(rand_r(&seed) % 1500000));
		if (rand_r(&seed) % 2)
			set(s, requests[rand_r(&seed) % ARRAY_SIZE(requests)]);
		usleep((useconds_t)(rand_r(&seed) % 2000));
		kill(s->pid, SIGKILL);
		worst = u64_max(worst, await_as_before(before, clock_mono()));
		forget(s);
	}
	print_message("%d kills: all as it was after %.3f s at most\n", rounds, ns_to_s(worst));
	assert_true(worst < NS_PER_SEC);
	assert_int_equal(access(DISPATCH_RECORD, F_OK), -1);
}

/* Dispatching with a limit for all, so that somebody is held at most times. */
static void begin_holding(struct service *s)
{
	begin(s, dispatching);
	await_enforced(s, VMS);
	set(s, "{\"do\":\"set\",\"vm\":\"*\",\"settings\":{\"limit\":\"0.1\"}}");
	sleep(2);
}

/* A dispatcher that ends, or stands still, is replaced by nobody: all is as it was, and it is said. */
static void without_the_dispatcher(void **state)
{
	static const int signals[] = {SIGKILL, SIGSTOP};
	static char before[TEXT];
	struct service *s = *state;

	look(before);
	for (size_t i = 0; i < ARRAY_SIZE(signals); i++) {
		begin_holding(s);
		kill(process("deschedd-disp"), signals[i]);
		assert_true(await_as_before(before, clock_mono()) < NS_PER_SEC);
		await_line(s, i ? "it stood still, and was thrown out" : "it has been killed");
		await_line(s, "nothing is enforced any more");
		expect_told(s, "STOPPING=1");
		forget(s);
	}
}

/* The guardian, which is who undoes: its watcher does. */
static void without_the_guardian(void **state)
{
	static char before[TEXT];
	struct service *s = *state;

	look(before);
	for (int i = 0; i < 3; i++) {
		pid_t dispatcher;

		begin_holding(s);
		dispatcher = process("deschedd-disp");
		if (i == 1)
			kill(dispatcher, SIGSTOP);
		kill(process("deschedd-guard"), SIGKILL);
		if (i == 2)
			kill(s->pid, SIGKILL);
		assert_true(await_as_before(before, clock_mono()) < NS_PER_SEC);
		if (i < 2)
			expect_told(s, "STOPPING=1");
		forget(s);
	}
	assert_int_equal(access(DISPATCH_RECORD, F_OK), -1);
}

/* All of them at once: the next start does. */
static void the_next_start_restores(void **state)
{
	static char before[TEXT];
	struct service *s = *state;

	look(before);
	begin_holding(s);
	kill(process("deschedd-watch"), SIGKILL);
	kill(process("deschedd-guard"), SIGKILL);
	kill(s->pid, SIGKILL);
	forget(s);
	assert_int_equal(access(DISPATCH_RECORD, F_OK), 0);
	begin(s, "");
	await_as_before(before, clock_mono());
	assert_int_equal(access(DISPATCH_RECORD, F_OK), -1);
	stop(s);
}

/* Held threads end like others. */
static void a_held_vm_can_be_killed(void **state)
{
	struct service *s = *state;
	uint64_t since;
	pid_t pid;

	begin(s, dispatching);
	pid = start_vm("d");
	set(s, "{\"do\":\"set\",\"vm\":\"d\",\"settings\":{\"limit\":\"0.01\"}}");
	await_threads(pid);
	await_enforced(s, VMS + 1);
	since = clock_mono();
	end(pid);
	assert_true(clock_mono() < since + NS_PER_SEC);
	stop(s);
}

int main(int argc, char **argv)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_limit_comes_and_goes, setup, teardown),
		cmocka_unit_test_setup_teardown(privileges, setup, teardown),
		cmocka_unit_test_setup_teardown(a_pinned_vm_is_left_alone, setup, teardown),
		cmocka_unit_test_setup_teardown(a_reload_to_none_restores, setup, teardown),
		cmocka_unit_test_setup_teardown(new_threads, setup, teardown),
		cmocka_unit_test_setup_teardown(churn, setup, teardown),
		cmocka_unit_test_setup_teardown(a_held_vm_can_be_killed, setup, teardown),
		cmocka_unit_test_setup_teardown(without_the_dispatcher, setup, teardown),
		cmocka_unit_test_setup_teardown(without_the_guardian, setup, teardown),
		cmocka_unit_test_setup_teardown(the_next_start_restores, setup, teardown),
		cmocka_unit_test_setup_teardown(a_daemon_that_stands_still, setup, teardown),
		cmocka_unit_test_setup_teardown(a_kill_at_any_time, setup, teardown),
	};

	if (argc > 2 && !strcmp(argv[1], "-name"))
		return become_vm(argv[2]);
	if (argc < 3)
		return 2;
	if (geteuid() != 0 || !bpf_is_here() || dispatch_host("", NULL, &host))
		return SKIPPED;
	daemon_program = argv[1];
	daemon_name = "deschedd";
	rounds = atoi(argv[2]);
	cmocka_set_test_filter(argc > 3 ? argv[3] : NULL);
	own_pids();
	before_others(); /* how soon all is as it was is judged, not how busy others are */
	/* its record is in /run, which is this test's own */
	if (mount("run", "/run", "tmpfs", 0, "mode=755"))
		own_pids_end(1);
	own_pids_end(cmocka_run_group_tests(tests, set_up, tear_down));
}
