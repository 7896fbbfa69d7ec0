/* SPDX-License-Identifier: MIT */
/*
 * service/server.h: peers that are slow, silent, many or hostile. The server's turns are taken
 * here, one by one, so that what a peer costs the others is counted in turns and answers.
 */
#include "service/server.h"

#include "base/clock.h"
#include "base/units.h"
#include "scratch.h"
#include "service/listener.h"

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>

#include <cmocka.h>

#define LARGE (1 << 20) /* an answer that no socket's buffer holds */

static const struct server_limits usual = {
	.clients = 8,
	.per_uid = 8,
	.line = 256,
	.unsent = 3 * LARGE,
	.request_ns = 300 * NS_PER_MS,
	.answer_ns = 300 * NS_PER_MS,
};

static struct fixture {
	struct loop *loop;
	struct listener listener;
	struct server *server;
	const struct server_counters *counters;
	uint64_t answers;
} f;

/* "large" gets LARGE bytes, "fail" nothing, all else the size and the text of the request. */
static int answer(uid_t peer, const char *line, size_t size, void *data, char **ret,
		  size_t *ret_size)
{
	char text[300];

	(void)data;
	assert_int_equal(peer, getuid());
	f.answers++;
	if (size == 4 && !memcmp(line, "fail", 4))
		return -EIO;
	*ret_size = size == 5 && !memcmp(line, "large", 5)
			    ? LARGE
			    : (size_t)snprintf(text, sizeof(text), "%zu:%.*s", size, (int)size,
					       line);
	*ret = calloc(1, *ret_size + 1);
	if (!*ret)
		return -ENOMEM;
	memcpy(*ret, text, *ret_size < sizeof(text) ? *ret_size : 0);
	return 0;
}

static void open_server(const struct server_limits *limits)
{
	struct failure why;

	f = (struct fixture){0};
	assert_int_equal(chdir(scratch_dir("test-peers")), 0);
	assert_int_equal(loop_new(&f.loop), 0);
	assert_int_equal(listener_open("s.sock", 0666, &why, &f.listener), 0);
	assert_int_equal(server_new(f.loop, f.listener.fd, limits, answer, NULL, &f.server), 0);
	f.counters = server_counters(f.server);
}

static int set_up(void **state)
{
	(void)state;
	open_server(&usual);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	server_free(f.server);
	listener_close(&f.listener);
	loop_free(f.loop);
	return 0;
}

static void turns(int n)
{
	while (n--)
		assert_int_equal(loop_turn(f.loop, 0), 0);
}

/* Turns until `*counter` has the value; the test's timeout is the bound. */
static void turns_until(const uint64_t *counter, uint64_t value)
{
	uint64_t deadline = clock_mono() + 30 * NS_PER_SEC;

	while (*counter < value && clock_mono() < deadline)
		assert_int_equal(loop_turn(f.loop, 10 * NS_PER_MS), 0);
	assert_int_equal(*counter, value);
}

static int dial(void)
{
	const struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = "s.sock"};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_int_equal(connect(fd, (const struct sockaddr *)&address, sizeof(address)), 0);
	turns(1);
	return fd;
}

