/* SPDX-License-Identifier: MIT */
/*
 * What people type and what they are told: numbers, command lines, help, one-line failures.
 * Siblings: test_base.c (clocks, /proc).
 */
#include "base/failure.h"
#include "base/options.h"
#include "base/units.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* ---- numbers ---- */

static const struct {
	const char *text;
	int expected;
	uint64_t value;
} uints[] =
	{
		{"0", 0, 0},
		{"42", 0, 42},
		{"007", 0, 7},
		{"18446744073709551615", 0, UINT64_MAX},
		{"18446744073709551616", -EINVAL, 0},
		{"", -EINVAL, 0},
		{"-1", -EINVAL, 0},
		{"+1", -EINVAL, 0},
		{" 1", -EINVAL, 0},
		{"1 ", -EINVAL, 0},
		{"1.0", -EINVAL, 0},
		{"0x10", -EINVAL, 0},
		{"ten", -EINVAL, 0},
},
  seconds[] = {
	  {"0", 0, 0},
	  {"1", 0, 1000000000},
	  {"0.25", 0, 250000000},
	  {".5", 0, 500000000},
	  {"2.", 0, 2000000000},
	  {"0.000000001", 0, 1},
	  {"1000000000", 0, 1000000000000000000},
	  {"1000000001", -EINVAL, 0},
	  {"", -EINVAL, 0},
	  {".", -EINVAL, 0},
	  {"-1", -EINVAL, 0},
	  {"+1", -EINVAL, 0},
	  {" 1", -EINVAL, 0},
	  {"1s", -EINVAL, 0},
	  {"1,5", -EINVAL, 0},
	  {"0x1", -EINVAL, 0},
	  {"inf", -EINVAL, 0},
	  {"nan", -EINVAL, 0},
	  {"1e400", -EINVAL, 0},
};

static void test_parse_uint(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(uints); i++) {
		uint64_t v = 0;

		assert_int_equal(parse_uint(uints[i].text, &v), uints[i].expected);
		assert_int_equal(v, uints[i].value);
	}
}

static void test_parse_seconds(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(seconds); i++) {
		uint64_t v = 0;

		assert_int_equal(parse_seconds(seconds[i].text, &v), seconds[i].expected);
		assert_int_equal(v, seconds[i].value);
	}
}

/* ---- command lines ---- */

static struct {
	bool json, quiet;
	const char *out;
	uint64_t vms, interval;
} got;

static const struct option_row rows[] = {
	{'j', "json", NULL, OPTION_FLAG, &got.json, 0, 0, "print JSON"},
	{'q', NULL, NULL, OPTION_FLAG, &got.quiet, 0, 0, "say nothing"},
	{'o', "out", "FILE", OPTION_STRING, &got.out, 0, 0, "where to"},
	{'n', "vms", "N", OPTION_UINT, &got.vms, 1, 8, "how many"},
	{0, "interval", "SECONDS", OPTION_SECONDS, &got.interval, 1000000, 0, "how often"},
};

static const struct command command = {
	.name = "lab",
	.operands = "[PID...]",
	.summary = "Does things.",
	.examples = "  desched lab -n 2\n",
	.rows = rows,
	.n_rows = ARRAY_SIZE(rows),
};

#define WORDS_MAX 8

static int parse(const struct command *c, const char *const *words, struct failure *f, bool *help)
{
	char *argv[WORDS_MAX + 2] = {"desched-lab"};
	int argc = 1;

	memset(&got, 0, sizeof(got));
	while (argc <= WORDS_MAX && words[argc - 1]) {
		argv[argc] = (char *)words[argc - 1];
		argc++;
	}
	return options_parse(c, argc, argv, f, help);
}

static void test_options_fill_their_destinations(void **state)
{
	const char *const forms[][WORDS_MAX] = {
		{"-j", "--out", "x", "-n", "3", "--interval", "0.5", "12"},
		{"--json", "--out=x", "--vms=3", "--interval=.5", "12"},
		{"-jn3", "-ox", "--interval=0.50", "12"},
		{"-jn", "3", "-o", "x", "--interval=0.50", "12"},
	};
	const int operand[] = {8, 5, 4, 6};
	struct failure f;
	bool help;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(forms); i++) {
		assert_int_equal(parse(&command, forms[i], &f, &help), operand[i]);
		assert_false(help);
		assert_true(got.json);
		assert_false(got.quiet);
		assert_string_equal(got.out, "x");
		assert_int_equal(got.vms, 3);
		assert_int_equal(got.interval, 500 * NS_PER_MS);
	}
}

static const struct {
	const char *words[WORDS_MAX];
	const char *text; /* what the failure must name */
} refused[] = {
	{{"--nonsense"}, "'--nonsense'"},
	{{"-x"}, "'-x'"},
	{{"-jx"}, "'-x'"},
	{{"-jn9"}, "'9'"},
	{{"-jn"}, "N"},
	{{"--jso"}, "'--jso'"},
	{{"--json=yes"}, "--json"},
	{{"--j"}, "'--j'"},
	{{"--vms"}, "N"},
	{{"-n"}, "N"},
	{{"--vms", "0"}, "from 1 to 8"},
	{{"--vms", "9"}, "from 1 to 8"},
	{{"--vms="}, "from 1 to 8"},
	{{"--vms", "-1"}, "'-1'"},
	{{"-n", "two"}, "'two'"},
	{{"--interval", "0"}, "at least 0.001"},
	{{"--interval", "soon"}, "seconds"},
};

