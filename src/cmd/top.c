/* SPDX-License-Identifier: MIT */
/*
 * desched top -b: processes with reported, true and descheduled %CPU, `vmdesched` among them, for
 * each interval between two snapshots. Percent of one CPU, as top(1) has it.
 */
#include "base/clock.h"
#include "base/options.h"
#include "base/units.h"
#include "cmd/commands.h"
#include "guest/agent.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static struct {
	bool batch, json, all;
	uint64_t iterations, delay;
	const char *source, *page;
} options = {.delay = 3 * NS_PER_SEC, .source = "auto"};

static const struct option_row rows[] = {
	{'b', "batch", NULL, OPTION_FLAG, &options.batch, 0, 0, "print tables one after the other"},
	{'n', "iterations", "N", OPTION_UINT, &options.iterations, 1, 0,
	 "end after N tables (without end)"},
	{'d', "delay", "S", OPTION_SECONDS, &options.delay, 50 * NS_PER_MS, 86400 * NS_PER_SEC,
	 "seconds between tables (3)"},
	{'s', "source", "S", OPTION_STRING, &options.source, 0, 0,
	 "auto, steal, page or self (auto: the best that works here)"},
	{0, "page", "FILE", OPTION_STRING, &options.page, 0, 0,
	 "map this file as the ledger page (the ivshmem device)"},
	{'a', "all", NULL, OPTION_FLAG, &options.all, 0, 0, "show processes that used no CPU, too"},
	{0, "json", NULL, OPTION_FLAG, &options.json, 0, 0,
	 "print JSON, one line per table (schema desched-top/1)"},
};

const struct command command_top = {
	.name = "top",
	.operands = "",
	.summary = "Processes of this virtual machine: reported, true and descheduled CPU.",
	.examples = "  desched top -b -n 2 -d 1\n"
		    "  desched top -b -n 1 -d 5 --json\n",
	.rows = rows,
	.n_rows = ARRAY_SIZE(rows),
};

static volatile sig_atomic_t stop;

static void on_signal(int signal)
{
	(void)signal;
	stop = 1;
}

/* One process between two snapshots. */
struct line {
	pid_t pid;
	const char *name;
	struct amounts amounts;
};

struct table {
	const struct snapshot *from, *to;
	uint64_t elapsed;
	struct line *lines;
	size_t n;
	struct amounts busy, idle;
	struct amounts exited; /* processes that were gone by the second snapshot */
};

static void amounts_minus(struct amounts *a, const struct amounts *b)
{
	a->occupied = u64_sub_floor(a->occupied, b->occupied);
	for (int s = 0; s < LEDGER_STATES; s++)
		a->away[s] = u64_sub_floor(a->away[s], b->away[s]);
}

static const struct snapshot_process *find(const struct snapshot *s,
					   const struct snapshot_process *p)
{
	for (size_t i = 0; i < s->n_processes; i++)
		if (s->processes[i].id == p->id && s->processes[i].pid == p->pid)
			return &s->processes[i];
	return NULL;
}

static int by_occupied(const void *a, const void *b)
{
	uint64_t x = ((const struct line *)a)->amounts.occupied;
	uint64_t y = ((const struct line *)b)->amounts.occupied;

	return x < y   ? 1
	       : x > y ? -1
		       : ((const struct line *)a)->pid - ((const struct line *)b)->pid;
}

static int table_make(const struct snapshot *from, const struct snapshot *to, struct table *ret)
{
	struct table t = {.from = from, .to = to, .elapsed = to->elapsed - from->elapsed};

	t.lines = calloc(to->n_processes + 1, sizeof(*t.lines));
	if (!t.lines)
		return -ENOMEM;
	t.busy = to->busy;
	amounts_minus(&t.busy, &from->busy);
	t.idle = to->idle;
	amounts_minus(&t.idle, &from->idle);
	t.exited = t.busy;
	for (size_t i = 0; i < to->n_processes; i++) {
		const struct snapshot_process *old = find(from, &to->processes[i]);
		struct line l = {to->processes[i].pid, to->processes[i].comm, to->processes[i].own};

		if (old)
			amounts_minus(&l.amounts, &old->own);
		amounts_minus(&t.exited, &l.amounts);
		if (l.amounts.occupied || options.all)
			t.lines[t.n++] = l;
	}
	qsort(t.lines, t.n, sizeof(*t.lines), by_occupied);
	*ret = t;
	return 0;
}