static void ask(int fd, const char *text)
{
	assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

static void assert_answer(int fd, const char *text)
{
	char got[400] = "";

	assert_int_equal(recv(fd, got, sizeof(got) - 1, MSG_DONTWAIT), strlen(text));
	assert_string_equal(got, text);
}

static bool is_closed(int fd)
{
	char got[400];
	ssize_t n;

	do
		n = recv(fd, got, sizeof(got), MSG_DONTWAIT);
	while (n > 0);
	return n == 0 || errno != EAGAIN;
}

static void requests_in_pieces_and_two_at_once(void **state)
{
	int fd = dial();

	(void)state;
	ask(fd, "ab");
	turns(3);
	assert_int_equal(f.answers, 0);
	ask(fd, "c\nde\nf");
	turns(3);
	assert_int_equal(f.answers, 2);
	assert_answer(fd, "3:abc\n2:de\n");
	ask(fd, "ail\n");
	turns(2);
	assert_true(is_closed(fd));
	assert_int_equal(f.counters->failed, 1);
	assert_int_equal(f.counters->answered, 2);
	close(fd);
}

static void who_has_said_all_still_gets_its_answers(void **state)
{
	int fd = dial();

	(void)state;
	ask(fd, "a\nb\n");
	shutdown(fd, SHUT_WR);
	turns(4);
	assert_answer(fd, "1:a\n1:b\n");
	assert_true(is_closed(fd));
	close(fd);
	assert_int_equal(server_clients(f.server), 0);
}

static void who_is_gone_is_not_answered(void **state)
{
	int other = dial(), fd = dial();

	(void)state;
	ask(other, "x\n");
	turns(2);
	for (int i = 0; i < 20; i++)
		ask(fd, "large\n");
	close(fd);
	turns(5);
	assert_int_equal(server_clients(f.server), 1);
	assert_true(f.answers <= 3);
	close(other);
}

static void a_line_without_end_ends_the_connection(void **state)
{
	char flood[300];
	int fd = dial();

	(void)state;
	memset(flood, 'x', sizeof(flood));
	assert_int_equal(send(fd, flood, usual.line - 1, 0), usual.line - 1);
	turns(2);
	assert_int_equal(server_clients(f.server), 1);
	ask(fd, "\n");
	turns(2);
	assert_int_equal(f.answers, 1);
	assert_int_equal(send(fd, flood, usual.line, 0), usual.line);
	turns(2);
	assert_true(is_closed(fd));
	assert_int_equal(f.counters->dropped_long, 1);
	close(fd);
}

/* 215 requests at once, and not a byte of the answers read. */
static void a_reader_who_does_not_read_holds_nobody(void **state)
{
	int slow = dial(), other = dial();

	(void)state;
	for (int i = 0; i < 215; i++)
		ask(slow, "large\n");
	turns(3);
	ask(other, "hello\n");
	turns(2);
	assert_answer(other, "5:hello\n");
	assert_int_equal(f.answers,
			 2); /* one for each: the second waits for the first to be taken */
	turns_until(&f.counters->dropped_slow, 1);
	assert_int_equal(f.answers, 2);
	assert_int_equal(server_clients(f.server), 1);
	close(slow);
	close(other);
}

static pid_t pipeline_in_a_child(void)
{
	pid_t pid = fork();

	if (!pid) {
		static char got[1 << 16];
		int fd = socket(AF_UNIX, SOCK_STREAM, 0);
		const struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = "s.sock"};

		scratch_join();
		if (connect(fd, (const struct sockaddr *)&address, sizeof(address)))
			_exit(1);
		for (int i = 0; i < 400; i++)
			(void)!send(fd, "x\n", 2, 0);
		while (recv(fd, got, sizeof(got), 0) > 0)
			(void)!send(fd, "x\n", 2, 0);
		_exit(0);
	}
	return pid;
}

static void stop(int number, void *data)
{
	(void)number;
	(void)data;
	loop_stop(f.loop);
}

/* Somebody who asks for more as fast as it is answered: others, and signals, come in between. */
static void a_greedy_peer_holds_neither_others_nor_signals(void **state)
{
	static const int ends[] = {SIGTERM};
	pid_t pid = pipeline_in_a_child();
	uint64_t before;
	int other;

	(void)state;
	turns_until(&f.counters->accepted, 1);
	other = dial();
	turns_until(&f.counters->accepted, 2);
	turns_until(&f.answers, 50);
	before = f.answers;
	ask(other, "hello\n");
	turns(3);
	assert_answer(other, "5:hello\n");
	assert_true(f.answers - before <= 3);
	assert_int_equal(loop_signals(f.loop, ends, 1, stop, NULL), 0);
	before = f.answers;
	kill(getpid(), SIGTERM);
	assert_int_equal(loop_run(f.loop), 0);
	assert_true(f.answers - before <= 1);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	close(other);
}

static void silent_clients_make_place(void **state)
{
	int fds[8], late;

	(void)state;
	for (int i = 0; i < 8; i++)
		fds[i] = dial();
	ask(fds[0], "x\n"); /* now the second is the oldest */
	turns(2);
	late = dial();
	ask(late, "hello\n");
	turns(2);
	assert_answer(late, "5:hello\n");
	assert_int_equal(f.counters->dropped_idle, 1);
	assert_false(is_closed(fds[0]));
	assert_true(is_closed(fds[1]));
	for (int i = 0; i < 8; i++)
		close(fds[i]);
	close(late);
}

