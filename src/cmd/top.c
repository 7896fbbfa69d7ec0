/* SPDX-License-Identifier: MIT */
/*
 * desched top: processes with reported, true and descheduled %CPU, `vmdesched` among them, or with
 * --host the VMs of this host and their vCPUs, for each interval between two frames: on a screen
 * (src/screen/), or with -b as tables and JSON; of this machine, or of a recording. Percent of one
 * CPU, as top(1) has it.
 */
#include "base/clock.h"
#include "base/quantity.h"
#include "base/text.h"
#include "base/units.h"
#include "cmd/commands.h"
#include "guest/source.h"
#include "host/host_ledger.h"
#include "screen/esxtop.h"
#include "screen/here.h"
#include "screen/recorded.h"
#include "screen/saved.h"
#include "screen/screen.h"
#include "screen/table.h"
#include "wire/protocol.h"

#include <errno.h>
#include <limits.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* As esxtop has them. */
#define ESXTOP_DELAY_NS	    (5 * NS_PER_SEC)
#define ESXTOP_DELAY_MIN_NS (2 * NS_PER_SEC)

static struct {
	bool batch, json, all, host, guest, esxtop;
	uint64_t count, delay;
	struct option_choice source, sort;
	const char *page, *socket, *replay, *pids, *user;
	const struct subject *subject;
	const char *choice; /* why it is this one; NULL: it was asked for */
	struct saved saved; /* the view, from settings and command line */
	char settings[SAVED_PATH_SIZE];
} options = {.source = {"auto", feed_source_name}, .sort = {NULL, subject_order_name}};

static const struct option_row rows[] = {
	{0, "host", NULL, OPTION_FLAG, &options.host, 0, 0,
	 "show the virtual machines of this host, and their vCPUs; found out if not given"},
	{0, "guest", NULL, OPTION_FLAG, &options.guest, 0, 0,
	 "show the processes of this machine, even where it has virtual machines"},
	{'b', "batch", NULL, OPTION_FLAG, &options.batch, 0, 0,
	 "print tables one after the other, no screen"},
	{'n', "count", "N", OPTION_UINT, &options.count, 1, 0,
	 "end after N tables or frames (without end)"},
	{'d', "delay", "S", OPTION_SECONDS, &options.delay, 50 * NS_PER_MS, 86400 * NS_PER_SEC,
	 "seconds between tables or frames (3), of a recording that plays (0.5); of its tables (as "
	 "it is)"},
	{'s', "source", "S", OPTION_CHOICE, &options.source, 0, 0,
	 "auto is the daemon's, or the best that works here; bpf and schedstat are the host's"},
	{0, "page", "FILE", OPTION_STRING, &options.page, 0, 0,
	 "source page, with this file as the ledger page (the ivshmem device)"},
	{0, "socket", "PATH", OPTION_STRING, &options.socket, 0, 0,
	 "ask the daemon that answers here (" PROTOCOL_SOCKET ", of a host " PROTOCOL_HOST_SOCKET
	 ")"},
	{0, "replay", "FILE", OPTION_STRING, &options.replay, 0, 0,
	 "show a recording that 'desched record' has made"},
	{'p', "pids", "PIDS", OPTION_STRING, &options.pids, 0, 0,
	 "only these processes or machines, by numbers with commas between them"},
	{'u', "user", "USER", OPTION_STRING, &options.user, 0, 0, "only this user's processes"},
	{'o', "sort", "ORDER", OPTION_CHOICE, &options.sort, 0, 0,
	 "reported, of a host used, or as key W kept it, if not given"},
	{'a', "all", NULL, OPTION_FLAG, &options.all, 0, 0,
	 "in tables, show processes that used no CPU, too"},
	{0, "json", NULL, OPTION_FLAG, &options.json, 0, 0,
	 "print JSON, one line per table (schema desched-top/2, of a host desched-top-host/1)"},
	{0, "esxtop", NULL, OPTION_FLAG, &options.esxtop, 0, 0,
	 "print the host's figures as esxtop -b does: CSV, one line per interval (of 5 s)"},
};

static int run(char **operands, int n, struct failure *f);

