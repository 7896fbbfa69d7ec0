/* SPDX-License-Identifier: MIT */
/*
 * src/vmdesched: what processes of a name had, the metrics' text and the file that has it. The rest of
 * the daemon is test_daemon.c's.
 */
#include "base/proc.h"
#include "base/units.h"
#include "scratch.h"
#include "service/gaplog.h"
#include "service/prometheus.h"
#include "vmdesched/metrics.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

/* One CPU whose processes had what `give` gave them. */
struct world {
	struct account *account;
	struct names *names;
	uint64_t given;
};

static void create(struct world *w, pid_t pid, const char *name)
{
	account_fork(w->account, pid, pid, 1, name);
}

static void give(struct world *w, pid_t pid, uint64_t ms)
{
	struct account_process *p;

	HASH_FIND_INT(w->account->processes, &pid, p);
	assert_non_null(p);
	p->own.occupied += ms * NS_PER_MS;
	p->own.away[LEDGER_READY] += ms * NS_PER_MS / 10;
	p->own.unaccounted += ms * NS_PER_MS / 20;
	w->account->cpus[0].busy.occupied += ms * NS_PER_MS;
	w->account->cpus[0].busy.away[LEDGER_READY] += ms * NS_PER_MS / 10;
	w->account->cpus[0].busy.unaccounted += ms * NS_PER_MS / 20;
	w->given += ms;
}

/* Gone, as the account has it once nothing is to be charged: its time is with others now. */
static void end(struct world *w, pid_t pid)
{
	struct account_process *p;

	HASH_FIND_INT(w->account->processes, &pid, p);
	p->n_live = 0;
}

static void begin_world(struct world *w, size_t places)
{
	*w = (struct world){0};
	assert_int_equal(account_new(1, 0, NULL, NULL, &w->account), 0);
	assert_int_equal(names_new(places, &w->names), 0);
}

static void end_world(struct world *w)
{
	names_free(w->names);
	account_free(w->account);
}

/* Milliseconds of a name, -1 where it has no place. They sum up to all that was given. */
static int64_t ms_of(struct world *w, const char *name)
{
	const struct names_entry *e;
	uint64_t sum = 0;
	int64_t found = -1;

	names_update(w->names, w->account);
	for (size_t i = 0; (e = names_get(w->names, i)); i++) {
		sum += e->occupied;
		assert_int_equal(e->away, e->occupied / 10);
		assert_int_equal(e->unaccounted, e->occupied / 20);
		if (!strcmp(e->name, name))
			found = (int64_t)(e->occupied / NS_PER_MS);
	}
	assert_int_equal(sum, w->given * NS_PER_MS);
	return found;
}

static void names_keep_what_their_processes_had(void **state)
{
	struct world w;

	(void)state;
	begin_world(&w, 2);
	create(&w, 5, "web");
	create(&w, 6, "idle");
	give(&w, 5, 1000);
	give(&w, 6, 999);
	assert_int_equal(ms_of(&w, "web"), 1000);
	assert_int_equal(ms_of(&w, "(other)"), 999);
	give(&w, 5, 300);
	create(&w, 7, "web");
	give(&w, 7, 50);
	assert_int_equal(ms_of(&w, "web"), 1350);
	assert_int_equal(ms_of(&w, "idle"), -1);
	end(&w, 7);
	assert_int_equal(ms_of(&w, "web"), 1350);
	/* Another name: what it had under the old one stays where it is. */
	account_rename(w.account, 6, "web");
	assert_int_equal(ms_of(&w, "web"), 1350);
	give(&w, 6, 10);
	assert_int_equal(ms_of(&w, "web"), 1360);
	account_rename(w.account, 5, "db");
	give(&w, 5, 100);
	assert_int_equal(ms_of(&w, "db"), 100);
	assert_int_equal(ms_of(&w, "web"), 1360);
	assert_int_equal(ms_of(&w, "(other)"), 999);
	end_world(&w);
}

/* A thousand processes, each with a name of its own: three series, one of them (other). */
static void names_are_bounded(void **state)
{
	const struct names_entry *e;
	struct world w;
	bool p5 = false, last = false;
	size_t n = 0;
	char name[16];

	(void)state;
	begin_world(&w, 2);
	create(&w, 4, "(other)");
	give(&w, 4, 5000);
	for (pid_t pid = 5; pid < 1005; pid++) {
		snprintf(name, sizeof(name), "p%d", pid);
		create(&w, pid, name);
		give(&w, pid, 2000);
		names_update(w.names, w.account);
		if (pid > 6)
			end(&w, pid - 1);
	}
	names_update(w.names, w.account);
	for (; (e = names_get(w.names, n)); n++) {
		p5 |= !strcmp(e->name, "p5") && e->occupied == 2 * NS_PER_SEC;
		last |= !strcmp(e->name, "p1004");
	}
	assert_int_equal(n, 3);
	assert_true(p5); /* it is alive, and has its place still */
	assert_true(last);
	end_world(&w);
}

static int put(FILE *to, void *data)
{
	return metrics_put(to, data);
}

