/* SPDX-License-Identifier: MIT */
/*
 * exporter/: who may read metrics, from where, and what idle, slow and many connections do to the
 * others. The loop's turns are taken here. HTTPS and the program: tests/system/test_daemon.c.
 */
#include "exporter/http.h"

#include "base/clock.h"
#include "base/units.h"
#include "fake_vmdesched.h"
#include "scratch.h"

#include <arpa/inet.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <sys/resource.h>

#include <cmocka.h>

#define GOOD "0123456789abcdef"

static struct {
	struct fake fake;
	struct access access;
	struct loop *loop;
	struct http *http;
} f;

static int open_exporter(void **state)
{
	const struct access_options o = {.listen = "127.0.0.1"};
	struct failure why;

	(void)state;
	memset(&f, 0, sizeof(f));
	f.fake.answer = "{\"metrics\":\"desched_x 1\\n\"}\n";
	assert_int_equal(fake_start(&f.fake), 0);
	assert_int_equal(access_open(&o, &why, &f.access), 0);
	assert_int_equal(loop_new(&f.loop), 0);
	assert_int_equal(http_open(f.loop, &f.access, f.fake.path, &why, &f.http), 0);
	return 0;
}

static int close_exporter(void **state)
{
	(void)state;
	http_close(f.http);
	loop_free(f.loop);
	access_close(&f.access);
	fake_stop(&f.fake);
	return 0;
}

static void turns(int n)
{
	while (n--)
		assert_int_equal(loop_turn(f.loop, NS_PER_MS), 0);
}

static int dial(void)
{
	const struct sockaddr_in address = {.sin_family = AF_INET,
					    .sin_port = htons(http_port(f.http)),
					    .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_int_equal(connect(fd, (const struct sockaddr *)&address, sizeof(address)), 0);
	return fd;
}

static void ask(int fd, const char *request, const char *more)
{
	char text[512];
	int n = snprintf(text, sizeof(text),
			 "%s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n%s\r\n", request, more);

	assert_int_equal(send(fd, text, (size_t)n, MSG_NOSIGNAL), n);
}

/* All up to the end of the connection, which this closes; the bound is half a minute. */
static const char *hear(int fd)
{
	static char text[1 << 16];
	uint64_t deadline = clock_mono() + 30 * NS_PER_SEC;
	size_t used = 0;
	ssize_t n = -1;

	while (clock_mono() < deadline) {
		turns(1);
		n = recv(fd, text + used, sizeof(text) - 1 - used, MSG_DONTWAIT);
		if (n == 0 || (n < 0 && errno != EAGAIN))
			break;
		used += n > 0 ? (size_t)n : 0;
	}
	close(fd);
	text[used] = '\0';
	return text;
}

static const char *get(const char *request, const char *more)
{
	int fd = dial();

	ask(fd, request, more);
	return hear(fd);
}

static void expect(const char *reply, const char *status, const char *has)
{
	if (strncmp(reply, "HTTP/1.1 ", 9) != 0 ||
	    strncmp(reply + 9, status, strlen(status)) != 0 || !strstr(reply, has))
		fail_msg("expected %s and '%s', got '%.300s'", status, has, reply);
}

static void pages(void **state)
{
	const char *reply;

	(void)state;
	expect(get("GET /metrics", ""), "200", "\r\n\r\ndesched_x 1\n");
	expect(get("GET /", ""), "200", "<a href=\"/metrics\">");
	expect(get("GET /x", ""), "404", "/metrics");
	expect(get("GET http://127.0.0.1/metrics", ""), "200", "\r\n\r\ndesched_x 1\n");
	expect(get("GET http://[::1]:9811", ""), "200", "<a href=\"/metrics\">");
	expect(get("GET http:///x", ""), "404", "/metrics");
	expect(get("DELETE /metrics", ""), "405", "Allow: GET, HEAD\r\n");
	expect(get("POST /metrics", "Content-Length: 3\r\n\r\nabc"), "405", "");
	reply = get("HEAD /metrics", "");
	expect(reply, "200", "Content-Length: 12\r\n");
	assert_string_equal(strstr(reply, "\r\n\r\n"), "\r\n\r\n");
	expect(get("HEAD /", ""), "200", "text/html");
	fake_stop(&f.fake);
	expect(get("GET /metrics", ""), "503", "does not answer");
	f.fake.answer = "no JSON\n";
	assert_int_equal(fake_start(&f.fake), 0);
	expect(get("GET /metrics", ""), "503", "does not answer");
}

/* More than there are places, all silent or in the middle of a head. */
static void idle_connections_make_place(void **state)
{
	int fds[HTTP_CONNECTIONS + 20];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++) {
		fds[i] = dial();
		if (i % 2)
			assert_int_equal(send(fds[i], "GET /met", 8, MSG_NOSIGNAL), 8);
		turns(1);
	}
	expect(get("GET /metrics", ""), "200", "desched_x 1");
	ask(fds[ARRAY_SIZE(fds) - 2], "GET /", ""); /* the last ones are served still */
	expect(hear(fds[ARRAY_SIZE(fds) - 2]), "200", "<h1>desched</h1>");
	fds[ARRAY_SIZE(fds) - 2] = dial();
	assert_int_equal(recv(fds[0], &(char){0}, 1, MSG_DONTWAIT), 0); /* the first one went */
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
		close(fds[i]);
}