const struct command command_top = {
	.name = "top",
	.operands = "",
	.summary = "CPU of processes: reported, true, descheduled; on a host, its VMs.",
	.examples = "  desched top\n"
		    "  desched top --host\n"
		    "  desched top --replay monday.rec\n"
		    "  desched top -b -n 1 -d 5 --json\n"
		    "  desched top --esxtop -n 720 >host.csv\n"
		    "  desched top --replay monday.rec -b -d 60\n",
	.rows = rows,
	.n_rows = ARRAY_SIZE(rows),
	.run = run,
};

/* " until 2026-11-20 12:00:06", local time; "" where nobody knows. */
static const char *until(const struct model *m, char text[48])
{
	time_t time = (time_t)(m->time / NS_PER_SEC);
	struct tm tm;

	if (!m->time || !localtime_r(&time, &tm) ||
	    !strftime(text, 48, " until %Y-%m-%d %H:%M:%S", &tm))
		text[0] = '\0';
	return text;
}

static struct esxtop *esxtop;

static void say_left_out(void)
{
	size_t n;
	const char *name = esxtop_left_out(esxtop, &n);

	if (!name)
		return;
	fputs("desched top: no columns for VM ", stderr);
	text_put(name, stderr);
	fprintf(stderr, ", which came after the head was written (%zu so far): start it again\n",
		n);
}

static int print_esxtop(const struct frame *old, const struct frame *new, struct failure *f)
{
	int err = esxtop_write_here(esxtop, &old->host, &new->host, stdout);

	if (err)
		return failure_errno(f, err, "a row");
	say_left_out();
	return command_flush(f);
}

static int print(const struct frame *old, const struct frame *new, struct failure *f)
{
	char text[48] = "";
	struct model m;
	int err;

	if (options.esxtop)
		return print_esxtop(old, new, f);
	err = model_make(old, new, &options.saved.view, &m);
	if (err == -ESTALE) {
		fprintf(stderr, "desched top: another session of the agent or its host: there is "
				"no table of the interval in which it began\n");
		return 0;
	}
	if (err)
		return failure_errno(f, err, "a table");
	if (options.json)
		err = table_json(&m, stdout, "standard output", f);
	else
		table_print(&m, options.replay ? until(&m, text) : "", stdout);
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
static int take_next(struct feed *feed, uint64_t next, uint64_t delay, const struct frame *old,
		     struct failure *f, struct frame *ret)
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
		if (!old || frame_is_news(old, ret))
			return 0;
		say_waiting(&waiting, "the source has told nothing new");
		frame_done(ret);
	}
}

static int run_batch(struct feed *feed, uint64_t delay, struct failure *f)
{
	struct frame old = {.subject = NULL}, new;
	uint64_t next = clock_mono();
	int err = options.esxtop ? esxtop_here(&esxtop) : 0;

	if (err)
		return failure_errno(f, err, "the host's name or /proc/stat");
	err = take_next(feed, next, delay, NULL, f, &old);
	for (uint64_t i = 0; !err && (!options.count || i < options.count); i++) {
		/* after one that came late not at once: of next to no time there is nothing to tell */
		next = u64_max(next, u64_sub_floor(clock_mono(), delay / 2)) + delay;
		err = take_next(feed, next, delay, &old, f, &new);
		if (err)
			break;
		err = print(&old, &new, f);
		frame_done(&old);
		old = new;
	}
	frame_done(&old);
	esxtop = esxtop_free(esxtop);
	return err == -EINTR && command_stop ? 0 : err;
}

/* What a view begins with where nothing was kept or said. */
static void begin_view(struct model_view *view)
{
	bool host = options.subject == &subject_host;

	view->busy_only = options.batch && !options.all && !host;
	view->threads = host;
}

static void say_limits(const struct feed *feed)
{
	if (options.choice)
		fprintf(stderr, "desched top: %s\n", options.choice);
	if (feed->ops == &feed_proc)
		fprintf(stderr, "desched top: true time of processes cannot be shown: %s\n",
			feed->why);
	if (feed->ops->limits && feed->why[0])
		fprintf(stderr, "desched top: %s\n", feed->why);
	if (feed->missing)
		fprintf(stderr, "desched top: %s\n", feed->missing);
}

