/* SPDX-License-Identifier: MIT */
/*
 * src/vmdesched: the configuration, the log of gaps and the history with clocks of the test's own, and
 * what a confined process can still do. Metrics: test_metrics.c; the daemon as a whole:
 * tests/system/test_daemon.c.
 */
#include "base/proc.h"
#include "base/units.h"
#include "scratch.h"
#include "service/gaplog.h"
#include "service/notify.h"
#include "vmdesched/allowed.h"
#include "vmdesched/cpu_history.h"
#include "vmdesched/keys.h"
#include "vmdesched/silence.h"
#include "vmdesched/status.h"
#include "vmdesched/timekeeper.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

static int parse(const char *text, struct failure *f, struct settings *s)
{
	settings_default(&vmdesched_settings, s);
	return settings_parse(&vmdesched_settings, "x.conf", text, strlen(text), f, s);
}

static void a_configuration_is_read(void **state)
{
	struct failure f = {.text = ""};
	struct settings s;

	(void)state;
	assert_int_equal(parse("# a comment\n[vmdesched]\nuser = nobody ; me\nseccomp=no\n\n"
			       "[gaps]\n \tthreshold = 0.25\n[metrics]\nprocesses=7\n",
			       &f, &s),
			 0);
	assert_string_equal(s.service.user, "nobody");
	assert_false(s.service.seccomp);
	assert_int_equal(s.gap_ns, 250 * NS_PER_MS);
	assert_int_equal(s.processes, 7);
	assert_string_equal(s.service.socket, "/run/vmdesched.sock");
}

static void refused(const char *text, const char *why)
{
	struct failure f = {.text = ""};
	struct settings s, before;

	settings_default(&vmdesched_settings, &before);
	assert_int_equal(parse(text, &f, &s), -EINVAL);
	if (!strstr(f.text, why) || strchr(f.text, '\n'))
		fail_msg("'%s' does not say '%s'", f.text, why);
	assert_memory_equal(&s, &before, sizeof(s));
}

static void what_is_no_key_is_refused_with_its_line(void **state)
{
	char longer[400] = "[vmdesched]\nuser = ";
	struct failure f;
	struct settings s;

	(void)state;
	refused("[vmdesched]\nuser = nobody\nuzer = nobody\n", "x.conf:3: there is no 'uzer'");
	refused("\n[moon]\nphase = 1\n", "x.conf:2: there is no section [moon]");
	refused("[vmdesched]\n[moon]\n", "x.conf:2: there is no section [moon]");
	refused("[gaps]\nthreshold = 1\n[vmdesched]\n[gaps]\nthreshold = 2\n",
		"x.conf:5: threshold is given twice, the first time in line 2");
	refused("[vmdesched]\nuser = a\n  group : b\n  gruppe = c\n", "x.conf:4");
	refused("user = nobody\n", "x.conf:1");
	refused("[vmdesched]\nwhatever\n", "x.conf:2");
	refused("[vmdesched\n", "x.conf:1");
	refused("[gaps]\nthreshold = soon\n", "x.conf:2: threshold");
	refused("[gaps]\nthreshold = -1\n", "x.conf:2");
	refused("[metrics]\ninterval = 0.5\n", "from 1 to 3600");
	refused("[metrics]\nprocesses = 1001\n", "x.conf:2");
	refused("[vmdesched]\nseccomp = maybe\n", "yes or no");
	refused("[vmdesched]\nsocket =\n",
		"x.conf:2: socket: nothing given, expected a text of 1 to");
	memset(longer + strlen(longer), 'x', 300);
	refused(longer, "x.conf:2");
	memcpy(longer, "[vmdesched]\nsocket=", 19);
	longer[19 + 108] = '\0'; /* unix(7): 108 bytes with the zero */
	refused(longer, "x.conf:2: socket: 'xxx");
	longer[19 + 107] = '\0';
	assert_int_equal(parse(longer, &f, &s), 0);
}

