/* SPDX-License-Identifier: MIT */
/*
 * desched record FILE: a frame an interval, of this guest's processes or this host's VMs, into a
 * recording (src/data/recording.h), which `desched top --replay FILE` shows. Whatever ends it, the frames written by then are there.
 */
#include "base/clock.h"
#include "base/units.h"
#include "cmd/commands.h"
#include "data/recording.h"
#include "data/rotation.h"
#include "screen/feed.h"
#include "screen/recorded.h"
#include "wire/protocol.h"
#include "wire/snapshot.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

static struct {
	uint64_t count, delay, rotate, keep, most;
	struct option_choice source;
	const char *page, *socket;
	bool host, quiet, commands;
} options = {.keep = 48, .delay = NS_PER_SEC, .source = {"auto", feed_source_name}};

static const struct option_row rows[] = {
	{0, "host", NULL, OPTION_FLAG, &options.host, 0, 0,
	 "the virtual machines of this host, and their vCPUs"},
	{'d', "delay", "S", OPTION_SECONDS, &options.delay, 50 * NS_PER_MS, 86400 * NS_PER_SEC,
	 "seconds between frames"},
	{'n', "count", "N", OPTION_UINT, &options.count, 1, 0, "frames, then end (until Ctrl-C)"},
	{0, "rotate", "S", OPTION_SECONDS, &options.rotate, NS_PER_SEC, 366 * 86400 * NS_PER_SEC,
	 "FILE is a directory: a new file in it every S seconds"},
	{0, "keep", "N", OPTION_UINT, &options.keep, 1, 100000,
	 "with --rotate: remove the oldest ones beyond N"},
	{0, "most", "MIB", OPTION_UINT, &options.most, 4, 1 << 30,
	 "with --rotate: of all files together; the oldest go, and one ends at a quarter"},
	{'s', "source", "S", OPTION_CHOICE, &options.source, 0, 0,
	 "auto is the daemon's, or the best that works here; bpf and schedstat are the host's"},
	{0, "page", "FILE", OPTION_STRING, &options.page, 0, 0,
	 "source page, with this file as the ledger page (the ivshmem device)"},
	{0, "socket", "PATH", OPTION_STRING, &options.socket, 0, 0,
	 "ask the daemon that answers here (" PROTOCOL_SOCKET ", of a host " PROTOCOL_HOST_SOCKET
	 ")"},
	{'c', "commands", NULL, OPTION_FLAG, &options.commands, 0, 0,
	 "with the processes' command lines, which make frames larger by half"},
	{'q', "quiet", NULL, OPTION_FLAG, &options.quiet, 0, 0, "say nothing when all is well"},
};

static int run(char **operands, int n, struct failure *f);

const struct command command_record = {
	.name = "record",
	.operands = "FILE",
	.summary = "Record what 'desched top' shows, to be looked at later.",
	.examples = "  desched record monday.rec\n"
		    "  desched record -d 5 -n 720 hour.rec\n"
		    "  desched record -d 5 --rotate 3600 --keep 48 /var/log/desched\n"
		    "  desched record --host --rotate 3600 --most 500 /var/log/desched-host\n"
		    "  desched top --replay monday.rec\n",
	.rows = rows,
	.n_rows = ARRAY_SIZE(rows),
	.least = 1,
	.most = 1,
	.run = run,
};

struct session {
	struct feed feed;
	struct recording_writer *writer;
	uint64_t frames, missing, empty;
	uint64_t in_file;  /* frames of the present one */
	struct frame last; /* its last one; without subject: none */
	struct recording_mark mark;
};

/* Command lines don't change, and take more room than all figures. */
static void drop_commands(struct snapshot *s)
{
	for (size_t i = 0; i < s->n_processes; i++)
		s->processes[i].command = NULL;
}

static json_t *frame_json(const struct frame *frame)
{
	return frame->subject == &subject_host ? host_frame_json(&frame->host)
					       : snapshot_json(&frame->guest);
}

/* It becomes the last one. */
static int write_frame(struct session *s, struct frame *frame, struct failure *f)
{
	const struct frame *last = s->last.subject ? &s->last : NULL;
	struct recording_mark mark = recorded_mark(frame, last, &s->mark);
	json_t *json = frame_json(frame);
	int err = json ? recording_write(s->writer, &mark, json, f)
		       : failure_errno(f, -ENOMEM, "a frame");

	json_decref(json);
	if (err)
		return err;
	frame_done(&s->last);
	s->last = *frame;
	s->mark = mark;
	*frame = (struct frame){.subject = NULL};
	s->frames++;
	s->in_file++;
	return 0;
}

/* A snapshot that cannot be had is missing, and may be had the next time: vmdesched is started
 * anew. What cannot be written ends the recording. */
