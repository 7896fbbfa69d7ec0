/* SPDX-License-Identifier: MIT */
/*
 * desched top: processes with reported, true and descheduled %CPU, `vmdesched` among them, for each
 * interval between two snapshots: on a screen (src/screen/), or with -b as tables and JSON; of this
 * machine, or of a recording. Percent of one CPU, as top(1) has it.
 */
#include "base/clock.h"
#include "base/json_out.h"
#include "base/quantity.h"
#include "base/text.h"
#include "base/units.h"
#include "cmd/commands.h"
#include "guest/source.h"
#include "screen/layout_parts.h"
#include "screen/model.h"
#include "screen/saved.h"
#include "screen/screen.h"
#include "wire/protocol.h"
#include "wire/wire.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static struct {
	bool batch, json, all;
	uint64_t count, delay;
	struct option_choice source, sort;
	const char *page, *socket, *replay, *pids, *user;
	struct saved saved; /* the view, from settings and command line */
	char settings[SAVED_PATH_SIZE];
} options = {.source = {"auto", source_name}, .sort = {NULL, model_sort_name}};

static const struct option_row rows[] = {
	{'b', "batch", NULL, OPTION_FLAG, &options.batch, 0, 0,
	 "print tables one after the other, no screen"},
	{'n', "count", "N", OPTION_UINT, &options.count, 1, 0,
	 "end after N tables or frames (without end)"},
	{'d', "delay", "S", OPTION_SECONDS, &options.delay, 50 * NS_PER_MS, 86400 * NS_PER_SEC,
	 "seconds between tables or frames (3), of a recording that plays (0.5); of its tables (as "
	 "it is)"},
	{'s', "source", "S", OPTION_CHOICE, &options.source, 0, 0,
	 "auto is vmdesched's, or the best that works here"},
	{0, "page", "FILE", OPTION_STRING, &options.page, 0, 0,
	 "source page, with this file as the ledger page (the ivshmem device)"},
	{0, "socket", "PATH", OPTION_STRING, &options.socket, 0, 0,
	 "ask the vmdesched that answers here (" PROTOCOL_SOCKET ")"},
	{0, "replay", "FILE", OPTION_STRING, &options.replay, 0, 0,
	 "show a recording that 'desched record' has made"},
	{'p', "pids", "PIDS", OPTION_STRING, &options.pids, 0, 0,
	 "only these processes, by numbers with commas between them"},
	{'u', "user", "USER", OPTION_STRING, &options.user, 0, 0, "only this user's processes"},
	{'o', "sort", "ORDER", OPTION_CHOICE, &options.sort, 0, 0,
	 "reported, or as key W kept it, if not given"},
	{'a', "all", NULL, OPTION_FLAG, &options.all, 0, 0,
	 "in tables, show processes that used no CPU, too"},
	{0, "json", NULL, OPTION_FLAG, &options.json, 0, 0,
	 "print JSON, one line per table (schema desched-top/2)"},
};

static int run(char **operands, int n, struct failure *f);

const struct command command_top = {
	.name = "top",
	.operands = "",
	.summary = "Processes of this virtual machine: reported, true and descheduled CPU.",
	.examples = "  desched top\n"
		    "  desched top --replay monday.rec\n"
		    "  desched top -b -n 1 -d 5 --json\n"
		    "  desched top --replay monday.rec -b -d 60\n",
	.rows = rows,
	.n_rows = ARRAY_SIZE(rows),
	.run = run,
};

/* A column that is there only where something is unaccounted. */
static void print_unknown(const struct model *m, const struct model_row *row)
{
	if (!layout_has_unknown(m))
		return;
	if (row->kind == ROW_VMDESCHED)
		printf("%9s   ", "-");
	else
		printf("%9.1f   ", model_percent(m, row->own.unaccounted));
}

static void print_row(const struct model *m, const struct model_row *row)
{
	if (row->pid)
		printf("%8d ", row->pid);
	else
		printf("%8s ", "-");
	if (row->kind == ROW_VMDESCHED)
		printf("%9s %9.1f %9s   ", "-", model_percent(m, row->own.truth), "-");
	else
		printf("%9.1f ", model_percent(m, snapshot_reported(m->frame, &row->own)));
	if (row->kind != ROW_VMDESCHED && m->frame->split)
		printf("%9.1f %9.1f   ", model_percent(m, row->own.truth),
		       model_percent(m, figures_away(&row->own)));
	else if (row->kind != ROW_VMDESCHED)
		printf("%9s %9s   ", "?", "?");
	print_unknown(m, row);
	text_put(row->name, stdout);
	putchar('\n');
}

