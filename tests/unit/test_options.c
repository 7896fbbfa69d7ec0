/* SPDX-License-Identifier: MIT */
/*
 * What people type and what they are told: command lines, help, one-line failures. Siblings:
 * test_rows.c (values), test_base.c (clocks, /proc).
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

/* ---- command lines ---- */

static const char *colour(size_t i)
{
	static const char *const colours[] = {"red", "green", "blue"};

	return i < ARRAY_SIZE(colours) ? colours[i] : NULL;
}

static const struct values {
	bool json, quiet;
	const char *out;
	uint64_t vms, interval, none;
	struct option_choice colour;
	struct option_list set;
	struct option_output figures;
} initial = {.out = "here",
	     .vms = 3,
	     .interval = 250 * NS_PER_MS,
	     .none = UINT64_MAX,
	     .colour = {"green", colour}};
static struct values got;

static const struct option_row rows[] = {
	{'j', "json", NULL, OPTION_FLAG, &got.json, 0, 0, "print JSON"},
	{'q', NULL, NULL, OPTION_FLAG, &got.quiet, 0, 0, "say nothing"},
	{'o', "out", "FILE", OPTION_STRING, &got.out, 0, 0, "where to"},
	{'n', "vms", "N", OPTION_UINT, &got.vms, 1, 8, "how many"},
	{0, "interval", "SECONDS", OPTION_SECONDS, &got.interval, 1000000, 0, "how often"},
	{0, "none", "N", OPTION_UINT, &got.none, 0, 0, "no default"},
	{'c', "colour", "NAME", OPTION_CHOICE, &got.colour, 0, 0, "which"},
	{0, "set", "WHAT", OPTION_LIST, &got.set, 0, 0, "again and again"},
	{0, "figures", "FILE", OPTION_OUTPUT, &got.figures, 0, 0, "figures"},
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

	got = initial;
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
	{{"--json=yes"}, "--json"},
	{{"--in", "1", "--no", "1", "--i="}, "seconds"}, /* short for --interval, --none */
	{{"--set", "x", "--x"}, "'--x'"},
	{{"--colour", "pink"}, "expected red, green or blue"},
	{{"-cgree"}, "expected red, green or blue"},
	{{"--colour"}, "NAME"},
	{{"--vms"}, "N"},
	{{"-n"}, "N"},
	{{"--vms", "0"}, "from 1 to 8"},
	{{"--vms", "9"}, "from 1 to 8"},
	{{"--vms="}, "from 1 to 8"},
	{{"--vms", "-1"}, "'-1'"},
	{{"-n", "two"}, "'two'"},
	{{"--interval", "0"}, "from 0.001 to 1000000000"},
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

static void test_options_may_follow_operands(void **state)
{
	char *argv[] = {"lab", "1", "-q", "2", "--vms", "4", "-", "--", "-j", NULL};
	const char *const operands[] = {"1", "2", "-", "-j"};
	struct failure f;
	bool help;
	int first;

	(void)state;
	got = initial;
	first = options_parse(&command, ARRAY_SIZE(argv) - 1, argv, &f, &help);
	assert_true(got.quiet);
	assert_int_equal(got.vms, 4);
	assert_false(got.json);
	assert_int_equal(ARRAY_SIZE(argv) - 1 - (size_t)first, ARRAY_SIZE(operands));
	for (size_t i = 0; i < ARRAY_SIZE(operands); i++)
		assert_string_equal(argv[(size_t)first + i], operands[i]);
}

static void test_options_of_another_command_are_its_own(void **state)
{
	char *argv[] = {"view", "-q", "top", "-j", NULL};
	struct command runner = command;
	struct failure f;
	bool help;

	(void)state;
	runner.runs_command = true;
	got = initial;
	assert_int_equal(options_parse(&runner, 4, argv, &f, &help), 2);
	assert_true(got.quiet);
	assert_false(got.json);
	argv[3] = "--help";
	assert_int_equal(options_parse(&runner, 4, argv, &f, &help), 2);
	assert_false(help);
}

static void test_operands_are_counted(void **state)
{
	const struct {
		const char *words[WORDS_MAX];
		int least, most;
		bool refused;
	} cases[] = {{{NULL}, 0, 0, false},    {{"a", "b", "c"}, 0, 0, false},
		     {{NULL}, 1, 0, true},     {{"a"}, 1, 1, false},
		     {{"a", "b"}, 1, 1, true}, {{"a", "b"}, 1, 2, false}};
	struct command c = command;
	struct failure f;
	bool help;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		c.least = cases[i].least;
		c.most = cases[i].most;
		assert_int_equal(parse(&c, cases[i].words, &f, &help) < 0, cases[i].refused);
		if (cases[i].refused)
			assert_non_null(strstr(f.text, "[PID...]"));
	}
	c.operands = "";
	assert_int_equal(parse(&c, (const char *[]){"-j", "12", NULL}, &f, &help), -EINVAL);
	assert_non_null(strstr(f.text, "'12'"));
}

