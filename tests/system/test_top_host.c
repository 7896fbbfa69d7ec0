/* SPDX-License-Identifier: MIT */
/*
 * test_top_host DESCHED LIKE_VM DESCHEDD: what `desched top --host` says of a process that looks like a VM,
 * which begins and ends while it runs, against what the vCPUs know themselves: their CPU clocks and
 * the time that they waited by schedstat. By BPF, without privilege, and by asking deschedd. What is done with the
 * figures is tests/unit/test_screen_host.c's affair, keys are screen.sh's.
 */
#include "base/clock.h"
#include "base/proc.h"
#include "base/units.h"
#include "before_others.h"
#include "daemon_unit.h"
#include "like_vm.h"
#include "needs_bpf.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <jansson.h>
#include <math.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define PATIENCE_NS (60 * NS_PER_SEC)
#define RUN_NS	    (3 * NS_PER_SEC)
#define NOBODY	    65534

static const char *desched, *like_vm;

/* ---- the VM ---- */

struct vm {
	pid_t pid;
	char name[32], file[64];
	struct like_vm *shared;
};

static void start_vm(struct vm *v, const char *name)
{
	uint64_t end = clock_mono() + PATIENCE_NS;
	int fd;

	snprintf(v->name, sizeof(v->name), "%s-%d", name, getpid());
	snprintf(v->file, sizeof(v->file), "/tmp/test-top-host.XXXXXX");
	fd = mkstemp(v->file);
	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, sizeof(*v->shared)), 0);
	v->shared = mmap(NULL, sizeof(*v->shared), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	assert_true(v->shared != MAP_FAILED);
	close(fd);
	v->pid = fork();
	if (!v->pid) {
		execl(like_vm, "qemu", "-name", v->name, v->file, NULL);
		_exit(127);
	}
	while (atomic_load(&v->shared->ready) < LIKE_VM_VCPUS) {
		assert_true(clock_mono() < end);
		usleep(1000);
	}
}

/* It has ended by itself. */
static void reap_vm(struct vm *v)
{
	int status;

	assert_int_equal(waitpid(v->pid, &status, 0), v->pid);
	assert_int_equal(status, 0);
	unlink(v->file);
}

/* ---- desched top ---- */

struct top {
	pid_t pid;
	FILE *out;
};

/* As nobody, if it may, of the group that may ask deschedd: the program itself is opened before. With
 * the source or socket that follows `option`. */
static void start_top(struct top *t, const char *option, const char *value, bool as_nobody)
{
	char *argv[] = {"desched", "top",	   "--host",	  "--json", "-d",
			"0.25",	   (char *)option, (char *)value, NULL};
	const struct group *group = getgrnam("daemon");
	int fds[2], program = open(desched, O_PATH | O_CLOEXEC);

	assert_true(program >= 0);
	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	t->pid = fork();
	if (!t->pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		dup2(fds[1], STDOUT_FILENO);
		if (as_nobody && !geteuid() && (setgid(group->gr_gid) || setuid(NOBODY)))
			_exit(126);
		fexecve(program, argv, environ);
		_exit(127);
	}
	close(fds[1]);
	close(program);
	t->out = fdopen(fds[0], "r");
}

/* The next line; NULL where it has ended. */
static json_t *next(const struct top *t)
{
	struct pollfd p = {.fd = fileno(t->out), .events = POLLIN};

	if (poll(&p, 1, (int)(PATIENCE_NS / NS_PER_MS)) <= 0)
		fail_msg("nothing came for a minute");
	return json_loadf(t->out, JSON_DISABLE_EOF_CHECK, NULL);
}

static void stop_top(struct top *t)
{
	int status;

	kill(t->pid, SIGTERM);
	waitpid(t->pid, &status, 0);
	assert_int_equal(status, 0);
	fclose(t->out);
}

static double number(const json_t *o, const char *key)
{
	return json_number_value(json_object_get(o, key));
}

static const json_t *vm_of(const json_t *frame, const struct vm *v)
{
	const json_t *vm;
	size_t i;

	json_array_foreach(json_object_get(frame, "vms"), i,
			   vm) if ((pid_t)number(vm, "pid") == v->pid) return vm;
	return NULL;
}

static const char *const states[] = {"run",	 "ready", "costop", "limited",
				     "swapwait", "halt",  "wait"};

static double wall(const json_t *row)
{
	double sum = 0;

	for (size_t i = 0; i < ARRAY_SIZE(states); i++)
		sum += number(row, states[i]);
	return sum;
}

/* What all frames together have of one VM. */
struct sum {
	double run[LIKE_VM_VCPUS], ready[LIKE_VM_VCPUS], wall[LIKE_VM_VCPUS];
	double longest; /* wait of vCPU 0, since it was ordered to run */
	double seconds; /* of the frames that had it */
	int frames;
	bool ended;
};

/* The VM's row is the sum of its vCPUs' rows, state by state. */
static void check_vm(const json_t *vm)
{
	const json_t *vcpus = json_object_get(vm, "vcpus"), *c;
	size_t v;

	assert_int_equal(json_array_size(vcpus), LIKE_VM_VCPUS);
	for (size_t i = 0; i < ARRAY_SIZE(states); i++) {
		double sum = 0;

		json_array_foreach(vcpus, v, c) sum += number(c, states[i]);
		assert_true(fabs(sum - number(vm, states[i])) < 1e-9);
	}
	assert_true(fabs(number(vm, "used") - number(vm, "run") - number(vm, "overhead")) < 1e-9);
}

