/* SPDX-License-Identifier: MIT */
/*
 * The checks of desched doctor, each over trees that are well, that are not, and that do not say;
 * the tree, whose links must not lead out of it; the parser of crontabs against counts made by
 * hand. test_doctor_command.c covers the command.
 */
#include "../doctor/fixtures.h"
#include "../doctor/root.h"

#include "base/units.h"
#include "doctor/facts.h"
#include "doctor/schedule.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#include <ctype.h>
#include <zlib.h>

static char root[ROOT_SIZE];

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

static void put(const char *path, const char *content)
{
	fixture_write(root, &(struct fixture_file){path, content}, content, strlen(content));
}

static enum verdict look(const char *id, struct exam *ret)
{
	struct tree t;

	assert_int_equal(tree_open(root, NULL, &t), 0);
	doctor_look(doctor_find(id), &t, DOCTOR_GUEST | DOCTOR_HOST, ret);
	tree_close(&t);
	return ret->verdict;
}

/* ---- the checks ---- */

static void test_fixtures(void **state)
{
	for (size_t i = 0; i < N_FIXTURES; i++) {
		struct exam e;
		enum verdict v;

		root_make(root);
		fixture_make(root, &fixtures[i]);
		assert_non_null(doctor_find(fixtures[i].id));
		v = look(fixtures[i].id, &e);
		if (v != fixtures[i].verdict)
			fail_msg("%s, fixture %zu: %s, expected %s: %s", fixtures[i].id, i,
				 verdict_name(v), verdict_name(fixtures[i].verdict), e.found);
		assert_true(e.found[0]);
		root_remove(root);
	}
	(void)state;
}

static bool has_fixture(const char *id, enum verdict v)
{
	for (size_t i = 0; i < N_FIXTURES; i++)
		if (!strcmp(fixtures[i].id, id) && fixtures[i].verdict == v)
			return true;
	return false;
}

static void test_rows(void **state)
{
	const struct check *c;

	(void)state;
	assert_true(doctor_count() >= 30);
	for (size_t i = 0; (c = doctor_check(i)); i++) {
		assert_ptr_equal(doctor_find(c->id), c); /* the id is there once */
		assert_true(strlen(c->id) <= 22);
		assert_true(doctor_group(c)[0] && c->title && c->look && c->why && c->source);
		assert_true(c->severity < SEVERITIES);
		if (!has_fixture(c->id, VERDICT_OK) || !has_fixture(c->id, VERDICT_BAD))
			fail_msg("%s has no fixture that is well, or none that is not", c->id);
	}
	assert_null(doctor_find("no-such-check"));
}

static void test_cannot_tell(void **state)
{
	const struct check *c;

	(void)state;
	for (size_t i = 0; (c = doctor_check(i)); i++) {
		struct exam e;

		if (look(c->id, &e) != VERDICT_CANNOT_TELL)
			fail_msg("%s does not say that it cannot tell: %s", c->id, e.found);
		assert_true(e.found[0]);
	}
}

/* ---- hosts ---- */

static unsigned sides_of(void)
{
	struct tree t;
	unsigned sides;

	assert_int_equal(tree_open(root, NULL, &t), 0);
	sides = doctor_sides(&t);
	tree_close(&t);
	return sides;
}

static void put_words(const char *path, const char *words)
{
	fixture_write_words(root, &(struct fixture_file){path, words});
}

/* Bare metal with a VM is a host, in a hypervisor it is both; without one it isn't taken for any. */
static void test_sides(void **state)
{
	struct exam e;
	struct tree t;

	(void)state;
	assert_int_equal(sides_of(), DOCTOR_GUEST);
	put(VENDOR, "Dell Inc.\n");
	put("/proc/9/comm", "qemu-system-arm\n");
	assert_int_equal(sides_of(), DOCTOR_GUEST); /* no words: a thread of the kernel */
	put_words("/proc/9/cmdline", "qemu|-name|a|");
	assert_int_equal(sides_of(), DOCTOR_HOST);
	put(CLOCKS, "kvm-clock tsc\n");
	assert_int_equal(sides_of(), DOCTOR_HOST | DOCTOR_GUEST);
	assert_int_equal(tree_open(root, NULL, &t), 0);
	doctor_look(doctor_find("host-kvm"), &t, DOCTOR_GUEST, &e);
	assert_int_equal(e.verdict, VERDICT_NOT_HERE);
	doctor_look(doctor_find("swap"), &t, DOCTOR_HOST, &e);
	assert_int_equal(e.verdict, VERDICT_NOT_HERE);
	tree_close(&t);
}