static double percent(uint64_t ns, const struct table *t)
{
	return t->elapsed ? 100.0 * (double)ns / (double)t->elapsed : 0;
}

/* A process may call itself anything: control bytes would take over the terminal. */
static void print_name(const char *name)
{
	for (; *name; name++)
		putchar((unsigned char)*name < ' ' || *name == 127 ? '?' : *name);
}

static void print_row(const struct table *t, pid_t pid, const struct amounts *a, const char *name)
{
	if (pid > 0)
		printf("%8d ", pid);
	else
		printf("%8s ", "-");
	printf("%9.1f %9.1f %9.1f   ", percent(snapshot_reported(t->to, a), t),
	       percent(amounts_true(a), t), percent(amounts_away(a), t));
	print_name(name);
	putchar('\n');
}

static void print_head(const struct table *t)
{
	const struct source_report *r = &t->to->report;
	uint64_t idle_away = amounts_away(&t->idle);

	printf("desched top - source %s, %u CPU%s, %.1f s\n", t->to->source, t->to->n_cpus,
	       t->to->n_cpus == 1 ? "" : "s", ns_to_s(t->elapsed));
	printf("busy %.1f %%: true %.1f %%, vmdesched %.1f %%; while idle %.1f %% descheduled\n",
	       percent(t->busy.occupied, t), percent(amounts_true(&t->busy), t),
	       percent(amounts_away(&t->busy), t), percent(idle_away, t));
	if (t->to->kernel_subtracts)
		printf("this kernel subtracts steal itself: what it reports is true already\n");
	if (r->estimated)
		printf("estimated: vmdesched between %.1f and %.1f %% since the start\n",
		       100 * ns_to_s(r->low_ns) / ns_to_s(t->to->elapsed),
		       100 * ns_to_s(r->high_ns) / ns_to_s(t->to->elapsed));
	if (!t->to->complete || r->stale)
		printf("warning: the source has %s\n",
		       r->stale ? "stopped telling (stale)" : "not told everything yet");
	if (t->to->switches.lost_switches)
		printf("warning: %llu switches were lost, %.3f s have no owner\n",
		       (unsigned long long)t->to->switches.lost_switches,
		       ns_to_s(t->to->counters.lost_ns));
}

/* The row that holds what nobody had: reported and descheduled as one, so that the columns add up
 * to what the kernel reports. */
static void print_table(const struct table *t)
{
	print_head(t);
	printf("\n%8s %9s %9s %9s   %s\n", "PID", "%REPORTED", "%TRUE", "%DESCHED", "COMMAND");
	printf("%8s %9s %9.1f %9s   vmdesched\n", "-", "-", percent(amounts_away(&t->busy), t),
	       "-");
	for (size_t i = 0; i < t->n; i++)
		print_row(t, t->lines[i].pid, &t->lines[i].amounts, t->lines[i].name);
	if (t->exited.occupied)
		print_row(t, 0, &t->exited, "(exited)");
	putchar('\n');
	fflush(stdout);
}

static json_t *row_json(const struct table *t, pid_t pid, const struct amounts *a, const char *name)
{
	json_t *o = json_object();
	json_t *text = json_string(name);

	json_object_set_new(o, "pid", pid > 0 ? json_integer(pid) : json_null());
	json_object_set_new(o, "name", text ? text : json_string("?"));
	json_object_set_new(o, "reported",
			    json_real(percent(snapshot_reported(t->to, a), t) / 100));
	json_object_set_new(o, "true", json_real(percent(amounts_true(a), t) / 100));
	json_object_set_new(o, "descheduled", json_real(percent(amounts_away(a), t) / 100));
	return o;
}

