/* SPDX-License-Identifier: MIT */
/* Mean and spread of values as they come, and the interval in which their true mean lies. */
#ifndef BASE_MEAN_H
#define BASE_MEAN_H

#include <stdint.h>

struct mean {
	uint64_t n;
	double mean;
	double squares; /* of the distances from the mean, summed up */
};

void mean_add(struct mean *s, double value);

/* Half the width of the 95 % interval around the mean, for independent values that are about
 * normal. NAN with fewer than two. */
double mean_half(const struct mean *s);

/* 97.5 % of Student's distribution, by the first terms of its expansion: 1 % off at 4 degrees of
 * freedom; below, where that fails, from a table. */
double mean_student(double degrees);

#endif
