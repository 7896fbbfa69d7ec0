/* SPDX-License-Identifier: MIT */
/*
 * Quantiles of many times, in constant memory: counts of times by size, 128 bins to a factor of
 * two, so that a quantile is right to 1 % (below 100 us: to 1 us).
 */
#ifndef SIM_QUANTILES_H
#define SIM_QUANTILES_H

#include <stdint.h>

#define QUANTILES_BINS (128 * 36) /* up to 2^42 us */

struct quantiles {
	uint64_t n;
	uint64_t sum; /* ns */
	uint64_t max; /* ns */
	uint32_t bins[QUANTILES_BINS];
};

void quantiles_add(struct quantiles *q, uint64_t ns);
void quantiles_merge(struct quantiles *to, const struct quantiles *from);
/* The time, in ns, that `part` (0 to 1) of all are at most; 0 of none. */
double quantiles_at(const struct quantiles *q, double part);

#endif
