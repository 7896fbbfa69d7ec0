/* SPDX-License-Identifier: MIT */
/*
 * make_recording FILE: a recording of the snapshots on standard input, one JSON object a line,
 * 3 seconds apart from 2026-11-20 12:00:00 UTC on; for tests and for looking at the screen.
 */
#include "base/units.h"
#include "data/recording.h"
#include "wire/snapshot.h"

#include <stdio.h>
#include <stdlib.h>

#define BEGIN (UINT64_C(1795176000) * NS_PER_SEC) /* date -ud '2026-11-20 12:00:00' +%s */

static int write_line(struct recording_writer *w, const char *line, uint64_t time,
		      struct failure *f)
{
	json_t *json = json_loads(line, 0, NULL);
	struct recording_mark mark = {.time = time};
	struct snapshot frame;
	int err = json ? snapshot_decode(json, f, &frame) : failure_set(f, -1, "not JSON");

	if (!err) {
		mark.elapsed = frame.elapsed;
		mark.busy = figures_occupied(&frame.busy);
		mark.away = figures_away(&frame.busy);
		snapshot_done(&frame);
		err = recording_write(w, &mark, json, f);
	}
	json_decref(json);
	return err;
}

int main(int argc, char **argv)
{
	struct failure f = {.text = ""};
	struct recording_writer *w;
	char *line = NULL;
	size_t room = 0;
	int err = argc == 2 ? recording_create(argv[1], BEGIN, &f, &w) : -1;

	for (uint64_t time = BEGIN; !err && getline(&line, &room, stdin) > 0;
	     time += 3 * NS_PER_SEC)
		err = write_line(w, line, time, &f);
	if (!err)
		err = recording_finish(w, &f);
	free(line);
	if (err)
		fprintf(stderr, "make_recording: %s\n", f.text);
	return err ? 1 : 0;
}
