/* SPDX-License-Identifier: MIT */
/*
 * Recordings: what was written is read; a file that was cut, torn, or changed anywhere gives the
 * frames before that and nothing else; a full disk and a killed writer leave whole frames. The
 * layout of the bytes is held to docs/desched-recording.5 by hand here.
 */
#include "base/units.h"
#include "data/recording.h"
#include "data/rotation.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define FRAMES 5

static char directory[] = "/tmp/test-recording.XXXXXX";
static char path[64], other[64];

static int begin(void **state)
{
	(void)state;
	if (!mkdtemp(directory))
		return -1;
	snprintf(path, sizeof(path), "%s/a", directory);
	snprintf(other, sizeof(other), "%s/b", directory);
	return 0;
}

static int end(void **state)
{
	(void)state;
	unlink(path);
	unlink(other);
	return rmdir(directory);
}

static struct recording_mark mark_of(size_t i)
{
	return (struct recording_mark){1000 + i, 2000 + i, 3000 + i, 4000 + i, 5000 + i};
}

/* Frames differ in length, and are not so regular that packing leaves nothing. */
static json_t *json_of(size_t i)
{
	json_t *o = json_object();

	json_object_set_new(o, "number", json_integer((json_int_t)i));
	for (size_t k = 0; k < i * 7; k++) {
		char key[16];

		snprintf(key, sizeof(key), "k%zu", k * k * 7919 % 10007);
		json_object_set_new(o, key, json_integer((json_int_t)(k * 104729 % 65537)));
	}
	return o;
}

static int write_frame(struct recording_writer *w, size_t i, struct failure *f)
{
	struct recording_mark mark = mark_of(i);
	json_t *o = json_of(i);
	int err = recording_write(w, &mark, o, f);

	json_decref(o);
	return err;
}

/* The places at which frames end, as the writer tells them. */
static void write_frames(const char *to, uint64_t ret_ends[FRAMES + 1])
{
	struct recording_writer *w;

	unlink(to);
	assert_int_equal(recording_create(to, 77, NULL, &w), 0);
	ret_ends[0] = recording_written(w);
	for (size_t i = 0; i < FRAMES; i++) {
		assert_int_equal(write_frame(w, i, NULL), 0);
		ret_ends[i + 1] = recording_written(w);
	}
	assert_int_equal(recording_finish(w, NULL), 0);
}

/* All frames of the file are those that were written, in order from the first. */
static size_t check_frames(const char *from)
{
	struct failure f = {.text = ""};
	struct recording *r;
	size_t n;

	if (recording_open(from, &f, &r))
		return SIZE_MAX;
	n = recording_frames(r);
	for (size_t i = 0; i < n; i++) {
		struct recording_mark mark = mark_of(i);
		json_t *o, *expected = json_of(i);

		assert_memory_equal(recording_mark(r, i), &mark, sizeof(mark));
		assert_int_equal(recording_read(r, i, &f, &o), 0);
		assert_true(json_equal(o, expected));
		json_decref(o);
		json_decref(expected);
	}
	recording_close(r);
	return n;
}

static size_t load(const char *from, uint8_t *to, size_t room)
{
	FILE *f = fopen(from, "rb");
	size_t n = fread(to, 1, room, f);

	fclose(f);
	assert_true(n < room);
	return n;
}

static void store(const char *to, const uint8_t *bytes, size_t size)
{
	FILE *f = fopen(to, "wb");

	assert_int_equal(fwrite(bytes, 1, size, f), size);
	fclose(f);
}

static void what_was_written_is_read(void **state)
{
	uint64_t ends[FRAMES + 1];
	struct recording *r;

	(void)state;
	write_frames(path, ends);
	assert_int_equal(check_frames(path), FRAMES);
	assert_int_equal(recording_open(path, NULL, &r), 0);
	assert_null(recording_damage(r));
	recording_close(r);
}

static uint64_t little(const uint8_t *b, int bytes)
{
	uint64_t v = 0;

	for (int i = 0; i < bytes; i++)
		v |= (uint64_t)b[i] << 8 * i;
	return v;
}

/* CRC-32 bit by bit, as ISO 3309 has it. */
static uint32_t crc(const uint8_t *b, size_t size)
{
	uint32_t sum = 0xffffffff;

	while (size--) {
		sum ^= *b++;
		for (int bit = 0; bit < 8; bit++)
			sum = sum >> 1 ^ (sum & 1 ? 0xedb88320 : 0);
	}
	return ~sum;
}

