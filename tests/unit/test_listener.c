/* SPDX-License-Identifier: MIT */
/* service/listener.h: dead sockets are taken over, and nothing else is ever touched. */
#include "service/listener.h"

#include "base/clock.h"
#include "base/units.h"
#include "scratch.h"

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>

#include <cmocka.h>

#define PATH "s.sock"

static int enter(void **state)
{
	char dir[] = "t.XXXXXX";

	(void)state;
	assert_int_equal(chdir(scratch_dir("test-listener")), 0);
	assert_non_null(mkdtemp(dir));
	umask(022);
	return chdir(dir);
}

/* A bound, listening socket of somebody's at PATH. */
static int foreign(int type, int queue)
{
	const struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = PATH};
	int fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);

	assert_int_equal(bind(fd, (const struct sockaddr *)&address, sizeof(address)), 0);
	if (type == SOCK_STREAM)
		assert_int_equal(listen(fd, queue), 0);
	return fd;
}

static int dial(void)
{
	const struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = PATH};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (!connect(fd, (const struct sockaddr *)&address, sizeof(address)))
		return fd;
	close(fd);
	return -1;
}

static void refused(int expected)
{
	struct listener l = {.fd = -7};
	struct failure f = {.text = ""};
	uint64_t start = clock_mono();

	assert_int_equal(listener_open(PATH, 0600, &f, &l), expected);
	assert_int_equal(l.fd, -7);
	assert_non_null(strstr(f.text, PATH));
	assert_true(clock_mono() - start < 10 * NS_PER_SEC);
}

static mode_t mode_of(const char *path)
{
	struct stat st;

	return lstat(path, &st) ? 0 : st.st_mode;
}

static void it_listens_and_leaves_nothing(void **state)
{
	struct listener l;
	struct failure f;
	int fd;

	(void)state;
	umask(077);
	assert_int_equal(listener_open(PATH, 0660, &f, &l), 0);
	assert_int_equal(umask(022), 077);
	assert_int_equal(mode_of(PATH), S_IFSOCK | 0660);
	assert_int_not_equal(access(PATH ".lock", F_OK), 0);
	fd = dial();
	assert_true(fd >= 0);
	close(fd);
	refused(-EADDRINUSE);
	listener_close(&l);
	listener_close(&l);
	assert_int_not_equal(access(PATH, F_OK), 0);
	assert_int_equal(listener_open("", 0660, &f, &l), -EINVAL);
	assert_int_equal(listener_open("missing/s", 0660, &f, &l), -ENOENT);
	fd = dial();
	assert_int_equal(fd, -1);
}

static void a_path_that_is_too_long_is_refused(void **state)
{
	char path[109];
	struct listener l;
	struct failure f;

	(void)state;
	memset(path, 'x', sizeof(path));
	path[108] = '\0';
	assert_int_equal(listener_open(path, 0660, &f, &l), -ENAMETOOLONG);
	path[107] = '\0';
	assert_int_equal(listener_open(path, 0660, &f, &l), 0);
	listener_close(&l);
	assert_int_not_equal(access(path, F_OK), 0);
}

static void what_is_no_socket_stays(void **state)
{
	FILE *file = fopen("precious", "we");

	(void)state;
	fputs("precious\n", file);
	fclose(file);
	assert_int_equal(link("precious", PATH), 0);
	refused(-EEXIST);
	assert_int_equal(mode_of(PATH), mode_of("precious"));
	unlink(PATH);
	assert_int_equal(symlink("precious", PATH), 0);
	refused(-EEXIST);
	assert_true(S_ISLNK(mode_of(PATH)));
	unlink(PATH);
	assert_int_equal(symlink("nowhere", PATH), 0);
	refused(-EEXIST);
	assert_int_equal(mode_of("nowhere"), 0);
	unlink(PATH);
	assert_int_equal(mkfifo(PATH, 0600), 0);
	refused(-EEXIST);
	assert_true(S_ISFIFO(mode_of(PATH)));
	unlink(PATH);
	assert_int_equal(mkdir(PATH, 0700), 0);
	refused(-EEXIST);
	assert_true(S_ISDIR(mode_of(PATH)));
}

static void a_socket_that_is_used_in_another_way_stays(void **state)
{
	int fd = foreign(SOCK_DGRAM, 0);

	(void)state;
	refused(-EEXIST);
	assert_true(S_ISSOCK(mode_of(PATH)));
	close(fd);
}