/* " until 2026-11-20 12:00:06", local time; "" where nobody knows. */
static const char *until(const struct snapshot *f, char text[48])
{
	time_t time = (time_t)(f->time / NS_PER_SEC);
	struct tm tm;

	if (!f->time || !localtime_r(&time, &tm) ||
	    !strftime(text, 48, " until %Y-%m-%d %H:%M:%S", &tm))
		text[0] = '\0';
	return text;
}

static void print_head(const struct model *m)
{
	const struct snapshot *f = m->frame;
	char text[48] = "";

	printf("desched top - source %s, %zu CPU%s, %.1f s%s\n", f->source, m->n_cpus,
	       m->n_cpus == 1 ? "" : "s", ns_to_s(m->elapsed),
	       options.replay ? until(f, text) : "");
	printf("busy %.1f %%: true %.1f %%, vmdesched %.1f %%; while idle %.1f %% descheduled\n",
	       model_percent(m, figures_occupied(&m->busy)), model_percent(m, m->busy.truth),
	       model_percent(m, figures_away(&m->busy)), model_percent(m, figures_away(&m->idle)));
	if (layout_has_unknown(m))
		printf("unaccounted %.1f %%, while idle %.1f %%: nobody knows what that was\n",
		       model_percent(m, m->busy.unaccounted),
		       model_percent(m, m->idle.unaccounted));
	if (m->other)
		printf("another session of the agent or its host began in between\n");
	if (f->kernel_subtracts)
		printf("this kernel subtracts steal itself: what it reports is true already\n");
	if (f->estimated && f->elapsed)
		printf("estimated: vmdesched between %.1f and %.1f %% since the start\n",
		       100 * ns_to_s(f->low) / ns_to_s(f->elapsed),
		       100 * ns_to_s(f->high) / ns_to_s(f->elapsed));
	if (!f->complete || f->stale)
		printf("warning: the source has %s: the figures end %.1f s ago\n",
		       f->stale ? "stopped telling (stale)" : "not told everything yet",
		       ns_to_s(f->lag));
	if (f->clock.error)
		printf("clock +-%" PRIu64 " us\n", f->clock.error / NS_PER_US);
	if (f->clock.stale)
		printf("warning: stale clock, away time waits and is unaccounted after 10 s\n");
	if (f->counters.lost_switches)
		printf("warning: %" PRIu64 " switches were lost, %.3f s have no owner\n",
		       f->counters.lost_switches, ns_to_s(f->counters.lost_run));
}

/* The row that holds what nobody had: reported and descheduled as one, so that the columns add up
 * to what the kernel reports. */
static void print_table(const struct model *m)
{
	print_head(m);
	printf("\n%8s %9s %9s %9s   ", "PID", "%REPORTED", "%TRUE", "%DESCHED");
	if (layout_has_unknown(m))
		printf("%9s   ", "%UNKNOWN");
	puts("COMMAND");
	for (size_t i = 0; i < m->n_rows; i++)
		print_row(m, &m->rows[i]);
	putchar('\n');
}

static json_t *fraction(const struct model *m, uint64_t ns)
{
	return json_real(model_percent(m, ns) / 100);
}

static json_t *row_json(const struct model *m, const struct model_row *row)
{
	bool split = m->frame->split;
	json_t *o = json_object();

	json_object_set_new(o, "pid", row->pid ? json_integer(row->pid) : json_null());
	json_object_set_new(o, "name", json_out_name(row->name));
	json_object_set_new(o, "reported", fraction(m, snapshot_reported(m->frame, &row->own)));
	json_object_set_new(o, "true", split ? fraction(m, row->own.truth) : json_null());
	json_object_set_new(o, "descheduled",
			    split ? fraction(m, figures_away(&row->own)) : json_null());
	json_object_set_new(o, "unaccounted",
			    split ? fraction(m, row->own.unaccounted) : json_null());
	return o;
}

