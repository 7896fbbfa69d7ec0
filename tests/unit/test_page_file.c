/* SPDX-License-Identifier: MIT */
/*
 * The page that a VM has brought (host/page_file.c): whose it must be, what it must be, and that a
 * VM that cuts it short harms nobody; what a command line says of it (host/page_device.c). The VM
 * is this program, run as `... vm --page FILE MODE`, as which it opens FILE.
 */
#include "host/page_file.h"

#include <desched/page.h>

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
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define NEED 8192

static char directory[] = "/dev/shm/test-page-file.XXXXXX";
static char path[64], why[200];
static bool again; /* another look may find otherwise */

static int vm(const char *file, const char *mode)
{
	char byte = '!', other[80];
	int fd = strcmp(mode, "away")
			 ? open(file,
				strcmp(mode, "read") && strcmp(mode, "nobody") ? O_RDWR : O_RDONLY)
			 : -1;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	snprintf(other, sizeof(other), "%s.other", file);
	if (!strcmp(mode, "nobody") && setuid(65534))
		return 1;
	if (!strcmp(mode, "mapped") && mmap(NULL, NEED, PROT_READ, MAP_SHARED, fd, 0) == MAP_FAILED)
		return 1;
	if (!strcmp(mode, "private") &&
	    mmap(NULL, NEED, PROT_READ, MAP_PRIVATE, fd, 0) == MAP_FAILED)
		return 1;
	if (!strcmp(mode, "renamed"))
		rename(file, other);
	if (!strcmp(mode, "replaced")) {
		unlink(file);
		close(creat(file, 0600));
		(void)!truncate(file, NEED);
	}
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
	struct page_choice choice = {.n = 0};
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
	err = page_file_open(&v, NEED, NEED, &choice, ret);
	snprintf(why, sizeof(why), "%s", choice.n ? choice.verdicts[0].why : "none");
	assert_int_equal(!err, !why[0]);
	again = page_choice_again(&choice);
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

/* What the command line says: "NAME=FILE" or "NAME!WHY" for each device. */
static void expect_devices(const char *words, size_t size, const char *expected)
{
	const struct words w = {(char *)words, size};
	struct page_device *devices = NULL;
	char text[8192] = "";
	unsigned more;
	int n = page_devices(&w, &devices, &more);

	for (int i = 0; i < n; i++) {
		size_t used = strlen(text);

		snprintf(text + used, sizeof(text) - used, "%s%s%s%s", i ? " " : "",
			 devices[i].name, devices[i].why[0] ? "!" : "=",
			 devices[i].why[0] ? devices[i].why : devices[i].file);
	}
	free(devices);
	assert_string_equal(text, expected);
	assert_int_equal(more, 0);
}

#define DEVICES(words, expected) expect_devices(words, sizeof(words), expected)

static void options_of_desched_vm(void **state)
{
	(void)state;
	DEVICES("a\0vm\0--page\0f", "--page=f");
	DEVICES("a\0vm\0-x\0--page=f", "--page=f");
	DEVICES("a\0vm\0--page", "");
	DEVICES("a\0vm", "");
	DEVICES("a\0top\0--page\0f", "");
	DEVICES("", "");
	DEVICES("a", "");
}

static void options_of_qemu(void **state)
{
	(void)state;
	DEVICES("qemu\0-object\0memory-backend-file,id=m,share=on,mem-path=/dev/shm/a,size=1M\0"
		"-device\0ivshmem-plain,memdev=m",
		"m=/dev/shm/a");
	/* commas in values, options after their use, two dashes, the type as a key, the last
	 * counts */
	DEVICES("qemu\0--device\0driver=ivshmem-plain,id=d,memdev=n,memdev=m\0"
		"--object\0qom-type=memory-backend-file,id=m,share=yes,mem-path=/a,,b,,",
		"d=/a,b,");
	/* as libvirt 9.0 does */
	DEVICES("qemu\0-object\0{\"qom-type\":\"memory-backend-file\",\"id\":\"shmmem-shmem0\","
		"\"mem-path\":\"/dev/shm/page\",\"size\":1048576,\"share\":true}\0"
		"-device\0{\"driver\":\"ivshmem-plain\",\"id\":\"shmem0\",\"memdev\":"
		"\"shmmem-shmem0\",\"bus\":\"pci.0\",\"addr\":\"0x2\"}",
		"shmem0=/dev/shm/page");
	DEVICES("qemu\0-device\0virtio-net,id=ivshmem-plain\0-device\0ivshmem-doorbell,chardev=c",
		"");
	DEVICES("qemu\0-device\0ivshmem-plain,memdev=m\0-object\0memory-backend-ram,id=m",
		"m!its memory is a memory-backend-ram; give it a memory-backend-file");
	DEVICES("qemu\0-device\0ivshmem-plain,memdev=m\0-object\0memory-backend-file,id=m,"
		"mem-path=/a",
		"m!its memory is private; give it share=on");
	DEVICES("qemu\0-device\0ivshmem-plain,memdev=m\0-object\0memory-backend-file,id=m,share=on",
		"m!its mem-path is missing");
	DEVICES("qemu\0-device\0ivshmem-plain,id=d,memdev=m",
		"d!its memory is not on the command line");
	DEVICES("qemu\0-device\0ivshmem-plain,memdev=m,id=\x1b[31m\0-object\0{\"id\":\"m\"",
		"?[31m!its memory is not on the command line");
}

static void long_paths_and_many_devices(void **state)
{
	enum { N = 5000 };
	const struct words one = {calloc(1, N + 64), N + 11};
	const struct words many = {calloc(1, 4096), 4096};
	struct page_device *devices = NULL;
	unsigned more;

	(void)state;
	memcpy(one.text, "a\0vm\0--page", 12);
	memset(one.text + 12, 'x', N - 1);
	assert_int_equal(page_devices(&one, &devices, &more), 1);
	assert_string_equal(devices[0].why, "its path is too long");
	free(devices);
	for (size_t at = 2; at < 4000; at += 40)
		memcpy(many.text + at, "-device\0ivshmem-plain,memdev=m", 31);
	assert_int_equal(page_devices(&many, &devices, &more), PAGE_DEVICES_MAX);
	assert_int_equal(more, 100 - PAGE_DEVICES_MAX);
	free(devices);
	free(one.text);
	free(many.text);
}

static void expect_left_alone(const char *mode, const char *reason)
{
	assert_int_equal(try_open("--page", mode), -ENOENT);
	if (!strstr(why, reason))
		fail_msg("'%s' instead of '%s'", why, reason);
}

static void put(off_t at, const void *bytes, size_t n)
{
	int fd = open(path, O_WRONLY);

	assert_int_equal(pwrite(fd, bytes, n, at), (ssize_t)n);
	close(fd);
}

static void refuses(void **state)
{
	(void)state;
	make_file(NEED, "");
	assert_int_equal(try_open("--pages", "write"), -ENOENT);
	assert_string_equal(why, "none");
	make_file(NEED / 2, "");
	expect_left_alone("write", "at least 8192 bytes");
	assert_true(again);
	make_file(NEED, "somebody's disk");
	expect_left_alone("write", "something else");
	assert_true(again);
	/* what begins with zeros is not empty for that */
	for (off_t at = 8; at < NEED; at = at * 2 + 1) {
		make_file(NEED, "");
		put(at, "x", 1);
		expect_left_alone("write", "something else");
	}
	make_file(4 * NEED, ""); /* behind what a page needs, too */
	put(4 * NEED - 1, "x", 1);
	expect_left_alone("write", "something else");
	make_file(PAGE_EMPTY_MAX + 1, "");
	expect_left_alone("write", "16 MiB");
	make_file(NEED, "");
	expect_left_alone("away", "no such file open");
}

/* A page whose writer was killed while it laid one out, over zeros or over an earlier page. */
static void takes_what_a_writer_left(void **state)
{
	const struct page_header h = {.abi_major = 1,
				      .header_size = 64,
				      .size = NEED,
				      .session = 7,
				      .vcpus = 1,
				      .ring_entries = 64,
				      .host_offset = 64,
				      .vcpu_offset = 384,
				      .vcpu_stride = 2304,
				      .host_size = 136,
				      .vcpu_size = 104,
				      .gap_size = 32};

	(void)state;
	for (size_t n = 16; n <= sizeof(h); n += 8) {
		make_file(NEED, "");
		put(0, &h, n);
		assert_int_equal(try_open("--page", "write"), 0);
	}
	put(NEED - 1, "x", 1); /* gaps of the earlier one */
	assert_int_equal(try_open("--page", "write"), 0);
}

/* Its process has it for reading only: then its user's right to it counts, not ours. */
static void writes_only_what_its_user_may(void **state)
{
	struct page_file p;
	pid_t pid;

	(void)state;
	if (geteuid() != 0)
		skip();
	make_file(NEED, "");
	assert_int_equal(open_with("--page", "read", &p, &pid), 0);
	page_file_close(&p);
	stop(pid);
	expect_left_alone("nobody", "may not write it");
	assert_int_equal(chown(path, 65534, 65534), 0);
	assert_int_equal(try_open("--page", "nobody"), 0);
	assert_int_equal(chown(path, 0, 0), 0);
}

/* The name leads to another file now: what the VM has is written, not what has its name. */
static void renamed_and_replaced(void **state)
{
	char other[80], text[9] = "";
	struct page_file p;
	pid_t pid;
	int fd;

	(void)state;
	snprintf(other, sizeof(other), "%s.other", path);
	make_file(NEED, "");
	assert_int_equal(open_with("--page", "replaced", &p, &pid), 0);
	memcpy(p.base, "DESDPAGE", 8);
	page_file_close(&p);
	stop(pid);
	fd = open(path, O_RDONLY);
	assert_int_equal(pread(fd, text, 8, 0), 8);
	close(fd);
	assert_string_equal(text, "");
	expect_left_alone("renamed", "no such file open");
	unlink(other);
}

/* Two VMs, one file: the second is left alone, and the first one keeps its lock. */
static void one_file_two_vms(void **state)
{
	struct page_choice choice;
	struct page_file second;
	struct host_vm v = {.name = "test"};
	struct flock l = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 1, .l_len = 1};
	struct page_file p;
	pid_t pid, other;
	int status, fd;

	(void)state;
	make_file(NEED, "");
	assert_int_equal(open_with("--page", "write", &p, &pid), 0);
	expect_left_alone("write", "another VM");
	other = fork();
	if (other == 0) {
		fd = open(path, O_RDWR);
		_exit(fcntl(fd, F_SETLK, &l) ? errno : 0);
	}
	waitpid(other, &status, 0);
	assert_int_equal(WEXITSTATUS(status), EAGAIN);
	/* It is free when the first VM has given it up, and not before. */
	v.pid = pid;
	assert_int_equal(page_file_open(&v, NEED, NEED, &choice, &second), -ENOENT);
	assert_false(page_choice_again(&choice));
	page_file_close(&p);
	assert_true(page_choice_again(&choice));
	assert_int_equal(page_file_open(&v, NEED, NEED, &choice, &second), 0);
	page_file_close(&second);
	assert_false(page_choice_again(&choice));
	stop(pid);
}

