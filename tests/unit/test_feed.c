/* SPDX-License-Identifier: MIT */
/*
 * Feeds that need no privilege: vmdesched's socket, whatever answers there, and /proc alone; and
 * what is added to a snapshot about its processes. The agent's feed is tests/system/screen.sh's.
 */
#include "base/units.h"
#include "screen/annotate.h"
#include "screen/feed.h"

#include <errno.h>
#include <pwd.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

static char path[64];

/* A child that gives every client the same answer, and hangs up. */
static pid_t serve(const char *answer)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	pid_t child;

	unlink(path);
	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(fd, 4), 0);
	child = fork();
	while (child == 0) {
		int client = accept(fd, NULL, NULL);
		char request[64];

		if (read(client, request, sizeof(request)) > 0)
			(void)!send(client, answer, strlen(answer), MSG_NOSIGNAL);
		close(client);
	}
	close(fd);
	return child;
}

static void end(pid_t child)
{
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	unlink(path);
}

static const struct asked *config(void)
{
	static struct asked c = {.source = "auto"};

	c.socket = path;
	return &c;
}

static void a_snapshot_is_taken(void **state)
{
	pid_t child = serve(
		"{\"schema\":\"desched-agent/1\",\"elapsed_s\":5,\"totals\":{},\"cpus\":[{}],"
		"\"processes\":[{\"pid\":1,\"name\":\"init\",\"true_s\":2}]}\n");
	struct failure f = {.text = ""};
	struct frame frame;
	void *feed;

	(void)state;
	assert_int_equal(feed_vmdesched.open(config(), &f, &feed), 0);
	assert_int_equal(feed_vmdesched.take(feed, &f, &frame), 0);
	assert_int_equal(frame.guest.elapsed, 5 * NS_PER_SEC);
	assert_int_equal(frame.guest.processes[0].own.truth, 2 * NS_PER_SEC);
	snapshot_done(&frame.guest);
	end(child);
	/* The daemon is gone: that is said, and the feed is as good as before when it is back. */
	assert_int_equal(feed_vmdesched.take(feed, &f, &frame), -ENOENT);
	assert_non_null(strstr(f.text, path));
	child = serve(
		"{\"schema\":\"desched-agent/1\",\"totals\":{},\"cpus\":[{}],\"processes\":[]}\n");
	assert_int_equal(feed_vmdesched.take(feed, &f, &frame), 0);
	snapshot_done(&frame.guest);
	end(child);
	feed_vmdesched.close(feed);
}

static void what_is_no_vmdesched(void **state)
{
	static const struct {
		const char *answer;
		int error;
	} cases[] = {
		{"", -ECONNRESET},
		{"{\"schema\":\"desched-agent/1\"", -ECONNRESET},
		{"\n", -EBADMSG},
		{"{\n", -EBADMSG},
		{"[]\n", -EBADMSG},
		{"{\"error\":\"the snapshot failed\"}\n", -EBADMSG},
		{"{\"schema\":\"desched-agent/1\",\"processes\":[]}\n", -EBADMSG},
		{"SSH-2.0-OpenSSH_9.2\r\n", -EBADMSG},
		{"{\"schema\":\"desched-agent/1\"}\nand more", -EPROTO},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		pid_t child = serve(cases[i].answer);
		struct failure f = {.text = ""};
		void *feed;
		int err = feed_vmdesched.open(config(), &f, &feed);

		end(child);
		if (err != cases[i].error)
			fail_msg("'%s': %d", cases[i].answer, err);
		assert_non_null(strstr(f.text, path));
	}
}

/* CPU time of this process by its own clock, which shares nothing with /proc/PID/stat's ticks. */
static uint64_t own_time(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (uint64_t)t.tv_sec * NS_PER_SEC + (uint64_t)t.tv_nsec;
}

static const struct snapshot_process *find(const struct snapshot *f, pid_t pid)
{
	for (size_t i = 0; i < f->n_processes; i++)
		if (f->processes[i].pid == pid)
			return &f->processes[i];
	return NULL;
}

