/* SPDX-License-Identifier: MIT */
/*
 * vmdesched beside hostile peers, files in its way and other instances of itself; its exporter
 * beyond loopback. How many turns and bytes a peer costs is tests/unit/test_peers.c. Needs root and
 * BPF.
 *
 *     test_daemon_peers VMDESCHED EXPORTER
 */
#include "base/clock.h"
#include "base/proc.h"
#include "base/units.h"
#include "needs_bpf.h"
#include "scratch.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define PATIENCE_MS 30000 /* for what has to happen, on a busy machine */

static const char *vmdesched, *exporter;

/* In a directory of the test's own. */
static int enter(void **state)
{
	char dir[] = "t.XXXXXX";
	FILE *f;

	(void)state;
	assert_int_equal(chdir(scratch_dir("test-peers")), 0);
	assert_non_null(mkdtemp(dir));
	assert_int_equal(chmod(dir, 0755) | chdir(dir), 0);
	f = fopen("conf", "we");
	fputs("[vmdesched]\nuser = nobody\nsocket = s.sock\n", f);
	return fclose(f);
}

static pid_t spawn(const char *program, const char *log, char *const arguments[])
{
	pid_t pid = fork();

	if (pid)
		return pid;
	scratch_join();
	dup2(open(log, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600), STDERR_FILENO);
	dup2(STDERR_FILENO, STDOUT_FILENO);
	execv(program, arguments);
	_exit(127);
}

static pid_t spawn_daemon(const char *socket)
{
	char *arguments[] = {(char *)(uintptr_t)vmdesched, "-c", "conf", "--socket",
			     (char *)(uintptr_t)socket,	   NULL};

	return spawn(vmdesched, "log", arguments);
}

static int try_dial(bool block)
{
	const struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = "s.sock"};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | (block ? 0 : SOCK_NONBLOCK), 0);

	if (!connect(fd, (const struct sockaddr *)&address, sizeof(address)))
		return fd;
	close(fd);
	return -1;
}

static int dial(void)
{
	int fd = try_dial(true);

	assert_true(fd >= 0);
	return fd;
}

static pid_t start(void)
{
	pid_t pid = spawn_daemon("s.sock");
	int fd = -1;

	for (int ms = 0; ms < PATIENCE_MS && (fd = try_dial(true)) < 0; ms += 20)
		poll(NULL, 0, 20);
	assert_true(fd >= 0);
	close(fd);
	return pid;
}

/* Its exit status, -1 for another end; fails where it doesn't come. */
static int await_end(pid_t pid)
{
	int status;

	for (int ms = 0; ms < PATIENCE_MS; ms += 20) {
		if (waitpid(pid, &status, WNOHANG) == pid)
			return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
		poll(NULL, 0, 20);
	}
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	fail_msg("hasn't ended within %d s", PATIENCE_MS / 1000);
	return -1;
}

static void stop(pid_t pid)
{
	kill(pid, SIGTERM);
	assert_int_equal(await_end(pid), 0);
}

/* Whether another client has its answer, in time. */
static void expect_answer(void)
{
	struct pollfd p = {.fd = dial(), .events = POLLIN};
	char text[64] = "";

	assert_int_equal(send(p.fd, "{\"get\":\"version\"}\n", 18, MSG_NOSIGNAL), 18);
	assert_int_equal(poll(&p, 1, PATIENCE_MS), 1);
	assert_true(recv(p.fd, text, sizeof(text) - 1, 0) > 0);
	assert_non_null(strstr(text, "\"version\""));
	close(p.fd);
}

static void expect_log(const char *what)
{
	char text[1024] = "";

	file_read("log", text, sizeof(text));
	if (!strstr(text, what))
		fail_msg("expected '%s', got '%s'", what, text);
}

/* 215 snapshots asked for at once, and read so slowly that the server always hopes. */
static pid_t trickle(void)
{
	static const char request[] = "{\"get\":\"snapshot\"}\n";
	static char part[40000];
	pid_t pid = fork();
	int fd;

	if (pid)
		return pid;
	scratch_join();
	fd = try_dial(true);
	for (int i = 0; i < 215; i++)
		if (send(fd, request, sizeof(request) - 1, MSG_NOSIGNAL) < 0)
			_exit(1);
	while (recv(fd, part, sizeof(part), 0) > 0)
		poll(NULL, 0, 120);
	_exit(0);
}

static void slow_readers(void **state)
{
	pid_t pid = start(), slow[4];

	(void)state;
	for (int i = 0; i < 4; i++)
		slow[i] = trickle();
	poll(NULL, 0, 500); /* they have asked, or will: either is right */
	expect_answer();
	stop(pid);
	for (int i = 0; i < 4; i++) {
		kill(slow[i], SIGKILL);
		waitpid(slow[i], NULL, 0);
	}
}

static void silent_clients(void **state)
{
	pid_t pid = start();
	int fds[100];

	(void)state;
	for (int i = 0; i < 100; i++) {
		fds[i] = dial();
		if (i % 2)
			(void)!send(fds[i], "{\"ge", 4, MSG_NOSIGNAL);
	}
	expect_answer();
	stop(pid);
	for (int i = 0; i < 100; i++)
		close(fds[i]);
}

