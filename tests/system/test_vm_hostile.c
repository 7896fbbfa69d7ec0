/* SPDX-License-Identifier: MIT */
/*
 * A guest that means no good has a VM beside it on the same CPU, which is not delayed by that: it
 * gets its half of what both have, and waits no longer for its turn than beside a guest that merely
 * computes. Others may use the CPU too, so that all is ratios of one window, and the best of some
 * tries counts. What the guests do to their own monitor is in test_vm.c.
 *
 *     test_vm_hostile DESCHED
 *
 * Exits with 77 where there is no /dev/kvm.
 */
#include "base/proc.h"

#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#define WINDOW	  1.5  /* s */
#define SHARE_MAX 0.55 /* of both, that the hostile one may have */
#define WAIT_MAX  2    /* times as long beside it as beside an ordinary one */
#define TRIES	  8

static const char *desched;

struct use {
	uint64_t run, wait, turns; /* ns, ns, of all threads */
};

static pid_t start(const char *append)
{
	pid_t pid = fork();
	cpu_set_t all, one;
	int null, cpu = 0;

	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	sched_getaffinity(0, sizeof(all), &all);
	while (!CPU_ISSET(cpu, &all))
		cpu++;
	CPU_ZERO(&one);
	CPU_SET(cpu, &one);
	sched_setaffinity(0, sizeof(one), &one);
	null = open("/dev/null", O_RDWR);
	dup2(null, STDIN_FILENO);
	dup2(null, STDOUT_FILENO);
	execl(desched, "desched", "vm", "--memory", "4", "--append", append, NULL);
	_exit(127);
}

static void stop(pid_t pid)
{
	kill(pid, SIGTERM);
	waitpid(pid, NULL, 0);
}

struct sum {
	pid_t pid;
	struct use use;
};

static int add_thread(pid_t tid, void *data)
{
	struct sum *s = data;
	unsigned long long run, wait, turns;
	char path[64], text[128];

	snprintf(path, sizeof(path), "/proc/%d/task/%d/schedstat", s->pid, tid);
	if (file_read(path, text, sizeof(text)) < 0 ||
	    sscanf(text, "%llu %llu %llu", &run, &wait, &turns) != 3)
		return 0;
	s->use.run += run;
	s->use.wait += wait;
	s->use.turns += turns;
	return 0;
}

static struct use use_of(pid_t pid)
{
	struct sum s = {.pid = pid};
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/task", pid);
	proc_each_id(path, add_thread, &s);
	return s.use;
}

static struct use less(struct use a, struct use b)
{
	return (struct use){a.run - b.run, a.wait - b.wait, a.turns - b.turns};
}

static void pass(double seconds)
{
	const struct timespec t = {(time_t)seconds,
				   (long)((seconds - (double)(time_t)seconds) * 1e9)};

	nanosleep(&t, NULL);
}

/* Both guests compute, or do what they do, when this is over. */
static void wait_for(pid_t pid)
{
	for (int i = 0; i < 600 && use_of(pid).run < 100000000; i++)
		pass(0.05);
}

/* What an ordinary VM waits for a turn (ns) beside one with this command line, which gets
 * *ret_share of what both have. */
static double beside(const char *append, double *ret_share)
{
	pid_t other = start(append), victim = start("");
	struct use a[2], b[2];

	wait_for(other);
	wait_for(victim);
	a[0] = use_of(other);
	a[1] = use_of(victim);
	pass(WINDOW);
	b[0] = less(use_of(other), a[0]);
	b[1] = less(use_of(victim), a[1]);
	stop(other);
	stop(victim);
	assert_true(b[1].turns > 0 && b[1].run > 0);
	*ret_share = (double)b[0].run / (double)(b[0].run + b[1].run);
	return (double)b[1].wait / (double)b[1].turns;
}

static void harmless(const char *append)
{
	double share = 1, ratio = 0, ordinary_share;

	for (int i = 0; i < TRIES; i++) {
		double ordinary = beside("", &ordinary_share);

		ratio = beside(append, &share) / ordinary;
		if (share <= SHARE_MAX && ratio <= WAIT_MAX)
			return;
	}
	fail_msg("'%s': it has %.0f %% of what both have, the other waits %.1f times as long",
		 append, 100 * share, ratio);
}

static void floods_ports(void **state)
{
	(void)state;
	harmless("ports=1 a=0 b=0");
}

static void fast_timer(void **state)
{
	(void)state;
	harmless("hz=1000000");
}

static void never_acknowledges(void **state)
{
	(void)state;
	harmless("mute=1");
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(floods_ports),
		cmocka_unit_test(fast_timer),
		cmocka_unit_test(never_acknowledges),
	};

	if (argc != 2)
		return 2;
	desched = argv[1];
	if (access("/dev/kvm", R_OK | W_OK)) {
		fprintf(stderr, "no /dev/kvm that may be used\n");
		return 77;
	}
	return cmocka_run_group_tests_name("vm_hostile", tests, NULL, NULL);
}
