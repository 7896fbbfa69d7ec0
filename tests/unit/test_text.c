/* SPDX-License-Identifier: MIT */
/* Text from outside on its way to a terminal (base/text.h). What is harmful is from Unicode's list
 * of characters of the categories Cc, Cf, Zl, Zp, and from the list of bidirectional controls. */
#include "base/failure.h"
#include "base/text.h"
#include "base/units.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const struct {
	const char *name, *shown;
} cases[] = {
	{"", ""},
	{"plain name (1)", "plain name (1)"},
	{"\033[2Jx", "?[2Jx"},
	{"a\nb\tc\r\x7f", "a?b?c??"},
	{"\xc2\x9b"
	 "31m",
	 "?31m"}, /* CSI in one character */
	{"f\xc3\xbcr \xe6\x97\xa5 \xf0\x9f\x98\x80", "f\xc3\xbcr \xe6\x97\xa5 \xf0\x9f\x98\x80"},
	{"exe\xe2\x80\xaegnp.sh", "exe?gnp.sh"},		      /* U+202E */
	{"\xe2\x80\xaa\xe2\x80\xab\xe2\x80\xac\xe2\x80\xad", "????"}, /* U+202A to U+202D */
	{"\xe2\x81\xa6\xe2\x81\xa7\xe2\x81\xa8\xe2\x81\xa9", "????"}, /* U+2066 to U+2069 */
	{"\xe2\x80\x8e\xe2\x80\x8f\xd8\x9c", "???"},		      /* U+200E, U+200F, U+061C */
	{"a\xe2\x80\x8b"
	 "b\xe2\x80\x8d\xef\xbb\xbf\xc2\xad",
	 "a?b???"},					  /* no width */
	{"\xe2\x80\xa8\xe2\x80\xa9", "??"},		  /* U+2028, U+2029 */
	{"\xf3\xa0\x81\xa1", "?"},			  /* a tag, U+E0061 */
	{"\xed\xa0\x80\xff\xc0\xaf\xf5\x80", "????????"}, /* not UTF-8, byte by byte */
	{"cut \xe2\x80", "cut ??"},
	{"\xd7\x90 \xd8\xa7", "\xd7\x90 \xd8\xa7"}, /* letters of languages written to the left */
};

static char *put(const char *text)
{
	char *shown = NULL;
	size_t size;
	FILE *to = open_memstream(&shown, &size);

	assert_non_null(to);
	text_put(text, to);
	assert_int_equal(fclose(to), 0);
	return shown;
}

static void test_cleaned_and_printed_alike(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		char copy[64], *shown = put(cases[i].name);

		snprintf(copy, sizeof(copy), "%s", cases[i].name);
		text_clean(copy);
		assert_string_equal(copy, cases[i].shown);
		assert_string_equal(shown, cases[i].shown);
		free(shown);
	}
}

static void test_failures_are_cleaned(void **state)
{
	struct failure f;

	(void)state;
	failure_set(&f, -EINVAL, "no VM '%s'", "\033]0;owned\a\xe2\x80\xae");
	assert_string_equal(f.text, "no VM '?]0;owned?"
				    "?'");
	failure_errno(&f, -ENOENT, "%s", "a\nb");
	assert_string_equal(f.text, "a?b: No such file or directory");
}

/* Bytes of what is harmful are shown, nothing is lost, and no letter is cut in two. */
static void test_escaped(void **state)
{
	char small[6];
	char shown[64];

	(void)state;
	text_escape("B\xc3\xbc"
		    "cher",
		    shown, sizeof(shown));
	assert_string_equal(shown, "B\xc3\xbc"
				   "cher");
	text_escape("a\xe2\x80\xae\\\n\xc3", shown, sizeof(shown));
	assert_string_equal(shown, "a\\xe2\\x80\\xae\\x5c\\x0a\\xc3");
	text_escape("abcd\xc3\xbc", small, sizeof(small));
	assert_string_equal(small, "abcd");
	text_escape("ab\n", small, sizeof(small));
	assert_string_equal(small, "ab");
}

static void test_lists(void **state)
{
	char name[64];
	struct failure f;

	(void)state;
	failure_set(&f, -ENOENT, "no VM is called 'x'");
	failure_list(&f, "web");
	failure_list(&f, "d\nb");
	assert_string_equal(f.text, "no VM is called 'x'; there are: web, d?b");
	memset(name, 'n', sizeof(name));
	name[sizeof(name) - 1] = '\0';
	for (int i = 0; i < 100; i++)
		failure_list(&f, name);
	assert_true(strlen(f.text) < sizeof(f.text));
	assert_string_equal(f.text + strlen(f.text) - 10, "nnnnn, ...");
}

static void test_wrapped(void **state)
{
	char *text = NULL;
	size_t size;
	FILE *to = open_memstream(&text, &size);

	(void)state;
	text_wrap("one two  three longest-word x", 2, 9, to);
	fclose(to);
	assert_string_equal(text, "one two\n  three\n  longest-word\n  x\n");
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cleaned_and_printed_alike),
		cmocka_unit_test(test_failures_are_cleaned),
		cmocka_unit_test(test_escaped),
		cmocka_unit_test(test_lists),
		cmocka_unit_test(test_wrapped),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