/* Requests that come together are one question; while nobody answers it, other pages are there. */
static void a_silent_vmdesched_holds_nobody(void **state)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fds[20], silent = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), asked;

	(void)state;
	fake_stop(&f.fake);
	strcpy(address.sun_path, f.fake.path);
	assert_int_equal(bind(silent, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(silent, 8), 0);
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++) {
		fds[i] = dial();
		ask(fds[i], "GET /metrics", "");
		turns(3);
	}
	expect(get("GET /", ""), "200", "<h1>desched</h1>");
	asked = accept(silent, NULL, NULL);
	assert_true(asked >= 0);
	assert_int_equal(accept(silent, NULL, NULL), -1);
	close(silent);
	unlink(f.fake.path);
	close(asked);
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
		expect(hear(fds[i]), "503", "does not answer");
	assert_int_equal(fake_start(&f.fake), 0);
}

/* The tear-down ends it with a request that waits and one that comes then. */
static void it_ends_while_requests_wait(void **state)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int silent = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int fds[2];

	(void)state;
	fake_stop(&f.fake);
	strcpy(address.sun_path, f.fake.path);
	assert_int_equal(bind(silent, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(silent, 8), 0);
	fds[0] = dial();
	fds[1] = dial();
	ask(fds[0], "GET /metrics", "");
	turns(5);
	ask(fds[1], "GET /metrics", "");
	f.http = http_close(f.http);
	close(silent);
	close(fds[0]);
	close(fds[1]);
	unlink(f.fake.path);
	assert_int_equal(fake_start(&f.fake), 0);
}

static void without_descriptors_it_does_not_spin(void **state)
{
	struct rlimit before, few;
	int fds[200], n = 0, fd = dial(), count = 0;
	uint64_t end;

	(void)state;
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	few = (struct rlimit){.rlim_cur = 100, .rlim_max = before.rlim_max};
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
	while ((fds[n] = dup(STDERR_FILENO)) >= 0)
		n++;
	ask(fd, "GET /", "");
	for (end = clock_mono() + 500 * NS_PER_MS; clock_mono() < end; count++)
		assert_int_equal(loop_turn(f.loop, 100 * NS_PER_MS), 0);
	assert_in_range(count, 1, 30);
	close(fds[--n]);
	expect(hear(fd), "200", "<h1>desched</h1>");
	while (n)
		close(fds[--n]);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
}

