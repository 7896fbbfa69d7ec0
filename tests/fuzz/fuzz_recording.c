/* SPDX-License-Identifier: MIT */
/*
 * A recording from anywhere. The first byte says whether the file's checksums are put right before
 * it is read, so that what stands behind them is reached as well. It is read as frames, and as what
 * is to be corrected, from both sides.
 */
#include "fuzz.h"

#include "base/units.h"
#include "correct/usage.h"
#include "data/recording.h"
#include "data/recording_layout.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static void put_right(uint8_t *b, size_t size)
{
	size_t at = RECORDING_HEADER_SIZE;

	if (size < at)
		return;
	put_le(b + 28, 4, recording_checksum(b, 28));
	while (size - at >= RECORDING_FRAME_SIZE) {
		uint64_t packed = u64_min(get32(b + at + 4), size - at - RECORDING_FRAME_SIZE);

		put_le(b + at + 12, 4, recording_checksum(b + at + RECORDING_FRAME_SIZE, packed));
		put_le(b + at + 52, 4, recording_checksum(b + at, 52));
		at += RECORDING_FRAME_SIZE + packed;
	}
}

static void read_all(const char *path)
{
	struct failure f = {.text = ""};
	struct recording *r = NULL;
	int err = recording_open(path, &f, &r);

	if (err) {
		CHECK(err == -EBADMSG && !r && f.text[0] && !strchr(f.text, '\n'));
		return;
	}
	for (size_t i = 0; i < recording_frames(r); i++) {
		json_t *o = NULL;

		if (!recording_read(r, i, &f, &o))
			CHECK(o);
		else
			CHECK(!o && f.text[0]);
		json_decref(o);
	}
	recording_close(r);
}

static void correct_it(const char *path, bool host)
{
	const struct source side = {.host = host};
	struct failure f = {.text = ""};
	struct usage u;

	if (usage_read(path, &side, &f, &u)) {
		CHECK(f.text[0] && !strchr(f.text, '\n'));
		return;
	}
	CHECK(u.n > 0);
	for (size_t i = 0; i < u.n; i++)
		CHECK(u.pieces[i].from < u.pieces[i].to && u.pieces[i].cpu >= 0);
	usage_done(&u);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t *copy = malloc(size + 1);
	char path[32];
	int fd;

	if (!copy || !size) {
		free(copy);
		return 0;
	}
	memcpy(copy, data + 1, size - 1);
	if (data[0] & 1)
		put_right(copy, size - 1);
	fd = memfd_create("recording", MFD_CLOEXEC);
	CHECK(write(fd, copy, size - 1) == (ssize_t)(size - 1));
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	read_all(path);
	correct_it(path, false);
	correct_it(path, true);
	close(fd);
	free(copy);
	return 0;
}