static void clients_with_an_answer_to_take_make_no_place(void **state)
{
	static const struct server_limits roomy = {.clients = 2,
						   .per_uid = 2,
						   .line = 256,
						   .unsent = 9 * LARGE,
						   .request_ns = NS_PER_SEC,
						   .answer_ns = 3600 * NS_PER_SEC};
	int a, b, c;

	(void)state;
	tear_down(NULL);
	open_server(&roomy);
	a = dial();
	b = dial();
	ask(a, "large\n");
	ask(b, "large\n");
	turns(4);
	c = dial();
	assert_true(is_closed(c));
	assert_int_equal(f.counters->refused, 1);
	assert_int_equal(server_clients(f.server), 2);
	close(a);
	close(b);
	close(c);
}

static pid_t dial_in_a_child(uid_t uid, int n)
{
	int ends[2];
	char byte;
	pid_t pid;

	assert_int_equal(pipe(ends), 0);
	pid = fork();
	if (!pid) {
		const struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = "s.sock"};

		scratch_join();
		if (setuid(uid))
			_exit(1);
		while (n--)
			if (connect(socket(AF_UNIX, SOCK_STREAM, 0),
				    (const struct sockaddr *)&address, sizeof(address)))
				_exit(1);
		(void)!write(ends[1], "x", 1);
		pause();
	}
	close(ends[1]);
	assert_int_equal(read(ends[0], &byte, 1), 1);
	close(ends[0]);
	return pid;
}

/* A user who has connections without end loses its own. */
static void users_do_not_take_from_each_other(void **state)
{
	static const struct server_limits shared = {.clients = 6,
						    .per_uid = 4,
						    .line = 256,
						    .unsent = LARGE,
						    .request_ns = NS_PER_SEC,
						    .answer_ns = NS_PER_SEC};
	pid_t first, second;
	int ours;

	(void)state;
	if (getuid())
		skip();
	tear_down(NULL);
	open_server(&shared);
	ours = dial();
	first = dial_in_a_child(1, 20);
	turns_until(&f.counters->accepted, 21);
	assert_int_equal(f.counters->dropped_idle, 16);
	assert_int_equal(server_clients(f.server), 5);
	second = dial_in_a_child(2, 2); /* the second is one more than there are places */
	turns_until(&f.counters->accepted, 23);
	assert_int_equal(f.counters->dropped_idle, 17);
	assert_false(is_closed(ours));
	ask(ours, "hello\n");
	turns(2);
	assert_answer(ours, "5:hello\n");
	kill(first, SIGKILL);
	kill(second, SIGKILL);
	waitpid(first, NULL, 0);
	waitpid(second, NULL, 0);
	close(ours);
}

static void half_a_request_has_a_deadline(void **state)
{
	int fd = dial();

	(void)state;
	turns(3);
	ask(fd, "hal");
	turns_until(&f.counters->dropped_late, 1);
	assert_true(is_closed(fd));
	close(fd);
}

/* The whole machine was stopped: its clock went on, its processes didn't. */
static void a_pause_of_the_machine_makes_nobody_late(void **state)
{
	const struct timespec second = {.tv_sec = 1};
	int fd = dial(), half = dial();

	(void)state;
	ask(fd, "large\n");
	ask(half, "x");
	turns(3);
	nanosleep(&second, NULL);
	turns(2);
	assert_int_equal(f.counters->dropped_slow + f.counters->dropped_late, 0);
	ask(half, "\n");
	turns(2);
	assert_answer(half, "1:x\n");
	close(fd);
	close(half);
}

/* Three answers fit; with the fourth the one who has waited for longest goes. */
static void answers_that_nobody_takes_are_bounded(void **state)
{
	static const struct server_limits patient = {.clients = 8,
						     .per_uid = 8,
						     .line = 256,
						     .unsent = 3 * (LARGE + 1),
						     .request_ns = NS_PER_SEC,
						     .answer_ns = 3600 * NS_PER_SEC};
	int fds[4];

	(void)state;
	tear_down(NULL);
	open_server(&patient);
	for (int i = 0; i < 4; i++) {
		fds[i] = dial();
		ask(fds[i], "large\n");
		turns(3);
		assert_int_equal(f.counters->dropped_slow, i == 3);
	}
	assert_true(is_closed(fds[0]));
	assert_int_equal(server_clients(f.server), 3);
	for (int i = 0; i < 4; i++)
		close(fds[i]);
}

