/* SPDX-License-Identifier: MIT */
/*
 * What guests say to the lab, and what they might say instead: lines, answers, reports. The
 * arithmetic on what was said is in test_lab.c.
 */
#include "lab/control.h"

#include "random.h"

#include <errno.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define REPORT                                                                                     \
	"{\"id\":9,\"ok\":true,\"agent\":{\"alive\":true,\"ended\":\"\",\"said\":\"hi\"},"         \
	"\"workers\":[{\"kind\":\"spin\",\"pid\":81,\"steady\":true,\"alive\":true,\"units\":"     \
	"1234,"                                                                                    \
	"\"reported_s\":6.5,\"cpu_s\":6.501,\"top_s\":6.49,\"more\":[]},"                          \
	"{\"kind\":\"sleeper\",\"pid\":82,\"units\":0,\"reported_s\":0,\"cpu_s\":0}],"             \
	"\"before\":{\"busy_s\":1.25,\"others_s\":0.5,\"agent\":{\"a\":1}},"                       \
	"\"after\":{\"busy_s\":3.5,\"others_s\":0.75,\"agent\":{\"error\":\"Connection "           \
	"refused\"}}}"

static json_t *object(const char *text)
{
	json_t *o = json_loads(text, 0, NULL);

	if (!o)
		fail_msg("the test's own JSON is none: %s", text);
	return o;
}

static void lines_come_in_pieces(void **state)
{
	static const char stream[] = "\n{\"a\":1}\r\n\n{\"a\":2}\n{\"a\":";
	struct control_in in = {0};
	json_t *line = NULL;
	int n = 0;

	(void)state;
	for (size_t i = 0; i < sizeof(stream) - 1; i++) {
		assert_int_equal(control_feed(&in, stream + i, 1), 0);
		while (control_next(&in, &line) == 1) {
			assert_int_equal(json_integer_value(json_object_get(line, "a")), ++n);
			json_decref(line);
		}
	}
	assert_int_equal(n, 2);
	assert_int_equal(control_feed(&in, "3}\n{\"a\":4}\n", 11), 0);
	for (n = 3; n <= 4; n++) {
		assert_int_equal(control_next(&in, &line), 1);
		assert_int_equal(json_integer_value(json_object_get(line, "a")), n);
		json_decref(line);
	}
	assert_int_equal(control_next(&in, &line), 0);
	control_done(&in);
}

static void a_line_that_is_no_object_is_refused(void **state)
{
	static const char *const bad[] = {"hello\n",	"[]\n",	  "7\n",    "{\"a\":1\n",
					  "\xff\xfe\n", "{}{}\n", "null\n", "{\"a\":1,\"a\":2}\n"};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct control_in in = {0};
		json_t *line = NULL;

		assert_int_equal(control_feed(&in, bad[i], strlen(bad[i])), 0);
		assert_int_equal(control_next(&in, &line), -EBADMSG);
		assert_null(line);
		control_done(&in);
	}
}

static void a_line_without_end_is_refused(void **state)
{
	static char block[65536];
	struct control_in in = {0};
	size_t taken = 0;

	(void)state;
	memset(block, 'x', sizeof(block));
	while (control_feed(&in, block, sizeof(block)) == 0)
		taken += sizeof(block);
	assert_true(taken <= CONTROL_LINE_MAX);
	assert_int_equal(control_feed(&in, block, sizeof(block)), -EMSGSIZE);
	control_done(&in);
	assert_int_equal(control_feed(&in, block, CONTROL_LINE_MAX + 1), -EMSGSIZE);
	control_done(&in);
}

static void an_answer_is_read(void **state)
{
	json_t *o = object(REPORT);
	struct control_answer a;

	(void)state;
	assert_int_equal(control_parse_answer(o, NULL, &a), 0);
	assert_int_equal(a.id, 9);
	assert_true(a.ok);
	assert_true(a.agent.alive);
	assert_string_equal(a.agent.said, "hi");
	json_decref(o);
}

static void an_answer_that_is_none_is_refused(void **state)
{
	static const char *const bad[] = {"{}", "{\"ok\":1}", "{\"ok\":true,\"id\":-1}",
					  "{\"ok\":true,\"id\":\"7\"}", "{\"id\":3}"};
	struct control_answer a = {.id = 77};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		json_t *o = object(bad[i]);
		struct failure f = {""};

		assert_int_equal(control_parse_answer(o, &f, &a), -EBADMSG);
		assert_true(f.text[0]);
		assert_int_equal(a.id, 77);
		json_decref(o);
	}
}

static void text_is_cut_and_cleaned(void **state)
{
	char text[8];

	(void)state;
	control_text("\033[31mred", text, sizeof(text));
	assert_string_equal(text, "?[31mre");
	control_text("a\n\xc3\xa9", text, sizeof(text));
	assert_string_equal(text, "a???");
	control_text(NULL, text, sizeof(text));
	assert_string_equal(text, "");
}

