/* SPDX-License-Identifier: MIT */
/*
 * desched doctor as a program (its path is the first argument): exit status by severity, JSON, and
 * what a wrong command line gets. test_doctor.c covers the checks.
 */
#include "../doctor/fixtures.h"
#include "../doctor/root.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#include <jansson.h>
#include <sys/wait.h>

static const char *desched;
static char root[ROOT_SIZE];
static char output[1 << 20];

/* Runs the command with both its outputs in `output`. Returns its exit status. */
static int doctor(const char *arguments)
{
	char line[512];
	size_t n;
	FILE *p;
	int status;

	snprintf(line, sizeof(line), "%s doctor %s 2>&1", desched, arguments);
	p = popen(line, "r");
	assert_non_null(p);
	n = fread(output, 1, sizeof(output) - 1, p);
	output[n] = '\0';
	status = pclose(p);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static int doctor_root(const char *arguments)
{
	char line[256];

	snprintf(line, sizeof(line), "--root %s %s", root, arguments);
	return doctor(line);
}

static void put(const char *path, const char *content)
{
	fixture_write(root, &(struct fixture_file){path, content}, content, strlen(content));
}

static int setup(void **state)
{
	(void)state;
	root_make(root);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	root_remove(root);
	return 0;
}

static void test_exit_status(void **state)
{
	(void)state;
	assert_int_equal(doctor_root(""), 0); /* an empty tree: nothing can be told */
	assert_non_null(strstr(output, "0 serious, 0 warnings, 0 notes; 0 ok"));
	put("/proc/sys/vm/swappiness", "100\n");
	assert_int_equal(doctor_root(""), 0);
	assert_non_null(strstr(output, "note     swappiness"));
	put("/proc/sys/vm/overcommit_memory", "1\n");
	assert_int_equal(doctor_root(""), 3);
	put("/proc/sys/kernel/softlockup_panic", "1\n");
	assert_int_equal(doctor_root(""), 4);
	assert_non_null(strstr(output, "1 serious, 1 warnings, 1 notes"));
}

/* Worst first, with the remedy below; what is well is only counted, but for -v. */
static void test_table(void **state)
{
	const char *note, *serious;

	(void)state;
	put("/proc/sys/vm/swappiness", "100\n");
	put("/proc/sys/kernel/softlockup_panic", "1\n");
	put("/proc/sys/kernel/hung_task_panic", "0\n");
	doctor_root("");
	serious = strstr(output, "serious  softlockup-panic");
	note = strstr(output, "note     swappiness");
	assert_true(serious && note && serious < note);
	assert_non_null(strstr(serious, "-> sysctl -w kernel.softlockup_panic=0"));
	assert_null(strstr(output, "hung-task-panic"));
	doctor_root("-v");
	assert_non_null(strstr(output, "ok       hung-task-panic"));
	assert_int_equal(doctor_root("--check swappiness"), 0);
	assert_null(strstr(output, "softlockup-panic"));
}

static void test_json(void **state)
{
	json_t *o, *c;
	size_t i, found = 0;

	(void)state;
	put("/proc/sys/vm/swappiness", "100\n");
	doctor_root("--json");
	o = json_loads(output, 0, NULL);
	assert_non_null(o);
	assert_string_equal(json_string_value(json_object_get(o, "schema")), "desched-doctor/1");
	assert_int_equal(json_integer_value(json_object_get(o, "notes")), 1);
	assert_int_equal(json_array_size(json_object_get(o, "checks")), doctor_count());
	json_array_foreach(json_object_get(o, "checks"), i, c)
	{
		const char *id = json_string_value(json_object_get(c, "id"));
		const char *verdict = json_string_value(json_object_get(c, "verdict"));

		assert_string_equal(verdict, !strcmp(id, "swappiness")	? "bad"
					     : !strncmp(id, "host-", 5) ? "does not apply"
									: "cannot tell");
		found += !strcmp(id, "swappiness");
	}
	assert_int_equal(found, 1);
	json_decref(o);
}

/* It finds out by itself that VMs run here, or is told so; the other side is not listed. */
static void test_host(void **state)
{
	json_t *o;

	(void)state;
	put("/proc/sys/kernel/sched_autogroup_enabled", "1\n");
	put("/proc/sys/vm/overcommit_memory", "1\n");
	put("/sys/class/dmi/id/sys_vendor", "Dell Inc.\n");
	doctor_root("-v");
	assert_null(strstr(output, "host-autogroup"));
	assert_non_null(strstr(output, "warning  overcommit"));
	assert_int_equal(doctor_root("--host -v"), 3);
	assert_non_null(strstr(output, "warning  host-autogroup         kernel.sched_auto"));
	assert_null(strstr(output, "overcommit"));
	assert_non_null(strstr(output, "\nhost: "));
	put("/proc/7/comm", "firecracker\n");
	put("/proc/7/cmdline", "firecracker");
	assert_int_equal(doctor_root("--json"), 3);
	o = json_loads(output, 0, NULL);
	assert_true(json_is_true(json_object_get(o, "host")));
	assert_true(json_is_false(json_object_get(o, "guest")));
	json_decref(o);
	assert_int_equal(doctor_root("--host --guest -v"), 3);
	assert_non_null(strstr(output, "overcommit"));
	assert_non_null(strstr(output, "host-autogroup"));
}

static void test_words(void **state)
{
	(void)state;
	assert_int_equal(doctor("--list"), 0);
	assert_non_null(strstr(output, "serious  softlockup-panic"));
	assert_int_equal(doctor("--explain swap-balloon"), 0);
	assert_non_null(strstr(output, "Source: linux-manual"));
	assert_int_equal(doctor("--explain nothing"), 2);
	assert_non_null(strstr(output, "'nothing'"));
	assert_int_equal(doctor("--check nothing"), 2);
	assert_int_equal(doctor("--root /nowhere/at/all"), 1);
	assert_non_null(strstr(output, "/nowhere/at/all"));
	assert_int_equal(doctor("word"), 2);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_exit_status, setup, teardown),
		cmocka_unit_test_setup_teardown(test_table, setup, teardown),
		cmocka_unit_test_setup_teardown(test_json, setup, teardown),
		cmocka_unit_test_setup_teardown(test_host, setup, teardown),
		cmocka_unit_test(test_words),
	};

	if (argc < 2)
		return 2;
	desched = argv[1];
	return cmocka_run_group_tests(tests, NULL, NULL);
}
