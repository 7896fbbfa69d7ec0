/* SPDX-License-Identifier: MIT */
/* The rows of a benchmark, as a table and as JSON (schema desched-bench/1). */
#ifndef BENCH_RESULT_H
#define BENCH_RESULT_H

#include "load.h"

#include <jansson.h>
#include <math.h>
#include <stdbool.h>

struct result {
	const char *name, *unit, *goal; /* goal "": none */
	double value, low, high;	/* NAN: there are no quartiles */
	bool met;
};

static inline void results_print(const struct result *results, size_t n)
{
	printf("%-46s %10s %12s %-11s %-8s\n", "what", "value", "quartiles", "unit", "goal");
	for (size_t i = 0; i < n; i++) {
		const struct result *r = &results[i];
		char spread[32] = "";

		if (!isnan(r->low))
			snprintf(spread, sizeof(spread), "%.3f-%.3f", r->low, r->high);
		printf("%-46s %10.3f %12s %-11s %-8s%s\n", r->name, r->value, spread, r->unit,
		       r->goal, r->met || !r->goal[0] ? "" : " NOT MET");
	}
}

/* Nothing where no path is given. */
static inline void results_write(const struct result *results, size_t n, const char *path)
{
	json_t *o = json_object(), *list = json_array();

	json_object_set_new(o, "schema", json_string("desched-bench/1"));
	for (size_t i = 0; i < n; i++) {
		const struct result *r = &results[i];
		json_t *row = json_object();

		json_object_set_new(row, "name", json_string(r->name));
		json_object_set_new(row, "value", json_real(r->value));
		if (!isnan(r->low)) {
			json_object_set_new(row, "low", json_real(r->low));
			json_object_set_new(row, "high", json_real(r->high));
		}
		json_object_set_new(row, "unit", json_string(r->unit));
		json_object_set_new(row, "goal", json_string(r->goal));
		json_object_set_new(row, "met", json_boolean(r->met));
		json_array_append_new(list, row);
	}
	json_object_set_new(o, "results", list);
	if (path && json_dump_file(o, path, JSON_INDENT(2) | JSON_REAL_PRECISION(6)))
		die(path);
	json_decref(o);
}

#endif
