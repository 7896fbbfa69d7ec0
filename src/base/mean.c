/* SPDX-License-Identifier: MIT */
#include "base/mean.h"

#include "base/units.h"

#include <math.h>

#define Z 1.959964 /* 97.5 % of the normal distribution */

void mean_add(struct mean *s, double value)
{
	double before = value - s->mean;

	s->n++;
	s->mean += before / (double)s->n;
	s->squares += before * (value - s->mean);
}

double mean_half(const struct mean *s)
{
	double n = (double)s->n;

	if (s->n < 2)
		return NAN;
	return mean_student(n - 1) * sqrt(s->squares / (n - 1) / n);
}

double mean_student(double degrees)
{
	static const double few[] = {12.7062, 4.3027, 3.1824};

	if (degrees < ARRAY_SIZE(few) + 1)
		return few[degrees < 1 ? 0 : (int)degrees - 1];
	return Z + (pow(Z, 3) + Z) / (4 * degrees) +
	       (5 * pow(Z, 5) + 16 * pow(Z, 3) + 3 * Z) / (96 * degrees * degrees) +
	       (3 * pow(Z, 7) + 19 * pow(Z, 5) + 17 * pow(Z, 3) - 15 * Z) / (384 * pow(degrees, 3));
}
