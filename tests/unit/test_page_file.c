/* SPDX-License-Identifier: MIT */
/*
 * The page that a VM has brought (host/page_file.c): whose it must be, what it must be, and that a
 * VM that cuts it short harms nobody. The VM is this program, run as `... vm --page FILE MODE`.
 */
#include "host/page_file.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define NEED 8192

static char directory[] = "/tmp/test-page-file.XXXXXX";
static char path[64];

static int vm(const char *file, const char *mode)
{
	int fd = open(file, *mode == 'w' ? O_RDWR : O_RDONLY);
	char byte = '!';

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	(void)!write(STDOUT_FILENO, &byte, 1);
	for (;;)
		pause();
	return fd;
}

static void make_file(size_t size, const char *begin)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	fputs(begin, f);
	fclose(f);
	assert_int_equal(truncate(path, (off_t)size), 0);
}

/* Starts the VM, looks for its page, and leaves the VM running. */
static int open_with(const char *option, const char *mode, struct page_file *ret, pid_t *ret_pid)
{
	struct host_vm v = {.name = "test"};
	struct failure f = {""};
	int ready[2], err;
	char byte;

	assert_int_equal(pipe(ready), 0);
	v.pid = fork();
	if (v.pid == 0) {
		dup2(ready[1], STDOUT_FILENO);
		execl("/proc/self/exe", "desched", "vm", option, path, mode, NULL);
		_exit(127);
	}
	close(ready[1]);
	assert_int_equal(read(ready[0], &byte, 1), 1);
	close(ready[0]);
	err = page_file_open(&v, NEED, &f, ret);
	assert_int_equal(f.text[0] != 0, err && err != -ENOENT);
	*ret_pid = v.pid;
	return err;
}

static void stop(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

static int try_open(const char *option, const char *mode)
{
	struct page_file p;
	pid_t pid;
	int err = open_with(option, mode, &p, &pid);

	stop(pid);
	if (!err)
		page_file_close(&p);
	return err;
}

static void finds_it(void **state)
{
	struct page_file p;
	pid_t pid;
	char text[5] = "";
	int fd;

	(void)state;
	make_file(NEED, "");
	assert_int_equal(open_with("--page", "write", &p, &pid), 0);
	assert_int_equal(p.size, NEED);
	memcpy(p.base, "here", 4);
	fd = open(path, O_RDONLY);
	assert_int_equal(pread(fd, text, 4, 0), 4);
	assert_string_equal(text, "here");
	close(fd);
	stop(pid);
	page_file_close(&p);
	make_file(NEED, "DESDPAGE");
	assert_int_equal(try_open("--page", "write"), 0);
}

static void options(void **state)
{
	(void)state;
	assert_string_equal(page_file_option("a\0vm\0--page\0f", 13), "f");
	assert_string_equal(page_file_option("a\0vm\0-x\0--page=f", 17), "f");
	assert_null(page_file_option("a\0vm\0--page", 11));
	assert_null(page_file_option("a\0vm", 5));
	assert_null(page_file_option("a\0top\0--page\0f", 14));
	assert_null(page_file_option("", 0));
	assert_null(page_file_option("a", 1));
}

static void refuses(void **state)
{
	(void)state;
	make_file(NEED, "");
	assert_int_equal(try_open("--pages", "write"), -ENOENT);
	assert_int_equal(try_open("--page", "read"), -EBADF); /* what it may not write itself */
	make_file(NEED / 2, "");
	assert_int_equal(try_open("--page", "write"), -EINVAL);
	make_file(NEED, "somebody's disk");
	assert_int_equal(try_open("--page", "write"), -EINVAL);
}

/* Another process that publishes there; a second VM that has the file. */
static void one_writer(void **state)
{
	struct flock l = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 1, .l_len = 1};
	int status, fd;
	pid_t pid;

	(void)state;
	make_file(NEED, "");
	fd = open(path, O_RDWR);
	assert_int_equal(fcntl(fd, F_SETLK, &l), 0);
	pid = fork();
	if (pid == 0)
		_exit(-try_open("--page", "write"));
	waitpid(pid, &status, 0);
	close(fd);
	assert_int_equal(WEXITSTATUS(status), EBUSY);
}

static void cut_short(void **state)
{
	struct page_file p;
	pid_t pid;

	(void)state;
	make_file(NEED, "");
	assert_int_equal(open_with("--page", "write", &p, &pid), 0);
	assert_int_equal(truncate(path, 0), 0);
	for (size_t i = 0; i < p.size; i++)
		((volatile char *)p.base)[i] = 'x';
	assert_int_equal(truncate(path, NEED), 0);
	stop(pid);
	page_file_close(&p);
}

static int set_up(void **state)
{
	(void)state;
	if (!mkdtemp(directory))
		return -1;
	snprintf(path, sizeof(path), "%s/page", directory);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	return unlink(path) || rmdir(directory);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(finds_it),  cmocka_unit_test(options),
		cmocka_unit_test(refuses),   cmocka_unit_test(one_writer),
		cmocka_unit_test(cut_short),
	};

	if (argc == 5)
		return vm(argv[3], argv[4]);
	return cmocka_run_group_tests_name("page_file", tests, set_up, tear_down);
}