static char *text_of(struct world *w, uint64_t cgroups)
{
	struct snapshot_cgroup groups[] = {
		{.path = "/", .n_tasks = 1, .own = {.truth = NS_PER_SEC}},
		{.path = "/a\"b\\c\nd\xff",
		 .n_tasks = 2,
		 .own = {.truth = 2 * NS_PER_SEC, .descheduled = NS_PER_SEC}},
		{.path = "/gone", .own = {.truth = 9 * NS_PER_SEC}},
	};
	struct snapshot_cpu cpu = {.busy = 4 * NS_PER_SEC, .descheduled = NS_PER_SEC};
	const struct gaplog gaps = {.total = 3};
	const struct timekeeper clock = {.pauses = 2};
	const struct snapshot s = {.source = "steal",
				   .steal_clock = "x",
				   .elapsed = 10 * NS_PER_SEC,
				   .lag = NS_PER_SEC / 2,
				   .busy = {.unaccounted = NS_PER_SEC / 4},
				   .idle = {.unaccounted = NS_PER_SEC},
				   .counters = {.late = NS_PER_SEC / 8},
				   .n_cpus = 1,
				   .cpus = &cpu,
				   .cgroups = groups,
				   .n_cgroups = 3};
	struct metrics_input in = {.snapshot = &s,
				   .gaps = &gaps,
				   .clock = &clock,
				   .names = w->names,
				   .cgroups = cgroups};
	char *text;

	assert_int_equal(prometheus_text(put, &in, &text), 0);
	return text;
}

static void metrics_are_escaped_and_bounded(void **state)
{
	struct world w;
	char *text;

	(void)state;
	begin_world(&w, 1);
	create(&w, 5, "x\ty\"z");
	create(&w, 6, "small");
	give(&w, 5, 1500);
	give(&w, 6, 250);
	ms_of(&w, "");
	text = text_of(&w, 1);
	assert_non_null(strstr(text, "\ndesched_gaps_total 3\n"));
	assert_non_null(strstr(text, "\ndesched_cpu_descheduled_seconds_total{cpu=\"0\"} 1\n"));
	assert_non_null(strstr(text, "\ndesched_process_occupied_seconds_total{name=\"(other)\"} "
				     "0.25\n"));
	assert_non_null(strstr(text, "\ndesched_process_occupied_seconds_total{"
				     "name=\"x\\\\x09y\\\"z\"} 1.5\n"));
	assert_non_null(strstr(text, "\ndesched_process_unaccounted_seconds_total{"
				     "name=\"x\\\\x09y\\\"z\"} 0.075\n"));
	assert_non_null(strstr(text, "\ndesched_cgroup_vmdesched_seconds_total{"
				     "cgroup=\"/a\\\"b\\\\x5cc\\\\x0ad\\\\xff\"} 1\n"));
	assert_null(strstr(text, "cgroup=\"/\""));
	assert_null(strstr(text, "gone"));
	assert_null(strstr(text, "pid=")); /* no series for each process */
	assert_non_null(strstr(text, "\ndesched_unaccounted_seconds_total 1.25\n"));
	assert_non_null(strstr(text, "\ndesched_late_seconds_total 0.125\n"));
	assert_non_null(strstr(text, "\ndesched_source_lag_seconds 0.5\n"));
	free(text);
	end_world(&w);
}

/* Every sample has a HELP and a TYPE before it, and no line twice. */
static void metrics_are_in_the_format(void **state)
{
	char *text, *rest, *line, announced[128] = "";
	struct world w;

	(void)state;
	begin_world(&w, 3);
	rest = text = text_of(&w, 3);
	end_world(&w);
	while ((line = strsep(&rest, "\n")) && *line) {
		size_t n = strcspn(line, "{ ");

		if (!strncmp(line, "# TYPE ", 7)) {
			n = strcspn(line + 7, " ");
			snprintf(announced, sizeof(announced), "%.*s", (int)n, line + 7);
			assert_true(strstr(line, " counter") || strstr(line, " gauge"));
		} else if (line[0] != '#') {
			assert_int_equal(strlen(announced), n);
			assert_memory_equal(announced, line, n);
			assert_true(strstr(line, "_total") == NULL ||
				    strtod(strrchr(line, ' '), NULL) >= 0);
		}
	}
	free(text);
}

static void a_textfile_is_whole_or_not_there(void **state)
{
	char path[96], new[104], text[64];
	struct stat st;

	(void)state;
	snprintf(path, sizeof(path), "%s/d.prom", scratch_dir("test-metrics"));
	snprintf(new, sizeof(new), "%s.new", path);
	assert_int_equal(prometheus_write_file(path, "one\n"), 0);
	assert_int_equal(prometheus_write_file(path, "two\n"), 0);
	assert_int_equal(file_read(path, text, sizeof(text)), 4);
	assert_string_equal(text, "two\n");
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0644);
	/* Whatever waits at names near it is neither opened nor followed. */
	assert_int_equal(symlink("/etc/passwd", new), 0);
	assert_int_equal(prometheus_write_file(path, "three\n"), 0);
	assert_int_equal(file_read(path, text, sizeof(text)), 6);
	assert_int_equal(lstat(new, &st), 0);
	assert_true(S_ISLNK(st.st_mode));
	unlink(path);
	assert_int_equal(mkfifo(path, 0666), 0);
	assert_int_equal(prometheus_write_file(path, "four\n"), 0);
	assert_int_equal(file_read(path, text, sizeof(text)), 5);
	assert_int_equal(prometheus_write_file("/nonexistent/d.prom", "x"), -ENOENT);
	unlink(new);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_keep_what_their_processes_had),
		cmocka_unit_test(names_are_bounded),
		cmocka_unit_test(metrics_are_escaped_and_bounded),
		cmocka_unit_test(metrics_are_in_the_format),
		cmocka_unit_test(a_textfile_is_whole_or_not_there),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