/* Also where the first one is stopped, and its queue is full. */
static void a_second_instance_is_refused(void **state)
{
	pid_t pid = start();
	int fds[200], n = 0;

	(void)state;
	assert_int_equal(await_end(spawn_daemon("s.sock")), 1);
	expect_log("another program serves it");
	kill(pid, SIGSTOP);
	while (n < 200 && (fds[n] = try_dial(false)) >= 0)
		n++;
	assert_true(n < 200);
	assert_int_equal(await_end(spawn_daemon("s.sock")), 1);
	expect_log("another program serves it");
	kill(pid, SIGCONT);
	while (n)
		close(fds[--n]);
	expect_answer();
	stop(pid);
}

static void a_killed_predecessor_is_replaced(void **state)
{
	struct stat st;
	pid_t pid = start();

	(void)state;
	kill(pid, SIGKILL);
	await_end(pid);
	assert_int_equal(lstat("s.sock", &st), 0);
	pid = start();
	expect_answer();
	stop(pid);
	assert_int_not_equal(access("s.sock.lock", F_OK), 0);
}

static void what_is_in_the_way_stays(void **state)
{
	char text[32] = "";
	struct stat st;
	FILE *f = fopen("precious", "we");

	(void)state;
	fputs("precious\n", f);
	fclose(f);
	assert_int_equal(mkfifo("fifo", 0600), 0);
	assert_int_equal(symlink("precious", "link"), 0);
	assert_int_equal(await_end(spawn_daemon("precious")), 1);
	expect_log("a file is there, not a socket");
	assert_int_equal(await_end(spawn_daemon("fifo")), 1);
	expect_log("a FIFO is there");
	assert_int_equal(await_end(spawn_daemon("link")), 1);
	expect_log("a symbolic link is there");
	assert_int_equal(file_read("precious", text, sizeof(text)), 9);
	assert_int_equal(lstat("fifo", &st), 0);
	assert_int_equal(lstat("link", &st), 0);
}

/* Standard output of a command, without its end of line. */
static const char *output(const char *command)
{
	static char text[4096];
	FILE *p = popen(command, "r");

	text[fread(text, 1, sizeof(text) - 1, p)] = '\0';
	pclose(p);
	text[strcspn(text, "\n")] = '\0';
	return text;
}

static unsigned start_exporter(pid_t *ret_pid)
{
	char *arguments[] = {(char *)(uintptr_t)exporter,
			     "--listen",
			     "0.0.0.0",
			     "--port",
			     "0",
			     "--socket",
			     "s.sock",
			     "--tls-cert",
			     "cert",
			     "--tls-key",
			     "key",
			     "--token",
			     "token",
			     NULL};
	char text[128] = "";
	unsigned port = 0;

	*ret_pid = spawn(exporter, "exporter.log", arguments);
	for (int ms = 0; ms < PATIENCE_MS && !port; ms += 20) {
		poll(NULL, 0, 20);
		file_read("exporter.log", text, sizeof(text));
		sscanf(text, "https://0.0.0.0:%u/metrics", &port);
	}
	if (!port)
		fail_msg("the exporter said '%s'", text);
	return port;
}

static void beyond_loopback_with_tls_and_a_token(void **state)
{
	static const char curl[] =
		"curl -s -m 30 --cacert cert --resolve desched.example:%u:127.0.0.1 "
		"%s https://desched.example:%u/metrics -o out -w '%%{http_code}'";
	char command[512], text[8192] = "";
	pid_t pid, http;
	unsigned port;

	(void)state;
	if (system("command -v openssl curl >/dev/null"))
		skip();
	assert_int_equal(
		system("umask 077; openssl req -x509 -newkey rsa:2048 -nodes -days 2 -keyout "
		       "key -out cert -subj /CN=desched.example -addext "
		       "subjectAltName=DNS:desched.example 2>/dev/null && "
		       "echo 0123456789abcdef >token"),
		0);
	pid = start();
	port = start_exporter(&http);
	snprintf(command, sizeof(command), curl, port, "", port);
	assert_string_equal(output(command), "401");
	snprintf(command, sizeof(command), curl, port,
		 "-H 'Authorization: Bearer 0123456789abcdef'", port);
	assert_string_equal(output(command), "200");
	assert_true(file_read("out", text, sizeof(text)) > 0);
	assert_non_null(strstr(text, "desched_info{version="));
	snprintf(command, sizeof(command), "curl -s -m 30 http://127.0.0.1:%u/metrics; echo $?",
		 port);
	assert_string_not_equal(output(command), "0");
	stop(http);
	stop(pid);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(slow_readers, enter),
		cmocka_unit_test_setup(silent_clients, enter),
		cmocka_unit_test_setup(a_second_instance_is_refused, enter),
		cmocka_unit_test_setup(a_killed_predecessor_is_replaced, enter),
		cmocka_unit_test_setup(what_is_in_the_way_stays, enter),
		cmocka_unit_test_setup(beyond_loopback_with_tls_and_a_token, enter),
	};

	if (argc != 3)
		return 2;
	vmdesched = realpath(argv[1], NULL); /* tests go elsewhere */
	exporter = realpath(argv[2], NULL);
	if (!bpf_is_here())
		return SKIPPED;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