static int print_json(const struct model *m, struct failure *f)
{
	json_t *o = json_object(), *list = json_array();

	json_object_set_new(o, "schema", json_string("desched-top/2"));
	json_object_set_new(o, "source", json_out_name(m->frame->source));
	json_object_set_new(o, "kernel_subtracts", json_boolean(m->frame->kernel_subtracts));
	json_object_set_new(o, "complete", json_boolean(m->frame->complete && !m->frame->stale));
	json_object_set_new(o, "time_s", json_real(ns_to_s(m->frame->time)));
	json_object_set_new(o, "seconds", json_real(ns_to_s(m->elapsed)));
	json_object_set_new(o, "cpus", json_integer((json_int_t)m->n_cpus));
	json_object_set_new(o, "busy", fraction(m, figures_occupied(&m->busy)));
	json_object_set_new(o, "vmdesched", fraction(m, figures_away(&m->busy)));
	json_object_set_new(o, "unaccounted", fraction(m, m->busy.unaccounted));
	json_object_set_new(o, "idle_descheduled", fraction(m, figures_away(&m->idle)));
	json_object_set_new(o, "idle_unaccounted", fraction(m, m->idle.unaccounted));
	json_object_set_new(o, "lag_s", json_real(ns_to_s(m->frame->lag)));
	json_object_set_new(o, "session", wire_id_json(m->frame->session));
	json_object_set_new(o, "other_session", json_boolean(m->other));
	for (size_t i = 1; i < m->n_rows; i++) /* behind vmdesched */
		json_array_append_new(list, row_json(m, &m->rows[i]));
	json_object_set_new(o, "processes", list);
	return json_out_print(o, JSON_COMPACT | JSON_REAL_PRECISION(15), stdout, "standard output",
			      f);
}

static int print(const struct snapshot *old, const struct snapshot *new, struct failure *f)
{
	struct model_view view = options.saved.view;
	struct model m;
	int err = model_make(old, new, &view, &m);

	if (err == -ESTALE) {
		fprintf(stderr, "desched top: another session of the agent or its host: there is "
				"no table of the interval in which it began\n");
		return 0;
	}
	if (err)
		return failure_errno(f, err, "a table");
	if (options.json)
		err = print_json(&m, f);
	else
		print_table(&m);
	model_done(&m);
	return err ? err : command_flush(f);
}

/* Says why there is no table, once until there is one again. */
static void say_waiting(bool *waiting, const char *why)
{
	if (!*waiting)
		fprintf(stderr, "desched top: waiting: %s\n", why);
	*waiting = true;
}

/* A frame that says more than `old`; waits as long as there is none, since the agent is away or its
 * source is silent. */
static int take_next(struct feed *feed, uint64_t next, uint64_t delay, const struct snapshot *old,
		     struct failure *f, struct snapshot *ret)
{
	bool waiting = false;
	int err;

	for (;; next = clock_mono() + u64_min(delay, NS_PER_SEC)) {
		feed_wait(feed, next, -1, &command_stop);
		if (command_stop)
			return -EINTR;
		err = feed_take(feed, f, ret);
		if (err == -ENOMEM || err == -EBADMSG)
			return err;
		if (err) {
			say_waiting(&waiting, f->text);
			continue;
		}
		if (!old || !snapshot_goes_on(old->session, old->elapsed, ret) ||
		    ret->elapsed > old->elapsed)
			return 0;
		say_waiting(&waiting, "the source has told nothing new");
		snapshot_done(ret);
	}
}

static int run_batch(struct feed *feed, uint64_t delay, struct failure *f)
{
	struct snapshot old = {0}, new;
	uint64_t next = clock_mono();
	int err = take_next(feed, next, delay, NULL, f, &old);

	for (uint64_t i = 0; !err && (!options.count || i < options.count); i++) {
		next = u64_max(next, u64_sub_floor(clock_mono(), delay)) + delay;
		err = take_next(feed, next, delay, &old, f, &new);
		if (err)
			break;
		err = print(&old, &new, f);
		snapshot_done(&old);
		old = new;
	}
	snapshot_done(&old);
	return err == -EINTR && command_stop ? 0 : err;
}

static int run_live(struct failure *f)
{
	uint64_t saved = options.saved.delay ? options.saved.delay : 3 * NS_PER_SEC;
	uint64_t delay = options.delay ? options.delay : saved;
	struct asked config = {options.source.value, options.page, options.socket};
	struct screen_config screen = {delay, options.count, .stop = &command_stop};
	struct feed feed;
	int err = feed_open(&config, f, &feed);

	if (err)
		return err;
	if (options.batch && feed.ops == &feed_proc)
		fprintf(stderr, "desched top: true time of processes cannot be shown: %s\n",
			feed.why);
	if (options.batch && feed.missing)
		fprintf(stderr, "desched top: %s\n", feed.missing);
	screen.feed = &feed;
	screen.view = options.saved.view;
	screen.settings = options.settings;
	err = options.batch ? run_batch(&feed, delay, f) : screen_run(&screen, f);
	feed_close(&feed);
	return err;
}

