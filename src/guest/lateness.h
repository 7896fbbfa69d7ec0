/* SPDX-License-Identifier: MIT */
/*
 * From the lateness of timers at random instants to the share of time in which a CPU was away.
 *
 * A timer that is due while the CPU runs is served after a short delay that the hardware or the
 * monitor costs (the *baseline*); one that is due while the CPU is away is served when it is back.
 * So the share of late timers is the share of time away, but for one thing: a timer that was due
 * right before the end of an absence is less late than the baseline's own scatter, and cannot be
 * told from one that was on time. With S(x), the share of timers later than x beyond the baseline,
 * what is wanted is S(0), and what can be measured is S(x) for x above the scatter. S falls by what
 * short remainders there are, smoothly, so S(0) is extrapolated from S at two thresholds.
 *
 * Pure: samples in, estimate out.
 */
#ifndef GUEST_LATENESS_H
#define GUEST_LATENESS_H

#include <stdint.h>

#define LATENESS_BUCKETS 160 /* 8 to an octave: 1 us to 1 s */

struct lateness {
	uint64_t n;
	uint64_t count[LATENESS_BUCKETS];
};

struct lateness_estimate {
	double share;	    /* of the time in which the CPU was away, 0 .. 1 */
	double low, high;   /* 90 % interval, of sampling alone */
	double raw;	    /* share of samples above the threshold, before the extrapolation */
	uint64_t baseline;  /* ns */
	uint64_t threshold; /* ns: later than this is late */
};

void lateness_add(struct lateness *l, uint64_t late_ns);

/* Lower and upper edge of a bucket in ns. */
uint64_t lateness_edge(unsigned bucket);

/* False with too few samples (under 100): *ret is then untouched. */
_Bool lateness_estimate(const struct lateness *l, struct lateness_estimate *ret);

#endif
