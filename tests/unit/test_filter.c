/* SPDX-License-Identifier: MIT */
/*
 * service/filter.h and the lists that are made into filters: the kernel is asked, in a child, what
 * it allows, call by call, with arguments that no call does anything with.
 */
#include "service/filter.h"

#include "base/units.h"
#include "vmdesched/allowed.h"
#include "vmm/sandbox.h"

#include <errno.h>
#include <linux/bpf.h>
#include <linux/seccomp.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define EXITED	200 /* a child that found what was expected */
#define NUMBERS 330 /* some beyond are no calls for programs: uretprobe(2) */

/* Without what a sanitizer does before a call that doesn't return. */
static void leave(int status)
{
	syscall(SYS_exit_group, status);
}

static int in_a_child(void (*run)(void))
{
	int status;
	pid_t pid = fork();

	if (!pid) {
		run();
		leave(EXITED);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

static void expect(bool right, int number)
{
	if (!right)
		leave(number % EXITED);
}

static bool refused(long number, uint64_t first, uint64_t second)
{
	return syscall(number, first, second, -1L, -1L, -1L, -1L) < 0 && errno == ENOSYS;
}

static const int some[] = {SYS_read, SYS_getpid, -1, SYS_exit_group, SYS_close};

/* ENOSYS is what no call answers that there is. */
static void try_some(void)
{
	struct filter f;

	filter_begin(&f);
	filter_allow(&f, some, ARRAY_SIZE(some));
	filter_allow_with(&f, SYS_fcntl, 1, 0x100000003);
	filter_allow_with(&f, SYS_fcntl, 1, 7);
	filter_allow_with(&f, SYS_lseek, 0, 1);
	expect(!filter_load(&f, SECCOMP_RET_ERRNO | ENOSYS, true), 1);
	expect(!refused(SYS_read, (uint64_t)-1, 0), 2);
	expect(!refused(SYS_getpid, 0, 0), 3);
	expect(!refused(SYS_close, (uint64_t)-1, 0), 4);
	expect(refused(SYS_write, (uint64_t)-1, 0), 5);
	expect(refused(SYS_fcntl, (uint64_t)-1, 3), 6);
	expect(refused(SYS_fcntl, (uint64_t)-1, 0x200000003), 7);
	expect(!refused(SYS_fcntl, (uint64_t)-1, 0x100000003), 8);
	expect(!refused(SYS_fcntl, (uint64_t)-1, 7), 9);
	expect(refused(SYS_fcntl, (uint64_t)-1, 0x100000007), 10);
	expect(refused(SYS_lseek, 2, 0), 11);
	expect(!refused(SYS_lseek, 1, 0), 12);
	for (long n = 0; n < NUMBERS; n++) {
		bool in_list = n == SYS_fcntl || n == SYS_lseek;

		for (size_t i = 0; i < ARRAY_SIZE(some); i++)
			in_list |= some[i] == n;
		expect(in_list || refused(n, (uint64_t)-1, (uint64_t)-1), (int)n);
	}
}

static void what_is_in_the_list_is_allowed_and_nothing_else(void **state)
{
	int status = in_a_child(try_some);

	(void)state;
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), EXITED);
}

static void a_list_that_is_too_long_is_no_filter(void **state)
{
	static struct filter f;
	int calls[FILTER_MAX / 2];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(calls); i++)
		calls[i] = (int)i;
	filter_begin(&f);
	filter_allow(&f, calls, ARRAY_SIZE(calls));
	assert_int_equal(filter_load(&f, SECCOMP_RET_KILL_PROCESS, false), -E2BIG);
}

#ifndef DESCHED_ASAN /* which goes without filters */

/* What vmdesched can't do without when it runs, and some of what it shall not do. */
static void try_vmdesched(void)
{
	static const long wanted[] = {SYS_read,	     SYS_write,	   SYS_openat,	SYS_ppoll,
				      SYS_accept4,   SYS_recvfrom, SYS_sendto,	SYS_getsockopt,
				      SYS_mmap,	     SYS_futex,	   SYS_linkat,	SYS_renameat,
				      SYS_getrandom, SYS_munmap,   SYS_madvise, SYS_close},
			  never[] = {SYS_execve, SYS_ptrace, SYS_kill,	       SYS_clone,
				     SYS_mount,	 SYS_setuid, SYS_init_module,  SYS_bind,
				     SYS_listen, SYS_chmod,  SYS_clock_settime};
	struct confine keep;

	allowed_daemon(false, &keep);
	expect(!confine_daemon("", true, &keep, NULL), 1);
	for (size_t i = 0; i < ARRAY_SIZE(wanted); i++)
		expect(syscall(wanted[i], -1L, -1L, -1L, -1L, -1L, -1L) >= 0 || errno != EPERM,
		       10 + (int)i);
	for (size_t i = 0; i < ARRAY_SIZE(never); i++)
		expect(syscall(never[i], -1L, -1L, -1L, -1L, -1L, -1L) < 0 && errno == EPERM,
		       50 + (int)i);
	expect(syscall(SYS_bpf, BPF_PROG_LOAD, -1L, -1L) < 0 && errno == EPERM, 70);
	expect(syscall(SYS_bpf, BPF_OBJ_GET_INFO_BY_FD, -1L, -1L) < 0 && errno != EPERM, 71);
}

static void vmdesched_keeps_what_it_needs(void **state)
{
	int status = in_a_child(try_vmdesched);

	(void)state;
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), EXITED);
}

/* The last one of the list: it was lost once, when the list's length was counted by hand. */
static void try_last_of_vcpu(void)
{
	expect(!sandbox_enter(SANDBOX_VCPU), 1);
	syscall(SYS_set_robust_list, NULL, 1L);
}

static void try_other_of_vcpu(void)
{
	expect(!sandbox_enter(SANDBOX_VCPU), 1);
	syscall(SYS_openat, -1, NULL, 0);
}

static void a_vcpu_has_all_of_its_list(void **state)
{
	int status = in_a_child(try_last_of_vcpu);

	(void)state;
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), EXITED);
	status = in_a_child(try_other_of_vcpu);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGSYS);
}

#endif

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_in_the_list_is_allowed_and_nothing_else),
		cmocka_unit_test(a_list_that_is_too_long_is_no_filter),
#ifndef DESCHED_ASAN
		cmocka_unit_test(vmdesched_keeps_what_it_needs),
		cmocka_unit_test(a_vcpu_has_all_of_its_list),
#endif
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
