/* SPDX-License-Identifier: MIT */
/*
 * service/service.h by the smallest daemon that there can be (small_daemon.h): it starts, tells
 * systemd, answers, reads its settings again, keeps the old ones where the new ones are bad, writes
 * its textfile, and ends. vmdesched itself: tests/system/test_daemon.c.
 */
#include "small_daemon.h"

#include "base/proc.h"
#include "scratch.h"
#include "wire/ask.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <cmocka.h>

#define PATIENCE (20 * NS_PER_SEC)

static struct {
	char conf[96], socket[96], textfile[96], log[96];
	const struct service_ops *ops;
	int notified;
	pid_t pid;
} daemon_ = {.ops = &small_ops};

static void write_conf(const char *gap, const char *group)
{
	FILE *f = fopen(daemon_.conf, "w");

	assert_non_null(f);
	fprintf(f, "[small]\nsocket = %s\ngroup =%s\n[gaps]\ngap = %s\n[metrics]\ntextfile = %s\n",
		daemon_.socket, group, gap, daemon_.textfile);
	assert_int_equal(fclose(f), 0);
}

/* What systemd would get: waits until a datagram begins with `text`. */
static void await_notice(const char *text)
{
	uint64_t deadline = clock_mono() + PATIENCE;
	char got[600];
	ssize_t n;

	while (clock_mono() < deadline) {
		n = recv(daemon_.notified, got, sizeof(got) - 1, 0);
		got[n < 0 ? 0 : n] = '\0';
		if (!strncmp(got, text, strlen(text)))
			return;
	}
	fail_msg("systemd was never told %s", text);
}

static void await_log(const char *text)
{
	uint64_t deadline = clock_mono() + PATIENCE;
	char log[16384] = "";

	while (clock_mono() < deadline) {
		if (file_read(daemon_.log, log, sizeof(log)) > 0 && strstr(log, text))
			return;
		usleep(10000);
	}
	fail_msg("the log doesn't say '%s' but: %s", text, log);
}

static json_t *ask(const char *request)
{
	char line[128], *text;
	size_t size;
	json_t *o;
	int fd;

	snprintf(line, sizeof(line), "%s\n", request);
	assert_int_equal(ask_dial(daemon_.socket, clock_mono() + PATIENCE, &fd), 0);
	assert_int_equal(ask_line(fd, line, clock_mono() + PATIENCE, &text, &size), 0);
	close(fd);
	o = json_loadb(text, size, 0, NULL);
	free(text);
	assert_non_null(o);
	return o;
}

static void assert_metric(const char *line, bool wanted)
{
	json_t *o = ask("{\"get\":\"metrics\"}");
	const char *text = json_string_value(json_object_get(o, "metrics"));

	assert_non_null(text);
	if (!strstr(text, line) == wanted)
		fail_msg("'%s' is %s in: %s", line, wanted ? "not" : "still", text);
	json_decref(o);
}

static _Noreturn void be_the_daemon(void)
{
	const struct settings_source source = {.path = daemon_.conf};
	struct failure f = {""};
	int err;

	scratch_join();
	if (!freopen(daemon_.log, "w", stderr))
		_exit(9);
	setvbuf(stderr, NULL, _IONBF, 0);
	err = small_main_loop(daemon_.ops, &source, &f);
	if (err)
		fprintf(stderr, "small: %s\n", f.text);
	_exit(err ? 1 : 0);
}

static void launch(void)
{
	daemon_.pid = fork();
	if (daemon_.pid == 0)
		be_the_daemon();
	await_notice(daemon_.ops->status ? "READY=1\nSTATUS=beaten" : "READY=1\nSTATUS=");
}

static int start(void **state)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	struct timeval patience = {.tv_sec = 1};
	const char *dir = scratch_dir("test-service");

	(void)state;
	snprintf(daemon_.conf, sizeof(daemon_.conf), "%s/small.conf", dir);
	snprintf(daemon_.socket, sizeof(daemon_.socket), "%s/small.sock", dir);
	snprintf(daemon_.textfile, sizeof(daemon_.textfile), "%s/small.prom", dir);
	snprintf(daemon_.log, sizeof(daemon_.log), "%s/log", dir);
	snprintf(address.sun_path, sizeof(address.sun_path), "%s/notify", dir);
	daemon_.notified = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(daemon_.notified, (struct sockaddr *)&address, sizeof(address)), 0);
	setsockopt(daemon_.notified, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	setenv("NOTIFY_SOCKET", address.sun_path, 1);
	setenv("WATCHDOG_USEC", "200000", 1);
	write_conf("100ms", "");
	launch();
	return 0;
}

static void it_answers(void **state)
{
	json_t *o;

	(void)state;
	await_log("small: answering on ");
	await_log("; it beats\n");
	await_log("small: vCPU 2 of web was descheduled 100 ms at ");
	await_log(", process other (7) was running (source beats)\n");
	o = ask("{\"get\":\"beats\",\"times\":1000000}");
	assert_int_equal(json_integer_value(json_object_get(o, "beats")) % 1000000, 0);
	assert_true(json_integer_value(json_object_get(o, "beats")) > 0);
	json_decref(o);
	o = ask("{\"get\":\"gaps\"}");
	assert_string_equal(json_string_value(json_object_get(
				    json_array_get(json_object_get(o, "gaps"), 0), "vm")),
			    "web");
	json_decref(o);
	o = ask("{\"get\":\"moon\"}");
	assert_string_equal(json_string_value(json_object_get(o, "error")),
			    "expected {\"get\":...} with beats, gaps, metrics or version");
	json_decref(o);
	o = ask("{\"get\":\"version\"}");
	assert_string_equal(json_string_value(json_object_get(o, "version")), DESCHED_VERSION);
	json_decref(o);
}