static void the_layout_is_that_of_the_manual(void **state)
{
	uint64_t ends[FRAMES + 1];
	uint8_t b[65536];
	size_t size;

	(void)state;
	write_frames(path, ends);
	size = load(path, b, sizeof(b));
	assert_int_equal(ends[0], 32);
	assert_memory_equal(b, "DESCHREC", 8);
	assert_int_equal(little(b + 8, 2), 1);
	assert_int_equal(little(b + 12, 4), 32);
	assert_int_equal(little(b + 16, 8), 77);
	assert_int_equal(little(b + 24, 4), 56);
	assert_int_equal(little(b + 28, 4), crc(b, 28));
	for (size_t i = 0, at = 32; i < FRAMES; i++) {
		const uint8_t *h = b + at;
		size_t packed = little(h + 4, 4);

		assert_memory_equal(h, "DFRM", 4);
		assert_int_equal(little(h + 12, 4), crc(h + 56, packed));
		assert_int_equal(little(h + 16, 8), 1000 + i);
		assert_int_equal(little(h + 24, 8), 2000 + i);
		assert_int_equal(little(h + 32, 8), 3000 + i);
		assert_int_equal(little(h + 40, 8), 4000 + i);
		assert_int_equal(little(h + 52, 4), crc(h, 52));
		at += 56 + packed;
		assert_int_equal(at, ends[i + 1]);
	}
	assert_int_equal(size, ends[FRAMES]);
}

static void cut_anywhere(void **state)
{
	uint64_t ends[FRAMES + 1];
	uint8_t b[65536];
	size_t size;

	(void)state;
	write_frames(path, ends);
	size = load(path, b, sizeof(b));
	for (size_t cut = 0; cut <= size; cut++) {
		struct failure f = {.text = ""};
		struct recording *r;
		size_t whole = 0;

		while (whole < FRAMES && ends[whole + 1] <= cut)
			whole++;
		store(other, b, cut);
		if (cut < ends[0]) {
			assert_int_equal(recording_open(other, &f, &r), -EBADMSG);
			continue;
		}
		assert_int_equal(check_frames(other), whole);
		assert_int_equal(recording_open(other, &f, &r), 0);
		/* It says so, but where the cut is between two frames and nobody can know. */
		assert_int_equal(recording_damage(r) != NULL, cut != ends[whole]);
		recording_close(r);
	}
}

/* One byte is not what it was: the frames before it, and no others. */
static void changed_anywhere(void **state)
{
	uint64_t ends[FRAMES + 1];
	uint8_t b[65536];
	size_t size;

	(void)state;
	write_frames(path, ends);
	size = load(path, b, sizeof(b));
	for (size_t at = 0; at < size; at++) {
		size_t whole = 0;

		while (whole < FRAMES && ends[whole + 1] <= at)
			whole++;
		b[at] ^= (uint8_t)(1 << at % 8);
		store(other, b, size);
		b[at] ^= (uint8_t)(1 << at % 8);
		assert_int_equal(check_frames(other), at < ends[0] ? SIZE_MAX : whole);
	}
}

static void what_is_no_recording(void **state)
{
	static const char *const others[] = {"/dev/null", "/tmp", "/nonexistent", "/proc/self/exe"};
	static const int errors[] = {-EINVAL, -EINVAL, -ENOENT, -EBADMSG};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(others); i++) {
		struct failure f = {.text = ""};
		struct recording *r;

		assert_int_equal(recording_open(others[i], &f, &r), errors[i]);
		assert_non_null(strstr(f.text, others[i]));
	}
}

static void nothing_is_overwritten(void **state)
{
	struct failure f = {.text = ""};
	uint64_t ends[FRAMES + 1];
	struct recording_writer *w;

	(void)state;
	write_frames(path, ends);
	assert_int_equal(recording_create(path, 1, &f, &w), -EEXIST);
	assert_non_null(strstr(f.text, "another name"));
	assert_int_equal(check_frames(path), FRAMES);
}

/* Writes frames until that fails; returns how many were whole, and the error. */
static size_t write_until_full(const char *to, int *ret_err)
{
	struct failure f = {.text = ""};
	struct recording_writer *w;
	size_t n = 0;
	int err;

	assert_int_equal(recording_create(to, 77, &f, &w), 0);
	while (!(err = write_frame(w, n, &f)))
		n++;
	assert_non_null(strstr(f.text, to));
	*ret_err = err;
	recording_finish(w, NULL);
	return n;
}

static void a_file_that_may_not_grow(void **state)
{
	struct rlimit limit, before;
	size_t n;
	int err;

	(void)state;
	unlink(other);
	signal(SIGXFSZ, SIG_IGN);
	getrlimit(RLIMIT_FSIZE, &before);
	limit = (struct rlimit){5000, before.rlim_max};
	setrlimit(RLIMIT_FSIZE, &limit);
	n = write_until_full(other, &err);
	setrlimit(RLIMIT_FSIZE, &before);
	assert_int_equal(err, -EFBIG);
	assert_true(n > 2);
	assert_int_equal(check_frames(other), n);
}

/* In a child, with a file system of its own that is soon full. */
static int fill_disk(void)
{
	char full[96];
	int err;
	size_t n;

	if (unshare(CLONE_NEWNS) || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
	    mount("none", directory, "tmpfs", 0, "size=16k"))
		return 77;
	snprintf(full, sizeof(full), "%s/full", directory);
	n = write_until_full(full, &err);
	return err == -ENOSPC && n > 2 && check_frames(full) == n ? 0 : 1;
}