static void test_options_say_what_is_wrong(void **state)
{
	struct failure f;
	bool help;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(refused); i++) {
		memset(&f, 0, sizeof(f));
		assert_int_equal(parse(&command, refused[i].words, &f, &help), -EINVAL);
		if (!strstr(f.text, refused[i].text))
			fail_msg("%s: \"%s\" lacks \"%s\"", refused[i].words[0], f.text,
				 refused[i].text);
		assert_null(strchr(f.text, '\n'));
		assert_int_equal(parse(&command, refused[i].words, NULL, &help), -EINVAL);
	}
}

static void test_options_end_where_operands_begin(void **state)
{
	struct command none = command;
	struct failure f;
	bool help;

	(void)state;
	assert_int_equal(parse(&command, (const char *[]){NULL}, &f, &help), 1);
	assert_int_equal(parse(&command, (const char *[]){"-", "-j", NULL}, &f, &help), 1);
	assert_false(got.json);
	assert_int_equal(parse(&command, (const char *[]){"--", "-j", NULL}, &f, &help), 2);
	assert_false(got.json);
	none.operands = "";
	assert_int_equal(parse(&none, (const char *[]){"-j", "12", NULL}, &f, &help), -EINVAL);
	assert_non_null(strstr(f.text, "'12'"));
	assert_int_equal(parse(&none, (const char *[]){"-j", NULL}, &f, &help), 2);
}

static void test_help_stops_there(void **state)
{
	const char *const forms[][3] = {{"--help", "--nonsense"}, {"-h", "--nonsense"}};
	struct failure f;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(forms); i++) {
		bool help = false;

		assert_int_equal(parse(&command, forms[i], &f, &help), 1);
		assert_true(help);
	}
}

/* What fn prints to standard output; the caller frees it. */
static char *printed_by(void (*fn)(void))
{
	FILE *before = stdout;
	char *text = NULL;
	size_t size;

	stdout = open_memstream(&text, &size);
	assert_non_null(stdout);
	fn();
	fclose(stdout);
	stdout = before;
	return text;
}

static void print_help(void)
{
	options_help(&command, "desched");
}

static void print_list(void)
{
	options_list(&command);
}

static void test_help_shows_every_row(void **state)
{
	char *text = printed_by(print_help);

	(void)state;
	assert_non_null(strstr(text, "Usage: desched lab [OPTION...] [PID...]\n"));
	assert_non_null(strstr(text, "Does things."));
	assert_non_null(strstr(text, "desched lab -n 2\n"));
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		assert_non_null(strstr(text, rows[i].help));
	assert_non_null(strstr(text, "  -n, --vms N "));
	assert_non_null(strstr(text, "  --interval SECONDS "));
	assert_non_null(strstr(text, "  -q "));
	free(text);
}

static void test_list_is_for_completion(void **state)
{
	char *text = printed_by(print_list);

	(void)state;
	assert_string_equal(text, "--json\n-q\n--out\n--vms\n--interval\n--help\n");
	free(text);
}

/* ---- failures ---- */

static void test_failure_is_cut_to_fit(void **state)
{
	char text[2 * sizeof(((struct failure *)0)->text)];
	struct {
		struct failure f;
		char behind[16];
	} s;

	(void)state;
	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	memset(&s, '#', sizeof(s));
	assert_int_equal(failure_set(&s.f, -EIO, "%s", text), -EIO);
	assert_int_equal(strlen(s.f.text), sizeof(s.f.text) - 1);
	assert_memory_equal(s.f.text, text, sizeof(s.f.text) - 1);
	memset(&s.f, '#', sizeof(s.f));
	assert_int_equal(failure_errno(&s.f, -EIO, "%s", text), -EIO);
	assert_int_equal(strlen(s.f.text), sizeof(s.f.text) - 1);
	assert_memory_equal(s.behind, "################", 16);
}

static void test_failure_texts(void **state)
{
	struct failure f;
	char expected[128];

	(void)state;
	assert_int_equal(failure_set(&f, -ENOENT, "no %s in %d", "x", 3), -ENOENT);
	assert_string_equal(f.text, "no x in 3");
	assert_int_equal(failure_errno(&f, -ENOENT, "open %s", "x"), -ENOENT);
	snprintf(expected, sizeof(expected), "open x: %s", strerror(ENOENT));
	assert_string_equal(f.text, expected);
	assert_int_equal(failure_set(NULL, -EINVAL, "%d", 1), -EINVAL);
	assert_int_equal(failure_errno(NULL, -EINVAL, "%d", 1), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parse_uint),
		cmocka_unit_test(test_parse_seconds),
		cmocka_unit_test(test_options_fill_their_destinations),
		cmocka_unit_test(test_options_say_what_is_wrong),
		cmocka_unit_test(test_options_end_where_operands_begin),
		cmocka_unit_test(test_help_stops_there),
		cmocka_unit_test(test_help_shows_every_row),
		cmocka_unit_test(test_list_is_for_completion),
		cmocka_unit_test(test_failure_is_cut_to_fit),
		cmocka_unit_test(test_failure_texts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