static void its_metrics_are_its_own_and_the_services(void **state)
{
	uint64_t deadline = clock_mono() + PATIENCE;
	char text[8192] = "";

	(void)state;
	assert_metric("# TYPE small_applied_total counter\nsmall_applied_total 0\n", true);
	assert_metric("desched_client_events_total{event=\"accepted\"} ", true);
	while (file_read(daemon_.textfile, text, sizeof(text)) < 0 && clock_mono() < deadline)
		usleep(10000);
	assert_non_null(strstr(text, "\nsmall_applied_total "));
}

static void sighup_applies_settings_or_leaves_them(void **state)
{
	char bad[256];

	(void)state;
	write_conf("2s", "");
	kill(daemon_.pid, SIGHUP);
	await_notice("RELOADING=1\nMONOTONIC_USEC=");
	await_notice("READY=1");
	snprintf(bad, sizeof(bad),
		 "small: %s:5: gap: '2s' given, expected seconds from 0.001 to 1\n", daemon_.conf);
	await_log(bad);
	assert_metric("small_applied_total 0\n", true);
	write_conf("0.5", " root");
	kill(daemon_.pid, SIGHUP);
	await_log("small: configuration read again; 1 changed key waits for a restart\n");
	assert_metric("small_applied_total 1\n", true);
	unlink(daemon_.conf);
	kill(daemon_.pid, SIGHUP);
	await_log("small.conf: No such file or directory\n");
	assert_metric("small_applied_total 1\n", true);
}

static void systemd_hears_that_it_is_alive(void **state)
{
	(void)state;
	await_notice("WATCHDOG=1");
	await_notice("WATCHDOG=1");
}

static void each_bad_textfile_is_named(void **state)
{
	const char *dir = scratch_dir("test-service");

	(void)state;
	snprintf(daemon_.textfile, sizeof(daemon_.textfile), "%s/none/a.prom", dir);
	write_conf("100ms", "");
	kill(daemon_.pid, SIGHUP);
	await_log("/none/a.prom: No such file or directory; ");
	snprintf(daemon_.textfile, sizeof(daemon_.textfile), "%s/none/b.prom", dir);
	write_conf("100ms", "");
	kill(daemon_.pid, SIGHUP);
	await_log("/none/b.prom: No such file or directory; ");
}

static void end(void)
{
	int status;

	kill(daemon_.pid, SIGTERM);
	await_notice("STOPPING=1");
	assert_int_equal(waitpid(daemon_.pid, &status, 0), daemon_.pid);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static void it_ends_when_it_is_told(void **state)
{
	(void)state;
	end();
	await_log("small: beaten often\n");
	assert_int_equal(access(daemon_.socket, F_OK), -1);
}

static void read_again(void)
{
	kill(daemon_.pid, SIGHUP);
	await_notice("RELOADING=1");
	await_notice("READY=1");
}

/* 300 lines of 32 bytes into a pipe of 8192 that nobody reads, one more when its reader has gone. */
static void a_log_that_nobody_reads_holds_nobody(void **state)
{
	int fd;

	(void)state;
	unlink(daemon_.log);
	assert_int_equal(mkfifo(daemon_.log, 0600), 0);
	fd = open(daemon_.log, O_RDONLY | O_NONBLOCK);
	assert_true(fd >= 0 && fcntl(fd, F_SETPIPE_SZ, 8192) == 8192);
	launch();
	assert_metric("\ndesched_log_lines_lost_total 0\n", true);
	for (int i = 0; i < 300; i++)
		read_again();
	close(fd);
	read_again();
	assert_metric("\ndesched_log_lines_lost_total 0\n", false);
	end();
	unlink(daemon_.log);
}

static void a_daemon_needs_a_name_and_settings(void **state)
{
	static const struct service_ops bare = {.name = "bare", .settings = &small_table};

	(void)state;
	daemon_.ops = &bare;
	launch();
	await_log("bare: answering on ");
	read_again();
	assert_metric("desched_client_events_total{event=\"accepted\"} ", true);
	end();
	close(daemon_.notified);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_answers),
		cmocka_unit_test(its_metrics_are_its_own_and_the_services),
		cmocka_unit_test(sighup_applies_settings_or_leaves_them),
		cmocka_unit_test(systemd_hears_that_it_is_alive),
		cmocka_unit_test(each_bad_textfile_is_named),
		cmocka_unit_test(it_ends_when_it_is_told),
		cmocka_unit_test(a_log_that_nobody_reads_holds_nobody),
		cmocka_unit_test(a_daemon_needs_a_name_and_settings),
	};

	return cmocka_run_group_tests(tests, start, NULL);
}