static int record_frame(struct session *s, struct failure *f)
{
	struct frame frame;
	int err = 0;

	if (feed_take(&s->feed, f, &frame)) {
		if (!s->missing++)
			fprintf(stderr, "desched record: waiting; a frame is missing: %s\n",
				f->text);
		return 0;
	}
	if (!options.host && !options.commands)
		drop_commands(&frame.guest);
	/* One that says no more than the last, since the source is silent, is none. */
	if (!s->last.subject || frame_is_news(&s->last, &frame))
		err = write_frame(s, &frame, f);
	else
		s->empty++;
	frame_done(&frame);
	return err;
}

/* The present file is a quarter of all that there may be. */
static bool is_full(const struct session *s)
{
	return options.rotate && options.most &&
	       recording_written(s->writer) >= options.most * MIB / 4;
}

static int record(struct session *s, uint64_t until, struct failure *f)
{
	uint64_t next = clock_mono();
	int err = 0;

	while (!err && !command_stop) {
		err = record_frame(s, f);
		if ((options.count && s->frames >= options.count) || is_full(s) ||
		    (until && clock_mono() >= until))
			break;
		next += options.delay;
		if (!err)
			feed_wait(&s->feed, next, -1, &command_stop);
	}
	return err;
}

static void summary(const struct session *s, const char *path)
{
	fprintf(stderr, "desched record: %" PRIu64 " frame%s, %" PRIu64 " bytes in %s", s->in_file,
		s->in_file == 1 ? "" : "s", recording_written(s->writer), path);
	if (s->missing)
		fprintf(stderr, "; %" PRIu64 " missing", s->missing);
	if (s->empty)
		fprintf(stderr, "; %" PRIu64 " times the source had nothing new", s->empty);
	fputc('\n', stderr);
}

/* One file, until `until` (clock_mono(); 0: as long as the options say). */
static int record_file(struct session *s, const char *path, uint64_t until, struct failure *f)
{
	struct failure late = {.text = ""};
	int err = recording_create(path, clock_real(), f, &s->writer), err_late;

	if (err)
		return err;
	s->in_file = 0;
	frame_done(&s->last);
	s->last = (struct frame){.subject = NULL};
	err = record(s, until, f);
	if (!options.quiet || err || s->missing)
		summary(s, path);
	err_late = recording_finish(s->writer, &late);
	if (!err && err_late)
		*f = late;
	return err ? err : err_late;
}

static bool done(const struct session *s)
{
	return command_stop || (options.count && s->frames >= options.count);
}

static int record_files(struct session *s, const char *dir, struct failure *f)
{
	int err = 0;

	while (!err && !done(s)) {
		char path[PATH_MAX];

		err = rotation_next(dir, clock_real(), options.keep, options.most * MIB / 4 * 3, f,
				    path);
		if (!err)
			err = record_file(s, path, clock_mono() + options.rotate, f);
	}
	return err;
}

static int record_to(const char *path, struct failure *f)
{
	struct asked config = {options.source.value, options.page, options.socket};
	struct session s = {.frames = 0};
	int err = feed_open(options.host ? &subject_host : &subject_guest, &config, f, &s.feed);

	if (err)
		return err;
	if (s.feed.ops == &feed_proc)
		fprintf(stderr, "desched record: true time of processes will not be in it: %s\n",
			s.feed.why);
	if (s.feed.ops->limits && s.feed.why[0])
		fprintf(stderr, "desched record: %s\n", s.feed.why);
	if (s.feed.missing)
		fprintf(stderr, "desched record: %s\n", s.feed.missing);
	err = options.rotate ? record_files(&s, path, f) : record_file(&s, path, 0, f);
	frame_done(&s.last);
	feed_close(&s.feed);
	return err;
}

/* What of the command line is about the other subject. */
static int check_options(struct failure *f)
{
	const char *source = options.source.value;

	if (options.host && options.page)
		return command_usage(f, "--page is for processes of a guest: leave out --host");
	if (options.host && options.commands)
		return command_usage(f, "--commands is for processes of a guest: leave out --host");
	if (strcmp(source, "auto") != 0 && options.host != feed_is_host_source(source))
		return command_usage(f,
				     options.host ? "source %s is a guest's: leave out --host"
						  : "source %s is a host's: say --host, too",
				     source);
	if (options.most && !options.rotate)
		return command_usage(f, "--most is of the files of --rotate: say how often, too");
	return 0;
}

static int run(char **operands, int n, struct failure *f)
{
	(void)n;
	if (!strcmp(operands[0], "-"))
		return command_usage(
			f,
			"a recording can't go to standard output: expected %s ('./-' is a "
			"file called '-')",
			options.rotate ? "a directory" : "FILE");
	if (check_options(f))
		return COMMAND_USAGE;
	signal(SIGXFSZ, SIG_IGN); /* a file that may not grow is a full disk: an error, no death */
	command_catch_signals();
	return record_to(operands[0], f);
}