static void a_sample_with_every_key_is_a_configuration(void **state)
{
	char text[8192], *p;
	struct failure f = {.text = ""};
	struct settings s, defaults;

	(void)state;
	assert_true(file_read(SAMPLE, text, sizeof(text)) > 0);
	assert_int_equal(parse(text, &f, &s), 0);
	for (size_t i = 0; i < vmdesched_settings.n; i++) {
		const struct row_section *section = &vmdesched_settings.sections[i];

		for (size_t k = 0; k < section->n; k++) {
			char line[64];

			snprintf(line, sizeof(line), "%s =", section->rows[k].name);
			if (!strstr(text, line))
				fail_msg("the sample does not have %s", section->rows[k].name);
		}
	}
	/* What stands behind a '#' is the default: taken as it stands, it changes nothing. */
	for (p = text; *p; p++)
		if (*p == '#' && p[1] != ' ')
			*p = ' ';
	settings_default(&vmdesched_settings, &defaults);
	assert_int_equal(parse(text, &f, &s), 0);
	strcpy(defaults.service.user, s.service.user);
	strcpy(defaults.service.group, s.service.group);
	assert_memory_equal(&s, &defaults, sizeof(s));
}

static void sighup_applies_some_keys(void **state)
{
	struct settings old, new;

	(void)state;
	settings_default(&vmdesched_settings, &old);
	settings_default(&vmdesched_settings, &new);
	new.gap_ns = 5;
	strcpy(new.service.textfile, "/x");
	strcpy(new.service.socket, "/elsewhere");
	assert_int_equal(settings_reload(&vmdesched_settings, &old, &new), 1);
	assert_int_equal(old.gap_ns, 5);
	assert_string_equal(old.service.textfile, "/x");
	assert_string_equal(old.service.socket, "/run/vmdesched.sock");
}

/* The machine was started at 12:00:00 UTC by both clocks: CLOCK_MONOTONIC is 0 then. */
#define NOON (UINT64_C(1700049600) * NS_PER_SEC)

static bool add(struct gaplog *log, uint64_t end_s, uint64_t ms, uint64_t within_ms,
		const char *name)
{
	struct gaplog_gap gap = {.vcpu = 1,
				 .state = LEDGER_READY,
				 .end = end_s * NS_PER_SEC,
				 .ns = ms * NS_PER_MS,
				 .within = within_ms * NS_PER_MS,
				 .who = name ? GAPLOG_PROCESS : GAPLOG_NOBODY,
				 .pid = name ? 812 : 0,
				 .name = name ? name : "idle"};

	return gaplog_add(log, &gap, end_s * NS_PER_SEC, NOON + end_s * NS_PER_SEC);
}

static void check_line(const struct gaplog *log, const char *expected, const char *end)
{
	char line[GAPLOG_LINE_MAX], whole[GAPLOG_LINE_MAX];

	gaplog_line(log, "page", line);
	snprintf(whole, sizeof(whole), "%s (source page)%s", expected, end);
	assert_string_equal(line, whole);
}

static void a_gap_is_a_sentence(void **state)
{
	struct gaplog log = {.total = 0};

	(void)state;
	setenv("TZ", "UTC", 1);
	tzset();
	assert_true(add(&log, 68, 340, 340, "postgres"));
	check_line(&log,
		   "vCPU 1 was descheduled 340 ms at 12:01:07, process postgres (812) was "
		   "running",
		   "");
	assert_true(add(&log, 70, 340, 1200, "a\nb\x1b\\"));
	check_line(&log,
		   "vCPU 1 was descheduled 340 ms in the 1.2 s from 12:01:08, process "
		   "a\\x0ab\\x1b\\x5c (812) was running",
		   "");
	assert_true(add(&log, 80, 1000, 1000, NULL));
	check_line(&log, "vCPU 1 was descheduled 1000 ms at 12:01:19, nothing was running", "");
	assert_int_equal(log.longest_ns, NS_PER_SEC);
	assert_int_equal(log.total_ns, 1680 * NS_PER_MS);
}