/* As tables, or on a screen. */
static int run_subject(const char *notice, struct failure *f, bool *ret_turn)
{
	uint64_t usual = options.esxtop ? ESXTOP_DELAY_NS : 3 * NS_PER_SEC;
	uint64_t saved = options.saved.delay ? options.saved.delay : usual;
	uint64_t delay = options.delay ? options.delay : saved;
	struct asked config = {options.source.value, options.page, options.socket};
	struct screen_config screen = {options.subject, delay, options.count, .stop = &command_stop,
				       .notice = notice};
	struct feed feed;
	int err = feed_open(options.subject, &config, f, &feed);

	if (err)
		return err;
	if (options.batch)
		say_limits(&feed);
	screen.feed = &feed;
	screen.view = options.saved.view;
	screen.settings = options.settings;
	screen.choice = options.choice;
	err = options.batch ? run_batch(&feed, delay, f) : screen_run(&screen, f, ret_turn);
	feed_close(&feed);
	return err;
}

/* To the other subject, as it was kept: what the command line says is about the first one. */
static int turn_round(struct failure *f)
{
	options.subject = options.subject == &subject_host ? &subject_guest : &subject_host;
	options.source.value = "auto";
	options.page = options.socket = options.choice = NULL;
	options.saved = (struct saved){.delay = 0};
	begin_view(&options.saved.view);
	return saved_load(options.settings, options.subject, f, &options.saved);
}

/* Where the other subject can't be shown, it stays what it was, and says why. */
static int run_live(struct failure *f)
{
	char notice[sizeof(f->text)] = "";
	bool turned = false, turn = false;
	int err;

	for (;;) {
		err = run_subject(notice[0] ? notice : NULL, f, &turn);
		if (err ? !turned : !turn)
			return err;
		snprintf(notice, sizeof(notice), "%s", err ? f->text : "");
		turned = !err;
		err = turn_round(f);
		if (err)
			return err;
	}
}

/* Every table is of at least `options.delay`, but for the last. `old`: the frame that it begins with. */
static bool is_due(const struct recording *r, size_t at, size_t old)
{
	uint64_t time = recording_mark(r, at)->time, began = recording_mark(r, old)->time;

	return at + 1 == recording_frames(r) || time < began || time - began >= options.delay;
}

static int no_interval(const struct recording *r, struct failure *f)
{
	const char *damage = recording_damage(r);

	return failure_set(f, -ENODATA,
			   "%s: %s%s%zu frame%s: a table is of what happened between two",
			   options.replay, damage ? damage : "", damage ? "; " : "",
			   recording_frames(r), recording_frames(r) == 1 ? "" : "s");
}

/* The next frame that is due after `*at`, which becomes its number. Of a host those before it are
 * read as well, for VMs that ended. */
static int next_due(struct recording *r, size_t *at, struct failure *f, struct frame *ret)
{
	struct frame skipped = {.subject = NULL}, now;
	size_t old = *at;
	bool due;
	int err = 0;

	do {
		due = is_due(r, ++*at, old);
		if (!due && options.subject != &subject_host)
			continue;
		err = recorded_frame(r, options.subject, *at, f, &now);
		if (err) {
			frame_done(&skipped);
			return err;
		}
		err = skipped.subject ? recorded_skip(&skipped, &now) : 0;
		skipped = now;
	} while (!err && !due);
	if (err)
		frame_done(&now);
	else
		*ret = now;
	return err ? failure_errno(f, err, "a frame") : 0;
}

static int replay_tables(struct recording *r, struct failure *f, struct frame *old)
{
	uint64_t tables = 0;
	int err = 0;

	for (size_t at = 0; !err && !command_stop && at + 1 < recording_frames(r);) {
		struct frame new;

		err = next_due(r, &at, f, &new);
		if (err)
			break;
		err = print(old, &new, f);
		frame_done(old);
		*old = new;
		if (++tables == options.count)
			break;
	}
	return err;
}

static int replay_batch(struct recording *r, struct failure *f)
{
	struct frame old = {.subject = NULL};
	int err = recording_frames(r) ? recorded_frame(r, options.subject, 0, f, &old) : 0;

	if (!err)
		err = replay_tables(r, f, &old);
	frame_done(&old);
	if (!err && recording_frames(r) < 2)
		return no_interval(r, f);
	if (!err && recording_damage(r))
		fprintf(stderr, "desched top: %s: %s\n", options.replay, recording_damage(r));
	return err;
}