/* Something else uses the memory after all. */
static void overwritten(void **state)
{
	struct page_file p;
	pid_t pid;

	(void)state;
	make_file(NEED, "DESDPAGE");
	assert_int_equal(open_with("--page", "write", &p, &pid), 0);
	assert_null(page_file_lost(&p));
	put(0, "KVMFR---", 8);
	assert_non_null(page_file_lost(&p));
	assert_false(page_file_again(&p));
	page_file_close(&p);
	stop(pid);
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
		_exit(try_open("--page", "write") == -ENOENT && strstr(why, "publishes") ? 0 : 1);
	waitpid(pid, &status, 0);
	close(fd);
	assert_int_equal(WEXITSTATUS(status), 0);
}

static void cut_short(void **state)
{
	struct page_file p;
	pid_t pid;

	(void)state;
	make_file(NEED, "DESDPAGE");
	assert_int_equal(open_with("--page", "write", &p, &pid), 0);
	assert_int_equal(truncate(path, 0), 0);
	assert_string_equal(page_file_lost(&p), "it was cut short"); /* before it is written */
	assert_true(page_file_again(&p));
	page_file_close(&p);
	stop(pid);
	make_file(NEED, "");
	assert_int_equal(open_with("--page", "write", &p, &pid), 0);
	assert_int_equal(truncate(path, 0), 0);
	for (size_t i = 0; i < p.size; i++)
		((volatile char *)p.base)[i] = 'x';
	assert_string_equal(page_file_lost(&p), "it was cut short");
	assert_int_equal(truncate(path, NEED), 0);
	stop(pid);
	page_file_close(&p);
}

