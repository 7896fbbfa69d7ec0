/* SPDX-License-Identifier: MIT */
/*
 * Runs a scenario: each variant with each seed on each host is one unit of its own. Units are
 * shared out among threads; results are put together in the order of the units, so that they are
 * the same bit for bit whatever the number of threads.
 */
#ifndef SIM_RUNNER_H
#define SIM_RUNNER_H

#include "sim/limits.h"
#include "sim/metrics.h"

struct limit_report {
	const struct limit *limit;
	const char *variant; /* "" if the condition names its variants itself, or there are none */
	uint32_t seed;
	struct limit_outcome outcome;
};

struct run_options {
	uint64_t seed;	/* the first; the others follow */
	uint32_t seeds; /* 0: the scenario's */
	uint32_t jobs;
	bool waits; /* measure waits for a CPU, even if no limit is about them */
	/* Called before the first unit runs, and after it has; NULL for none. */
	void (*before)(struct sim *s, void *data);
	void (*after)(struct sim *s, void *data);
	void *data;
};

struct run {
	const struct scenario *scenario;
	struct scenario **variants; /* what runs: the variants, or the scenario itself */
	const char **names;
	uint32_t n_variants;
	uint32_t seeds;
	bool waits; /* were measured */
	uint64_t first_seed;
	struct result *results; /* [variant][seed][host] */
	struct limit_report *reports;
	uint32_t n_reports;
	uint32_t broken;
	uint64_t events;
	double seconds;	    /* real time */
	double cpu_seconds; /* CPU time of the units, all threads together */
};

/* 0 even if limits are broken or hosts refused; -errno if it cannot be run. */
int run_scenario(const struct scenario *s, const struct run_options *options, struct failure *f,
		 struct run **ret);
struct run *run_free(struct run *r); /* NULL accepted; returns NULL */

/* The results of all hosts of a variant with a seed (both from 0). */
const struct result *run_results(const struct run *r, uint32_t variant, uint32_t seed);

#endif