/* Letters are letters in every language; what would turn or hide text isn't shown as it is. */
static void names_are_read_and_forge_nothing(void **state)
{
	struct gaplog log = {.total = 0};

	(void)state;
	add(&log, 68, 340, 340,
	    "B\xc3\xbc"
	    "cher\xe2\x82\xac");
	check_line(&log,
		   "vCPU 1 was descheduled 340 ms at 12:01:07, process B\xc3\xbc"
		   "cher\xe2\x82\xac "
		   "(812) was running",
		   "");
	add(&log, 68, 340, 340,
	    "a\xe2\x80\xae"
	    "b\xc2\x9b\xff");
	check_line(&log,
		   "vCPU 1 was descheduled 340 ms at 12:01:07, process "
		   "a\\xe2\\x80\\xaeb\\xc2\\x9b\\xff (812) was running",
		   "");
}

static const char *text_in_json(const json_t *gap, const char *key)
{
	return json_string_value(json_object_get(gap, key));
}

/* Nobody, somebody who isn't known, and a wait that was for no CPU are three things. */
static void who_ran_is_said_as_far_as_it_is_known(void **state)
{
	static const struct {
		enum gaplog_who who;
		uint32_t state;
		const char *line, *json;
		int pid;
	} rows[] = {
		{GAPLOG_NOBODY, LEDGER_READY, "descheduled 9 ms at 12:01:07, nothing was running",
		 "nobody", 0},
		{GAPLOG_UNKNOWN, LEDGER_READY,
		 "descheduled 9 ms at 12:01:07, an unknown process was running", "unknown", -1},
		{GAPLOG_HIDDEN, LEDGER_READY,
		 "descheduled 9 ms at 12:01:07, a process of another PID namespace was running",
		 "hidden", -1},
		{GAPLOG_NOT_ASKED, LEDGER_SWAPWAIT,
		 "waiting for swapped-out memory 9 ms at 12:01:07", "blocked", 0},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct gaplog_gap gap = {.vm = "web",
					       .state = rows[i].state,
					       .end = 68 * NS_PER_SEC,
					       .ns = 9 * NS_PER_MS,
					       .within = 9 * NS_PER_MS,
					       .who = rows[i].who,
					       .name = ""};
		struct gaplog log = {.total = 0};
		char expected[256];
		const json_t *in_json;
		json_t *o;

		gaplog_add(&log, &gap, 68 * NS_PER_SEC, NOON + 68 * NS_PER_SEC);
		snprintf(expected, sizeof(expected), "vCPU 0 of web was %s", rows[i].line);
		check_line(&log, expected, "");
		o = gaplog_json(&log);
		in_json = json_array_get(json_object_get(o, "gaps"), 0);
		assert_string_equal(text_in_json(in_json, "who"), rows[i].json);
		assert_int_equal(json_integer_value(json_object_get(in_json, "pid")), rows[i].pid);
		json_decref(o);
	}
}

static void too_many_gaps_are_counted(void **state)
{
	struct gaplog log = {.total = 0};
	uint64_t lines = 0;
	json_t *o;

	(void)state;
	for (int i = 0; i < 1000; i++)
		lines += add(&log, 100, 100, 100, "x");
	assert_int_equal(lines, 10);
	assert_int_equal(log.unlogged, 990);
	assert_false(add(&log, 109, 100, 100, "too soon"));
	assert_true(add(&log, 110, 100, 100, "last"));
	check_line(&log,
		   "vCPU 1 was descheduled 100 ms at 12:01:49, process last (812) was running",
		   " (991 lines were left out before this one)");
	assert_false(add(&log, 111, 100, 100, "x"));
	assert_true(add(&log, 120, 100, 100, "y"));
	check_line(&log, "vCPU 1 was descheduled 100 ms at 12:01:59, process y (812) was running",
		   " (1 line was left out before this one)");
	assert_false(add(&log, 121, 100, 100, "\xff"));
	/* An hour of one gap a second: six lines a minute, and those that were saved up. */
	lines = 0;
	for (uint64_t s = 121; s < 121 + 3600; s++)
		lines += add(&log, s, 100, 100, "\xff");
	assert_in_range(lines, 359, 361);
	o = gaplog_json(&log);
	assert_int_equal(json_integer_value(json_object_get(o, "total")), 4605);
	assert_int_equal(json_array_size(json_object_get(o, "gaps")), GAPLOG_KEPT);
	assert_string_equal(
		json_string_value(json_object_get(
			json_array_get(json_object_get(o, "gaps"), GAPLOG_KEPT - 1), "name")),
		"\\xff");
	json_decref(o);
}