static pid_t serve_in_a_child(void)
{
	int ends[2];
	char byte;
	pid_t pid;

	assert_int_equal(pipe(ends), 0);
	pid = fork();
	if (!pid) {
		struct listener l;

		scratch_join();
		if (listener_open(PATH, 0600, NULL, &l) || write(ends[1], "x", 1) != 1)
			_exit(1);
		pause();
		_exit(1);
	}
	close(ends[1]);
	assert_int_equal(read(ends[0], &byte, 1), 1);
	close(ends[0]);
	return pid;
}

static void end(pid_t pid)
{
	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, &(int){0}, 0), pid);
}

static void a_killed_predecessor_is_taken_over(void **state)
{
	struct failure f = {.text = ""};
	struct listener l;
	int fd;

	(void)state;
	end(serve_in_a_child());
	assert_true(S_ISSOCK(mode_of(PATH)));
	assert_int_equal(listener_open(PATH, 0600, &f, &l), 0);
	fd = dial();
	assert_true(fd >= 0);
	close(fd);
	listener_close(&l);
}

/* Its queue is full, so that connect(2) without O_NONBLOCK would wait for ever. */
static void a_stopped_server_is_no_dead_one(void **state)
{
	pid_t pid = serve_in_a_child();
	int fds[200], n = 0;

	(void)state;
	kill(pid, SIGSTOP);
	refused(-EADDRINUSE);
	while (n < 200 && (fds[n] = dial()) >= 0)
		n++;
	assert_in_range(n, 1, 199);
	refused(-EADDRINUSE);
	while (n)
		close(fds[--n]);
	end(pid);
}

static void a_socket_of_somebody_else_is_not_removed_at_the_end(void **state)
{
	struct listener l;
	struct failure f;
	int fd;

	(void)state;
	assert_int_equal(listener_open(PATH, 0600, &f, &l), 0);
	unlink(PATH);
	fd = foreign(SOCK_STREAM, 4);
	listener_close(&l);
	assert_true(S_ISSOCK(mode_of(PATH)));
	close(fd);
}

static void a_lock_is_waited_for_with_a_bound(void **state)
{
	int fd = open(PATH ".lock", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	struct listener l;
	struct failure f;

	(void)state;
	assert_int_equal(flock(fd, LOCK_EX), 0);
	refused(-EADDRINUSE);
	close(fd);
	/* Left by a program that was killed as it looked. */
	assert_int_equal(listener_open(PATH, 0600, &f, &l), 0);
	listener_close(&l);
	assert_int_equal(symlink("elsewhere", PATH ".lock"), 0);
	refused(-ELOOP);
	assert_int_equal(mode_of("elsewhere"), 0);
	unlink(PATH ".lock");
	assert_int_equal(mkfifo(PATH ".lock", 0600), 0);
	refused(-EEXIST);
}

/* Each child holds on to what it got until all have tried. */
static void of_many_at_once_one_gets_it(void **state)
{
	enum { TRIES = 12 };
	int start[2], got[2], stay[2], n = 0;
	pid_t pids[TRIES];
	char byte;

	(void)state;
	close(foreign(SOCK_STREAM, 1)); /* dead */
	assert_int_equal(pipe(start) | pipe(got) | pipe(stay), 0);
	for (int i = 0; i < TRIES; i++) {
		pids[i] = fork();
		if (!pids[i]) {
			struct listener l;

			close(start[1]);
			close(stay[1]);
			(void)!read(start[0], &byte, 1); /* its end */
			byte = listener_open(PATH, 0600, NULL, &l) ? 'n' : 'y';
			(void)!write(got[1], &byte, 1);
			(void)!read(stay[0], &byte, 1);
			_exit(0);
		}
	}
	close(start[1]);
	for (int i = 0; i < TRIES; i++) {
		assert_int_equal(read(got[0], &byte, 1), 1);
		n += byte == 'y';
	}
	close(stay[1]);
	for (int i = 0; i < TRIES; i++)
		waitpid(pids[i], NULL, 0);
	assert_int_equal(n, 1);
	close(start[0]);
	close(got[0]);
	close(got[1]);
	close(stay[0]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(it_listens_and_leaves_nothing, enter),
		cmocka_unit_test_setup(a_path_that_is_too_long_is_refused, enter),
		cmocka_unit_test_setup(what_is_no_socket_stays, enter),
		cmocka_unit_test_setup(a_socket_that_is_used_in_another_way_stays, enter),
		cmocka_unit_test_setup(a_killed_predecessor_is_taken_over, enter),
		cmocka_unit_test_setup(a_stopped_server_is_no_dead_one, enter),
		cmocka_unit_test_setup(a_socket_of_somebody_else_is_not_removed_at_the_end, enter),
		cmocka_unit_test_setup(a_lock_is_waited_for_with_a_bound, enter),
		cmocka_unit_test_setup(of_many_at_once_one_gets_it, enter),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