static void test_choices_lists_and_outputs(void **state)
{
	struct failure f;
	bool help;

	(void)state;
	assert_true(parse(&command,
			  (const char *[]){"--set", "a", "--set=b", "--colour=blue", NULL}, &f,
			  &help) > 0);
	assert_int_equal(got.set.n, 2);
	assert_string_equal(got.set.at[0], "a");
	assert_string_equal(got.set.at[1], "b");
	assert_string_equal(got.colour.value, "blue");
	assert_false(got.figures.wanted);
	assert_true(parse(&command, (const char *[]){"--figures", "x", NULL}, &f, &help) > 0);
	assert_true(got.figures.wanted);
	assert_null(got.figures.file);
	assert_true(parse(&command, (const char *[]){"--figures=x", NULL}, &f, &help) > 0);
	assert_string_equal(got.figures.file, "x");
}

static void test_a_list_has_an_end(void **state)
{
	char *argv[2 * OPTION_LIST_MAX + 4] = {"lab"};
	struct failure f;
	bool help;
	int n = 1;

	(void)state;
	for (int i = 0; i <= OPTION_LIST_MAX; i++) {
		argv[n++] = "--set";
		argv[n++] = "x";
	}
	got = initial;
	assert_true(options_parse(&command, n - 2, argv, &f, &help) > 0);
	got = initial;
	assert_int_equal(options_parse(&command, n, argv, &f, &help), -EINVAL);
	assert_non_null(strstr(f.text, "--set"));
}

static void test_help_goes_before_all_else(void **state)
{
	const char *const forms[][5] = {{"--help", "--nonsense"},
					{"-h", "--nonsense"},
					{"--vms", "5", "--help"},
					{"--nonsense", "-n", "x", "-qh"}};
	struct failure f;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(forms); i++) {
		bool help = false;

		assert_true(parse(&command, forms[i], &f, &help) > 0);
		assert_true(help);
		assert_int_equal(got.vms, 3);
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

static const char *listed;

static void print_list(void)
{
	options_list(&command, listed);
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

static void test_help_shows_defaults_and_choices(void **state)
{
	char *text;

	(void)state;
	got = initial;
	text = printed_by(print_help);
	assert_non_null(strstr(text, "how many (3)\n"));
	assert_non_null(strstr(text, "how often (0.25)\n"));
	assert_non_null(strstr(text, "where to (here)\n"));
	assert_non_null(strstr(text, "no default\n"));
	assert_non_null(strstr(text, "which: red, green or blue (green)\n"));
	assert_non_null(strstr(text, "  --figures[=FILE] "));
	free(text);
}

static void test_list_is_for_completion(void **state)
{
	static const struct {
		const char *word, *text;
	} cases[] = {
		{NULL, "--json\n-q\n--out\n--vms\n--interval\n--none\n--colour\n--set\n--figures\n"
		       "--help\n"},
		{"--colour", "red\ngreen\nblue\n"},
		{"-c", "red\ngreen\nblue\n"},
		{"--out", "<file>\n"},
		{"-o", "<file>\n"},
		{"--figures", "<file>\n"},
		{"--vms", ""},
		{"--json", ""},
		{"--nonsense", ""},
		{"-", "<file>\n"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		char *text;

		listed = cases[i].word;
		text = printed_by(print_list);
		assert_string_equal(text, cases[i].text);
		free(text);
	}
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
		cmocka_unit_test(test_options_fill_their_destinations),
		cmocka_unit_test(test_options_say_what_is_wrong),
		cmocka_unit_test(test_options_may_follow_operands),
		cmocka_unit_test(test_options_of_another_command_are_its_own),
		cmocka_unit_test(test_operands_are_counted),
		cmocka_unit_test(test_choices_lists_and_outputs),
		cmocka_unit_test(test_a_list_has_an_end),
		cmocka_unit_test(test_help_goes_before_all_else),
		cmocka_unit_test(test_help_shows_defaults_and_choices),
		cmocka_unit_test(test_help_shows_every_row),
		cmocka_unit_test(test_list_is_for_completion),
		cmocka_unit_test(test_failure_is_cut_to_fit),
		cmocka_unit_test(test_failure_texts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
