/* SPDX-License-Identifier: MIT */
#include "guest/lateness.h"

#include "base/units.h"

#include <math.h>
#include <stdbool.h>

#define PER_OCTAVE 8
#define ENOUGH	   100
#define Z_90	   1.645 /* standard normal, two-sided 90 % */

static unsigned bucket_of(uint64_t late_ns)
{
	double octaves = log2((double)u64_max(late_ns, NS_PER_US) / (double)NS_PER_US);
	unsigned b = (unsigned)(octaves * PER_OCTAVE);

	return b < LATENESS_BUCKETS ? b : LATENESS_BUCKETS - 1;
}

uint64_t lateness_edge(unsigned bucket)
{
	return (uint64_t)((double)NS_PER_US * exp2((double)bucket / PER_OCTAVE));
}

void lateness_add(struct lateness *l, uint64_t late_ns)
{
	l->n++;
	l->count[bucket_of(late_ns)]++;
}

/* Share of samples in buckets from `bucket` on. */
static double later_than(const struct lateness *l, unsigned bucket)
{
	uint64_t n = 0;

	for (unsigned b = bucket; b < LATENESS_BUCKETS; b++)
		n += l->count[b];
	return (double)n / (double)l->n;
}

/* The bucket below which a share `q` of the samples lies. */
static unsigned quantile(const struct lateness *l, double q)
{
	uint64_t n = 0;

	for (unsigned b = 0; b < LATENESS_BUCKETS; b++) {
		n += l->count[b];
		if ((double)n >= q * (double)l->n)
			return b;
	}
	return LATENESS_BUCKETS - 1;
}

bool lateness_estimate(const struct lateness *l, struct lateness_estimate *ret)
{
	struct lateness_estimate e;
	unsigned base, near, far;
	double x1, x2, s1, s2, slope, sigma;

	if (l->n < ENOUGH)
		return false;
	base = quantile(l, 0.05);
	near = base + PER_OCTAVE * 2; /* four times the baseline */
	far = near + PER_OCTAVE;
	e.baseline = lateness_edge(base);
	e.threshold = lateness_edge(near);
	x1 = (double)(lateness_edge(near) - e.baseline);
	x2 = (double)(lateness_edge(far) - e.baseline);
	s1 = later_than(l, near);
	s2 = later_than(l, far);
	slope = s1 > 0 && s2 > 0 ? log(s1 / s2) / (x2 - x1) : 0;
	e.raw = s1;
	e.share = fmin(1, s1 * exp(slope * x1));
	sigma = sqrt(s1 * (1 - s1) / (double)l->n) * (s1 > 0 ? e.share / s1 : 1);
	e.low = fmax(0, e.share - Z_90 * sigma);
	e.high = fmin(1, e.share + Z_90 * sigma);
	*ret = e;
	return true;
}
