/* SPDX-License-Identifier: MIT */
/*
 * desched blame: who ran while the vCPUs of this host's VMs waited for a CPU, as deschedd or this
 * program measures it, or as frames of a host were recorded. Reports are sums over frames
 * (host/tally.h, cmd/blame_report.h).
 */
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/command.h"
#include "base/units.h"
#include "cmd/blame_report.h"
#include "cmd/commands.h"
#include "data/recording.h"
#include "host/find.h"
#include "host/frame.h"
#include "screen/feed.h"
#include "wire/protocol.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FRAME_NS NS_PER_SEC /* from one frame to the next, at most */
#define MINUTE	 (60 * NS_PER_SEC)

static struct {
	uint64_t interval, count, top;
	struct option_choice source;
	const char *socket, *replay;
	bool vcpus, minutes, json;
} options = {.top = 10, .source = {NULL, host_source_name}};

static const struct option_row rows[] = {
	{'d', "delay", "S", OPTION_SECONDS, &options.interval, NS_PER_SEC / 10, 86400 * NS_PER_SEC,
	 "seconds between reports (5; of a recording, one report of all of it)"},
	{'n', "count", "N", OPTION_UINT, &options.count, 1, 0, "reports, then end (until Ctrl-C)"},
	{'m', "minutes", NULL, OPTION_FLAG, &options.minutes, 0, 0,
	 "one line for each VM and minute of the clock"},
	{'t', "top", "N", OPTION_UINT, &options.top, 1, 1000, "culprits shown for each VM"},
	{0, "vcpus", NULL, OPTION_FLAG, &options.vcpus, 0, 0,
	 "each vCPU by itself; measures even where deschedd runs"},
	{0, "source", "S", OPTION_CHOICE, &options.source, 0, 0,
	 "measure with this source even where deschedd runs"},
	{0, "socket", "PATH", OPTION_STRING, &options.socket, 0, 0,
	 "ask the deschedd that answers here (" PROTOCOL_HOST_SOCKET "), and nothing else"},
	{0, "replay", "FILE", OPTION_STRING, &options.replay, 0, 0,
	 "of a recording (desched record --host), or of frames, a line of JSON each; - is "
	 "standard input, for lines"},
	{0, "json", NULL, OPTION_FLAG, &options.json, 0, 0, "one JSON object a report"},
};

static int run(char **operands, int n, struct failure *f);

const struct command command_blame = {
	.name = "blame",
	.operands = "[NAME|ID|PID...]",
	.summary = "Who ran while this host's VMs waited for a CPU.",
	.examples = "  desched blame\n"
		    "  desched blame -d 10 -n 1 web1\n"
		    "  desched blame --minutes web1 'db*'\n"
		    "  desched blame --vcpus --json web1\n"
		    "  desched blame --replay host.rec --minutes\n",
	.rows = rows,
	.n_rows = ARRAY_SIZE(rows),
	.operand_name = host_find_name,
	.run = run,
};

/* Where frames come from: one of them. */
struct frames {
	struct feed feed;
	struct measurement *measurement; /* of vCPUs one by one */
	FILE *file;
	char *line;
	size_t room, number; /* of lines */
	struct recording *recording;
	size_t at; /* its next frame */
};

struct session {
	struct frames frames;
	struct choice choice;
	struct host_frame last;
	bool has_last, said;
	struct tally tally;
	uint64_t reports;
};

static void note(const char *text, void *data)
{
	(void)data;
	fprintf(stderr, "desched blame: %s\n", text);
}

/* ---- frames ---- */

/* Of desched record; lines of JSON begin with another letter. */
static int open_recording(struct frames *s, struct failure *f)
{
	bool host = true;
	int err = recording_open(options.replay, f, &s->recording);

	if (!err && recording_frames(s->recording))
		err = recording_is_host(s->recording, f, &host);
	if (err)
		return err;
	if (recording_damage(s->recording))
		note(recording_damage(s->recording), NULL);
	return host ? 0
		    : failure_set(f, -EINVAL,
				  "%s: a recording of a guest, which 'desched top --replay' reads; "
				  "'desched record --host' makes one of a host",
				  options.replay);
}

static int open_replay(struct frames *s, struct failure *f)
{
	int first;

	s->file = strcmp(options.replay, "-") ? fopen(options.replay, "re") : stdin;
	if (!s->file)
		return failure_errno(f, -errno, "%s", options.replay);
	first = getc(s->file);
	if (first != 'D' || s->file == stdin) {
		ungetc(first, s->file);
		return 0;
	}
	fclose(s->file);
	s->file = NULL;
	return open_recording(s, f);
}

static int open_frames(struct frames *s, struct failure *f)
{
	const struct asked asked = {.source = options.source.value, .socket = options.socket};
	const struct measure_setup setup = {
		.source = options.source.value, .no_pages = true, .note = note};

	if (options.replay)
		return open_replay(s, f);
	if (options.vcpus)
		return measure_open(&setup, f, &s->measurement);
	return feed_open(&subject_host, &asked, f, &s->feed);
}