/* 1.5 of 12 s are 12.5 %, 1.2 s 10 %, 3 s 25 %. */
static void a_status_names_its_source_and_how_sure_it_is(void **state)
{
	struct status s = {.source = "page", .busy = 12 * NS_PER_SEC, .away = 3 * NS_PER_SEC / 2};
	char line[STATUS_MAX];

	(void)state;
	status_line(&s, line);
	assert_string_equal(line, "source page: of 12.0 s of CPU time 12.5 % was descheduled");
	s.stale = true;
	status_line(&s, line);
	assert_non_null(strstr(line, "12.5 % was descheduled; the source has stopped reporting"));
	s = (struct status){.source = "self",
			    .estimated = true,
			    .busy = 12 * NS_PER_SEC,
			    .away = 3 * NS_PER_SEC / 2,
			    .low = 12 * NS_PER_SEC / 10,
			    .high = 3 * NS_PER_SEC};
	status_line(&s, line);
	assert_string_equal(line, "source self, an estimate: of 12.0 s of CPU time 12.5 % was "
				  "descheduled (90 % interval: 10.0 to 25.0 %)");
	status_line(&(struct status){.source = "steal"}, line);
	assert_string_equal(line, "source steal: of 0.0 s of CPU time 0.0 % was descheduled");
}

static double figure(json_t *o, const char *key, size_t i)
{
	return json_real_value(json_array_get(json_object_get(o, key), i));
}

static void add_sample(struct history *h, struct history_clock *c, const struct account *a,
		       uint64_t mono, uint64_t real)
{
	history_tick(c, mono, real);
	assert_int_equal(history_add(h, cpu_history_sums, a), 0);
}

/* CPU 0 is busy i ms in second i, and away a tenth of it; CPU 1 is idle. */
static void history_holds_the_last_ten_minutes(void **state)
{
	struct account *a;
	struct history_clock *c;
	struct history *h;
	json_t *o;

	(void)state;
	assert_int_equal(account_new(2, 0, NULL, NULL, &a), 0);
	assert_int_equal(history_clock_new(&c), 0);
	assert_int_equal(history_new(&cpu_history_shape, 2, c, &h), 0);
	for (uint64_t i = 0; i <= 700; i++) {
		a->cpus[0].busy.occupied += i * NS_PER_MS;
		a->cpus[0].busy.away[LEDGER_READY] += i * NS_PER_MS / 10;
		a->cpus[1].idle.occupied += NS_PER_SEC;
		add_sample(h, c, a, i * NS_PER_SEC, NOON + i * NS_PER_SEC);
	}
	o = history_json(h);
	assert_int_equal(json_array_size(json_object_get(o, "time_s")), 600);
	assert_float_equal(figure(o, "time_s", 599), 1700049600.0 + 700, 1e-6);
	assert_float_equal(figure(o, "seconds", 0), 1, 1e-9);
	assert_float_equal(figure(o, "busy_s", 0), 0.101, 1e-9);
	assert_float_equal(figure(o, "busy_s", 599), 0.700, 1e-9);
	assert_float_equal(figure(o, "vmdesched_s", 599), 0.070, 1e-9);
	assert_float_equal(figure(json_array_get(json_object_get(o, "cpus"), 1), "busy_s", 599), 0,
			   1e-9);
	json_decref(o);
	history_free(h);
	history_clock_free(c);
	account_free(a);
}

