/* SPDX-License-Identifier: MIT */
/*
 * Times of recordings: as every program and country writes them, against date(1); which of two
 * numbers is the day, and when nothing tells; clocks that pass midnight, go back, change for
 * summer.
 */
#include "near.h"

#include "base/units.h"
#include "data/times.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static const struct times_options none = {.order = DATES_UNKNOWN};
static struct failure f;

/* ---- one time ---- */

static void test_times(void **state)
{
	static const struct {
		const char *text;
		int err;
		double at;
		bool dated, stated;
	} rows[] = {
		{"1555593619", 0, 1555593619, true, true},
		{"1555593619250", 0, 1555593619.25, true, true},
		{"1555593619250000", 0, 1555593619.25, true, true},
		{"1555593619250000000", 0, 1555593619.25, true, true},
		{"12.5", 0, 12.5, false, false},
		{"2019-04-18 13:20:19 UTC", 0, 1555593619, true, true},
		{"2019-04-18T13:20:19Z", 0, 1555593619, true, true},
		{"2019-04-18T15:20:19.250+02:00", 0, 1555593619.25, true, true},
		{"2019-04-18T08:20:19,250-0500", 0, 1555593619.25, true, true},
		{"20190418T132019Z", 0, 1555593619, true, true},
		{"20190418132019", 0, 1555593619, true, false},
		{"2019/04/18 13:20:19", 0, 1555593619, true, false},
		{"18.04.2019 13:20:19", 0, 1555593619, true, false},
		{"18.04.19 13:20", 0, 1555593600, true, false},
		{"04/18/2019 13:20:19.250", 0, 1555593619.25, true, false},
		{"4/18/2019 1:20:19 PM", 0, 1555593619, true, false},
		{"04/18/2019 01:20:19 p.m.", 0, 1555593619, true, false},
		{"04/18/2019 12:20:19 AM", 0, 1555593619 - 13 * 3600, true, false},
		{"18-Apr-2019 13:20:19", 0, 1555593619, true, false},
		{"Thu Apr 18 13:20:19 UTC 2019", 0, 1555593619, true, true},
		{"Thu 18 April 2019 13:20:19 CEST", 0, 1555593619 - 7200, true, true},
		{"2019年04月18日 13時20分19秒", 0, 1555593619, true, false},
		{"13:20:19", 0, 48019, false, false},
		{"13.20.19", 0, 48019, false, false},
		{"13:20", 0, 48000, false, false},
		{"01:20:19 PM", 0, 48019, false, false},
		{"午後01時20分19秒", 0, 48019, false, false},
		{"13시 20분 19초", 0, 48019, false, false},
		{"24:00:00", 0, 86400, false, false},
		{"2019-13-18 13:20:19", -EINVAL, 0, false, false},
		{"2019-02-29 13:20:19", -EINVAL, 0, false, false},
		{"2019-04-18 25:20:19", -EINVAL, 0, false, false},
		{"2019-04-18", -EINVAL, 0, false, false},
		{"13:20:19 1000", -EINVAL, 0, false, false},
		{"13:20:19 root", -EINVAL, 0, false, false},
		{"14:20:19 PM", -EINVAL, 0, false, false},
		{"-5", -EINVAL, 0, false, false},
		{"", -EINVAL, 0, false, false},
		{"now", -EINVAL, 0, false, false},
		{"inf", -EINVAL, 0, false, false},
		{"0x10", -EINVAL, 0, false, false},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct instant at = {.at = -7};
		struct times t;

		times_init(&t, &none);
		t.order = DATES_MDY;
		if (times_read(&t, rows[i].text, &at) != rows[i].err)
			fail_msg("'%s'", rows[i].text);
		assert_near(at.at, rows[i].err ? -7 : rows[i].at, 1e-5);
		assert_int_equal(at.dated, rows[i].dated);
		assert_int_equal(at.zone == ZONE_STATED, rows[i].stated);
	}
}

/* A zone of the file's head or of an option is for times that don't say their own. */
static void test_zones(void **state)
{
	const struct times_options berlin = {.zoned = true, .zone = 7200};
	struct instant at;
	struct times t;
	double zone;

	(void)state;
	times_init(&t, &none);
	times_head_zone(&t, 3600);
	assert_int_equal(times_read(&t, "2019-04-18 13:20:19", &at), 0);
	assert_near(at.at, 1555593619 - 3600, 1e-6);
	assert_int_equal(at.zone, ZONE_HEAD);
	assert_int_equal(times_read(&t, "2019-04-18 13:20:19Z", &at), 0);
	assert_near(at.at, 1555593619, 1e-6);
	times_init(&t, &berlin);
	times_head_zone(&t, 3600); /* the option is the better one */
	assert_int_equal(times_read(&t, "2019-04-18 13:20:19", &at), 0);
	assert_near(at.at, 1555593619 - 7200, 1e-6);
	assert_int_equal(at.zone, ZONE_STATED);
	assert_int_equal(times_parse_zone("-05:30", &zone), 0);
	assert_near(zone, -19800, 1e-9);
	assert_int_equal(times_parse_zone("UTC", &zone), 0);
	assert_near(zone, 0, 1e-9);
	assert_int_equal(times_parse_zone("Berlin", &zone), -EINVAL);
	assert_int_equal(times_parse_zone("+99", &zone), -EINVAL);
}

/* ---- day and month ---- */

/* What comes of a file with these times: an order, or the refusal. */
static int settle(const char *const *texts, enum date_order usual, enum date_order *ret)
{
	struct times t;
	int err;

	times_init(&t, &none);
	for (; *texts; texts++)
		times_learn(&t, *texts);
	err = times_settle(&t, usual, "file", "guest-", &f);
	*ret = t.order;
	return err;
}

