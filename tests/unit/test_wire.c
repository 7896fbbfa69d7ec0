/* SPDX-License-Identifier: MIT */
/*
 * wire/wire.h: what a text from outside may cost, held to the memory that the kernel gives us for
 * it; identifiers of 64 bits. What a snapshot is: test_snapshot.c.
 */
#include "wire/wire.h"

#include "base/units.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#ifdef DESCHED_ASAN /* whose shadow is larger than any limit */
#define SANITIZED 1
#else
#define SANITIZED 0
#endif

/* `piece` so often that there are `size` bytes, between `begin` and `end`. */
static char *repeat(const char *begin, const char *piece, const char *end, size_t size)
{
	size_t n = strlen(piece), used = strlen(begin);
	char *text = malloc(size + n + 1024);

	assert_non_null(text);
	strcpy(text, begin);
	for (; used < size; used += n)
		memcpy(text + used, piece, n);
	strcpy(text + used - 1, end); /* without the last comma */
	return text;
}

/* How much the process has taken from the kernel, bytes. */
static size_t memory(void)
{
	FILE *f = fopen("/proc/self/statm", "r");
	size_t pages = 0;

	assert_non_null(f);
	assert_int_equal(fscanf(f, "%zu", &pages), 1);
	fclose(f);
	return pages * (size_t)sysconf(_SC_PAGESIZE);
}

/* In a process of its own: the result, and that it did not take more than it may. */
static int load_within_bounds(const char *text)
{
	size_t size = strlen(text);
	pid_t child = fork();
	int status;

	assert_true(child >= 0);
	if (child == 0) {
		size_t most = memory() + WIRE_MEMORY * size + 4 * MIB;
		const struct rlimit limit = {most, most};
		json_t *o = NULL;
		int err;

		if (!SANITIZED && setrlimit(RLIMIT_AS, &limit))
			_exit(99);
		err = wire_load(text, size, &o);
		_exit(-err);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	return -WEXITSTATUS(status);
}

static void what_a_text_costs_is_bounded(void **state)
{
	static const struct {
		const char *begin, *piece, *end;
		int err;
	} texts[] = {
		{"{\"schema\":\"desched-agent/1\",\"x\":[", "{},", "]}", -E2BIG},
		{"[", "[],", "]", -E2BIG},
		{"[", "\"\",", "]", -E2BIG},
		{"[", "{\"a\":{}},", "]", -E2BIG},
		{"[", "[0],", "]", -E2BIG},
		/* What the schemas are full of; as dense as it comes. */
		{"[", "0.125,", "]", 0},
		{"[", "12,", "]", 0},
		{"[",
		 "{\"tid\":1,\"name\":\"x\",\"reported_s\":0,\"true_s\":0,\"descheduled_s\":0,"
		 "\"wait_s\":0,\"unaccounted_s\":0},",
		 "]", 0},
		{"[",
		 "{\"pid\":1,\"id\":1,\"name\":\"x\",\"reported_s\":0.0,\"true_s\":0.0,"
		 "\"descheduled_s\":0.0,\"wait_s\":0.0,\"unaccounted_s\":0.0,\"children\":{"
		 "\"reported_s\":0.0,\"true_s\":0.0,\"descheduled_s\":0.0,\"wait_s\":0.0,"
		 "\"unaccounted_s\":0.0}},",
		 "]", 0},
		{"[", "{\"cpu\":0,\"lateness\":[[0.000128,3]]},", "]", 0},
		{"{\"metrics\":\"", "desched_x 1\\n,", "\"}", 0},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		char *text = repeat(texts[i].begin, texts[i].piece, texts[i].end, 4 * MIB);
		int err = load_within_bounds(text);

		if (err != texts[i].err)
			fail_msg("%s: %d", texts[i].piece, err);
		free(text);
	}
}

static void what_is_nested_too_deeply_is_refused(void **state)
{
	static const char in_a_string[] = "[\"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[\\\"[[[[[[[[\"]";
	char text[3000];
	json_t *o = NULL;

	(void)state;
	memset(text, '[', 1000);
	memset(text + 1000, ']', 1000);
	assert_int_equal(wire_load(text, 2000, &o), -E2BIG);
	assert_int_equal(wire_load(text, 1000, &o), -E2BIG);
	assert_int_equal(wire_load(text + 1000 - WIRE_DEPTH_MAX, 2 * WIRE_DEPTH_MAX, &o), 0);
	json_decref(o);
	o = NULL;
	assert_int_equal(wire_load(in_a_string, strlen(in_a_string), &o), 0);
	json_decref(o);
	o = NULL;
	assert_int_equal(wire_load("{\"a\":1,\"a\":2}", 13, &o), -EBADMSG);
	assert_int_equal(wire_load("\"\\", 2, &o), -EBADMSG);
	assert_int_equal(wire_load("", 0, &o), -EBADMSG);
	assert_null(o);
}

static void identifiers_keep_all_their_bits(void **state)
{
	static const uint64_t ids[] = {0, 1, (UINT64_C(1) << 53) + 1, INT64_MAX, UINT64_MAX};
	static const char *const bad[] = {"-1",
					  "1.5",
					  "\"\"",
					  "\"-1\"",
					  "\" 1\"",
					  "\"1x\"",
					  "\"18446744073709551616\"",
					  "\"0x10\"",
					  "null",
					  "[]"};
	uint64_t id;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(ids); i++) {
		json_t *o = wire_id_json(ids[i]);

		assert_true(json_is_string(o));
		assert_true(wire_id(o, &id) && id == ids[i]);
		json_decref(o);
	}
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		json_t *o = json_loads(bad[i], JSON_DECODE_ANY, NULL);

		id = 77;
		assert_non_null(o);
		assert_false(wire_id(o, &id));
		assert_int_equal(id, 77);
		json_decref(o);
	}
	assert_false(wire_id(NULL, &id));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_a_text_costs_is_bounded),
		cmocka_unit_test(what_is_nested_too_deeply_is_refused),
		cmocka_unit_test(identifiers_keep_all_their_bits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