struct sums {
	uint64_t ns[4];
};

static void give(const void *of, unsigned i, uint64_t *ret)
{
	(void)i;
	memcpy(ret, of, sizeof(struct sums));
}

/* Two things' histories go by one clock; one has no sample in every third second. Figures of some us,
 * of a second and of more than a minute are there to 1 us, in whatever order they come. */
static void history_keeps_every_size(void **state)
{
	static const char *const names[] = {"small_s", "large_s", "mixed_s", "peak_s"};
	const struct history_shape shape = {"test/1", names, 4, 1, "things", "thing"};
	struct history *h[2];
	struct history_clock *c;
	struct sums sums[2] = {{{0}}};
	json_t *o;

	(void)state;
	assert_int_equal(history_clock_new(&c), 0);
	assert_int_equal(history_new(&shape, 1, c, &h[0]), 0);
	assert_int_equal(history_new(&shape, 1, c, &h[1]), 0);
	for (uint64_t i = 0; i <= 650; i++) {
		history_tick(c, i * NS_PER_SEC, NOON + i * NS_PER_SEC);
		for (int k = 0; k < 2; k++) {
			sums[k].ns[0] += 7 * NS_PER_US;
			sums[k].ns[1] += NS_PER_SEC - 7 * NS_PER_US;
			sums[k].ns[2] += i % 50 == 49 ? 70 * NS_PER_SEC : 65535 * NS_PER_US;
			sums[k].ns[3] = i * NS_PER_US;
			if (!k || i % 3)
				assert_int_equal(history_add(h[k], give, &sums[k]), 0);
		}
	}
	o = history_json(h[0]);
	assert_int_equal(json_array_size(json_object_get(o, "time_s")), 600);
	for (size_t i = 0; i < 600; i++) {
		assert_float_equal(figure(o, "small_s", i), 7e-6, 1e-12);
		assert_float_equal(figure(o, "large_s", i), 0.999993, 1e-12);
		assert_true(fabs(figure(o, "mixed_s", i) - ((i + 51) % 50 == 49 ? 70 : 0.065535)) <
			    1e-9);
		assert_true(fabs(figure(o, "peak_s", i) - (double)(i + 51) * 1e-6) < 1e-9);
	}
	json_decref(o);
	o = history_json(h[1]); /* of 1, 2, 4, 5 and so on to 650, the first one begins it: 433 */
	assert_int_equal(json_array_size(json_object_get(o, "time_s")), 433);
	assert_float_equal(figure(o, "time_s", 432), 1700049600.0 + 650, 1e-6);
	assert_float_equal(figure(o, "seconds", 0), 1, 1e-9);
	assert_float_equal(figure(o, "seconds", 1), 2, 1e-9); /* from 2 to 4 */
	assert_float_equal(figure(o, "small_s", 1), 14e-6, 1e-12);
	json_decref(o);
	assert_int_equal(history_peak(h[0], 0, 3, 649 * NS_PER_SEC), 650 * NS_PER_US);
	assert_int_equal(history_peak(h[0], 0, 3, 650 * NS_PER_SEC), 0);
	history_free(h[0]);
	history_free(h[1]);
	history_clock_free(c);
}

/* The source was silent for 3 s: no sample then, a longer one after that, and what is
 * unaccounted. */
