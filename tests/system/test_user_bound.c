/* SPDX-License-Identifier: MIT */
/*
 * A user without privilege who runs more processes that look like VMs than may be measured: the
 * bound holds, root's VM is measured all the same, one line says so, all are counted, and there is
 * room again when one ends. Needs root, else exits with 77; BPF takes no part.
 */
#include "host/measure.h"
#include "host/measure_bound.h"

#include "own_pids.h"

#include <grp.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define USER	31337
#define SERVICE 64055 /* libvirt-qemu, as Debian has it */
#define BOUND	3

static pid_t children[16];
static int n_children, notes;
static char noted[512];

static void *be_vcpu(void *data)
{
	prctl(PR_SET_NAME, "CPU 0/TCG");
	for (;;)
		pause();
	return data;
}

/* Its folder in /proc is root's, as of everything that doesn't want to be dumped. */
static pid_t start_vm(uid_t uid)
{
	pid_t pid = fork();
	pthread_t thread;

	if (pid)
		return children[n_children++] = pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (setgroups(0, NULL) || setresgid(uid, uid, uid) || setresuid(uid, uid, uid))
		_exit(1);
	prctl(PR_SET_DUMPABLE, 0);
	prctl(PR_SET_PDEATHSIG, SIGKILL); /* which another user forgets */
	pthread_create(&thread, NULL, be_vcpu, NULL);
	for (;;)
		pause();
}

static void end(int i)
{
	kill(children[i], SIGKILL);
	waitpid(children[i], NULL, 0);
}

static bool is_measured(const struct measurement *m, pid_t pid)
{
	for (size_t i = 0; i < m->n; i++)
		if (m->vms[i]->vm.pid == pid && m->vms[i]->id >= 0)
			return true;
	return false;
}

static int count_measured(const struct measurement *m, int from, int to)
{
	int n = 0;

	for (int i = from; i < to; i++)
		n += is_measured(m, children[i]);
	return n;
}

static void await(struct measurement *m, int from, int to, int wanted)
{
	for (int i = 0; i < 60000 && count_measured(m, from, to) != wanted; i++) {
		usleep(1000);
		measure_step(m);
	}
	assert_int_equal(count_measured(m, from, to), wanted);
}

static void note(const char *text, void *data)
{
	(void)data;
	if (!strstr(text, "measured at most"))
		return;
	notes++;
	snprintf(noted, sizeof(noted), "%s", text);
}

static void a_user_cannot_fill_the_ledger(void **state)
{
	const struct measure_setup setup = {
		.source = "schedstat", .no_pages = true, .user_vms = BOUND, .note = note};
	struct measurement *m = NULL;
	struct failure f = {""};

	(void)state;
	for (int i = 0; i < 6; i++)
		start_vm(USER);
	if (measure_open(&setup, &f, &m))
		fail_msg("%s", f.text);
	await(m, 0, 6, BOUND);
	for (int i = 0; i < 5; i++)
		start_vm(i ? SERVICE : 0); /* after the user's */
	await(m, 6, 11, 5);
	await(m, 0, 6, BOUND);
	assert_int_equal(notes, 1);
	assert_non_null(strstr(noted, "user 31337 has 4 VMs"));
	assert_true(m->beyond >= 3 && measure_refused(m) == 3);
	assert_int_equal(m->not_entered, 0);
	for (int i = 0; i < 6; i++) /* others take the place of those that end */
		if (is_measured(m, children[i]))
			end(i);
	for (int i = 0; i < 60000 && measure_refused(m); i++) {
		usleep(1000);
		measure_step(m);
	}
	assert_int_equal(measure_refused(m), 0);
	await(m, 0, 6, BOUND);
	measure_close(m);
}

static void who_has_a_bound(void **state)
{
	(void)state;
	assert_false(measure_bound_has(0));
	assert_false(measure_bound_has(999));
	assert_true(measure_bound_has(1000));
	assert_true(measure_bound_has(60000));
	assert_false(measure_bound_has(SERVICE));
	assert_true(measure_bound_has(65534));	/* nobody */
	assert_true(measure_bound_has(100000)); /* of a user namespace */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(who_has_a_bound),
		cmocka_unit_test(a_user_cannot_fill_the_ledger),
	};

	if (geteuid())
		return 77;
	own_pids();
	own_pids_end(cmocka_run_group_tests(tests, NULL, NULL));
}