/* Descriptors that are all in use, until there is none for a client. */
static int use_up(int *fds, int max)
{
	int n = 0;

	while (n < max && (fds[n] = dup(STDERR_FILENO)) >= 0)
		n++;
	assert_int_equal(errno, EMFILE);
	return n;
}

static void without_descriptors_it_neither_spins_nor_stops(void **state)
{
	struct rlimit before, few;
	int fds[64], n, waiting, count = 0;
	uint64_t end;

	(void)state;
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	few = (struct rlimit){.rlim_cur = 60, .rlim_max = before.rlim_max};
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
	waiting = socket(AF_UNIX, SOCK_STREAM, 0);
	n = use_up(fds, 64);
	assert_int_equal(connect(waiting,
				 (struct sockaddr *)&(struct sockaddr_un){.sun_family = AF_UNIX,
									  .sun_path = "s.sock"},
				 sizeof(struct sockaddr_un)),
			 0);
	ask(waiting, "hello\n");
	for (end = clock_mono() + 500 * NS_PER_MS; clock_mono() < end; count++)
		assert_int_equal(loop_turn(f.loop, 100 * NS_PER_MS), 0);
	assert_in_range(f.counters->pauses, 1, 6);
	assert_true(count <= 20);
	close(fds[--n]);
	turns_until(&f.answers, 1);
	turns(1);
	assert_answer(waiting, "5:hello\n");
	while (n)
		close(fds[--n]);
	close(waiting);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
}

/* With `more` descriptors above the listener's. */
static unsigned places_of(rlim_t more)
{
	static const struct server_limits many = {.clients = 40,
						  .per_uid = 100,
						  .line = 256,
						  .unsent = LARGE,
						  .request_ns = NS_PER_SEC,
						  .answer_ns = NS_PER_SEC};
	int fds[50];
	struct rlimit before, few;
	unsigned places;

	open_server(&many);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	few = (struct rlimit){.rlim_cur = (rlim_t)f.listener.fd + 1 + more,
			      .rlim_max = before.rlim_max};
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
	f.server = server_free(f.server);
	assert_int_equal(server_new(f.loop, f.listener.fd, &many, answer, NULL, &f.server), 0);
	f.counters = server_counters(f.server);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
	for (int i = 0; i < 50; i++)
		fds[i] = dial();
	turns(50);
	assert_int_equal(f.counters->accepted, 50);
	places = server_clients(f.server);
	for (int i = 0; i < 50; i++)
		close(fds[i]);
	tear_down(NULL);
	return places;
}

/* 8 are left to the rest of the process, three of four where there are fewer. */
static void clients_leave_some_descriptors(void **state)
{
	(void)state;
	assert_int_equal(places_of(1000), 40);
	assert_int_equal(places_of(40), 32);
	assert_int_equal(places_of(12), 4);
	assert_int_equal(places_of(8), 2);
	assert_int_equal(places_of(2), 1);
	assert_int_equal(places_of(0), 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(requests_in_pieces_and_two_at_once),
		TEST(who_has_said_all_still_gets_its_answers),
		TEST(who_is_gone_is_not_answered),
		TEST(a_line_without_end_ends_the_connection),
		TEST(a_reader_who_does_not_read_holds_nobody),
		TEST(a_greedy_peer_holds_neither_others_nor_signals),
		TEST(silent_clients_make_place),
		TEST(clients_with_an_answer_to_take_make_no_place),
		TEST(users_do_not_take_from_each_other),
		TEST(half_a_request_has_a_deadline),
		TEST(a_pause_of_the_machine_makes_nobody_late),
		TEST(answers_that_nobody_takes_are_bounded),
		TEST(without_descriptors_it_neither_spins_nor_stops),
		cmocka_unit_test(clients_leave_some_descriptors),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
