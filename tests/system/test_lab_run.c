/* SPDX-License-Identifier: MIT */
/*
 * The whole path once, on real virtual machines: `desched lab` with two VMs for a few seconds. The
 * run is short and the machine may be busy, so the tolerances are wider than what desched-lab(1)
 * judges at full length; what must hold is the story: top is far off, desched is not, and the guest
 * finds what the host measured.
 *
 *     test_lab_run DESCHED page|stream [OPTION VALUE]
 */
#include <jansson.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static const char *desched, *source, *option = "", *value = "";

static json_t *run_lab(void)
{
	char command[1024], path[64];
	json_t *o;
	int status;

	snprintf(path, sizeof(path), "/tmp/test-lab.%d.json", getpid());
	snprintf(command, sizeof(command),
		 "'%s' lab --vms 2 --seconds 8 --source %s %s %s --json='%s' >&2", desched, source,
		 option, value, path);
	status = system(command);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	o = json_load_file(path, 0, NULL);
	unlink(path);
	assert_non_null(o);
	assert_string_equal(json_string_value(json_object_get(o, "schema")), "desched-lab/1");
	return o;
}

static double number(const json_t *o, const char *key)
{
	const json_t *v = json_object_get(o, key);

	if (!json_is_number(v))
		fail_msg("no number '%s'", key);
	return json_number_value(v);
}

static void check_process(const json_t *p)
{
	const char *kind = json_string_value(json_object_get(p, "kind"));

	assert_non_null(kind);
	assert_true(number(p, "truth_s") > 0);
	if (strcmp(kind, "spin") != 0 && strcmp(kind, "duty") != 0)
		return;
	if (number(p, "error_reported") < 0.5)
		fail_msg("%s: top is off by %+.3f only: was the CPU contended?", kind,
			 number(p, "error_reported"));
	if (fabs(number(p, "error_true")) > 0.15)
		fail_msg("%s: desched is off by %+.3f", kind, number(p, "error_true"));
}

static void the_host_tells_who_used_the_cpu(void **state)
{
	json_t *o = run_lab(), *vms = json_object_get(o, "vms"), *vm, *p;
	size_t i, k;

	(void)state;
	assert_string_equal(json_string_value(json_object_get(o, "source")), source);
	assert_int_equal(json_array_size(vms), 2);
	json_array_foreach(vms, i, vm)
	{
		const json_t *host = json_object_get(vm, "host");
		double ready = number(host, "ready_s");
		double found = number(json_object_get(vm, "guest"), "descheduled_s");
		json_t *processes = json_object_get(vm, "processes");

		assert_true(number(host, "run_s") > 1);
		assert_true(ready > 1);
		if (fabs(found / ready - 1) > 0.05)
			fail_msg("the guest found %.3f s, the host measured %.3f s", found, ready);
		assert_true(json_array_size(processes) >= 5);
		json_array_foreach(processes, k, p) check_process(p);
	}
	json_decref(o);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_host_tells_who_used_the_cpu),
	};

	if (argc != 3 && argc != 5)
		return 2;
	desched = argv[1];
	source = argv[2];
	if (argc == 5) {
		option = argv[3];
		value = argv[4];
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