/* Those that are not well are called as their owners call them. */
static void test_vms_are_named(void **state)
{
	struct exam e;

	(void)state;
	put("/proc/9/comm", "qemu-system-x86\n");
	put_words("/proc/9/cmdline", "qemu|-machine|accel=tcg|-name|guest=web 1,x=y|");
	put("/proc/10/comm", "qemu-system-x86\n");
	put_words("/proc/10/cmdline", "qemu|--name|db\x1b|-device|ivshmem-plain|");
	put("/proc/11/comm", "qemu-system-x86\n");
	put_words("/proc/11/cmdline", "qemu|-unnamed|x|");
	put("/proc/12/comm", "kvm\n");
	put_words("/proc/12/cmdline", "qemu|-id|100|-name|vm-100|-device|ivshmem-plain,memdev=p|");
	assert_int_equal(look("host-vm-page", &e), VERDICT_BAD);
	assert_string_equal(e.found, "web 1, pid 11");
	assert_int_equal(look("host-vm-steal", &e), VERDICT_BAD);
	assert_string_equal(e.found, "web 1, db?, pid 11");
}

static void test_several_are_named(void **state)
{
	struct exam e;

	(void)state;
	put("/sys/block/sda/device/timeout", "30\n");
	put("/sys/block/sdb/device/timeout", "200\n");
	put("/sys/block/sdc/device/timeout", "60\n");
	assert_int_equal(look("disk-timeout", &e), VERDICT_BAD);
	assert_string_equal(e.found, "sda: 30, sdc: 60");
}

static void test_hostile_names(void **state)
{
	struct exam e;

	(void)state;
	put("/etc/hostname", "local\033[2Jhost\n");
	assert_int_equal(look("hostname", &e), VERDICT_OK);
	assert_string_equal(e.found, "local?[2Jhost");
	put("/sys/devices/system/clocksource/clocksource0/current_clocksource", "\xff\x01\n");
	assert_int_equal(look("clocksource", &e), VERDICT_OK);
	assert_string_equal(e.found, "the clock is ??");
}

static void test_found_is_cut(void **state)
{
	struct exam e;

	(void)state;
	for (int i = 0; i < 26 * 26; i++) {
		char path[64];

		snprintf(path, sizeof(path), "/sys/block/sd%c%c/device/timeout", 'a' + i / 26,
			 'a' + i % 26);
		put(path, "1\n");
	}
	assert_int_equal(look("disk-timeout", &e), VERDICT_BAD);
	assert_in_range(strlen(e.found), sizeof(e.found) - 3, sizeof(e.found) - 1);
}

static void test_compressed_config(void **state)
{
	char path[128];
	struct exam e;
	gzFile z;

	(void)state;
	put("/proc/cmdline", "");
	snprintf(path, sizeof(path), "%s/proc/config.gz", root);
	z = gzopen(path, "wb");
	for (int i = 0; i < 5000; i++)
		gzprintf(z, "# CONFIG_OPTION_%d is not set\n", i);
	gzprintf(z, "CONFIG_HZ=1000\n");
	gzclose(z);
	assert_int_equal(look("tick-rate", &e), VERDICT_BAD);
	assert_int_equal(truncate(path, 100), 0); /* torn: no option is told from what is cut */
	assert_int_not_equal(look("tick-rate", &e), VERDICT_OK);
}

/* ---- the tree ---- */

static void test_links_stay_inside(void **state)
{
	char path[128], line[64];
	struct tree t;

	(void)state;
	put("/etc/inside", "inside\n");
	snprintf(path, sizeof(path), "%s/etc/absolute", root);
	assert_int_equal(symlink("/etc/inside", path), 0);
	snprintf(path, sizeof(path), "%s/etc/upwards", root);
	assert_int_equal(symlink("../../../../../../../../etc/passwd", path), 0);
	assert_int_equal(tree_open(root, NULL, &t), 0);
	assert_int_equal(tree_line(&t, line, sizeof(line), "/etc/absolute"), 0);
	assert_string_equal(line, "inside");
	assert_int_equal(tree_line(&t, line, sizeof(line), "/etc/upwards"), -ENOENT);
	assert_int_equal(tree_line(&t, line, sizeof(line), "/../../../../../etc/passwd"), -ENOENT);
	assert_false(tree_has(&t, "/etc/upwards"));
	assert_false(t.own);
	tree_close(&t);
}

