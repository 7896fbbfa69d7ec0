/* SPDX-License-Identifier: MIT */
/*
 * Values as people type them: quantities and their units, rows of every type, files of sections and
 * keys. Who uses them: test_options.c, test_daemon.c, test_sim.c.
 */
#include "base/inifile.h"
#include "base/quantity.h"
#include "base/rows.h"
#include "base/units.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* ---- quantities ---- */

#define BAD UINT64_MAX /* what is no such quantity */

static const struct {
	const char *text;
	uint64_t value;
} counts[] =
	{
		{"0", 0},      {"42", 42},
		{"007", 7},    {"18446744073709551616", BAD},
		{"", BAD},     {"-1", BAD},
		{"+1", BAD},   {" 1", BAD},
		{"1 ", BAD},   {"1.0", BAD},
		{"0x10", BAD}, {"ten", BAD},
		{"1e3", BAD},  {"18446744073709551614", UINT64_MAX - 1},
},
  /* A bare number is seconds. */
	seconds[] =
		{
			{"0", 0},
			{"1", 1000000000},
			{"0.25", 250000000},
			{".5", 500000000},
			{"2.", 2000000000},
			{"1e2", 100000000000},
			{"0.000000001", 1},
			{"1000000000", 1000000000000000000},
			{"7ns", 7},
			{"1.5us", 1500},
			{"250ms", 250000000},
			{"1s", 1000000000},
			{"3min", 180000000000},
			{"1.5h", 5400000000000},
			{"2d", 172800000000000},
			{"1000000001", BAD},
			{"1000000001s", BAD},
			{"20000d", BAD},
			{"", BAD},
			{".", BAD},
			{"-1", BAD},
			{"+1", BAD},
			{" 1", BAD},
			{"1 s", BAD},
			{"1,5", BAD},
			{"0x1", BAD},
			{"inf", BAD},
			{"nan", BAD},
			{"1e400", BAD},
			{"1m", BAD},
			{"1sec", BAD},
			{"1S", BAD},
			{"1MS", BAD},
			{"1ms2", BAD},
			{"s", BAD},
},
  /* A bare number is MiB. */
	sizes[] = {
		{"0", 0},
		{"64", 67108864},
		{"0.5", 524288},
		{"1B", 1},
		{"1kB", 1000},
		{"1KiB", 1024},
		{"1.5MB", 1500000},
		{"1MiB", 1048576},
		{"2GB", 2000000000},
		{"4GiB", 4294967296},
		{"1TB", 1000000000000},
		{"1TiB", 1099511627776},
		{"8388607TiB", 9223370937343148032},
		{"8388608TiB", BAD},
		{"1KB", BAD},
		{"1k", BAD},
		{"1G", BAD},
		{"1 GiB", BAD},
		{"1gib", BAD},
		{"1GiBs", BAD},
		{"-1B", BAD},
		{"", BAD},
		{"B", BAD},
};

static void quantities_are_read(void **state)
{
	uint64_t v;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(counts); i++)
		assert_int_equal(quantity_count(counts[i].text, &v) ? BAD : v, counts[i].value);
	for (size_t i = 0; i < ARRAY_SIZE(seconds); i++) {
		if ((quantity_time(seconds[i].text, NS_PER_SEC, NULL, &v) ? BAD : v) !=
		    seconds[i].value)
			fail_msg("'%s' is %llu ns", seconds[i].text, (unsigned long long)v);
	}
	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		if ((quantity_bytes(sizes[i].text, MIB, NULL, &v) ? BAD : v) != sizes[i].value)
			fail_msg("'%s' is %llu bytes", sizes[i].text, (unsigned long long)v);
	}
}

static void a_unit_may_be_needed(void **state)
{
	const char *end;
	uint64_t v = 3;
	double x = 3;

	(void)state;
	assert_int_equal(quantity_time("5", 0, NULL, &v), -EINVAL);
	assert_int_equal(quantity_bytes("5", 0, NULL, &v), -EINVAL);
	assert_int_equal(v, 3);
	assert_int_equal(quantity_time("5ms/10ms", 0, &end, &v), 0);
	assert_int_equal(v, 5 * NS_PER_MS);
	assert_string_equal(end, "/10ms");
	assert_int_equal(quantity_fraction("25%", NULL, &x), 0);
	assert_float_equal(x, 0.25, 1e-12);
	assert_int_equal(quantity_fraction("0.5", NULL, &x), 0);
	assert_float_equal(x, 0.5, 1e-12);
	assert_int_equal(quantity_fraction("5%%", NULL, &x), -EINVAL);
	assert_int_equal(quantity_fraction("%", NULL, &x), -EINVAL);
}