static int replay_screen(struct recording *r, struct failure *f)
{
	uint64_t delay = options.delay ? options.delay : NS_PER_SEC / 2;
	struct screen_config screen = {options.subject, delay, options.count, .recording = r,
				       .stop = &command_stop};
	const char *slash = strrchr(options.replay, '/');
	bool turn;

	screen.view = options.saved.view;
	screen.settings = options.settings;
	screen.name = slash ? slash + 1 : options.replay;
	return screen_run(&screen, f, &turn);
}

/* A recording says itself what it is of. */
static int open_replay(struct failure *f, struct recording **ret)
{
	const struct subject *subject;
	struct recording *r;
	int err = recording_open(options.replay, f, &r);

	if (err)
		return err;
	err = recorded_subject(r, f, &subject);
	if (!err && options.host && subject != &subject_host)
		err = failure_set(f, -EINVAL, "%s is of a guest's processes: leave out --host",
				  options.replay);
	if (!err && options.guest && subject == &subject_host)
		err = failure_set(f, -EINVAL, "%s is of a host: leave out --guest", options.replay);
	if (err) {
		recording_close(r);
		return err;
	}
	options.host = subject == &subject_host;
	*ret = r;
	return 0;
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
	begin_view(view);
	if (!options.batch)
		err = saved_load(options.settings, options.subject, f, &options.saved);
	if (!err && options.sort.value)
		err = subject_find_order(options.subject, options.sort.value, f, &view->sort);
	if (!err && options.user)
		err = check_user(options.user, f);
	if (!err && options.user)
		snprintf(view->user, sizeof(view->user), "%s", options.user);
	return err ? err : parse_pids(view, f);
}

/* An option that only processes have, NULL for none. */
static const char *guest_option(void)
{
	return options.page ? "--page" : options.user ? "--user" : NULL;
}

/* What of the command line is about the other subject. */
static int check_subject(struct failure *f)
{
	const char *other = guest_option(), *source = options.source.value;
	bool is_auto = !strcmp(source, "auto");

	if (options.host && options.guest)
		return failure_set(f, -EINVAL, "--host and --guest: give one of them");
	if (options.esxtop && options.replay)
		return failure_set(f, -EINVAL,
				   "--esxtop is of this host as it is now: leave out "
				   "--replay");
	if (options.esxtop && (options.guest || options.json))
		return failure_set(f, -EINVAL, "--esxtop prints CSV of a host: leave out %s",
				   options.guest ? "--guest" : "--json");
	if (options.esxtop && options.delay && options.delay < ESXTOP_DELAY_MIN_NS)
		return failure_set(f, -EINVAL,
				   "--delay: with --esxtop at least 2 s, since its times are "
				   "whole seconds");
	options.host |= options.esxtop;
	if (options.host && other)
		return failure_set(f, -EINVAL, "%s is for processes of a guest: leave out %s",
				   other, options.esxtop ? "--esxtop" : "--host");
	if (options.host && !is_auto && !feed_is_host_source(source))
		return failure_set(f, -EINVAL,
				   "source %s is a guest's: with --host it is one of "
				   "the host's, see desched-top(1)",
				   source);
	if (!options.host && feed_is_host_source(source))
		return failure_set(f, -EINVAL, "source %s is a host's: say --host, too", source);
	return 0;
}

/* By the command line, or by what this machine is. */
static void choose_subject(void)
{
	bool said = options.host || options.guest || options.replay || options.socket ||
		    guest_option() || strcmp(options.source.value, "auto") != 0;
	struct here here;

	options.subject = options.host ? &subject_host : &subject_guest;
	if (said)
		return;
	here_look(&here);
	options.subject = here_subject(&here);
	options.choice = here_note(&here, !options.batch);
}

static int run(char **operands, int n, struct failure *f)
{
	struct recording *r = NULL;
	int err;

	(void)operands;
	(void)n;
	options.batch |= options.json || options.esxtop;
	err = options.replay ? open_replay(f, &r) : 0;
	if (err)
		return err;
	err = check_subject(f);
	if (!err)
		choose_subject();
	if (err || choose_view(f)) {
		recording_close(r);
		return COMMAND_USAGE;
	}
	command_catch_signals();
	if (!r)
		return run_live(f);
	err = options.batch ? replay_batch(r, f) : replay_screen(r, f);
	recording_close(r);
	return err;
}
