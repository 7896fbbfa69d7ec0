/* SPDX-License-Identifier: MIT */
/* Reading a recording; recording_writer.c writes it. The layout is in recording_layout.h. */
#include "data/recording.h"

#include "base/cleanup.h"
#include "base/units.h"
#include "data/recording_layout.h"
#include "wire/host_frame.h"
#include "wire/snapshot.h"
#include "wire/wire.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <zlib.h>

struct entry {
	struct recording_mark mark;
	uint64_t offset; /* of the packed snapshot */
	uint32_t packed, json;
};

struct recording {
	int fd;
	struct entry *entries;
	size_t n, room;
	char damage[160];
};

/* All of it or -EIO; 0 bytes at the end of the file are no failure. Returns how many there were. */
static ssize_t read_at(int fd, void *to, size_t size, uint64_t offset)
{
	size_t done = 0;

	while (done < size) {
		ssize_t n = pread(fd, (char *)to + done, size - done, (off_t)(offset + done));

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		done += (size_t)n;
	}
	return (ssize_t)done;
}

static int check_header(int fd, const char *path, struct failure *f)
{
	uint8_t b[RECORDING_HEADER_SIZE];
	ssize_t n = read_at(fd, b, sizeof(b), 0);

	if (n < 0)
		return failure_errno(f, (int)n, "%s", path);
	if (n < (ssize_t)sizeof(b) || memcmp(b, RECORDING_MAGIC, 8) != 0)
		return failure_set(f, -EBADMSG,
				   "%s is no recording; 'desched record FILE' makes one", path);
	if (get16(b + 8) != RECORDING_MAJOR)
		return failure_set(f, -EBADMSG,
				   "%s has version %u of the format, this program reads %u", path,
				   get16(b + 8), RECORDING_MAJOR);
	if (get32(b + 28) != recording_checksum(b, 28))
		return failure_set(f, -EBADMSG, "%s: the header is damaged", path);
	return 0;
}

/* The frame at `offset`: 1 and its entry, 0 where the whole ones end, and why, unless the file ends
 * there too. */
static int look_at(struct recording *r, uint64_t offset, struct entry *ret, const char **ret_why)
{
	uint8_t b[RECORDING_FRAME_SIZE];
	ssize_t n = read_at(r->fd, b, sizeof(b), offset);

	*ret_why = n < 0 ? "cannot be read" : n > 0 ? "is cut off" : NULL;
	if (n < (ssize_t)sizeof(b))
		return 0;
	*ret_why = "is damaged";
	if (get32(b) != RECORDING_FRAME_MAGIC || get32(b + 52) != recording_checksum(b, 52))
		return 0;
	*ret = (struct entry){
		{get64(b + 16), get64(b + 24), get64(b + 32), get64(b + 40), get32(b + 48)},
		offset + sizeof(b),
		get32(b + 4),
		get32(b + 8)};
	return ret->packed <= RECORDING_PACKED_SIZE_MAX && ret->json <= RECORDING_JSON_SIZE_MAX;
}

/* The packed bytes are there and are those that were written. */
static bool intact(const struct recording *r, const struct entry *e, const char **ret_why)
{
	uint64_t at = e->offset, end = e->offset + e->packed;
	uint8_t buf[16 * 1024], head[RECORDING_FRAME_SIZE];
	uint32_t sum = (uint32_t)crc32(0, NULL, 0);

	while (at < end) {
		ssize_t n = read_at(r->fd, buf, u64_min(sizeof(buf), end - at), at);

		*ret_why = n < 0 ? "cannot be read" : "is cut off";
		if (n <= 0)
			return false;
		sum = (uint32_t)crc32(sum, buf, (unsigned)n);
		at += (uint64_t)n;
	}
	*ret_why = "is damaged";
	return read_at(r->fd, head, sizeof(head), e->offset - sizeof(head)) == sizeof(head) &&
	       get32(head + 12) == sum;
}

static int append(struct recording *r, const struct entry *e)
{
	if (r->n == r->room) {
		size_t room = r->room ? 2 * r->room : 256;
		struct entry *entries = reallocarray(r->entries, room, sizeof(*entries));

		if (!entries)
			return -ENOMEM;
		r->entries = entries;
		r->room = room;
	}
	r->entries[r->n++] = *e;
	return 0;
}

