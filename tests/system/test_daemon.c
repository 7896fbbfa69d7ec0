/* SPDX-License-Identifier: MIT */
/*
 * vmdesched as a service: what it gives up, what it answers, what it survives, and its exporter.
 * Its parts are tests/unit/test_daemon.c, its figures test_agent.c, storms test_storms.c. Needs
 * root and BPF.
 *
 *     test_daemon VMDESCHED EXPORTER
 */
#include "base/proc.h"
#include "base/units.h"
#include "daemon_unit.h"
#include "needs_bpf.h"

#include <arpa/inet.h>
#include <cap-ng.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <jansson.h>
#include <pwd.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#define RESIDENT_MAX (8 * 1024) /* KiB */

static const char *exporter;

static void check_frugal(const struct service *s)
{
#ifndef DESCHED_ASAN /* which has no filter, and its own ideas of memory */
	long resident = status_field(s->pid, "VmRSS:", 10);

	assert_int_equal(status_field(s->pid, "Seccomp:", 10), 2);
	if (resident > RESIDENT_MAX)
		fail_msg("%ld KiB resident, at most %d", resident, RESIDENT_MAX);
#else
	(void)s;
#endif
}

static void privilege_is_given_up(void **state)
{
	struct service *s = *state;
	struct stat st;

	assert_int_equal(status_field(s->pid, "Uid:", 10), getpwnam("nobody")->pw_uid);
	assert_int_equal(status_field(s->pid, "CapPrm:", 16), 0);
	assert_int_equal(status_field(s->pid, "CapBnd:", 16), 0);
	assert_int_equal(status_field(s->pid, "NoNewPrivs:", 10), 1);
	assert_int_equal(stat(s->socket, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0660);
	assert_int_equal(st.st_gid, getgrnam("daemon")->gr_gid);
	/* What it gave up, it does not need: the figures go on. */
	sleep_ms(1200);
	json_decref(ask(s, "snapshot"));
	json_decref(ask(s, "gaps"));
	check_frugal(s);
	stop(s);
	expect_told(s, "STOPPING=1");
	/* The socket is left behind, in a directory that is not the user's: the next one takes
	 * over. */
	spawn(s);
	expect_told(s, "READY=1");
	json_decref(ask(s, "version"));
	stop(s);
}

/* Waits until the history has `n` samples: n seconds, on a machine with nothing else to do. */
static json_t *await_history(const struct service *s, size_t n)
{
	for (int i = 0; i < 300; i++) {
		json_t *o = ask(s, "history");

		if (json_array_size(json_object_get(o, "busy_s")) >= n)
			return o;
		json_decref(o);
		sleep_ms(100);
	}
	fail_msg("no %zu samples in half a minute", n);
	return NULL;
}

static void the_history_is_the_snapshots(void **state)
{
	struct service *s = *state;
	json_t *o = await_history(s, 3), *snapshot = ask(s, "snapshot");
	double busy = 0, seconds = 0, total, elapsed, x;
	size_t i;
	json_t *v;

	json_array_foreach(json_object_get(o, "busy_s"), i, v) busy += json_real_value(v);
	json_array_foreach(json_object_get(o, "seconds"), i, v) seconds += json_real_value(v);
	elapsed = json_real_value(json_object_get(snapshot, "elapsed_s"));
	total = 0;
	json_array_foreach(json_object_get(snapshot, "cpus"), i, v)
		total += json_real_value(json_object_get(v, "busy_s"));
	x = (double)json_array_size(json_object_get(snapshot, "cpus")) * (elapsed - seconds);
	assert_true(seconds > 0 && seconds <= elapsed);
	/* The samples do not cover the start, nor what came after the last. */
	if (busy > total + 1e-3 || busy < total - x - 0.1)
		fail_msg("history %.3f s, snapshot %.3f s, not covered %.3f s", busy, total, x);
	json_decref(o);
	json_decref(snapshot);
}

static void await_file(const char *path)
{
	for (int i = 0; i < 300 && access(path, F_OK); i++)
		sleep_ms(100);
	assert_int_equal(access(path, F_OK), 0);
}

static void sighup_reads_the_configuration_again(void **state)
{
	struct service *s = *state;
	char more[160];

	write_config(s, "[metrics]\ntextfiel = x\n");
	kill(s->pid, SIGHUP);
	expect_told(s, "RELOADING=1");
	expect_told(s, "READY=1");
	assert_int_not_equal(access(s->textfile, F_OK), 0);
	snprintf(more, sizeof(more), "[metrics]\ninterval = 1\ntextfile = %s\n", s->textfile);
	write_config(s, more);
	kill(s->pid, SIGHUP);
	expect_told(s, "RELOADING=1");
	expect_told(s, "READY=1");
	await_file(s->textfile);
	unlink(s->textfile);
	await_file(s->textfile); /* it is written again and again */
	stop(s);
}

static void expect_end(struct service *s, const char *why)
{
	char text[1024];
	int status;

	spawn(s);
	assert_int_equal(waitpid(s->pid, &status, 0), s->pid);
	s->pid = 0;
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 1);
	assert_true(file_read(s->log, text, sizeof(text)) > 0);
	if (!strstr(text, why) || strchr(text, '\n') != text + strlen(text) - 1)
		fail_msg("expected one line with '%s', got '%s'", why, text);
}