static void quantities_are_written_as_they_are_read(void **state)
{
	static const char *const times[] = {"0s", "1ns", "1500us",  "250ms",
					    "1s", "90s", "1000000s"};
	static const char *const bytes[] = {"0B", "1B", "1kB", "1KiB", "1500kB", "64MiB", "4GiB"};
	char text[QUANTITY_TEXT];
	uint64_t v;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(times); i++) {
		assert_int_equal(quantity_time(times[i], 0, NULL, &v), 0);
		assert_string_equal(quantity_time_text(v, text), times[i]);
	}
	for (size_t i = 0; i < ARRAY_SIZE(bytes); i++) {
		assert_int_equal(quantity_bytes(bytes[i], 0, NULL, &v), 0);
		assert_string_equal(quantity_bytes_text(v, text), bytes[i]);
	}
}

/* ---- rows ---- */

static const char *colour(size_t i)
{
	static const char *const colours[] = {"red", "green", "blue"};

	return i < ARRAY_SIZE(colours) ? colours[i] : NULL;
}

struct values {
	bool flag;
	uint64_t count, wait, exact, memory, guest;
	uint32_t small, colour;
	double number, part;
	char word[8], text[8], one[8];
};

#define AT(field) offsetof(struct values, field)

static const struct row rows[] = {
	{"flag", &row_flag, AT(flag), 0, 0, "yes", "", NULL, 0},
	{"count", &row_count, AT(count), 2, 8, "3", "", NULL, 0},
	{"small", &row_count32, AT(small), 1, 0, "4", "", NULL, 0},
	{"wait", &row_seconds, AT(wait), NS_PER_MS, 60 * NS_PER_SEC, "0.25", "", NULL, 0},
	{"exact", &row_time, AT(exact), 10 * NS_PER_US, NS_PER_SEC, "5ms", "", NULL, 0},
	{"memory", &row_bytes, AT(memory), 1e3, 1e12, "4GiB", "", NULL, 0},
	{"guest", &row_mib, AT(guest), 4 * MIB, 3072 * MIB, "64", "", NULL, 0},
	{"number", &row_number, AT(number), 0.5, 2, "1.5", "", NULL, 0},
	{"part", &row_fraction, AT(part), 0, 1, "25%", "", NULL, 0},
	{"colour", &row_name, AT(colour), 10, 0, "green", "", colour, 0},
	{"one", &row_one_of, AT(one), 0, 0, "blue", "", colour, 8},
	{"word", &row_word, AT(word), 0, 0, "a-b_1", "", NULL, 8},
	{"text", &row_text, AT(text), 0, 0, "x y", "", NULL, 8},
};

static void rows_have_their_defaults(void **state)
{
	static const char *const shown[] = {"yes", "3",	   "4",	    "0.25", "5ms", "4GiB", "64",
					    "1.5", "0.25", "green", "blue", "a-b_1", "x y"};
	struct values v;
	char text[64];

	(void)state;
	memset(&v, 0x55, sizeof(v));
	rows_default(rows, ARRAY_SIZE(rows), &v);
	assert_int_equal(v.wait, 250 * NS_PER_MS);
	assert_int_equal(v.exact, 5 * NS_PER_MS);
	assert_int_equal(v.memory, 4294967296);
	assert_int_equal(v.guest, 67108864);
	assert_int_equal(v.colour, 11); /* names count from `min` on */
	assert_float_equal(v.part, 0.25, 1e-12);
	assert_memory_equal(v.text, "x y\0\0\0\0\0", 8); /* no rest of what was there */
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		rows[i].type->show(&rows[i], (char *)&v + rows[i].offset, text, sizeof(text));
		assert_string_equal(text, shown[i]);
	}
}

static const struct {
	const char *row, *text, *why;
} refused[] = {
	{"flag", "true", "flag: 'true' given, expected yes or no"},
	{"flag", "", "flag: nothing given, expected yes or no"},
	{"count", "1", "count: '1' given, expected a whole number from 2 to 8"},
	{"count", "9", "count: '9' given, expected a whole number from 2 to 8"},
	{"count", "3.5", "count: '3.5' given, expected a whole number from 2 to 8"},
	{"small", "0", "small: '0' given, expected a whole number from 1 to 4294967295"},
	{"small", "4294967296",
	 "small: '4294967296' given, expected a whole number from 1 to 4294967295"},
	{"wait", "soon", "wait: 'soon' given, expected seconds from 0.001 to 60"},
	{"wait", "999us", "wait: '999us' given, expected seconds from 0.001 to 60"},
	{"wait", "2min", "wait: '2min' given, expected seconds from 0.001 to 60"},
	{"exact", "0.5", "exact: '0.5' given, expected a time such as 5ms, from 10us to 1s"},
	{"exact", "9us", "exact: '9us' given, expected a time such as 5ms, from 10us to 1s"},
	{"memory", "5", "memory: '5' given, expected bytes such as 4GiB or 500MB, from 1kB to 1TB"},
	{"memory", "2TB",
	 "memory: '2TB' given, expected bytes such as 4GiB or 500MB, from 1kB to 1TB"},
	{"guest", "4.5",
	 "guest: '4.5' given, expected whole MiB, as 64 or 4GiB, from 4MiB to 3GiB"},
	{"guest", "4GiB",
	 "guest: '4GiB' given, expected whole MiB, as 64 or 4GiB, from 4MiB to 3GiB"},
	{"number", "-1", "number: '-1' given, expected a number from 0.5 to 2"},
	{"number", "50%", "number: '50%' given, expected a number from 0.5 to 2"},
	{"part", "101%",
	 "part: '101%' given, expected a fraction such as 0.25 or 25%, from 0 to 1"},
	{"colour", "pink", "colour: 'pink' given, expected red, green or blue"},
	{"one", "gree", "one: 'gree' given, expected red, green or blue"},
	{"word", "a b",
	 "word: 'a b' given, expected a name of letters, digits, - and _ (at most 7)"},
	{"word", "",
	 "word: nothing given, expected a name of letters, digits, - and _ (at most 7)"},
	{"text", "12345678", "text: '12345678' given, expected a text of at most 7 characters"},
};