static void a_token_is_asked_for(void **state)
{
	(void)state;
	strcpy(f.access.token, GOOD);
	expect(get("GET /metrics", ""), "401", "WWW-Authenticate: Bearer");
	expect(get("GET /", "Authorization: Basic " GOOD "\r\n"), "401", "");
	expect(get("GET /metrics", "Authorization: Bearer 0123456789abcdeg\r\n"), "401", "");
	expect(get("GET /metrics", "Authorization: Bearer " GOOD "0\r\n"), "401", "");
	expect(get("GET /metrics", "Authorization: bearer " GOOD "\r\n"), "200", "desched_x");
	expect(get("HEAD /metrics", "Authorization: Bearer " GOOD "\r\n"), "200", "");
}

static void put(const char *path, const char *text, mode_t mode)
{
	FILE *file = fopen(path, "we");

	fputs(text, file);
	fclose(file);
	chmod(path, mode);
}

static void refused(const struct access_options *o, const char *why)
{
	struct access a;
	struct failure failure = {.text = ""};

	assert_int_equal(access_open(o, &failure, &a), -EINVAL);
	if (!strstr(failure.text, why))
		fail_msg("expected '%s', got '%s'", why, failure.text);
}

static void who_may_listen_where(void **state)
{
	static const char pem[] = "-----BEGIN CERTIFICATE-----\n";
	struct access_options o = {.listen = "192.0.2.7", .port = 9919};
	struct access a;
	struct failure failure;

	(void)state;
	assert_int_equal(chdir(scratch_dir("test-exporter")), 0);
	put("cert", pem, 0644);
	put("key", pem, 0600);
	put("token", GOOD "\n", 0640);
	put("open", GOOD "\n", 0644);
	put("short", "0123456789abcde\n", 0600);
	put("blank", "01234567 89abcdef\n", 0600);
	put("empty", "", 0600);
	assert_int_equal(mkfifo("fifo", 0600), 0);
	refused(&o, "beyond loopback");
	o.certificate = "cert";
	refused(&o, "go together");
	o.key = "key";
	refused(&o, "beyond loopback");
	o.token = "open";
	refused(&o, "every user may read it");
	o.token = "short";
	refused(&o, "16 characters");
	o.token = "blank";
	refused(&o, "16 characters");
	o.token = "empty";
	refused(&o, "is empty");
	o.token = "fifo";
	refused(&o, "a file is expected");
	o.token = "token";
	o.certificate = "token";
	refused(&o, "expected PEM");
	o.certificate = "cert";
	assert_int_equal(access_open(&o, &failure, &a), 0);
	assert_string_equal(a.token, GOOD);
	access_close(&a);
	o = (struct access_options){.listen = "localhost"};
	refused(&o, "'localhost' given");
	for (size_t i = 0; i < 4; i++) {
		static const char *const everywhere[] = {"0.0.0.0", "::", "::ffff:192.0.2.1",
							 "126.255.255.255"};

		o.listen = everywhere[i];
		refused(&o, "beyond loopback");
	}
	o.listen = "::1";
	assert_int_equal(access_open(&o, &failure, &a), 0);
	o.listen = "127.9.9.9";
	assert_int_equal(access_open(&o, &failure, &a), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(pages, open_exporter, close_exporter),
		cmocka_unit_test_setup_teardown(idle_connections_make_place, open_exporter,
						close_exporter),
		cmocka_unit_test_setup_teardown(a_silent_vmdesched_holds_nobody, open_exporter,
						close_exporter),
		cmocka_unit_test_setup_teardown(it_ends_while_requests_wait, open_exporter,
						close_exporter),
		cmocka_unit_test_setup_teardown(without_descriptors_it_does_not_spin, open_exporter,
						close_exporter),
		cmocka_unit_test_setup_teardown(a_token_is_asked_for, open_exporter,
						close_exporter),
		cmocka_unit_test(who_may_listen_where),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