static void expect_refused(struct service *s, const char *more, const char *why)
{
	write_config(s, more);
	expect_end(s, why);
}

/* A configuration with this socket and user alone. */
static void expect_unusable(struct service *s, const char *socket, const char *user,
			    const char *why)
{
	FILE *f = fopen(s->config, "w");

	assert_non_null(f);
	fprintf(f, "[vmdesched]\nsocket = %s\nuser = %s\n", socket, user);
	assert_int_equal(fclose(f), 0);
	expect_end(s, why);
}

static void a_bad_configuration_is_refused(void **state)
{
	struct service *s = *state;

	expect_refused(*state, "uzer = me\n", "conf:5: there is no 'uzer'");
	expect_unusable(s, s->socket, "no-such-user", "no-such-user");
	expect_unusable(s, "/nonexistent/s", "nobody", "/nonexistent/s");
	expect_refused(*state, "[clock]\nmode = set\n", "CAP_SYS_TIME");
	expect_refused(*state, "[clock]\nmode = never\n", "conf:6: mode: 'never' given, expected ");
	expect_refused(*state, "[vmdesched]\nsource = moon\n",
		       "conf:6: source: 'moon' given, expected auto, steal, page, stream or self");
}

struct http {
	pid_t pid;
	uint16_t port;
};

static struct http start_exporter(const struct service *s)
{
	struct http h = {.port = 0};
	char line[128] = "";
	int out[2];
	FILE *f;

	assert_int_equal(pipe(out), 0);
	h.pid = fork();
	if (h.pid == 0) {
		scratch_join();
		dup2(out[1], STDOUT_FILENO);
		execl(exporter, exporter, "--port", "0", "--socket", s->socket, NULL);
		_exit(127);
	}
	close(out[1]);
	f = fdopen(out[0], "r");
	assert_non_null(fgets(line, sizeof(line), f));
	fclose(f);
	assert_int_equal(sscanf(line, "http://127.0.0.1:%hu/metrics", &h.port), 1);
	return h;
}

static void expect_reply(const struct http *h, const char *request, const char *status,
			 const char *text)
{
	struct sockaddr_in address = {.sin_family = AF_INET,
				      .sin_port = htons(h->port),
				      .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	char reply[65536];
	size_t used = 0;
	ssize_t n;

	assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	dprintf(fd, "%s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", request);
	while (used < sizeof(reply) - 1 &&
	       (n = read(fd, reply + used, sizeof(reply) - 1 - used)) > 0)
		used += (size_t)n;
	close(fd);
	reply[used] = '\0';
	if (!strstr(reply, status) || !strstr(reply, text))
		fail_msg("%s: expected '%s', got '%.200s'", request, status, reply);
}

static void the_exporter_serves_metrics(void **state)
{
	struct service *s = *state;
	struct http h = start_exporter(s);
	char command[256];

	expect_reply(&h, "GET /metrics", "200 OK", "\ndesched_info{version=");
	expect_reply(&h, "GET /", "200", "/metrics");
	expect_reply(&h, "GET /other", "404", "/metrics");
	expect_reply(&h, "DELETE /metrics", "405", "");
	stop(s);
	expect_reply(&h, "GET /metrics", "503", "does not answer");
	kill(h.pid, SIGTERM);
	assert_int_equal(waitpid(h.pid, NULL, 0), h.pid);
	snprintf(command, sizeof(command), "%s --listen 0.0.0.0 2>/dev/null", exporter);
	assert_int_not_equal(system(command), 0);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(privilege_is_given_up, start, teardown),
		cmocka_unit_test_setup_teardown(the_history_is_the_snapshots, start, teardown),
		cmocka_unit_test_setup_teardown(sighup_reads_the_configuration_again, start,
						teardown),
		cmocka_unit_test_setup_teardown(a_bad_configuration_is_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(the_exporter_serves_metrics, start, teardown),
	};

	if (argc < 3)
		return 2;
	daemon_program = argv[1];
	daemon_name = "vmdesched";
	exporter = argv[2];
	if (!bpf_is_here())
		return SKIPPED;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