static void print_json(const struct table *t)
{
	json_t *o = json_object(), *list = json_array();

	json_object_set_new(o, "schema", json_string("desched-top/1"));
	json_object_set_new(o, "source", json_string(t->to->source));
	json_object_set_new(o, "kernel_subtracts", json_boolean(t->to->kernel_subtracts));
	json_object_set_new(o, "complete", json_boolean(t->to->complete && !t->to->report.stale));
	json_object_set_new(o, "seconds", json_real(ns_to_s(t->elapsed)));
	json_object_set_new(o, "cpus", json_integer(t->to->n_cpus));
	json_object_set_new(o, "busy", json_real(percent(t->busy.occupied, t) / 100));
	json_object_set_new(o, "vmdesched", json_real(percent(amounts_away(&t->busy), t) / 100));
	json_object_set_new(o, "idle_descheduled",
			    json_real(percent(amounts_away(&t->idle), t) / 100));
	for (size_t i = 0; i < t->n; i++)
		json_array_append_new(
			list, row_json(t, t->lines[i].pid, &t->lines[i].amounts, t->lines[i].name));
	if (t->exited.occupied)
		json_array_append_new(list, row_json(t, 0, &t->exited, "(exited)"));
	json_object_set_new(o, "processes", list);
	json_dumpf(o, stdout, JSON_COMPACT | JSON_REAL_PRECISION(9));
	putchar('\n');
	fflush(stdout);
	json_decref(o);
}

/* Lets the agent work until `until`; a signal ends it early. */
static void wait_until(struct agent *agent, uint64_t until)
{
	while (!stop && clock_mono() < until) {
		struct pollfd fd = {.fd = agent_fd(agent), .events = POLLIN};
		uint64_t left = u64_min(u64_sub_floor(until, clock_mono()), AGENT_POLL_NS);

		poll(&fd, 1, (int)(left / NS_PER_MS));
		agent_poll(agent);
	}
}

static int run(struct agent *agent)
{
	struct snapshot old, new;
	uint64_t next = clock_mono();
	int err = agent_snapshot(agent, &old);

	for (uint64_t i = 0; !err && !stop && (!options.iterations || i < options.iterations);
	     i++) {
		struct table table;

		next += options.delay;
		wait_until(agent, next);
		err = agent_snapshot(agent, &new);
		if (err)
			break;
		err = table_make(&old, &new, &table);
		if (!err) {
			(options.json ? print_json : print_table)(&table);
			free(table.lines);
		}
		snapshot_done(&old);
		old = new;
	}
	if (old.processes)
		snapshot_done(&old);
	return err;
}

int cmd_top(int argc, char **argv)
{
	struct agent_config config;
	struct agent *agent;
	struct failure f;
	bool help;
	int err = options_parse(&command_top, argc, argv, &f, &help);

	if (help) {
		options_help(&command_top, "desched");
		return 0;
	}
	if (err >= 0 && !options.batch)
		err = failure_set(&f, -EINVAL, "the screen is not there yet; use -b");
	config = (struct agent_config){options.source, {.page_path = options.page}};
	if (err >= 0)
		err = agent_open(&config, &f, &agent);
	if (err < 0) {
		fprintf(stderr, "desched top: %s\n", f.text);
		return 1;
	}
	sigaction(SIGINT, &(struct sigaction){.sa_handler = on_signal}, NULL);
	sigaction(SIGTERM, &(struct sigaction){.sa_handler = on_signal}, NULL);
	err = run(agent);
	agent_close(agent);
	if (err)
		fprintf(stderr, "desched top: %s\n", strerror(-err));
	return err ? 1 : 0;
}
