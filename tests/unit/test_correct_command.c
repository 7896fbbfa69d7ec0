/* SPDX-License-Identifier: MIT */
/*
 * desched correct as a program (its path is the first argument): the source's example from files to
 * the table and to JSON, what it warns of, what it refuses. The others cover the parts.
 */
#include "near.h"

#include "command_folder.h"

#include <jansson.h>
#include <string.h>

static int correct(const char *arguments)
{
	return run_command("correct", arguments);
}

static int setup(void **state)
{
	(void)state;
	assert_non_null(mkdtemp(dir));
	put("guest", "time,process,%cpu\n"
		     "1700000000,total,73\n1700000000,A,40\n1700000000,B,20\n"
		     "1700000300,total,73\n1700000300,A,40\n1700000300,B,20\n");
	put("host", "time,vcpu.0.time,vcpu.0.wait\n1700000000,0,0\n1700000300,264000000000,0\n");
	put("half", "time,vcpu.0.time\n1700000000,0\n1700000100,88000000000\n");
	put("other", "time,vcpu.0.time\n1600000000,0\n1600000300,264000000000\n");
	return 0;
}

static void test_table(void **state)
{
	(void)state;
	assert_int_equal(correct("guest host"), 0);
	says("w = 1.205");
	says("      40.0       48.2 ");
	says("      20.0       24.1 ");
	says("in short bursts"); /* the bias is not hidden */
	assert_null(strstr(output, "are short"));
	assert_int_equal(correct("guest half"), 0);
	says("warning: 100 s are short");
}

static void test_json(void **state)
{
	json_t *o, *a;

	(void)state;
	assert_int_equal(correct("--json guest host"), 0);
	o = json_loads(output, 0, NULL);
	assert_non_null(o);
	assert_string_equal(json_string_value(json_object_get(o, "schema")), "desched-correct/1");
	assert_true(json_is_null(json_object_get(o, "w_low")));
	a = json_array_get(json_object_get(o, "processes"), 0);
	assert_string_equal(json_string_value(json_object_get(a, "name")), "A");
	/* 40 % of 300 s, times 88/73 */
	assert_near(json_number_value(json_object_get(a, "corrected")), 144.6575, 0.001);
	json_decref(o);
}

/* Names are whole in JSON, which escapes them, and harmless in a table; other
 * bytes than UTF-8 are Latin-1. */
static void test_names(void **state)
{
	static const char *const json[] = {"caf\xc3\xa9\x1b[31m", "caf\xc3\xa9\xc2\xbd"};
	json_t *o, *list;

	(void)state;
	put("odd", "time,process,%cpu\n"
		   "1700000000,total,73\n1700000000,caf\xc3\xa9\x1b[31m,40\n"
		   "1700000000,caf\xe9\xc2\xbd,20\n"
		   "1700000300,total,73\n1700000300,caf\xc3\xa9\x1b[31m,40\n"
		   "1700000300,caf\xe9\xc2\xbd,20\n");
	assert_int_equal(correct("odd host"), 0);
	says("   caf\xc3\xa9?[31m\n");
	says("   caf\xc3\xa9\xc2\xbd\n");
	assert_int_equal(correct("--json odd host"), 0);
	o = json_loads(output, 0, NULL);
	assert_non_null(o);
	list = json_object_get(o, "processes");
	for (size_t i = 0; i < 2; i++)
		assert_string_equal(
			json_string_value(json_object_get(json_array_get(list, i), "name")),
			json[i]);
	json_decref(o);
}

static void test_refusals(void **state)
{
	(void)state;
	assert_int_equal(correct("guest"), 2);
	assert_int_equal(correct("--lag x guest host"), 2);
	assert_int_equal(correct("guest nothing"), 1);
	says("nothing: No such file");
	assert_int_equal(correct("guest other"), 1);
	/* date -ud @1700000000 */
	says("do not overlap: the guest's is from 2023-11-14 22:08:20 to 2023-11-14 22:18:20,");
	assert_int_equal(correct("--lag 100000000 guest other"), 0);
	assert_int_equal(correct("host guest"), 1);
	says("GUEST comes first");
	assert_int_equal(correct("--vm web1 guest host"), 1);
	says("no VM 'web1'");
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_table),
		cmocka_unit_test(test_json),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_refusals),
	};

	if (argc < 2)
		return 2;
	desched = argv[1];
	return cmocka_run_group_tests(tests, setup, teardown);
}