static int index_frames(struct recording *r)
{
	uint64_t offset = RECORDING_HEADER_SIZE;
	const char *why;
	struct entry e;

	while (look_at(r, offset, &e, &why) && intact(r, &e, &why)) {
		if (append(r, &e))
			return -ENOMEM;
		offset = e.offset + e.packed;
	}
	if (why)
		snprintf(r->damage, sizeof(r->damage),
			 "frame %zu at byte %" PRIu64 " %s: what follows is not shown", r->n + 1,
			 offset, why);
	return 0;
}

static int open_file(const char *path, struct failure *f)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct stat st;

	if (fd < 0)
		return failure_errno(f, -errno, "%s", path);
	if (!fstat(fd, &st) && S_ISREG(st.st_mode))
		return fd;
	close(fd);
	return failure_set(f, -EINVAL, "%s is no regular file", path);
}

int recording_open(const char *path, struct failure *f, struct recording **ret)
{
	struct recording *r = calloc(1, sizeof(*r));
	int err;

	if (!r)
		return failure_errno(f, -ENOMEM, "%s", path);
	r->fd = open_file(path, f);
	err = r->fd < 0 ? r->fd : check_header(r->fd, path, f);
	if (!err && index_frames(r))
		err = failure_errno(f, -ENOMEM, "%s", path);
	if (err) {
		recording_close(r);
		return err;
	}
	*ret = r;
	return 0;
}

struct recording *recording_close(struct recording *r)
{
	if (!r)
		return NULL;
	if (r->fd >= 0)
		close(r->fd);
	free(r->entries);
	free(r);
	return NULL;
}

size_t recording_frames(const struct recording *r)
{
	return r->n;
}

const struct recording_mark *recording_mark(const struct recording *r, size_t at)
{
	return &r->entries[at].mark;
}

const char *recording_damage(const struct recording *r)
{
	return r->damage[0] ? r->damage : NULL;
}

/* The file may have changed since it was checked: zlib and jansson check again. */
static int unpack(struct recording *r, const struct entry *e, char *text)
{
	_cleanup_(free_ptr) uint8_t *packed = malloc(e->packed + 1u);
	uLongf size = e->json;

	if (!packed)
		return -ENOMEM;
	if (read_at(r->fd, packed, e->packed, e->offset) != (ssize_t)e->packed)
		return -EIO;
	if (uncompress((Bytef *)text, &size, packed, e->packed) != Z_OK || size != e->json)
		return -EBADMSG;
	return 0;
}

int recording_read(struct recording *r, size_t at, struct failure *f, json_t **ret)
{
	const struct entry *e = &r->entries[at];
	_cleanup_(free_ptr) char *text = malloc(e->json + 1u);
	int err = text ? unpack(r, e, text) : -ENOMEM;

	if (err)
		return failure_errno(f, err, "frame %zu", at + 1);
	err = wire_load(text, e->json, ret);
	if (err == -E2BIG)
		return failure_set(f, -EBADMSG,
				   "frame %zu would take more than %u bytes of memory for each of "
				   "its %u: this is no snapshot",
				   at + 1, WIRE_MEMORY, e->json);
	if (err)
		return failure_set(f, err, "frame %zu holds no JSON", at + 1);
	return 0;
}

static bool is_host(const json_t *json)
{
	const char *schema = json_string_value(json_object_get(json, "schema"));

	return schema && !strncmp(schema, HOST_FRAME_SCHEMA, strcspn(HOST_FRAME_SCHEMA, "/") + 1);
}

int recording_is_host(struct recording *r, struct failure *f, bool *ret)
{
	json_t *json = NULL;
	int err = recording_read(r, 0, f, &json);

	if (!err)
		*ret = is_host(json);
	json_decref(json);
	return err;
}

int recording_host(struct recording *r, size_t at, struct failure *f, struct host_frame *ret)
{
	json_t *json = NULL;
	int err = recording_read(r, at, f, &json);

	if (!err)
		err = host_frame_decode(json, f, ret);
	if (!err)
		ret->time = recording_mark(r, at)->time;
	json_decref(json);
	return err;
}

int recording_snapshot(struct recording *r, size_t at, struct failure *f, struct snapshot *ret)
{
	json_t *json = NULL;
	int err = recording_read(r, at, f, &json);

	if (!err && is_host(json))
		err = failure_set(f, -EBADMSG,
				  "it is of a host's VMs ('desched record --host'): 'desched top "
				  "--replay' and 'desched blame --replay' read it; for 'desched "
				  "correct', record 'desched ledger --json' on the host");
	else if (!err)
		err = snapshot_decode(json, f, ret);
	if (!err)
		ret->time = recording_mark(r, at)->time;
	json_decref(json);
	return err;
}