static void history_waits_for_a_silent_source(void **state)
{
	struct account *a;
	struct history_clock *c;
	struct history *h;
	json_t *o;

	(void)state;
	assert_int_equal(account_new(1, 0, NULL, NULL, &a), 0);
	assert_int_equal(history_clock_new(&c), 0);
	assert_int_equal(history_new(&cpu_history_shape, 1, c, &h), 0);
	add_sample(h, c, a, NS_PER_SEC, NOON);
	for (int i = 0; i < 3; i++)
		add_sample(h, c, a, NS_PER_SEC, NOON);
	a->cpus[0].busy.occupied += 2 * NS_PER_SEC;
	a->cpus[0].busy.unaccounted += NS_PER_SEC / 2;
	a->cpus[0].idle.occupied += 2 * NS_PER_SEC;
	a->cpus[0].idle.unaccounted += NS_PER_SEC / 4;
	add_sample(h, c, a, 5 * NS_PER_SEC, NOON + 4 * NS_PER_SEC);
	o = history_json(h);
	assert_int_equal(json_array_size(json_object_get(o, "time_s")), 1);
	assert_float_equal(figure(o, "seconds", 0), 4, 1e-9);
	assert_float_equal(figure(o, "busy_s", 0), 2, 1e-9);
	assert_float_equal(figure(o, "unaccounted_s", 0), 0.5, 1e-9);
	assert_float_equal(figure(o, "idle_unaccounted_s", 0), 0.25, 1e-9);
	json_decref(o);
	history_free(h);
	history_clock_free(c);
	account_free(a);
}

/* A line when it begins, one when it is over, none for a few milliseconds. */
static void what_is_unaccounted_is_logged(void **state)
{
	struct silence s = {.last = 0};
	char line[SILENCE_LINE_MAX] = "";
	struct account *a;

	(void)state;
	assert_int_equal(account_new(2, 0, NULL, NULL, &a), 0);
	a->cpus[0].busy.unaccounted = 7 * NS_PER_SEC; /* from before the log */
	assert_false(silence_note(&s, a, NOON, line));
	a->cpus[1].idle.unaccounted += NS_PER_MS;
	assert_false(silence_note(&s, a, NOON + NS_PER_SEC, line));
	a->cpus[0].busy.unaccounted += NS_PER_SEC;
	assert_true(silence_note(&s, a, NOON + 2 * NS_PER_SEC, line));
	assert_string_equal(line,
			    "the host or hypervisor said nothing of the time from 12:00:01 on: "
			    "it is unaccounted");
	a->cpus[1].idle.unaccounted += NS_PER_SEC / 2;
	assert_false(silence_note(&s, a, NOON + 3 * NS_PER_SEC, line));
	assert_true(silence_note(&s, a, NOON + 4 * NS_PER_SEC, line));
	assert_string_equal(line,
			    "1.50 s of CPU time are unaccounted between 12:00:01 and 12:00:03: "
			    "neither true nor away");
	assert_false(silence_note(&s, a, NOON + 5 * NS_PER_SEC, line));
	account_free(a);
}

/* Whoever replaces it by a FIFO doesn't stop a daemon that reads it again. */
static void a_configuration_is_a_file(void **state)
{
	struct settings s;
	struct failure f;
	char path[96];

	(void)state;
	snprintf(path, sizeof(path), "%s/fifo.conf", scratch_dir("test-metrics"));
	assert_int_equal(mkfifo(path, 0600), 0);
	settings_default(&vmdesched_settings, &s);
	alarm(20);
	assert_int_equal(settings_load(&vmdesched_settings, path, &f, &s), -EINVAL);
	alarm(0);
	assert_non_null(strstr(f.text, path));
	assert_int_equal(settings_load(&vmdesched_settings, scratch.dir, &f, &s), -EINVAL);
	assert_int_equal(settings_load(&vmdesched_settings, "/dev/null", &f, &s), 0);
	assert_int_equal(settings_load(&vmdesched_settings, "/nonexistent/conf", &f, &s), -ENOENT);
}

/* A host whose clock is a quarter of a second ahead of ours. */
static int read_ahead(void *of, struct hosttime_reading *ret)
{
	uint64_t *seconds = of;

	*ret = (struct hosttime_reading){.mono = ++*seconds * NS_PER_SEC,
					 .real = NOON + *seconds * NS_PER_SEC + 123456789,
					 .offset = NS_PER_SEC / 4,
					 .error = NS_PER_US};
	return 0;
}