static void a_full_disk(void **state)
{
	pid_t child = fork();
	int status;

	(void)state;
	if (child == 0)
		_exit(fill_disk());
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	if (WEXITSTATUS(status) == 77)
		skip();
	assert_int_equal(WEXITSTATUS(status), 0);
}

/* Until the file has so many bytes, at most half a minute. */
static void await_size(const char *file, off_t size)
{
	struct stat st = {.st_size = -1};

	for (int i = 0; i < 300000 && st.st_size < size; i++) {
		usleep(100);
		if (stat(file, &st))
			st.st_size = -1;
	}
	assert_true(st.st_size >= size);
}

static void a_killed_writer(void **state)
{
	(void)state;
	srandom(3);
	for (int i = 0; i < 20; i++) {
		struct recording_writer *w;
		pid_t child;

		unlink(other);
		child = fork();
		if (child == 0) {
			if (recording_create(other, 77, NULL, &w))
				_exit(1);
			for (size_t n = 0;; n++)
				write_frame(w, n, NULL);
		}
		await_size(other, 1000 + random() % 50000);
		kill(child, SIGKILL);
		waitpid(child, NULL, 0);
		assert_in_range(check_frames(other), 1, 1000000);
	}
}

/* A file that shrinks after it was opened is an error, no crash. */
static void a_file_that_shrinks(void **state)
{
	struct failure f = {.text = ""};
	uint64_t ends[FRAMES + 1];
	struct recording *r;
	json_t *o;

	(void)state;
	write_frames(path, ends);
	assert_int_equal(recording_open(path, NULL, &r), 0);
	assert_int_equal(truncate(path, (off_t)ends[2]), 0);
	assert_int_equal(recording_read(r, 1, &f, &o), 0);
	json_decref(o);
	assert_true(recording_read(r, 3, &f, &o) < 0);
	assert_non_null(strstr(f.text, "frame 4"));
	recording_close(r);
}

static bool is_there(const char *dir, const char *name)
{
	char file[PATH_MAX];

	snprintf(file, sizeof(file), "%s/%s", dir, name);
	return access(file, F_OK) == 0;
}

static void touch(const char *dir, const char *name)
{
	char file[PATH_MAX];

	snprintf(file, sizeof(file), "%s/%s", dir, name);
	close(open(file, O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
}

/* date -ud '2026-11-20 12:00:11' +%s; the oldest go, and nothing that isn't a recording of ours. */
static void the_oldest_are_removed(void **state)
{
	static const char *const others[] = {"20260101T000000Z.rec.bak", "monday.rec",
					     "2026x101T000000Z.rec"};
	const uint64_t time = UINT64_C(1795176011000000000);
	char dir[] = "/tmp/test-rotation.XXXXXX", next[PATH_MAX], expected[PATH_MAX];
	struct failure f = {.text = ""};

	(void)state;
	assert_non_null(mkdtemp(dir));
	for (size_t i = 0; i < ARRAY_SIZE(others); i++)
		touch(dir, others[i]);
	touch(dir, "20261120T110000Z.rec");
	touch(dir, "20261120T100000Z.rec");
	touch(dir, "20261120T120011Z.rec");
	assert_int_equal(rotation_next(dir, time, 3, 0, &f, next), 0);
	snprintf(expected, sizeof(expected), "%s/20261120T120012Z.rec", dir);
	assert_string_equal(next, expected);
	assert_false(is_there(dir, "20261120T100000Z.rec"));
	assert_true(is_there(dir, "20261120T110000Z.rec"));
	assert_int_equal(rotation_next(dir, time + 3600 * NS_PER_SEC, 1, 0, &f, next), 0);
	assert_false(is_there(dir, "20261120T120011Z.rec"));
	for (size_t i = 0; i < ARRAY_SIZE(others); i++) {
		assert_true(is_there(dir, others[i]));
		snprintf(expected, sizeof(expected), "%s/%s", dir, others[i]);
		unlink(expected);
	}
	assert_int_equal(rmdir(dir), 0);
	assert_int_equal(rotation_next(dir, time, 3, 0, &f, next), -ENOENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_was_written_is_read),
		cmocka_unit_test(the_layout_is_that_of_the_manual),
		cmocka_unit_test(cut_anywhere),
		cmocka_unit_test(changed_anywhere),
		cmocka_unit_test(what_is_no_recording),
		cmocka_unit_test(nothing_is_overwritten),
		cmocka_unit_test(a_file_that_may_not_grow),
		cmocka_unit_test(a_full_disk),
		cmocka_unit_test(a_killed_writer),
		cmocka_unit_test(a_file_that_shrinks),
		cmocka_unit_test(the_oldest_are_removed),
	};

	return cmocka_run_group_tests(tests, begin, end);
}
