/* SPDX-License-Identifier: MIT */
/* What holds of any two snapshots of one vmdesched, whatever has happened to its guest in
 * between. */
#ifndef SNAPSHOT_CHECKS_H
#define SNAPSHOT_CHECKS_H

#include "near.h"

#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static inline double number(const json_t *o, const char *object, const char *key)
{
	const json_t *v = json_object_get(object ? json_object_get(o, object) : o, key);

	if (!json_is_number(v))
		fail_msg("no number %s.%s", object ? object : "", key);
	return json_number_value(v);
}

/* No number below 0 but those that are differences of clocks. */
static inline void nothing_negative(const json_t *o, const char *name)
{
	const json_t *v;
	const char *key;
	size_t i;

	if (json_is_number(o) && json_number_value(o) < 0 && strcmp(name, "lag_s") != 0 &&
	    strcmp(name, "drift") != 0 && strcmp(name, "pid") != 0)
		fail_msg("%s is %g", name, json_number_value(o));
	json_object_foreach((json_t *)o, key, v) nothing_negative(v, key);
	json_array_foreach(o, i, v) nothing_negative(v, name);
}

/* Every figure of the machine and its CPUs that counts up, from one snapshot to the next. */
static inline void nothing_falls(const json_t *before, const json_t *now, const char *name)
{
	const json_t *v;
	const char *key;
	size_t i;

	if (json_is_number(now) && json_number_value(now) < json_number_value(before) - 1e-9)
		fail_msg("%s fell from %.9f to %.9f", name, json_number_value(before),
			 json_number_value(now));
	json_object_foreach((json_t *)now, key, v)
		nothing_falls(json_object_get(before, key), v, key);
	json_array_foreach(now, i, v) nothing_falls(json_array_get(before, i), v, name);
}

/* The runs of a CPU cover its time, whatever has happened. The instant of a snapshot is read before
 * the last records are: another CPU may have switched since then, and so be ahead by as much as
 * that took. */
static inline void cpus_are_covered(const json_t *now)
{
	double elapsed = number(now, NULL, "elapsed_s"), covered;
	const json_t *cpu;
	size_t i;

	json_array_foreach(json_object_get(now, "cpus"), i, cpu)
	{
		covered = number(cpu, NULL, "busy_s") + number(cpu, NULL, "idle_s");
		if (covered < elapsed - 1e-6 || covered > elapsed + 0.1)
			fail_msg("CPU %zu is covered for %.9f s of %.9f", i, covered, elapsed);
	}
}

static inline double away(const json_t *o)
{
	return number(o, "totals", "vmdesched_s") + number(o, "totals", "idle_descheduled_s") +
	       number(o, "totals", "idle_wait_s");
}

static inline void check_snapshots(const json_t *before, const json_t *now)
{
	nothing_negative(now, "snapshot");
	nothing_falls(json_object_get(before, "totals"), json_object_get(now, "totals"), "totals");
	nothing_falls(json_object_get(before, "cpus"), json_object_get(now, "cpus"), "cpus");
	assert_near(number(now, "totals", "reported_s"),
		    number(now, "totals", "true_s") + number(now, "totals", "vmdesched_s") +
			    number(now, "totals", "unaccounted_s"),
		    1e-6);
	cpus_are_covered(now);
}

#endif