static void close_nothing(void *of)
{
	(void)of;
}

static const struct hosttime_ops ahead = {"ahead", NULL, close_nothing, read_ahead};

/* refclock_sock.c of chrony, by bytes: the two of them share no header. */
static void check_sample(const char sample[40], int64_t second)
{
	int64_t s, us;
	double offset;
	int magic;

	memcpy(&s, sample, 8);
	memcpy(&us, sample + 8, 8);
	memcpy(&offset, sample + 16, 8);
	memcpy(&magic, sample + 36, 4);
	assert_int_equal(s, 1700049600 + second);
	assert_int_equal(us, 123456);
	assert_float_equal(offset, 0.25, 1e-9);
	assert_int_equal(magic, 0x534f434b); /* SOCK */
}

static void chronyd_is_fed(void **state)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	struct failure f = {.text = ""};
	struct timekeeper t;
	uint64_t seconds = 0;
	char sample[64], line[128];
	int fd = socket(AF_UNIX, SOCK_DGRAM, 0);

	(void)state;
	snprintf(address.sun_path, sizeof(address.sun_path), "/tmp/test-chrony.%d", getpid());
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(timekeeper_open(&t, "moon", address.sun_path, "/nonexistent", &f),
			 -EINVAL);
	assert_int_equal(timekeeper_open(&t, "feed", address.sun_path, "/nonexistent", &f), 0);
	hosttime_close(&t.host); /* where this machine has one */
	t.host = (struct hosttime){&ahead, &seconds};
	for (int i = 0; i < 5; i++)
		timekeeper_tick(&t, line);
	assert_int_equal(t.fed, 2);
	assert_int_equal(recv(fd, sample, sizeof(sample), MSG_DONTWAIT), 40);
	check_sample(sample, 4);
	assert_int_equal(recv(fd, sample, sizeof(sample), MSG_DONTWAIT), 40);
	check_sample(sample, 5);
	/* It ends: that is counted, and nothing is set instead. */
	close(fd);
	unlink(address.sun_path);
	timekeeper_tick(&t, line);
	timekeeper_tick(&t, line);
	assert_int_equal(t.failures, 1);
	assert_int_equal(t.slews + t.steps, 0);
	timekeeper_close(&t);
}

/* A second each; the machine sleeps for a minute, somebody sets the clock, chronyd slews it by as
 * much as it may, and we step it ourselves. */
static void what_befalls_the_clock_is_told(void **state)
{
	static const struct {
		uint64_t slept, real; /* s */
		double more;	      /* s, of `real` */
		int64_t own;	      /* s, a step of ours before it */
		const char *line;
	} rows[] = {
		{5, 1000, 0, 0, ""},
		{5, 1001, 0, 0, ""},
		{65, 1062, 0.004, 0, "suspended for 60.000 s"},
		{65, 1063, 0.104, 0, ""},
		{65, 4664, 0, 0, "clock: set forward by 3599.896 s, not by vmdesched"},
		{65, 1065, 0, 0, "clock: set back by 3600.000 s, not by vmdesched"},
		{65, 1076, 0, 10, ""},
		/* Both at once: both are counted. */
		{75, 987, 0, 0, "clock: set back by 100.000 s, not by vmdesched"},
	};
	struct timekeeper t = {.chrony = -1};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		uint64_t real = rows[i].real * NS_PER_SEC + (uint64_t)(rows[i].more * 1e9);
		char line[128] = "";

		t.ahead += rows[i].own * (int64_t)NS_PER_SEC;
		timekeeper_watch(&t, (100 + i) * NS_PER_SEC, rows[i].slept * NS_PER_SEC, real,
				 line);
		assert_string_equal(line, rows[i].line);
	}
	assert_int_equal(t.suspends, 2);
	assert_int_equal(t.suspend_ns, 70 * NS_PER_SEC);
	assert_int_equal(t.sets, 3);
}