static void take_frame(struct sum *s, const struct vm *v, const json_t *frame)
{
	const json_t *vm = vm_of(frame, v), *c;
	double seconds = number(frame, "seconds");
	size_t n;

	if (!vm)
		return;
	assert_false(s->ended); /* nothing of it comes after its end */
	assert_string_equal(json_string_value(json_object_get(vm, "name")), v->name);
	check_vm(vm);
	json_array_foreach(json_object_get(vm, "vcpus"), n, c)
	{
		size_t index = (size_t)number(c, "index");

		assert_int_equal(number(c, "tid"), v->shared->tid[index]);
		s->run[index] += seconds * number(c, "run");
		s->ready[index] += seconds * number(c, "ready");
		s->wall[index] += seconds * wall(c);
		if (!index)
			s->longest = fmax(s->longest, number(c, "longest_s"));
	}
	s->seconds += seconds;
	s->frames++;
	s->ended = json_is_true(json_object_get(vm, "ended"));
}

static void take_next(const struct top *t, struct sum *s, const struct vm *v)
{
	json_t *frame = next(t);

	assert_non_null(frame);
	take_frame(s, v, frame);
	json_decref(frame);
}

/* s that the host's own hypervisor took from all of its CPUs. */
static double stolen(void)
{
	struct proc_cpu cpu;

	assert_int_equal(proc_read_cpu(-1, &cpu), 0);
	return ns_to_s(cpu.steal_ns);
}

/* Within 2 % and 20 ms; what the hypervisor took may be counted, or not. */
static void assert_close(const char *what, size_t vcpu, double got, uint64_t expected_ns,
			 double steal)
{
	double expected = ns_to_s(expected_ns), slack = 0.02 * expected + 0.02;

	if (got < expected - slack || got > expected + slack + steal)
		fail_msg("vCPU %zu: %s %.3f s, it knows of %.3f s (%.3f s were stolen)", vcpu, what,
			 got, expected, steal);
	print_message("vCPU %zu: %s %.4f s, by itself %.4f s\n", vcpu, what, got, expected);
}

/* It sees by itself for how long it was away; and from its hypervisor's steal, which is no wait, too. */
static void check_longest(const struct sum *s, const struct vm *v, double steal)
{
	double jump = ns_to_s(v->shared->jump), slack = 0.05 * jump + 0.005;

	if (s->longest > jump + slack || s->longest < jump - slack - steal)
		fail_msg("the longest wait is %.4f s, it was away for %.4f s (%.3f s were stolen)",
			 s->longest, jump, steal);
	print_message("longest wait %.4f s, by itself %.4f s\n", s->longest, jump);
}

static void check_sums(const struct sum *s, const struct vm *v, double steal)
{
	for (size_t i = 0; i < LIKE_VM_VCPUS; i++) {
		const struct like_vm_times *before = &v->shared->before[i];
		const struct like_vm_times *after = &v->shared->after[i];

		assert_close("run", i, s->run[i], after->cpu - before->cpu, steal);
		assert_close("ready", i, s->ready[i], after->waited - before->waited, steal);
		/* It was there in all of its frames but for the ends. */
		assert_true(s->wall[i] <= s->seconds * 1.02 + 0.05);
		assert_true(s->wall[i] >= s->seconds - 2 * 0.25 - 0.1 * s->seconds);
	}
}

/* It comes, works, and ends while the screen's figures are printed. */
static void follow(const char *option, const char *value, bool as_nobody)
{
	struct sum sum = {.frames = 0}, worked;
	uint64_t begin;
	struct top t;
	struct vm v;
	double steal;

	start_top(&t, option, value, as_nobody);
	json_decref(next(&t));
	start_vm(&v, "web");
	while (!sum.frames)
		take_next(&t, &sum, &v);
	steal = stolen();
	sum.longest = 0;
	v.shared->ordered = clock_mono();
	like_vm_order(v.shared, LIKE_VM_RUN);
	for (begin = clock_mono(); clock_mono() < begin + RUN_NS;)
		take_next(&t, &sum, &v);
	like_vm_order(v.shared, LIKE_VM_STOP);
	while (atomic_load(&v.shared->stopped) < LIKE_VM_VCPUS)
		take_next(&t, &sum, &v);
	take_next(&t, &sum, &v); /* this one may have begun before */
	take_next(&t, &sum, &v);
	worked = sum;
	steal = stolen() - steal;
	like_vm_order(v.shared, LIKE_VM_END);
	reap_vm(&v);
	while (!sum.ended)
		take_next(&t, &sum, &v);
	for (int i = 0; i < 3; i++) /* and is not there again */
		take_next(&t, &sum, &v);
	stop_top(&t);
	check_sums(&worked, &v, steal);
	if (!as_nobody)
		check_longest(&worked, &v, steal);
	munmap(v.shared, sizeof(*v.shared));
}

static void by_bpf(void **state)
{
	(void)state;
	if (!bpf_is_here())
		skip();
	follow("-s", "bpf", false);
}

static void by_schedstat_as_anybody(void **state)
{
	(void)state;
	follow("-s", "schedstat", true);
}

static void by_deschedd_as_a_member(void **state)
{
	void *unit = NULL;
	struct service *s;

	(void)state;
	if (geteuid() || !bpf_is_here())
		skip();
	setup(&unit);
	s = unit;
	write_config(s, "pages = no\n");
	spawn(s);
	expect_told(s, "READY=1\nSTATUS=source bpf");
	follow("--socket", s->socket, true);
	teardown(&unit);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(by_bpf),
		cmocka_unit_test(by_schedstat_as_anybody),
		cmocka_unit_test(by_deschedd_as_a_member),
	};

	if (argc < 4)
		return 2;
	desched = argv[1];
	like_vm = argv[2];
	daemon_program = argv[3];
	daemon_name = "deschedd";
	before_others();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
