/* SPDX-License-Identifier: MIT */
/*
 * Conditions of a scenario, such as
 *
 *	hog.cpu.min == host.cpus / hog.count within 1%
 *	relaxed:smp.ops > strict:smp.ops * 1.1
 *
 * Numbers, names, + - * /, brackets, and functions: min(a, b), max(a, b), abs(a), sqrt(a), and
 * mmcn(c, n, load), the utilization of each of c servers that n customers use, each of whom alone
 * would be in service for `load` of the time (exponential times): M/M/c//N in closed form.
 */
#ifndef SIM_LIMITS_H
#define SIM_LIMITS_H

#include "base/failure.h"

#include <stdbool.h>

/* The value of a name. Returns 0, or -ENOENT if there is no such name. */
typedef int (*limit_lookup)(void *data, const char *name, double *ret);

struct limit_outcome {
	double left;
	double right;
	double tolerance; /* absolute; 0 without "within" */
	bool kept;
};

/* The syntax alone. 0, or -EINVAL with what was expected where. */
int limit_parse(const char *condition, struct failure *f);

/* Likewise, and the values. */
int limit_evaluate(const char *condition, limit_lookup lookup, void *data, struct failure *f,
		   struct limit_outcome *ret);

double limit_mmcn(unsigned servers, unsigned customers, double load);

#endif