static void close_frames(struct frames *s)
{
	measure_close(s->measurement);
	if (s->feed.ops)
		feed_close(&s->feed);
	if (s->file && s->file != stdin)
		fclose(s->file);
	if (s->recording)
		recording_close(s->recording);
	free(s->line);
}

/* The next line that is a frame; -ENODATA at the end. What isn't one ends it, but for the last line,
 * which a recorder may not have finished. */
static int read_frame(struct frames *s, struct failure *f, struct host_frame *ret)
{
	struct failure why = {.text = ""};
	ssize_t size = getline(&s->line, &s->room, s->file);
	json_error_t error;
	json_t *o;
	int err;

	if (size <= 0 && ferror(s->file))
		return failure_errno(f, -errno, "%s", options.replay);
	if (size <= 0)
		return -ENODATA;
	s->number++;
	o = json_loadb(s->line, (size_t)size, 0, &error);
	err = o ? host_frame_decode(o, &why, ret) : -EBADMSG;
	json_decref(o);
	if (!err)
		return 0;
	if (s->line[size - 1] != '\n')
		return -ENODATA;
	return failure_set(f, err,
			   "%s:%zu: not a frame of a host (schema " HOST_FRAME_SCHEMA "): %s",
			   options.replay, s->number, o ? why.text : error.text);
}

static int take_frame(struct frames *s, struct failure *f, struct host_frame *ret)
{
	struct frame frame;
	int err;

	if (s->file)
		return read_frame(s, f, ret);
	if (s->recording)
		return s->at < recording_frames(s->recording)
			       ? recording_host(s->recording, s->at++, f, ret)
			       : -ENODATA;
	if (s->measurement) {
		measure_read(s->measurement);
		err = host_frame_take_vcpus(s->measurement, ret);
		measure_reported(s->measurement);
		return err ? failure_errno(f, err, "a frame") : 0;
	}
	err = feed_take(&s->feed, f, &frame);
	if (!err)
		*ret = frame.host;
	return err;
}

static void wait_measuring(struct frames *s, uint64_t until)
{
	if (!s->measurement) {
		feed_wait(&s->feed, until, -1, &command_stop);
		return;
	}
	while (!command_stop && clock_mono() < until) {
		usleep((useconds_t)(measure_interval(s->measurement) / NS_PER_US));
		measure_step(s->measurement);
	}
}

/* ---- reports ---- */

static int report(struct session *s, uint64_t time, struct failure *f)
{
	const char *no = getenv("NO_COLOR");
	const struct blame_report r = {.tally = &s->tally,
				       .choice = &s->choice,
				       .source = s->last.source,
				       .time = time,
				       .runs_lost = s->last.counters.runs_lost,
				       .top = options.top,
				       .colour = isatty(STDOUT_FILENO) && !(no && no[0])};
	int err = 0;

	tally_sort(&s->tally);
	if (options.json)
		err = blame_report_json(&r, stdout, f);
	else if (options.minutes)
		blame_report_minute(&r, !s->reports, stdout);
	else
		blame_report_table(&r, stdout);
	tally_done(&s->tally);
	s->reports++;
	return err ? err : command_flush(f);
}

static bool is_done(const struct session *s)
{
	return command_stop || (options.count && s->reports >= options.count);
}

/* Takes the frame over. What another session of whoever measures has is no difference. */
static int add_frame(struct session *s, struct host_frame *frame, struct failure *f)
{
	bool same = s->has_last && s->last.session == frame->session &&
		    s->last.elapsed <= frame->elapsed;
	int err = same ? tally_add(&s->tally, &s->last, frame) : 0;

	if (s->has_last && !same)
		note("another session of deschedd: what passed in between is in no report", NULL);
	host_frame_done(&s->last);
	s->last = *frame;
	s->has_last = true;
	return err ? failure_errno(f, err, "a report") : 0;
}

/* Where nobody records who runs, a report would say nothing. */
static int check_source(const struct session *s, struct failure *f)
{
	const char *why = s->frames.feed.why;

	if (strcmp(s->last.source, "schedstat") != 0)
		return 0;
	return failure_set(
		f, -EOPNOTSUPP,
		"who ran while a VM waited takes BPF, and the source is schedstat, which "
		"knows only how long it waited%s%s",
		why[0] ? ": " : "", why);
}

