/* SPDX-License-Identifier: MIT */
/* screen/saved.h: what is kept comes back; what can't be understood is named with its line. */
#include "screen/saved.h"

#include "base/units.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char dir[64], path[SAVED_PATH_SIZE];

static int begin(void **state)
{
	(void)state;
	snprintf(dir, sizeof(dir), "/tmp/test-saved.XXXXXX");
	if (!mkdtemp(dir))
		return -1;
	setenv("XDG_CONFIG_HOME", dir, 1);
	saved_path(path);
	return 0;
}

static int end(void **state)
{
	char config[128];

	(void)state;
	unlink(path);
	snprintf(config, sizeof(config), "%s/desched", dir);
	rmdir(config);
	return rmdir(dir);
}

static void where_it_is(void **state)
{
	char expected[128], other[SAVED_PATH_SIZE];

	(void)state;
	snprintf(expected, sizeof(expected), "%s/desched/top.ini", dir);
	assert_string_equal(path, expected);
	setenv("XDG_CONFIG_HOME", "not absolute", 1);
	setenv("HOME", "/home/somebody", 1);
	saved_path(other);
	assert_string_equal(other, "/home/somebody/.config/desched/top.ini");
	unsetenv("HOME");
	saved_path(other);
	assert_string_equal(other, "");
}

static void what_is_kept_comes_back(void **state)
{
	struct saved kept = {.view = {.sort = subject_column(&subject_guest, "descheduled"),
				      .tree = true,
				      .command = true},
			     .delay = 250 * NS_PER_MS};
	struct saved back = {.view = {.groups = true, .busy_only = true}};
	struct failure f = {""};

	(void)state;
	assert_int_equal(saved_load(path, &subject_guest, &f, &back), 0); /* there is none */
	assert_true(back.view.groups);
	assert_int_equal(saved_store(path, &subject_guest, &kept, &f), 0);
	assert_int_equal(saved_store(path, &subject_guest, &kept, &f), 0); /* over the first */
	assert_int_equal(saved_load(path, &subject_guest, &f, &back), 0);
	assert_ptr_equal(back.view.sort, kept.view.sort);
	assert_true(back.view.tree && back.view.command);
	assert_false(back.view.groups || back.view.busy_only || back.view.reverse);
	assert_int_equal(back.delay, 250 * NS_PER_MS);
	assert_int_equal(saved_store("/proc/none/top.ini", &subject_guest, &kept, &f), -ENOENT);
	assert_int_equal(saved_store("", &subject_guest, &kept, &f), -ENOENT);
}

static void what_is_wrong_is_named(void **state)
{
	static const struct {
		const char *text, *why;
	} bad[] = {
		{"[top]\nsort = size\n",
		 ":2: no order 'size'; there are pid, user, reported, true"},
		{"[top]\ntree = maybe\n", ":2: tree: 'maybe' given, expected yes or no"},
		{"[top]\n\ncolour = red\n", ":3: no such key: colour"},
		{"[bottom]\ntree = yes\n", ":2: no such section: [bottom]"},
		{"[top]\ndelay = 0\n", ":2: delay: '0' given, expected "},
		{"[top]\ntree\n", ":2: expected [SECTION] or KEY = VALUE"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct saved s = {.view = {.threads = true}};
		struct failure f = {""};
		FILE *file = fopen(path, "w");

		assert_non_null(file);
		fputs(bad[i].text, file);
		fclose(file);
		assert_int_equal(saved_load(path, &subject_guest, &f, &s), -EINVAL);
		if (!strstr(f.text, bad[i].why) || !strstr(f.text, path))
			fail_msg("'%s', not '%s'", f.text, bad[i].why);
		assert_true(s.view.threads && !s.view.tree && !s.delay);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(where_it_is),
		cmocka_unit_test(what_is_kept_comes_back),
		cmocka_unit_test(what_is_wrong_is_named),
	};

	return cmocka_run_group_tests(tests, begin, end);
}