static void test_not_a_file(void **state)
{
	char path[128], line[64] = "as it was";
	struct exam e;
	struct tree t;

	(void)state;
	put("/proc/sys/vm/x", "");
	snprintf(path, sizeof(path), "%s/proc/sys/vm/swappiness", root);
	assert_int_equal(mkfifo(path, 0666), 0); /* nobody writes: a plain open would wait */
	assert_int_equal(look("swappiness", &e), VERDICT_CANNOT_TELL);
	assert_int_equal(tree_open(root, NULL, &t), 0);
	assert_true(tree_line(&t, line, sizeof(line), "/proc/sys/vm") < 0);
	assert_string_equal(line, "as it was");
	tree_close(&t);
	assert_int_not_equal(tree_open("/proc/self/cmdline", NULL, &t), 0);
}

static void test_numbers(void **state)
{
	static const struct {
		const char *text;
		int err;
		uint64_t value;
	} rows[] = {{"7\n", 0, 7},	     {"  42 \r\nmore", 0, 42},
		    {"", -ENODATA, 0},	     {"\n\n5", -ENODATA, 0},
		    {"0x10\n", -EBADMSG, 0}, {"-1\n", -EBADMSG, 0},
		    {"1 2\n", -EBADMSG, 0},  {"18446744073709551616\n", -EBADMSG, 0}};
	struct tree t;

	(void)state;
	assert_int_equal(tree_open(root, NULL, &t), 0);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		uint64_t v = 99;

		put("/n", rows[i].text);
		assert_int_equal(tree_uint(&t, &v, "/n"), rows[i].err);
		assert_int_equal(v, rows[i].err ? 99 : rows[i].value);
	}
	tree_close(&t);
}

/* ---- crontabs and timers ---- */

static void test_cron(void **state)
{
	static const struct {
		const char *line;
		int starts, first; /* minute of the day */
	} rows[] = {
		{"17 * * * * root x", 24, 17},
		{"25 6 * * * root x", 1, 6 * 60 + 25},
		{"*/15 2 * * * x", 4, 120},
		{"0-59/10 * * * * x", 144, 0},
		{"5,10-12 1,3 * * * x", 8, 65},
		{"50/5 0 * * * x", 2, 50},
		{"* * * * * x", 1440, 0},
		{"@hourly root x", 24, 0},
		{"@daily root x", 1, 0},
		{"\t7 7\t* * * x", 1, 7 * 60 + 7},
		{"@reboot root x", 0, 0},
		{"MAILTO=root", 0, 0},
		{"# 5 5 * * * x", 0, 0},
		{"", 0, 0},
		{"60 * * * * x", -EBADMSG, 0},
		{"5 24 * * * x", -EBADMSG, 0},
		{"9-3 * * * * x", -EBADMSG, 0},
		{"*/0 * * * * x", -EBADMSG, 0},
		{"5", -EBADMSG, 0},
		{"5, * * * * x", -EBADMSG, 0},
		{"99999999999999999999 * * * *", -EBADMSG, 0},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		bool starts[DAY_MINUTES] = {false};
		int first = 0;

		assert_int_equal(schedule_cron(rows[i].line, starts), rows[i].starts);
		while (rows[i].starts > 0 && !starts[first])
			first++;
		assert_int_equal(first, rows[i].first);
	}
}

static void test_timers(void **state)
{
	(void)state;
	assert_true(schedule_timer_fixed("[Timer]\nOnCalendar=daily"));
	assert_true(schedule_timer_fixed("OnCalendar=daily\nRandomizedDelaySec=0\n"));
	assert_true(schedule_timer_fixed("OnCalendar=daily\nAccuracySec=9min 59s\n"));
	assert_false(schedule_timer_fixed("OnCalendar=daily\nAccuracySec=9min 60s\n"));
	assert_false(schedule_timer_fixed("OnCalendar=daily\nRandomizedDelaySec=90\n"));
	assert_false(schedule_timer_fixed("OnUnitActiveSec=1d\n#OnCalendar=daily\n"));
	/* What comes last counts. */
	assert_true(schedule_timer_fixed("OnCalendar=daily\nRandomizedDelaySec=1h\n"
					 "RandomizedDelaySec=0\n"));
}

int main(void)
{
#define IN_ROOT(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_fixtures),
		cmocka_unit_test(test_rows),
		IN_ROOT(test_sides),
		IN_ROOT(test_vms_are_named),
		IN_ROOT(test_cannot_tell),
		IN_ROOT(test_several_are_named),
		IN_ROOT(test_hostile_names),
		IN_ROOT(test_found_is_cut),
		IN_ROOT(test_compressed_config),
		IN_ROOT(test_links_stay_inside),
		IN_ROOT(test_not_a_file),
		IN_ROOT(test_numbers),
		cmocka_unit_test(test_cron),
		cmocka_unit_test(test_timers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
