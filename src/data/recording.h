/* SPDX-License-Identifier: MIT */
/*
 * A recording: snapshots of a guest, or frames of a host, in a file, docs/desched-recording.5. Each frame has its length and two
 * checksums before it, and is written whole or taken back, so that whatever stops the writer or
 * cuts the file, the frames before that are all there; the reader takes those and says why it
 * stopped. A file from elsewhere is hostile: lengths are bounded before anything is allocated.
 */
#ifndef DATA_RECORDING_H
#define DATA_RECORDING_H

#include "base/failure.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RECORDING_HEADER_SIZE	  32u /* bytes */
#define RECORDING_FRAME_SIZE	  56u
#define RECORDING_PACKED_SIZE_MAX (16u << 20) /* of one frame, compressed */
#define RECORDING_JSON_SIZE_MAX	  (32u << 20) /* of one frame, as text */

/* What stands before each snapshot, so that a whole recording can be drawn without unpacking it.
 * Sums since the agent was started, as in the snapshot. */
struct recording_mark {
	uint64_t time; /* ns, CLOCK_REALTIME */
	uint64_t elapsed;
	uint64_t busy;	  /* ns on a CPU, of all processes */
	uint64_t away;	  /* of that, ns in which the vCPU was away */
	uint64_t session; /* recording_session() of it, 32 bits; 0: not known */
};

/* Two sessions that differ are told apart by this, but for one in four billion. */
uint64_t recording_session(uint64_t id);

/* ---- writing ---- */

struct recording_writer;

/* Creates the file. -EEXIST where there is one: nothing is overwritten. */
int recording_create(const char *path, uint64_t time, struct failure *f,
		     struct recording_writer **ret);

/* Appends one frame. On failure (-ENOSPC among them) the file is cut back to its whole frames. */
struct snapshot;
struct host_frame;
struct recording_mark recording_mark_of(const struct snapshot *s);
int recording_add(struct recording_writer *w, const struct snapshot *s, struct failure *f);

/* The same of any JSON. */
int recording_write(struct recording_writer *w, const struct recording_mark *mark,
		    const json_t *json, struct failure *f);

uint64_t recording_written(const struct recording_writer *w); /* bytes */

/* Makes sure that all is on the disk, and closes. The writer is gone in any case. */
int recording_finish(struct recording_writer *w, struct failure *f);

/* ---- reading ---- */

struct recording;

/* Reads and checks the whole file. -EBADMSG for what is no recording. */
int recording_open(const char *path, struct failure *f, struct recording **ret);
struct recording *recording_close(struct recording *r);

size_t recording_frames(const struct recording *r);
const struct recording_mark *recording_mark(const struct recording *r, size_t at);

/* Why the frames end before the file does; NULL when they do not. */
const char *recording_damage(const struct recording *r);

/* The snapshot of frame `at`, which must be below recording_frames(); the caller's. */
int recording_snapshot(struct recording *r, size_t at, struct failure *f, struct snapshot *ret);

/* Whether it is of a host, by its first frame, which is there. */
int recording_is_host(struct recording *r, struct failure *f, bool *ret);

/* As recording_snapshot(), of a host's recording. */
int recording_host(struct recording *r, size_t at, struct failure *f, struct host_frame *ret);

/* The JSON that it is made of. */
int recording_read(struct recording *r, size_t at, struct failure *f, json_t **ret);

#endif
