/* SPDX-License-Identifier: MIT */
#include "sim/quantiles.h"

#include <math.h>

#define UNIT 1024 /* ns */
#define FINE 7	  /* 128 bins to a factor of two; whole units below 128 */

static uint32_t bin_of(uint64_t ns)
{
	uint64_t v = ns / UNIT;
	uint32_t shift, bin;

	if (v < 1 << FINE)
		return (uint32_t)v;
	shift = 63 - FINE - (uint32_t)__builtin_clzll(v);
	bin = (shift << FINE) + (uint32_t)(v >> shift);
	return bin < QUANTILES_BINS ? bin : QUANTILES_BINS - 1;
}

/* ns: where a bin begins, and the one before it ends. */
static double start_of(uint32_t bin)
{
	uint32_t shift = bin >> FINE ? (bin >> FINE) - 1 : 0;

	return ldexp((double)(bin - (shift << FINE)), (int)shift) * UNIT;
}

void quantiles_add(struct quantiles *q, uint64_t ns)
{
	q->n++;
	q->sum += ns;
	q->max = ns > q->max ? ns : q->max;
	q->bins[bin_of(ns)]++;
}

void quantiles_merge(struct quantiles *to, const struct quantiles *from)
{
	to->n += from->n;
	to->sum += from->sum;
	to->max = from->max > to->max ? from->max : to->max;
	for (uint32_t i = 0; i < QUANTILES_BINS; i++)
		to->bins[i] += from->bins[i];
}

double quantiles_at(const struct quantiles *q, double part)
{
	double rank = part * (double)q->n, below = 0;

	for (uint32_t i = 0; i < QUANTILES_BINS && q->n; i++) {
		double in = q->bins[i], start = start_of(i);

		if (in > 0 && below + in >= rank) {
			double at = start + (start_of(i + 1) - start) * (rank - below) / in;

			if (!i) /* none to a microsecond: most of these waited for nothing */
				at = 0;
			return fmin(at, (double)q->max);
		}
		below += in;
	}
	return (double)q->max;
}