/* Not on the command line, as of a device that was plugged in later: shared memory that is called
 * desched. Whatever else the process has open is left alone. */
static void plugged_in_later(void **state)
{
	struct page_choice choice = {.n = 0};
	struct host_vm v = {.name = "test"};
	struct page_file p;
	uint64_t word = 0;
	char usual[64];
	FILE *f;

	(void)state;
	strcpy(usual, path);
	make_file(NEED, "");
	assert_int_equal(try_open("--other", "mapped"), -ENOENT);
	assert_string_equal(why, "none");
	snprintf(path, sizeof(path), "%s/desched-hot", directory);
	make_file(NEED, "");
	assert_int_equal(try_open("--other", "write"), -ENOENT);
	assert_string_equal(why, "none");
	assert_int_equal(try_open("--other", "private"), -ENOENT);
	assert_int_equal(try_open("--other", "mapped"), 0);
	make_file(NEED, "a log");
	assert_int_equal(try_open("--other", "mapped"), -ENOENT);
	assert_string_equal(why, "it holds something else than a page");
	/* What was judged is not judged again. */
	make_file(NEED, "");
	assert_int_equal(open_with("--other", "mapped", &p, &v.pid), 0);
	page_file_close(&p);
	snprintf(choice.verdicts[choice.n++].file, sizeof(choice.verdicts[0].file), "%s", path);
	assert_int_equal(page_file_plugged(&v, NEED, NEED, &choice, &p), -ENOENT);
	assert_int_equal(choice.n, 1);
	choice.n = 0;
	assert_int_equal(page_file_plugged(&v, NEED, NEED, &choice, &p), 0);
	assert_int_equal(choice.n, 1);
	page_file_close(&p);
	stop(v.pid);
	f = fopen(path, "r"); /* looking writes nothing */
	assert_int_equal(fread(&word, 1, sizeof(word), f), sizeof(word));
	assert_int_equal(word, 0);
	fclose(f);
	unlink(path);
	strcpy(path, usual);
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
		cmocka_unit_test(finds_it),
		cmocka_unit_test(options_of_desched_vm),
		cmocka_unit_test(options_of_qemu),
		cmocka_unit_test(long_paths_and_many_devices),
		cmocka_unit_test(refuses),
		cmocka_unit_test(takes_what_a_writer_left),
		cmocka_unit_test(writes_only_what_its_user_may),
		cmocka_unit_test(renamed_and_replaced),
		cmocka_unit_test(one_file_two_vms),
		cmocka_unit_test(one_writer),
		cmocka_unit_test(plugged_in_later),
		cmocka_unit_test(overwritten),
		cmocka_unit_test(cut_short),
	};

	if (argc == 5)
		return vm(argv[3], argv[4]);
	return cmocka_run_group_tests_name("page_file", tests, set_up, tear_down);
}
