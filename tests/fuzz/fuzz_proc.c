/* SPDX-License-Identifier: MIT */
/*
 * The parsers of /proc over any text. The first byte of the input chooses the parser, the second
 * the CPU; the rest is the text.
 */
#include "fuzz.h"

#include "base/proc.h"

#include <errno.h>
#include <string.h>

static void fuzz_stat(const char *text, uint8_t unused)
{
	struct proc_stat s, untouched;
	int err;

	(void)unused;
	memset(&untouched, 0xa5, sizeof(untouched));
	s = untouched;
	err = proc_parse_stat(text, &s);
	CHECK(err == 0 || err == -EBADMSG);
	if (err == 0) {
		CHECK(memchr(s.comm, '\0', sizeof(s.comm)));
		CHECK(strstr(text, s.comm));
	} else {
		CHECK(!memcmp(&s, &untouched, sizeof(s)));
	}
}

static void fuzz_schedstat(const char *text, uint8_t unused)
{
	uint64_t run = 5, delay = 6;
	int err = proc_parse_schedstat(text, &run, &delay);

	(void)unused;
	CHECK(err == 0 || (err == -EBADMSG && run == 5 && delay == 6));
}

static void fuzz_cpu(const char *text, uint8_t cpu)
{
	struct proc_cpu c = {5, 6, 7};
	int err = proc_parse_cpu(text, (int8_t)cpu, &c);

	CHECK(err == 0 || err == -EBADMSG || err == -ENOENT);
	CHECK(err == 0 || (c.busy_ns == 5 && c.idle_ns == 6 && c.steal_ns == 7));
}

static void fuzz_cgroup(const char *text, uint8_t room)
{
	char path[256] = "as it was";
	int err = proc_parse_cgroup(text, path, room + 1u);

	CHECK(err == 0 || (err == -EBADMSG && !strcmp(path, "as it was")));
	if (err == 0)
		CHECK(memchr(path, 0, room + 1u) && strstr(text, path) && !strchr(path, '\n'));
}

static void (*const parsers[])(const char *, uint8_t) = {fuzz_stat, fuzz_schedstat, fuzz_cpu,
							 fuzz_cgroup};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text;

	if (size < 2)
		return 0;
	text = malloc(size - 1); /* exactly: beyond it ASan sees */
	if (!text)
		return 0;
	memcpy(text, data + 2, size - 2);
	text[size - 2] = '\0';
	parsers[data[0] % (sizeof(parsers) / sizeof(parsers[0]))](text, data[1]);
	free(text);
	return 0;
}