static void bad_values_are_refused_in_one_form(void **state)
{
	struct values v, before;
	struct failure f;

	(void)state;
	memset(&v, 0, sizeof(v));
	rows_default(rows, ARRAY_SIZE(rows), &v);
	before = v;
	for (size_t i = 0; i < ARRAY_SIZE(refused); i++) {
		const struct row *row = rows_find(rows, ARRAY_SIZE(rows), refused[i].row);

		assert_int_equal(
			row_read(row, row->name, refused[i].text, (char *)&v + row->offset, &f),
			-EINVAL);
		assert_string_equal(f.text, refused[i].why);
	}
	assert_memory_equal(&v, &before, sizeof(v));
	assert_null(rows_find(rows, ARRAY_SIZE(rows), "moon"));
}

/* ---- files ---- */

static char seen[512];

static int on_section(const char *name, int line, void *data, struct failure *f)
{
	(void)data;
	snprintf(seen + strlen(seen), sizeof(seen) - strlen(seen), "%d[%s] ", line, name);
	return strcmp(name, "moon") ? 0 : failure_set(f, -ENOENT, "no such section");
}

static int on_key(const char *section, const char *key, const char *value, int line, void *data,
		  struct failure *f)
{
	(void)data;
	snprintf(seen + strlen(seen), sizeof(seen) - strlen(seen), "%d%s.%s=%s ", line, section,
		 key, value);
	return strcmp(key, "bad") ? 0 : failure_set(f, -E2BIG, "too much");
}

static const struct inifile_taker taker = {on_section, on_key};

static void files_are_read_with_their_lines(void **state)
{
	static const char text[] = "# comment\n[a] ; A\n x = 1 ; why\n\ty:2\n\n[b c]# B\n[d]\r\nz=";
	struct failure f;

	(void)state;
	seen[0] = '\0';
	assert_int_equal(inifile_parse("f", text, strlen(text), &taker, NULL, &f), 0);
	assert_string_equal(seen, "2[a] 3a.x=1 4a.y=2 6[b c] 7[d] 8d.z= ");
}

static const struct {
	const char *text;
	int code;
	const char *why;
} broken[] = {
	{"[a]\nwhat\n", -EINVAL, "f:2: expected [SECTION] or KEY = VALUE"},
	{"\n[a\n", -EINVAL, "f:2: expected ']' after a section's name of at most 47 characters"},
	{"[a] x = 1\n", -EINVAL,
	 "f:1: 'x = 1' stands behind the section's name, expected a line of its own"},
	{"[a]\rx = 1\r[b]\ry = 2\r", -EINVAL,
	 "f:1: 'x = 1' stands behind the section's name, expected a line of its own"},
	{"[a]\nx=1\n[moon]\ny=2\n", -ENOENT, "f:3: no such section"},
	{"[a]\nbad=1\nx=2\n", -E2BIG, "f:2: too much"},
};

static void what_is_wrong_in_a_file_has_its_line(void **state)
{
	char line[256];
	struct failure f;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(broken); i++) {
		assert_int_equal(inifile_parse("f", broken[i].text, strlen(broken[i].text), &taker,
					       NULL, &f),
				 broken[i].code);
		assert_string_equal(f.text, broken[i].why);
	}
	assert_int_equal(inifile_parse("f", "[a]\nx\0=1\n", 9, &taker, NULL, &f), -EINVAL);
	assert_string_equal(f.text, "f:2: a line of more than 190 characters, or with a zero byte");
	memset(line, 'x', 195);
	memcpy(line, "[a]\nb=", 6);
	assert_int_equal(inifile_parse("f", line, 194, &taker, NULL, &f), 0); /* a line of 190 */
	assert_int_equal(inifile_parse("f", line, 195, &taker, NULL, &f), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(quantities_are_read),
		cmocka_unit_test(a_unit_may_be_needed),
		cmocka_unit_test(quantities_are_written_as_they_are_read),
		cmocka_unit_test(rows_have_their_defaults),
		cmocka_unit_test(bad_values_are_refused_in_one_form),
		cmocka_unit_test(files_are_read_with_their_lines),
		cmocka_unit_test(what_is_wrong_in_a_file_has_its_line),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