/* Every table is of at least `options.delay`, but for the last. */
static bool is_due(struct recording *r, size_t at, const struct snapshot *old)
{
	uint64_t time = recording_mark(r, at)->time;

	return at + 1 == recording_frames(r) || time < old->time ||
	       time - old->time >= options.delay;
}

static int no_interval(const struct recording *r, struct failure *f)
{
	const char *damage = recording_damage(r);

	return failure_set(f, -ENODATA,
			   "%s: %s%s%zu frame%s: a table is of what happened between two",
			   options.replay, damage ? damage : "", damage ? "; " : "",
			   recording_frames(r), recording_frames(r) == 1 ? "" : "s");
}

static int replay_batch(struct recording *r, struct failure *f)
{
	struct snapshot old = {0}, new;
	uint64_t tables = 0;
	int err = recording_frames(r) ? recording_snapshot(r, 0, f, &old) : 0;

	for (size_t at = 1; !err && !command_stop && at < recording_frames(r); at++) {
		if (!is_due(r, at, &old))
			continue;
		err = recording_snapshot(r, at, f, &new);
		if (err)
			break;
		err = print(&old, &new, f);
		snapshot_done(&old);
		old = new;
		if (++tables == options.count)
			break;
	}
	snapshot_done(&old);
	if (!err && recording_frames(r) < 2)
		return no_interval(r, f);
	if (!err && recording_damage(r))
		fprintf(stderr, "desched top: %s: %s\n", options.replay, recording_damage(r));
	return err;
}

static int replay_screen(struct recording *r, struct failure *f)
{
	uint64_t delay = options.delay ? options.delay : NS_PER_SEC / 2;
	struct screen_config screen = {delay, options.count, .recording = r, .stop = &command_stop};
	const char *slash = strrchr(options.replay, '/');

	screen.view = options.saved.view;
	screen.settings = options.settings;
	screen.name = slash ? slash + 1 : options.replay;
	return screen_run(&screen, f);
}

static int run_replay(struct failure *f)
{
	struct recording *r;
	int err = recording_open(options.replay, f, &r);

	if (err)
		return err;
	err = options.batch ? replay_batch(r, f) : replay_screen(r, f);
	recording_close(r);
	return err;
}

static int parse_pids(struct model_view *view, struct failure *f)
{
	for (const char *at = options.pids; at;) {
		size_t length = strcspn(at, ",");
		uint64_t pid = 0;
		char number[16];

		snprintf(number, sizeof(number), "%.*s", (int)length, at);
		if (quantity_count(number, &pid) || !pid || pid > INT_MAX)
			return failure_set(f, -EINVAL, "--pids: '%s' is no process id", number);
		if (view->n_pids == MODEL_PIDS_MAX)
			return failure_set(f, -EINVAL, "--pids takes %d at most", MODEL_PIDS_MAX);
		view->pids[view->n_pids++] = (pid_t)pid;
		at = at[length] ? at + length + 1 : NULL;
	}
	return 0;
}

/* A recording may be of another machine, whose users are not known here. */
static int check_user(const char *user, struct failure *f)
{
	uint64_t uid;

	if (options.replay || getpwnam(user) || !quantity_count(user, &uid))
		return 0;
	return failure_set(f, -EINVAL, "no user '%s' here", user);
}

/* What was kept, for the screen; then what the command line says. Tables are not touched by what a
 * screen was left like. */
static int choose_view(struct failure *f)
{
	struct model_view *view = &options.saved.view;
	int err = 0;

	saved_path(options.settings);
	if (options.batch)
		view->busy_only = !options.all;
	else
		err = saved_load(options.settings, f, &options.saved);
	if (!err && options.sort.value)
		err = saved_sort(options.sort.value, f, &view->sort);
	if (!err && options.user)
		err = check_user(options.user, f);
	if (!err && options.user)
		snprintf(view->user, sizeof(view->user), "%s", options.user);
	return err ? err : parse_pids(view, f);
}

static int run(char **operands, int n, struct failure *f)
{
	(void)operands;
	(void)n;
	options.batch |= options.json;
	if (choose_view(f))
		return COMMAND_USAGE;
	command_catch_signals();
	return options.replay ? run_replay(f) : run_live(f);
}
