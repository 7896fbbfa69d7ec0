/* SPDX-License-Identifier: MIT */
/*
 * desched record FILE: a snapshot an interval into a recording (src/data/recording.h), which
 * `desched top --replay FILE` shows. Whatever ends it, the frames written by then are there.
 */
#include "base/clock.h"
#include "base/units.h"
#include "cmd/commands.h"
#include "data/recording.h"
#include "data/rotation.h"
#include "guest/source.h"
#include "screen/feed.h"
#include "wire/protocol.h"
#include "wire/snapshot.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

static struct {
	uint64_t count, delay, rotate, keep;
	struct option_choice source;
	const char *page, *socket;
	bool quiet, commands;
} options = {.keep = 48, .delay = NS_PER_SEC, .source = {"auto", source_name}};

static const struct option_row rows[] = {
	{'d', "delay", "S", OPTION_SECONDS, &options.delay, 50 * NS_PER_MS, 86400 * NS_PER_SEC,
	 "seconds between frames"},
	{'n', "count", "N", OPTION_UINT, &options.count, 1, 0, "frames, then end (until Ctrl-C)"},
	{0, "rotate", "S", OPTION_SECONDS, &options.rotate, NS_PER_SEC, 366 * 86400 * NS_PER_SEC,
	 "FILE is a directory: a new file in it every S seconds"},
	{0, "keep", "N", OPTION_UINT, &options.keep, 1, 100000,
	 "with --rotate: remove the oldest ones beyond N"},
	{'s', "source", "S", OPTION_CHOICE, &options.source, 0, 0,
	 "auto is vmdesched's, or the best that works here"},
	{0, "page", "FILE", OPTION_STRING, &options.page, 0, 0,
	 "source page, with this file as the ledger page (the ivshmem device)"},
	{0, "socket", "PATH", OPTION_STRING, &options.socket, 0, 0,
	 "ask the vmdesched that answers here (" PROTOCOL_SOCKET ")"},
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
	uint64_t in_file;	   /* frames of the present one */
	uint64_t session, elapsed; /* of the last frame */
};

/* Command lines don't change, and take more room than all figures. */
static void drop_commands(struct snapshot *s)
{
	for (size_t i = 0; i < s->n_processes; i++)
		s->processes[i].command = NULL;
}

/* One that says no more than the last, since the source is silent, is none. */
static bool is_new(struct session *s, const struct snapshot *now)
{
	bool same = s->in_file && s->session == now->session && s->elapsed == now->elapsed;

	s->session = now->session;
	s->elapsed = now->elapsed;
	return !same;
}

/* A snapshot that cannot be had is missing, and may be had the next time: vmdesched is started
 * anew. What cannot be written ends the recording. */
static int record_frame(struct session *s, struct failure *f)
{
	struct frame frame;
	struct snapshot *now = &frame.guest;
	int err = 0;

	if (feed_take(&s->feed, f, &frame)) {
		if (!s->missing++)
			fprintf(stderr, "desched record: waiting; a frame is missing: %s\n",
				f->text);
		return 0;
	}
	if (!options.commands)
		drop_commands(now);
	if (is_new(s, now)) {
		err = recording_add(s->writer, now, f);
		s->frames += !err;
		s->in_file += !err;
	} else {
		s->empty++;
	}
	frame_done(&frame);
	return err;
}

static int record(struct session *s, uint64_t until, struct failure *f)
{
	uint64_t next = clock_mono();
	int err = 0;

	while (!err && !command_stop) {
		err = record_frame(s, f);
		if ((options.count && s->frames >= options.count) ||
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

		err = rotation_next(dir, clock_real(), options.keep, f, path);
		if (!err)
			err = record_file(s, path, clock_mono() + options.rotate, f);
	}
	return err;
}

static int record_to(const char *path, struct failure *f)
{
	struct asked config = {options.source.value, options.page, options.socket};
	struct session s = {.frames = 0};
	int err = feed_open(&subject_guest, &config, f, &s.feed);

	if (err)
		return err;
	if (s.feed.ops == &feed_proc)
		fprintf(stderr, "desched record: true time of processes will not be in it: %s\n",
			s.feed.why);
	if (s.feed.missing)
		fprintf(stderr, "desched record: %s\n", s.feed.missing);
	err = options.rotate ? record_files(&s, path, f) : record_file(&s, path, 0, f);
	feed_close(&s.feed);
	return err;
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
	signal(SIGXFSZ, SIG_IGN); /* a file that may not grow is a full disk: an error, no death */
	command_catch_signals();
	return record_to(operands[0], f);
}