static void test_orders(void **state)
{
	static const struct {
		const char *texts[4];
		enum date_order usual;
		int err;
		enum date_order order;
		const char *why;
	} rows[] = {
		{{"05/01/2026 08:00:00", "05/01/2026 08:00:05"},
		 DATES_UNKNOWN,
		 -EINVAL,
		 DATES_UNKNOWN,
		 "--guest-dates dmy or --guest-dates mdy"},
		{{"05/01/2026 08:00:00"}, DATES_MDY, 0, DATES_MDY, ""},
		{{"05/01/2026 08:00:00", "13/01/2026 08:00:00"}, DATES_UNKNOWN, 0, DATES_DMY, ""},
		{{"05/01/2026 08:00:00", "05/13/2026 08:00:00"}, DATES_UNKNOWN, 0, DATES_MDY, ""},
		{{"13/05/2026 08:00:00"}, DATES_MDY, 0, DATES_DMY, ""},
		/* Midnight: one order goes on by five seconds, the other by a month. */
		{{"05/01/2026 23:59:58", "06/01/2026 00:00:03"}, DATES_UNKNOWN, 0, DATES_DMY, ""},
		{{"05/01/2026 23:59:58", "05/02/2026 00:00:03"}, DATES_UNKNOWN, 0, DATES_MDY, ""},
		{{"13/05/2026 08:00:00", "05/13/2026 08:00:00"},
		 DATES_UNKNOWN,
		 -EINVAL,
		 DATES_UNKNOWN,
		 "no month"},
		{{"2026-01-05 08:00:00 IST"},
		 DATES_UNKNOWN,
		 -EINVAL,
		 DATES_UNKNOWN,
		 "--guest-zone"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		enum date_order order;

		memset(&f, 0, sizeof(f));
		assert_int_equal(settle(rows[i].texts, rows[i].usual, &order), rows[i].err);
		assert_int_equal(order, rows[i].order);
		if (!strstr(f.text, rows[i].why))
			fail_msg("'%s' does not say '%s'", f.text, rows[i].why);
	}
}

/* ---- one after the other ---- */

struct step {
	const char *text;
	enum follow follow;
	double at; /* after the first one */
};

static void follow_all(const struct step *steps, size_t n)
{
	struct track k = {.any = false};
	struct times t;
	double first = 0;

	times_init(&t, &none);
	for (size_t i = 0; i < n; i++) {
		struct instant time;
		double last, at;

		assert_int_equal(times_read(&t, steps[i].text, &time), 0);
		assert_int_equal(times_follow(&k, &time, &last, &at), steps[i].follow);
		first = i ? first : at;
		assert_near(at - first, steps[i].at, 1e-6);
	}
}

static void test_midnight(void **state)
{
	static const struct step steps[] = {
		{"23:59:50", FOLLOW_FIRST, 0},
		{"23:59:55", FOLLOW_NEXT, 5},
		{"00:00:00", FOLLOW_NEXT, 10},
		{"23:59:50", FOLLOW_NEXT, 86400},
		{"00:00:05", FOLLOW_NEXT, 86415},
		{"00:00:05", FOLLOW_SAME, 86415},
		/* An hour is no midnight: somebody has set the clock. */
		{"00:00:02", FOLLOW_BACK, 86412},
		{"00:00:07", FOLLOW_NEXT, 86417},
	};

	(void)state;
	follow_all(steps, ARRAY_SIZE(steps));
}

/* 2026: Europe's clocks go ahead on March 29 and back on October 25. */
static void test_summer(void **state)
{
	static const struct step spring[] = {
		{"2026-03-29 01:59:50", FOLLOW_FIRST, 0},
		{"2026-03-29 01:59:55", FOLLOW_NEXT, 5},
		{"2026-03-29 03:00:00", FOLLOW_NEXT, 10},
		{"2026-03-29 03:00:05", FOLLOW_NEXT, 15},
	};
	static const struct step autumn[] = {
		{"2026-10-25 02:59:50", FOLLOW_FIRST, 0},
		{"2026-10-25 02:59:55", FOLLOW_NEXT, 5},
		{"2026-10-25 02:00:00", FOLLOW_NEXT, 10},
		{"2026-10-25 02:00:05", FOLLOW_NEXT, 15},
	};
	/* An hour's pause that isn't at the full hour, and one on a clock that knows no summer. */
	static const struct step pause[] = {
		{"2026-03-29 01:29:50", FOLLOW_FIRST, 0},
		{"2026-03-29 01:29:55", FOLLOW_NEXT, 5},
		{"2026-03-29 02:30:00", FOLLOW_NEXT, 3610},
	};
	static const struct step utc[] = {
		{"2026-10-25T02:59:50Z", FOLLOW_FIRST, 0},
		{"2026-10-25T02:59:55Z", FOLLOW_NEXT, 5},
		{"2026-10-25T02:00:00Z", FOLLOW_BACK, -3590},
		{"2026-10-25T02:00:05Z", FOLLOW_NEXT, -3585},
	};

	(void)state;
	follow_all(spring, ARRAY_SIZE(spring));
	follow_all(autumn, ARRAY_SIZE(autumn));
	follow_all(pause, ARRAY_SIZE(pause));
	follow_all(utc, ARRAY_SIZE(utc));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_times),  cmocka_unit_test(test_zones),
		cmocka_unit_test(test_orders), cmocka_unit_test(test_midnight),
		cmocka_unit_test(test_summer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
