/* SPDX-License-Identifier: MIT */
#include "guest/lateness.h"

#include "base/units.h"

#include <math.h>
#include <stdbool.h>

#define PER_OCTAVE 8
#define FIRST	   PER_OCTAVE /* 2 us */
#define REACH	   (PER_OCTAVE * 3 / 2)
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

void lateness_add_recent(struct lateness *l, uint64_t late_ns, uint64_t most)
{
	lateness_add(l, late_ns);
	if (l->n < most)
		return;
	l->n = 0;
	for (unsigned b = 0; b < LATENESS_BUCKETS; b++) {
		l->count[b] /= 2;
		l->n += l->count[b];
	}
}

/* Share of samples in buckets from `bucket` on. */
static double later_than(const struct lateness *l, unsigned bucket)
{
	uint64_t n = 0;

	for (unsigned b = bucket; b < LATENESS_BUCKETS; b++)
		n += l->count[b];
	return (double)n / (double)l->n;
}

/* Five buckets' worth: single ones are noisy. */
static uint64_t smooth(const struct lateness *l, unsigned bucket)
{
	uint64_t n = 0;

	for (unsigned b = bucket - 2; b <= bucket + 2; b++)
		n += b >= FIRST && b < LATENESS_BUCKETS ? l->count[b] : 0;
	return n;
}

/* The first bucket that nothing within an octave and a half behind it rises above. 0: no hill.
 * Samples under 2 us are instants for which no timer was set: they say nothing about how late
 * timers are. */
static unsigned find_hill(const struct lateness *l)
{
	for (unsigned b = FIRST; b < LATENESS_BUCKETS; b++) {
		bool top = 100 * smooth(l, b) >= l->n;

		for (unsigned next = b + 1; top && next < b + REACH; next++)
			top = smooth(l, next) <= smooth(l, b);
		if (top)
			return b;
	}
	return 0;
}

/* The lowest bucket from half an octave to three octaves behind the hill's top. */
static unsigned find_valley(const struct lateness *l, unsigned hill)
{
	unsigned valley = hill + PER_OCTAVE / 2;

	for (unsigned b = valley; b <= hill + 3 * PER_OCTAVE; b++)
		if (smooth(l, b) < smooth(l, valley))
			valley = b;
	return valley;
}

/* S(0) from S at the valley and an octave behind it, as an exponential goes. */
static double extrapolate(const struct lateness *l, unsigned hill, unsigned valley)
{
	double top = (double)lateness_edge(hill);
	double near = (double)lateness_edge(valley) - top;
	double far = (double)lateness_edge(valley + PER_OCTAVE) - top;
	double s1 = later_than(l, valley), s2 = later_than(l, valley + PER_OCTAVE);

	if (s2 <= 0)
		return s1;
	return fmin(1, s1 * exp(log(s1 / s2) * near / (far - near)));
}

/* f from S = f + k min(f, 1 - f). */
static double unbias(double s, double k)
{
	s = fmax(0, fmin(1, s));
	return s < (1 + k) / 2 ? s / (1 + k) : (s - k) / (1 - k);
}

bool lateness_estimate(const struct lateness *l, const struct lateness_bias *bias,
		       struct lateness_estimate *ret)
{
	unsigned hill = l->n >= ENOUGH ? find_hill(l) : 0;
	struct lateness_estimate e;
	unsigned valley;
	double s, sigma;

	if (!hill)
		return false;
	valley = find_valley(l, hill);
	e.baseline = lateness_edge(hill);
	e.threshold = lateness_edge(valley);
	e.raw = later_than(l, valley);
	s = extrapolate(l, hill, valley);
	sigma = sqrt(s * (1 - s) / (double)l->n);
	e.share = unbias(s, bias->k);
	e.low = unbias(s - Z_90 * sigma, bias->high);
	e.high = unbias(s + Z_90 * sigma, bias->low);
	*ret = e;
	return true;
}

double lateness_stands_for(const struct lateness_estimate *e)
{
	return e->raw > 0 ? e->share / e->raw : 0;
}