static void systemd_is_told(void **state)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	char text[64] = "";
	struct notify n;
	int fd = socket(AF_UNIX, SOCK_DGRAM, 0);

	(void)state;
	snprintf(address.sun_path, sizeof(address.sun_path), "/tmp/test-notify.%d", getpid());
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	setenv("NOTIFY_SOCKET", address.sun_path, 1);
	notify_open(&n);
	assert_null(getenv("NOTIFY_SOCKET"));
	notify_send(&n, "READY=%d", 1);
	assert_int_equal(recv(fd, text, sizeof(text), MSG_DONTWAIT), 7);
	assert_string_equal(text, "READY=1");
	notify_close(&n);
	close(fd);
	unlink(address.sun_path);
	notify_open(&n); /* nobody listens: nothing happens */
	notify_send(&n, "READY=1");
}

/* In a child: returns 0, or the number of the check that failed. */
static int confined(void)
{
	struct failure f;
	struct confine keep;
	char text[4096], *caps;
	int fd;

	allowed_daemon(false, &keep);
	if (confine_daemon("", true, &keep, &f))
		return 1;
	if (file_read("/proc/self/status", text, sizeof(text)) < 0)
		return 2;
	caps = strstr(text, "CapPrm:");
	if (!caps || strncmp(caps + 8, "0000000000000000", 16) != 0)
		return 3;
	if (!strstr(text, "NoNewPrivs:\t1"))
		return 4;
#ifdef DESCHED_ASAN
	return 0; /* no filter there, see confine.c */
#endif
	if (!strstr(text, "Seccomp:\t2"))
		return 9;
	if (execl("/bin/true", "true", NULL) != -1 || errno != EPERM)
		return 5;
	if (socket(AF_INET, SOCK_STREAM, 0) != -1 || errno != EPERM)
		return 6;
	fd = socket(AF_UNIX, SOCK_STREAM, 0);
	if (fd < 0)
		return 7;
	return clock_settime(CLOCK_REALTIME, &(struct timespec){1, 0}) != -1 || errno != EPERM ? 8
											       : 0;
}

static void a_confined_process_can_do_little(void **state)
{
	pid_t pid = fork();
	int status;

	(void)state;
	if (pid == 0)
		_exit(confined());
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

static void who_is_not_there_is_named(void **state)
{
	struct failure f = {.text = ""};
	uid_t uid;
	gid_t gid;

	(void)state;
	assert_int_equal(confine_find_user("no-such-user", &f, &uid, &gid), -ENOENT);
	assert_non_null(strstr(f.text, "no-such-user"));
	assert_int_equal(confine_find_group("no-such-group", &f, &gid), -ENOENT);
	assert_non_null(strstr(f.text, "no-such-group"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_configuration_is_read),
		cmocka_unit_test(what_is_no_key_is_refused_with_its_line),
		cmocka_unit_test(a_sample_with_every_key_is_a_configuration),
		cmocka_unit_test(sighup_applies_some_keys),
		cmocka_unit_test(a_gap_is_a_sentence),
		cmocka_unit_test(names_are_read_and_forge_nothing),
		cmocka_unit_test(who_ran_is_said_as_far_as_it_is_known),
		cmocka_unit_test(too_many_gaps_are_counted),
		cmocka_unit_test(history_holds_the_last_ten_minutes),
		cmocka_unit_test(history_keeps_every_size),
		cmocka_unit_test(history_waits_for_a_silent_source),
		cmocka_unit_test(what_is_unaccounted_is_logged),
		cmocka_unit_test(a_configuration_is_a_file),
		cmocka_unit_test(a_status_names_its_source_and_how_sure_it_is),
		cmocka_unit_test(chronyd_is_fed),
		cmocka_unit_test(what_befalls_the_clock_is_told),
		cmocka_unit_test(systemd_is_told),
		cmocka_unit_test(a_confined_process_can_do_little),
		cmocka_unit_test(who_is_not_there_is_named),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
