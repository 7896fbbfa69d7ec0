/* SPDX-License-Identifier: MIT */
/*
 * desched record FILE: a snapshot an interval into a recording (src/recording/recording.h), which
 * `desched top --replay FILE` shows. Whatever ends it, the frames written by then are there.
 */
#include "base/clock.h"
#include "base/units.h"
#include "cmd/commands.h"
#include "guest/protocol.h"
#include "guest/source.h"
#include "recording/frame.h"
#include "recording/recording.h"
#include "screen/feed.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>

static struct {
	uint64_t count, delay;
	struct option_choice source;
	const char *page, *socket;
	bool quiet;
} options = {.delay = NS_PER_SEC, .source = {"auto", source_name}, .socket = PROTOCOL_SOCKET};

static const struct option_row rows[] = {
	{'d', "delay", "S", OPTION_SECONDS, &options.delay, 50 * NS_PER_MS, 86400 * NS_PER_SEC,
	 "seconds between frames"},
	{'n', "count", "N", OPTION_UINT, &options.count, 1, 0, "frames, then end (until Ctrl-C)"},
	{'s', "source", "S", OPTION_CHOICE, &options.source, 0, 0,
	 "auto is vmdesched's, or the best that works here"},
	{0, "page", "FILE", OPTION_STRING, &options.page, 0, 0,
	 "map this file as the ledger page (the ivshmem device)"},
	{0, "socket", "PATH", OPTION_STRING, &options.socket, 0, 0, "where vmdesched answers"},
	{'q', "quiet", NULL, OPTION_FLAG, &options.quiet, 0, 0, "say nothing when all is well"},
};

static int run(char **operands, int n, struct failure *f);

const struct command command_record = {
	.name = "record",
	.operands = "FILE",
	.summary = "Record what 'desched top' shows, to be looked at later.",
	.examples = "  desched record monday.rec\n"
		    "  desched record -d 5 -n 720 hour.rec\n"
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
	uint64_t frames, missing;
};

/* The snapshot is held to what a reader will ask of it, before it is written. */
static int take(struct feed *feed, struct failure *f, json_t **ret, struct recording_mark *ret_mark)
{
	struct recording_mark mark = {.time = clock_real()};
	struct frame frame = {.time = 0};
	json_t *json = NULL;
	int err = feed_take(feed, f, &json);

	if (!err)
		err = frame_parse(json, mark.time, f, &frame);
	if (err) {
		json_decref(json);
		return err;
	}
	mark.elapsed = frame.elapsed;
	mark.busy = figures_occupied(&frame.busy);
	mark.away = figures_away(&frame.busy);
	frame_done(&frame);
	*ret = json;
	*ret_mark = mark;
	return 0;
}

/* A snapshot that cannot be had is missing, and may be had the next time: vmdesched is started
 * anew. What cannot be written ends the recording. */
static int record_frame(struct session *s, struct failure *f)
{
	struct recording_mark mark;
	json_t *json;
	int err;

	if (take(&s->feed, f, &json, &mark)) {
		if (!s->missing++)
			fprintf(stderr, "desched record: a frame is missing: %s\n", f->text);
		return 0;
	}
	err = recording_write(s->writer, &mark, json, f);
	json_decref(json);
	s->frames += !err;
	return err;
}

static int record(struct session *s, struct failure *f)
{
	uint64_t next = clock_mono();
	int err = 0;

	while (!err && !command_stop) {
		err = record_frame(s, f);
		if (options.count && s->frames >= options.count)
			break;
		next += options.delay;
		if (!err)
			feed_wait(&s->feed, next, -1, &command_stop);
	}
	return err;
}

static void summary(const struct session *s, const char *path)
{
	fprintf(stderr, "desched record: %" PRIu64 " frame%s, %" PRIu64 " bytes in %s", s->frames,
		s->frames == 1 ? "" : "s", recording_written(s->writer), path);
	if (s->missing)
		fprintf(stderr, "; %" PRIu64 " missing", s->missing);
	fputc('\n', stderr);
}

static int record_to(const char *path, struct failure *f)
{
	struct feed_config config = {options.source.value, options.page, options.socket};
	struct session s = {.frames = 0};
	struct failure late = {.text = ""};
	int err = feed_open(&config, f, &s.feed), err_late;

	if (err)
		return err;
	if (s.feed.ops == &feed_proc)
		fprintf(stderr, "desched record: true time of processes will not be in it: %s\n",
			s.feed.why);
	if (s.feed.missing)
		fprintf(stderr, "desched record: %s\n", s.feed.missing);
	err = recording_create(path, clock_real(), f, &s.writer);
	if (!err) {
		err = record(&s, f);
		if (!options.quiet || err || s.missing)
			summary(&s, path);
		err_late = recording_finish(s.writer, &late);
		if (!err && err_late)
			*f = late;
		err = err ? err : err_late;
	}
	feed_close(&s.feed);
	return err;
}

static int run(char **operands, int n, struct failure *f)
{
	(void)n;
	signal(SIGXFSZ, SIG_IGN); /* a file that may not grow is a full disk: an error, no death */
	command_catch_signals();
	return record_to(operands[0], f);
}