static int check_operands(struct session *s, struct failure *f)
{
	const struct blame_report r = {.choice = &s->choice};
	struct tally all = {.vms = NULL};
	const char *missing;
	int err = tally_add(&all, NULL, &s->last);

	for (size_t i = 0; i < all.n; i++)
		blame_report_has(&r, &all.vms[i]);
	tally_done(&all);
	missing = choice_unmet(&s->choice);
	if (!err && missing) {
		failure_set(f, -ENOENT, "there is no VM '%s'", missing);
		host_frame_list(&s->last, f);
		return -ENOENT;
	}
	return err ? failure_errno(f, err, "VMs") : 0;
}

static int first_frame(struct session *s, struct failure *f)
{
	struct host_frame frame;
	int err = take_frame(&s->frames, f, &frame);

	if (!err)
		err = add_frame(s, &frame, f);
	if (!err)
		err = check_source(s, f);
	return err;
}

/* ---- live ---- */

/* The end of the interval that begins now. */
static uint64_t next_end(uint64_t last)
{
	uint64_t now = clock_mono();

	if (options.minutes)
		return now + MINUTE - clock_real() % MINUTE;
	return u64_max(last + options.interval, now + options.interval / 2);
}

/* deschedd may be started again meanwhile. */
static int live_frame(struct session *s, struct failure *f)
{
	struct host_frame frame;
	int err = take_frame(&s->frames, f, &frame);

	if (!err) {
		s->said = false;
		return add_frame(s, &frame, f);
	}
	if (err == -ENOMEM || err == -EBADMSG)
		return err;
	if (!s->said)
		note(f->text, NULL);
	s->said = true;
	return 0;
}

static int run_live(struct session *s, struct failure *f)
{
	uint64_t end;
	int err = first_frame(s, f);

	if (!err)
		err = check_operands(s, f);
	if (!err && !s->last.n_vms)
		note("no VM found; waiting for one", NULL);
	end = clock_mono();
	while (!err && !is_done(s)) {
		end = next_end(end);
		while (!err && !command_stop && clock_mono() < end) {
			wait_measuring(&s->frames, u64_min(end, clock_mono() + FRAME_NS));
			err = live_frame(s, f);
		}
		if (!err && s->tally.span)
			err = report(s, clock_real(), f);
	}
	return err;
}

/* ---- recorded ---- */

/* Whether a frame belongs to another report than the one before it. */
static bool is_next_report(const struct session *s, uint64_t begun, uint64_t time)
{
	if (options.minutes)
		return (time - 1) / MINUTE != (s->last.time - 1) / MINUTE;
	return options.interval && time > begun + options.interval;
}

static int run_replay(struct session *s, struct failure *f)
{
	uint64_t begun;
	int err = first_frame(s, f);

	if (err == -ENODATA)
		return failure_set(f, err, "%s: no frame of a host in it", options.replay);
	begun = s->last.time;
	while (!err && !is_done(s)) {
		struct host_frame frame;

		err = take_frame(&s->frames, f, &frame);
		if (err)
			break;
		if (s->tally.span && is_next_report(s, begun, frame.time)) {
			err = report(s, s->last.time, f);
			begun = s->last.time;
		}
		if (!err)
			err = add_frame(s, &frame, f);
		else
			host_frame_done(&frame);
	}
	if (err == -ENODATA)
		err = s->tally.span && !is_done(s) ? report(s, s->last.time, f) : 0;
	if (!err && choice_unmet(&s->choice)) {
		failure_set(f, -ENOENT, "%s: there is no VM '%s' in it", options.replay,
			    choice_unmet(&s->choice));
		host_frame_list(&s->last, f);
		return -ENOENT;
	}
	if (!err && !s->reports && !command_stop)
		return failure_set(f, -ENODATA, "%s: a report takes two frames of one session",
				   options.replay);
	return err;
}

static int check_options(struct failure *f)
{
	if (options.replay && (options.vcpus || options.socket || options.source.value))
		return command_usage(f, "--replay goes with a recording alone: leave out %s",
				     options.vcpus    ? "--vcpus"
				     : options.socket ? "--socket"
						      : "--source");
	if (options.socket && (options.vcpus || options.source.value))
		return command_usage(f, "--socket asks a deschedd; %s measures here: leave out one",
				     options.vcpus ? "--vcpus" : "--source");
	return 0;
}

static int report_all(struct session *s, struct failure *f)
{
	int err = open_frames(&s->frames, f);

	if (!err)
		err = options.replay ? run_replay(s, f) : run_live(s, f);
	close_frames(&s->frames);
	host_frame_done(&s->last);
	tally_done(&s->tally);
	return err;
}

static int run(char **operands, int n, struct failure *f)
{
	struct session s = {.reports = 0};
	int err;

	err = check_options(f);
	if (err)
		return err;
	err = choice_open(operands, n, f, &s.choice);
	if (err)
		return err == -EINVAL ? COMMAND_USAGE : err;
	if (!options.replay && !options.interval)
		options.interval = 5 * NS_PER_SEC;
	command_catch_signals();
	err = report_all(&s, f);
	choice_close(&s.choice);
	return err;
}
