/* SPDX-License-Identifier: MIT */
/*
 * desched stat, run as a shell would: figures of fake_vmdesched.h, exit status, JSON.
 *
 *     test_stat DESCHED
 */
#include "fake_vmdesched.h"

#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>

#include <sys/wait.h>

#include <cmocka.h>

static const char *desched;
static struct fake fake;

/* Standard output of `desched stat ARGUMENTS`, and its exit status. */
static const char *run(const char *arguments, int status)
{
	static char text[8192];
	char line[512];
	FILE *p;
	int result;

	snprintf(line, sizeof(line), "%s stat %s 2>/dev/null", desched, arguments);
	p = popen(line, "r");
	assert_non_null(p);
	text[fread(text, 1, sizeof(text) - 1, p)] = '\0';
	result = pclose(p);
	assert_true(WIFEXITED(result));
	assert_int_equal(WEXITSTATUS(result), status);
	return text;
}

static int start(void **state)
{
	(void)state;
	fake = (struct fake){.answer = FAKE_ANSWER};
	return fake_start(&fake);
}

static int stop(void **state)
{
	(void)state;
	fake_stop(&fake);
	return 0;
}

static void one_figure_a_line(void **state)
{
	(void)state;
	assert_string_equal(run("steal", 0), "18.000\n");
	assert_string_equal(run("elapsed cpu steal wait idle cpus", 0),
			    "100.000\n73.750\n18.000\n1.750\n106.500\n2\n");
	assert_string_equal(run("speed cpures cpulimit cpushares overhead", 0),
			    "2500\n0.500000\n2.000000\n2000\n1.500\n");
	assert_string_equal(run("memory memused balloon memshared sessionid", 0),
			    "4294967296\n3221225472\n537919487\n104857600\n4711\n");
}

static void what_is_not_known_keeps_its_line(void **state)
{
	(void)state;
	assert_string_equal(run("cpus swap steal", 1), "2\n-\n18.000\n");
}

static void all_of_them(void **state)
{
	const char *text;
	int lines = 0;

	(void)state;
	text = run("", 0);
	assert_non_null(strstr(text, "source                     page        measures"));
	assert_non_null(strstr(text, "\nsteal                    18.000 s "));
	assert_non_null(strstr(text, "\nswap                          - bytes"));
	for (; *text; text++)
		lines += *text == '\n';
	assert_int_equal(lines, 20); /* a figure each, and the source */
}

static void as_json(void **state)
{
	json_t *o;

	(void)state;
	o = json_loads(run("--json", 0), 0, NULL);
	assert_string_equal(json_string_value(json_object_get(o, "schema")), "desched-stat/1");
	assert_string_equal(json_string_value(json_object_get(o, "source")), "page");
	assert_true(json_is_true(json_object_get(o, "complete")));
	assert_true(json_number_value(json_object_get(o, "steal")) == 18);
	assert_int_equal(json_integer_value(json_object_get(o, "memory")), 4294967296);
	assert_true(json_is_null(json_object_get(o, "swap")));
	assert_int_equal(json_object_size(o), 19 + 4);
	json_decref(o);
	o = json_loads(run("--json cpu", 0), 0, NULL);
	assert_int_equal(json_object_size(o), 1 + 4);
	json_decref(o);
}

/* Source `self` says so wherever its figures are read: in the table, beside a single one, in
 * JSON. */
static void an_estimate_is_called_one(void **state)
{
	static char estimate[8192];
	char command[256], text[256] = "";
	const char *totals = strstr(FAKE_ANSWER, "\"vmdesched_s\"");
	json_t *o;
	FILE *p;

	(void)state;
	snprintf(estimate, sizeof(estimate), "%.*s\"low_s\":12.5,\"high_s\":24.25,%s",
		 (int)(totals - FAKE_ANSWER), FAKE_ANSWER, totals);
	memcpy(strstr(estimate, "\"page\""), "\"self\"", 6);
	fake.answer = estimate;
	assert_non_null(strstr(run("", 0), "source                     self        estimates"));
	assert_non_null(strstr(run("", 0), "   12.500 to  24.250 s      90 % interval of steal\n"));
	assert_string_equal(run("steal", 0), "18.000\n");
	snprintf(command, sizeof(command),
		 "%s stat steal cpu 2>&1 >/dev/null; %s stat elapsed 2>&1", desched, desched);
	p = popen(command, "r");
	assert_true(fread(text, 1, sizeof(text) - 1, p) > 0);
	pclose(p);
	assert_string_equal(text,
			    "desched stat: source self estimates; steal is 12.500 to 24.250 s "
			    "with 90 % probability\n100.000\n");
	o = json_loads(run("--json steal", 0), 0, NULL);
	assert_true(json_is_true(json_object_get(o, "estimated")));
	assert_true(json_number_value(json_object_get(o, "steal_low")) == 12.5);
	assert_true(json_number_value(json_object_get(o, "steal_high")) == 24.25);
	json_decref(o);
}

static void the_exit_status_tells_why(void **state)
{
	(void)state;
	run("nonsense", 2);
	run("--nonsense", 2);
	run("--socket /nonexistent/socket cpu", 1);
	fake.answer = "no JSON\n";
	assert_string_equal(run("cpu", 1), "");
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(one_figure_a_line, start, stop),
		cmocka_unit_test_setup_teardown(what_is_not_known_keeps_its_line, start, stop),
		cmocka_unit_test_setup_teardown(all_of_them, start, stop),
		cmocka_unit_test_setup_teardown(as_json, start, stop),
		cmocka_unit_test_setup_teardown(an_estimate_is_called_one, start, stop),
		cmocka_unit_test_setup_teardown(the_exit_status_tells_why, start, stop),
	};

	if (argc != 2)
		return 2;
	desched = argv[1];
	return cmocka_run_group_tests(tests, NULL, NULL);
}
