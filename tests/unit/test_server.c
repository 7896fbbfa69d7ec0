/* SPDX-License-Identifier: MIT */
/* guest/protocol.h and guest/server.h: what a local process may send to vmdesched, and what then.
 */
#include "guest/protocol.h"
#include "guest/server.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

static void check(const char *line, int expected)
{
	enum protocol_request request;
	const char *why = NULL;

	assert_int_equal(protocol_parse(line, strlen(line), &request, &why), expected);
	if (expected)
		assert_non_null(why);
}

static void requests_are_parsed_or_refused(void **state)
{
	enum protocol_request request = PROTOCOL_VERSION;
	const char *why;

	(void)state;
	assert_int_equal(protocol_parse("{\"get\":\"snapshot\"}", 18, &request, &why), 0);
	assert_int_equal(request, PROTOCOL_SNAPSHOT);
	assert_int_equal(protocol_parse("{\"get\":\"version\"}", 17, &request, &why), 0);
	assert_int_equal(request, PROTOCOL_VERSION);
	check("", -EINVAL);
	check("{", -EINVAL);
	check("[]", -EINVAL);
	check("{\"get\":5}", -EINVAL);
	check("{\"get\":\"all\"}", -EINVAL);
	check("{\"get\":\"snapshot\",\"get\":\"version\"}", -EINVAL);
	assert_int_equal(protocol_parse("\0\xff{}", 4, &request, &why), -EINVAL);
}

struct fixture {
	char path[64];
	struct server *server;
	int answers;
};

static int answer(const char *line, size_t size, void *data, char **ret)
{
	struct fixture *f = data;

	f->answers++;
	return asprintf(ret, "%zu:%.*s", size, (int)size, line) < 0 ? -ENOMEM : 0;
}

static int open_server(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct failure why;

	snprintf(f->path, sizeof(f->path), "/tmp/test-server.%d", getpid());
	assert_int_equal(server_open(f->path, answer, f, &why, &f->server), 0);
	*state = f;
	return 0;
}

static int close_server(void **state)
{
	struct fixture *f = *state;

	server_close(f->server);
	assert_int_not_equal(access(f->path, F_OK), 0);
	free(f);
	return 0;
}

static int dial(const struct fixture *f)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	strcpy(address.sun_path, f->path);
	assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	return fd;
}

/* What the daemon's loop does, until nothing is left to do. */
static void serve(struct fixture *f)
{
	struct pollfd fds[SERVER_CLIENTS_MAX + 1];
	int n;

	do {
		n = server_pollfds(f->server, fds);
		if (poll(fds, (nfds_t)n, 20) <= 0)
			return;
		server_handle(f->server, fds, n);
	} while (1);
}

static void a_request_in_pieces_and_two_at_once(void **state)
{
	struct fixture *f = *state;
	char reply[64] = "";
	int fd = dial(f);

	assert_int_equal(write(fd, "ab", 2), 2);
	serve(f);
	assert_int_equal(f->answers, 0);
	assert_int_equal(write(fd, "c\nde\nf", 6), 6);
	serve(f);
	assert_int_equal(f->answers, 2);
	assert_int_equal(read(fd, reply, sizeof(reply)), 11);
	assert_string_equal(reply, "3:abc\n2:de\n");
	close(fd);
}

static void an_endless_line_ends_the_connection(void **state)
{
	struct fixture *f = *state;
	char flood[PROTOCOL_LINE_MAX + 100];
	int fd = dial(f);

	memset(flood, 'x', sizeof(flood));
	assert_int_equal(send(fd, flood, sizeof(flood), 0), sizeof(flood));
	serve(f);
	assert_true(recv(fd, flood, 1, MSG_DONTWAIT) <= 0);
	assert_int_equal(f->answers, 0);
	close(fd);
}

static void more_clients_than_places(void **state)
{
	struct fixture *f = *state;
	int fds[SERVER_CLIENTS_MAX + 2];
	int answered = 0;

	for (int i = 0; i < SERVER_CLIENTS_MAX + 2; i++) {
		fds[i] = dial(f);
		serve(f);
		send(fds[i], "q\n", 2, MSG_NOSIGNAL);
	}
	serve(f);
	for (int i = 0; i < SERVER_CLIENTS_MAX + 2; i++) {
		char reply[8];

		answered += recv(fds[i], reply, sizeof(reply), MSG_DONTWAIT) > 0;
		close(fds[i]);
	}
	assert_int_equal(answered, SERVER_CLIENTS_MAX);
	serve(f);
}

static void the_address_is_taken_or_stale(void **state)
{
	struct fixture *f = *state;
	struct failure why = {.text = ""};
	struct server *second;

	assert_int_equal(server_open(f->path, answer, f, &why, &second), -EADDRINUSE);
	assert_non_null(strstr(why.text, f->path));
	assert_int_equal(server_open("/nonexistent/dir/sock", answer, f, &why, &second), -ENOENT);
	/* A daemon that was killed leaves its socket: the next one takes it over. */
	assert_int_equal(shutdown(dial(f), SHUT_RDWR), 0);
	serve(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(requests_are_parsed_or_refused),
		cmocka_unit_test_setup_teardown(a_request_in_pieces_and_two_at_once, open_server,
						close_server),
		cmocka_unit_test_setup_teardown(an_endless_line_ends_the_connection, open_server,
						close_server),
		cmocka_unit_test_setup_teardown(more_clients_than_places, open_server,
						close_server),
		cmocka_unit_test_setup_teardown(the_address_is_taken_or_stale, open_server,
						close_server),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