static void proc_tells_everybody(void **state)
{
	struct asked nothing = {.source = "auto", .socket = "/nonexistent/socket"};
	struct feed feed = {.ops = &feed_proc};
	const struct snapshot_process *own;
	struct failure f = {.text = ""};
	struct frame taken;
	const struct snapshot *frame = &taken.guest;

	(void)state;
	while (own_time() < 200 * NS_PER_MS)
		;
	assert_int_equal(prctl(PR_SET_NAME, "caf\xc3\xa9\x1b\xe9"),
			 0); /* the last byte is no character: whoever shows it sees to that */
	assert_int_equal(feed_proc.open(&nothing, &f, &feed.feed), 0);
	feed.annotator = annotator_new();
	assert_int_equal(feed_take(&feed, &f, &taken), 0);
	assert_false(frame->split);
	assert_true(frame->n_cpus >= 1);
	assert_true(frame->cpus[0].ledger[LEDGER_RUN] > 0);
	own = find(frame, getpid());
	assert_non_null(own);
	assert_string_equal(own->name, "caf\xc3\xa9\x1b\xe9");
	assert_int_equal(own->parent, getppid());
	assert_string_equal(own->user, getpwuid(getuid()) ? getpwuid(getuid())->pw_name : "?");
	assert_int_equal(own->cgroup[0], '/');
	/* Some ticks of a hundredth of a second may be missing. */
	assert_true(own->own.truth >= 150 * NS_PER_MS);
	assert_true(own->own.truth <= own_time() + 20 * NS_PER_MS);
	frame_done(&taken);
	feed_close(&feed);
}

/* Who names a source does not get another one without a word. */
static void a_source_that_is_not_there(void **state)
{
	struct asked c = {.source = "crystal ball", .socket = path};
	pid_t child = serve(
		"{\"schema\":\"desched-agent/1\",\"totals\":{},\"cpus\":[{}],\"processes\":[]}\n");
	struct failure f = {.text = ""};
	struct feed feed;

	(void)state;
	assert_true(feed_open(&subject_guest, &c, &f, &feed) < 0);
	assert_null(strstr(f.text, path));
	end(child);
}

/* Nor who names a socket or a page: where nobody answers, /proc or an agent would be another's
 * word. */
static void what_is_named_is_used_or_refused(void **state)
{
	static const struct {
		struct asked asked;
		const char *complaint;
	} cases[] = {
		{{.source = "auto", .socket = "/nonexistent/socket"},
		 "no vmdesched at /nonexistent/socket"},
		{{.socket = "/dev/null"}, "/dev/null"},
		{{.source = "self", .socket = "/nonexistent/socket"},
		 "--socket asks a daemon, --source"},
		{{.page = "/nonexistent", .socket = "/nonexistent/socket"},
		 "--page measures without one"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct failure f = {.text = ""};
		struct feed feed;

		assert_true(feed_open(&subject_guest, &cases[i].asked, &f, &feed) < 0);
		if (!strstr(f.text, cases[i].complaint))
			fail_msg("case %zu: %s", i, f.text);
	}
}

/* By hand: of each way to ask, whose figures, and which source. */
static void what_is_asked_for(void **state)
{
	static const struct {
		struct asked asked;
		enum asked_whose whose;
		const char *source; /* NULL: the best */
	} cases[] = {
		{{.source = "auto"}, ASKED_ANY, NULL},
		{{NULL, NULL, NULL}, ASKED_ANY, NULL},
		{{.socket = "/s"}, ASKED_VMDESCHED, NULL},
		{{.source = "steal"}, ASKED_OWN, "steal"},
		{{.source = "auto", .page = "/p"}, ASKED_OWN, "page"},
		{{.source = "page", .page = "/p"}, ASKED_OWN, "page"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		const struct asked *asked = &cases[i].asked;
		enum asked_whose whose;
		const char *source;

		assert_int_equal(asked_whose(asked, NULL, &whose), 0);
		assert_int_equal(whose, cases[i].whose);
		assert_int_equal(asked_source(asked->source, asked->page, NULL, &source), 0);
		assert_int_equal(!source, !cases[i].source);
		if (source)
			assert_string_equal(source, cases[i].source);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_snapshot_is_taken),
		cmocka_unit_test(what_is_no_vmdesched),
		cmocka_unit_test(proc_tells_everybody),
		cmocka_unit_test(a_source_that_is_not_there),
		cmocka_unit_test(what_is_named_is_used_or_refused),
		cmocka_unit_test(what_is_asked_for),
	};

	snprintf(path, sizeof(path), "/tmp/test-feed.%d", getpid());
	return cmocka_run_group_tests(tests, NULL, NULL);
}
