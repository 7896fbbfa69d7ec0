/* SPDX-License-Identifier: MIT */
/* Runs a scenario that a test writes itself, and reads its figures. Include after cmocka.h. */
#ifndef TEST_SIM_TEXT_H
#define TEST_SIM_TEXT_H

#include "sim/runner.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

struct sim_text {
	struct scenario *scenario;
	struct run *run;
};

static inline struct sim_text sim_text_run(const char *path, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

static uint64_t sim_text_seed = 1; /* of all that run from now on */

/* `path` is where the file would be: traces are relative to it. */
static inline struct sim_text sim_text_run(const char *path, const char *format, ...)
{
	struct run_options o = {.seed = sim_text_seed, .jobs = 1};
	struct sim_text t = {0};
	struct failure f = {""};
	char text[8192];
	va_list ap;

	va_start(ap, format);
	vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	if (scenario_parse(text, strlen(text), path, &f, &t.scenario) ||
	    run_scenario(t.scenario, &o, &f, &t.run))
		fail_msg("%s\n%s", f.text, text);
	return t;
}

static inline double sim_text_value(const struct sim_text *t, const char *name)
{
	double v = 0;

	if (metric_value(t->scenario, run_results(t->run, 0, 0), scenario_hosts(t->scenario), name,
			 &v))
		fail_msg("%s: not measured", name);
	return v;
}

static inline void sim_text_end(struct sim_text *t)
{
	run_free(t->run);
	scenario_free(t->scenario);
}

/* `got` is within a part of `want`. */
static inline void sim_text_near(const char *what, double got, double want, double part)
{
	if (!(got >= want * (1 - part) - 1e-12 && got <= want * (1 + part) + 1e-12))
		fail_msg("%s: %.6g, expected %.6g within %g %%", what, got, want, 100 * part);
}

#endif
