/* SPDX-License-Identifier: MIT */
/*
 * libdesched and the real vmdesched on this kernel: the answer is understood, and its figures are
 * those of this machine. Needs root and BPF; test_api.c has all that needs neither.
 *
 *     test_library VMDESCHED
 */
#include "base/clock.h"
#include "base/units.h"
#include "before_others.h"
#include "needs_bpf.h"
#include "scratch.h"

#include <desched/desched.h>
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#define SPUN (300 * NS_PER_MS)

static const char *vmdesched;
static char path[96];

static pid_t start_daemon(void)
{
	pid_t pid = fork();

	if (pid)
		return pid;
	scratch_join();
	execl(vmdesched, vmdesched, "--source", "self", "--socket", path, NULL);
	_exit(127);
}

static void stop_daemon(pid_t pid)
{
	kill(pid, SIGTERM);
	waitpid(pid, NULL, 0);
}

/* The daemon needs a moment to load its programs: up to 60 s where the machine is busy. */
static struct desched *connection(void)
{
	const struct timespec pause = {.tv_nsec = 50 * NS_PER_MS};
	struct desched *d = NULL;

	for (int i = 0; i < 1200 && desched_connect(path, &d); i++)
		nanosleep(&pause, NULL);
	assert_non_null(d);
	return d;
}

static struct desched_snapshot *snapshot(struct desched *d)
{
	struct desched_snapshot *s = NULL;

	assert_int_equal(desched_read(d, &s), 0);
	return s;
}

static uint64_t figure(const struct desched_snapshot *s, enum desched_figure which)
{
	uint64_t v = 0;

	assert_int_equal(desched_figure(s, which, &v), 0);
	return v;
}

/* CPU time of this thread, by the kernel. */
static uint64_t own_cpu_time(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (uint64_t)t.tv_sec * NS_PER_SEC + (uint64_t)t.tv_nsec;
}

static void spin(void)
{
	uint64_t until = own_cpu_time() + SPUN;

	while (own_cpu_time() < until)
		;
}

static uint64_t covered(const struct desched_snapshot *s)
{
	return figure(s, DESCHED_CPU_USED_NS) + figure(s, DESCHED_CPU_STOLEN_NS) +
	       figure(s, DESCHED_CPU_WAIT_NS) + figure(s, DESCHED_CPU_IDLE_NS);
}

/* Time on a CPU, whether that ran or not: how much of it did is an estimate here. */
static uint64_t occupied(const struct desched_snapshot *s, pid_t pid)
{
	const struct desched_process *p = desched_process_find(s, pid);

	return p ? p->own.true_time + p->own.descheduled + p->own.wait : 0;
}

/* By now every CPU has had a switch: what is between two snapshots is covered without a hole. */
static void figures_are_those_of_this_machine(void **state)
{
	pid_t daemon = start_daemon();
	struct desched *d = connection();
	struct desched_snapshot *before, *after;
	uint64_t wall, cpu;

	(void)state;
	spin();
	before = snapshot(d);
	cpu = own_cpu_time();
	spin();
	cpu = own_cpu_time() - cpu;
	after = snapshot(d);
	assert_int_equal(figure(after, DESCHED_CPUS), sysconf(_SC_NPROCESSORS_CONF));
	assert_int_equal(figure(after, DESCHED_SESSION), figure(before, DESCHED_SESSION));
	wall = figure(after, DESCHED_ELAPSED_NS) - figure(before, DESCHED_ELAPSED_NS);
	wall *= figure(after, DESCHED_CPUS);
	assert_in_range(covered(after) - covered(before), wall - wall / 100, wall + wall / 100);
	/* What we spun is ours; asking for snapshots costs more, but not much. */
	assert_in_range(occupied(after, getpid()) - occupied(before, getpid()), cpu - cpu / 20,
			2 * cpu);
	desched_snapshot_free(before);
	desched_snapshot_free(after);
	desched_close(d);
	stop_daemon(daemon);
}

static void another_daemon_is_another_session(void **state)
{
	pid_t daemon = start_daemon();
	struct desched *d = connection(), *second;
	struct desched_snapshot *s = snapshot(d);
	uint64_t session = figure(s, DESCHED_SESSION);

	(void)state;
	assert_null(desched_page(s));
	desched_snapshot_free(s);
	stop_daemon(daemon);
	assert_int_equal(desched_read(d, &s), -ENOENT);
	daemon = start_daemon();
	second = connection();
	s = snapshot(d);
	assert_int_not_equal(figure(s, DESCHED_SESSION), session);
	desched_snapshot_free(s);
	desched_close(second);
	desched_close(d);
	stop_daemon(daemon);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(figures_are_those_of_this_machine),
		cmocka_unit_test(another_daemon_is_another_session),
	};

	before_others();
	if (argc < 2)
		return 2;
	vmdesched = argv[1];
	if (!bpf_is_here())
		return SKIPPED;
	snprintf(path, sizeof(path), "%s/socket", scratch_dir("test-library"));
	return cmocka_run_group_tests(tests, NULL, NULL);
}