static void a_report_is_read(void **state)
{
	json_t *o = object(REPORT);
	struct control_report r;

	(void)state;
	assert_int_equal(control_parse_report(o, NULL, &r), 0);
	assert_int_equal(r.n, 2);
	assert_string_equal(r.workers[0].kind, "spin");
	assert_int_equal(r.workers[0].pid, 81);
	assert_true(r.workers[0].steady && r.workers[0].alive && r.workers[0].has_top);
	assert_int_equal(r.workers[0].units, 1234);
	assert_int_equal(r.workers[0].reported, 6500000000);
	assert_int_equal(r.workers[0].cpu, 6501000000);
	assert_int_equal(r.workers[0].top, 6490000000);
	assert_false(r.workers[1].steady || r.workers[1].alive || r.workers[1].has_top);
	assert_int_equal(r.busy, 2250000000);  /* 3.5 - 1.25 */
	assert_int_equal(r.others, 250000000); /* 0.75 - 0.5 */
	assert_non_null(r.before);
	assert_null(r.after); /* the agent's error is no snapshot */
	json_decref(o);
}

static const struct {
	const char *path; /* what of REPORT is replaced */
	const char *by;
} spoiled[] = {
	{"\"kind\":\"spin\"", "\"kind\":\"\""},
	{"\"kind\":\"spin\"", "\"kind\":\"a name of more than 15\""},
	{"\"kind\":\"spin\"", "\"kind\":\"../x\""},
	{"\"kind\":\"spin\"", "\"kind\":7"},
	{"\"pid\":81", "\"pid\":-1"},
	{"\"pid\":81", "\"pid\":4294967296"},
	{"\"units\":1234", "\"units\":-5"},
	{"\"units\":1234", "\"units\":1.5"},
	{"\"units\":1234", "\"units\":\"many\""},
	{"\"reported_s\":6.5", "\"reported_s\":-6.5"},
	{"\"reported_s\":6.5", "\"reported_s\":1e300"},
	{"\"reported_s\":6.5", "\"reported_s\":null"},
	{"\"cpu_s\":6.501", "\"cpu_s\":-1"},
	{"\"others_s\":0.5", "\"others_s\":[]"},
	{"\"busy_s\":1.25", "\"busy_s\":\"1\""},
	{"\"after\"", "\"later\""},
	{"\"workers\"", "\"nobody\""},
	{"\"workers\":[", "\"workers\":[1,"},
};

static void a_spoiled_report_is_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(spoiled) / sizeof(spoiled[0]); i++) {
		const char *at = strstr(REPORT, spoiled[i].path);
		struct control_report r = {.n = 99};
		struct failure f = {""};
		char text[1024];
		json_t *o;

		assert_non_null(at);
		snprintf(text, sizeof(text), "%.*s%s%s", (int)(at - REPORT), REPORT, spoiled[i].by,
			 at + strlen(spoiled[i].path));
		o = object(text);
		assert_int_equal(control_parse_report(o, &f, &r), -EBADMSG);
		assert_true(f.text[0]);
		assert_int_equal(r.n, 99);
		json_decref(o);
	}
}

static void too_many_are_refused(void **state)
{
	json_t *o = object(REPORT), *list = json_object_get(o, "workers");
	json_t *kinds = json_pack("{s:[]}", "kinds");
	struct control_report r;
	struct control_kinds k;

	(void)state;
	assert_int_equal(control_parse_kinds(kinds, NULL, &k), -EBADMSG);
	while (json_array_size(list) <= CONTROL_WORKERS_MAX) {
		json_array_append(list, json_array_get(list, 0));
		json_array_append_new(json_object_get(kinds, "kinds"), json_string("kind"));
	}
	assert_int_equal(control_parse_report(o, NULL, &r), -EBADMSG);
	assert_int_equal(control_parse_kinds(kinds, NULL, &k), 0);
	assert_int_equal(k.n, CONTROL_WORKERS_MAX - 1);
	assert_string_equal(k.names[0], "kind");
	while (json_array_size(json_object_get(kinds, "kinds")) <= CONTROL_KINDS_MAX)
		json_array_append_new(json_object_get(kinds, "kinds"), json_string("kind"));
	assert_int_equal(control_parse_kinds(kinds, NULL, &k), -EBADMSG);
	json_decref(kinds);
	json_decref(o);
}

/* Good lines with bytes replaced: whatever comes out, nothing may be read or written outside of
 * what was given (the sanitizers watch), and out-parameters stay within their bounds. */
static void hostile_bytes_do_no_harm(void **state)
{
	static const char seed[] = REPORT "\n";
	struct random rng = {5};

	(void)state;
	for (int round = 0; round < 20000; round++) {
		size_t n = strlen(seed);
		char *line = strdup(seed);
		struct control_in in = {0};
		struct control_report r;
		json_t *o = NULL;

		for (uint64_t i = 0; i <= random_below(&rng, 4); i++)
			line[random_below(&rng, n - 1)] = (char)random_below(&rng, 256);
		assert_int_equal(control_feed(&in, line, n), 0);
		while (control_next(&in, &o) == 1) {
			if (!control_parse_report(o, NULL, &r))
				assert_in_range(r.n, 1, CONTROL_WORKERS_MAX);
			json_decref(o);
		}
		control_done(&in);
		free(line);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines_come_in_pieces),
		cmocka_unit_test(a_line_that_is_no_object_is_refused),
		cmocka_unit_test(a_line_without_end_is_refused),
		cmocka_unit_test(an_answer_is_read),
		cmocka_unit_test(an_answer_that_is_none_is_refused),
		cmocka_unit_test(text_is_cut_and_cleaned),
		cmocka_unit_test(a_report_is_read),
		cmocka_unit_test(a_spoiled_report_is_refused),
		cmocka_unit_test(too_many_are_refused),
		cmocka_unit_test(hostile_bytes_do_no_harm),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
