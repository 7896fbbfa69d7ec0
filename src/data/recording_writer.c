/* SPDX-License-Identifier: MIT */
#include "base/cleanup.h"
#include "base/json_out.h"
#include "base/units.h"
#include "data/recording.h"
#include "data/recording_layout.h"
#include "wire/snapshot.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

struct recording_writer {
	int fd;
	uint64_t size; /* bytes of the header and all whole frames */
	char path[PATH_MAX];
};

static int write_all(int fd, const uint8_t *from, size_t size)
{
	while (size) {
		ssize_t n = write(fd, from, size);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			return -EIO;
		from += n;
		size -= (size_t)n;
	}
	return 0;
}

/* All of the bytes, or none: what a full disk left of them is cut off again. */
static int append(struct recording_writer *w, const uint8_t *bytes, size_t size)
{
	int err = write_all(w->fd, bytes, size);

	if (!err) {
		w->size += size;
		return 0;
	}
	/* Where even that fails, the reader finds a torn frame and leaves it out. */
	if (!ftruncate(w->fd, (off_t)w->size))
		lseek(w->fd, (off_t)w->size, SEEK_SET);
	return err;
}

static int write_header(struct recording_writer *w, uint64_t time)
{
	uint8_t b[RECORDING_HEADER_SIZE] = RECORDING_MAGIC;

	put_le(b + 8, 2, RECORDING_MAJOR);
	put_le(b + 12, 4, sizeof(b));
	put_le(b + 16, 8, time);
	put_le(b + 24, 4, RECORDING_FRAME_SIZE);
	put_le(b + 28, 4, recording_checksum(b, 28));
	return append(w, b, sizeof(b));
}

int recording_create(const char *path, uint64_t time, struct failure *f,
		     struct recording_writer **ret)
{
	struct recording_writer *w = calloc(1, sizeof(*w));
	int err;

	if (!w)
		return failure_errno(f, -ENOMEM, "%s", path);
	snprintf(w->path, sizeof(w->path), "%s", path);
	w->fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	err = w->fd < 0 ? -errno : write_header(w, time);
	if (err && w->fd >= 0) {
		close(w->fd);
		unlink(path);
	}
	if (err) {
		free(w);
		if (err == -EEXIST)
			return failure_set(f, err, "%s is there already; give another name", path);
		return failure_errno(f, err, "%s", path);
	}
	*ret = w;
	return 0;
}

static void fill_head(uint8_t *b, const struct recording_mark *mark, size_t packed, size_t json)
{
	put_le(b, 4, RECORDING_FRAME_MAGIC);
	put_le(b + 4, 4, packed);
	put_le(b + 8, 4, json);
	put_le(b + 12, 4, recording_checksum(b + RECORDING_FRAME_SIZE, packed));
	put_le(b + 16, 8, mark->time);
	put_le(b + 24, 8, mark->elapsed);
	put_le(b + 32, 8, mark->busy);
	put_le(b + 40, 8, mark->away);
	put_le(b + 48, 4, mark->session);
	put_le(b + 52, 4, recording_checksum(b, 52));
}

/* The snapshot as text, packed, behind room for the head; the bytes are the caller's. */
static int pack(const json_t *json, uint8_t **ret, size_t *ret_packed, size_t *ret_size)
{
	_cleanup_(free_ptr) char *text = json_out_text(json,
						       JSON_COMPACT | JSON_REAL_PRECISION(15));
	size_t size = text ? strlen(text) : 0;
	uLongf packed = compressBound(size);
	uint8_t *b = text ? malloc(RECORDING_FRAME_SIZE + packed) : NULL;

	if (!b || compress2(b + RECORDING_FRAME_SIZE, &packed, (Bytef *)text, size, 3) != Z_OK) {
		free(b);
		return -ENOMEM;
	}
	*ret = b;
	*ret_packed = packed;
	*ret_size = size;
	return 0;
}

int recording_write(struct recording_writer *w, const struct recording_mark *mark,
		    const json_t *json, struct failure *f)
{
	_cleanup_(free_ptr) uint8_t *b = NULL;
	size_t packed, size;
	int err = pack(json, &b, &packed, &size);

	if (!err && (size > RECORDING_JSON_SIZE_MAX || packed > RECORDING_PACKED_SIZE_MAX))
		err = -E2BIG;
	if (!err) {
		fill_head(b, mark, packed, size);
		err = append(w, b, RECORDING_FRAME_SIZE + packed);
	}
	return err ? failure_errno(f, err, "%s", w->path) : 0;
}

struct recording_mark recording_mark_of(const struct snapshot *s)
{
	return (struct recording_mark){
		.time = u64_sub_floor(s->time, s->lag),
		.elapsed = s->elapsed,
		.busy = figures_occupied(&s->busy),
		.away = figures_away(&s->busy),
		.session = recording_session(s->session),
	};
}

int recording_add(struct recording_writer *w, const struct snapshot *s, struct failure *f)
{
	const struct recording_mark mark = recording_mark_of(s);
	json_t *json = snapshot_json(s);
	int err = json ? recording_write(w, &mark, json, f)
		       : failure_errno(f, -ENOMEM, "%s", w->path);

	json_decref(json);
	return err;
}

uint64_t recording_session(uint64_t id)
{
	return (id ^ id >> 32) & UINT32_MAX;
}

uint64_t recording_written(const struct recording_writer *w)
{
	return w->size;
}

int recording_finish(struct recording_writer *w, struct failure *f)
{
	int err;

	if (!w)
		return 0;
	err = fsync(w->fd) && errno != EINVAL && errno != EROFS ? -errno : 0;
	if (close(w->fd) && !err)
		err = -errno;
	if (err)
		failure_errno(f, err, "%s", w->path);
	free(w);
	return err;
}
