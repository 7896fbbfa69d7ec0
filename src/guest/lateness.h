/* SPDX-License-Identifier: MIT */
/*
 * From the lateness of timers at random instants to the share of time in which a CPU was away.
 *
 * A timer that is due while the CPU runs is served after a short delay that the hardware or the
 * monitor costs: in a histogram with logarithmic buckets those timers are the first hill. One that
 * is due while the CPU is away is served when it is back, and these are the second, wide hill. So
 * the share of timers beyond the valley between the two is the share of time away, but for two
 * things.
 *
 *  - A timer that was due shortly before the end of an absence is in the first hill. S(x), the
 * share later than x, falls by what short remainders there are, smoothly: S(0) is extrapolated from
 * S at the valley and at twice the lateness.
 *  - Where a thread of the monitor has to run before a timer reaches its guest, that thread waits
 * in the same queue as the guest's competitors: a timer can be late though its CPU was running, if
 * a competitor was waiting. One competitor waits for its turns as long as the guest does for its
 * own, f; two or more that always want the CPU wait whenever the guest runs, 1 - f. So
 * S = f + k min(f, 1 - f) with f the wanted share; k was measured (docs/self.md), by hypervisor.
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

/* How the hypervisor's timers mislead: k of the model above, < 1, with the range that was seen. */
struct lateness_bias {
	double low, k, high;
};

struct lateness_estimate {
	double share;	    /* of the time in which the CPU was away, 0 .. 1 */
	double low, high;   /* 90 % interval: sampling, and the range of the bias */
	double raw;	    /* share of samples later than the threshold */
	uint64_t baseline;  /* ns: top of the first hill */
	uint64_t threshold; /* ns: the valley; later than this is late */
};

void lateness_add(struct lateness *l, uint64_t late_ns);

/* The same with memory: once there are `most` samples, older ones count half as much. */
void lateness_add_recent(struct lateness *l, uint64_t late_ns, uint64_t most);

/* Lower and upper edge of a bucket in ns. */
uint64_t lateness_edge(unsigned bucket);

/* False with too few samples (under 100), or with no hill: *ret is then untouched. */
_Bool lateness_estimate(const struct lateness *l, const struct lateness_bias *bias,
			struct lateness_estimate *ret);

/* How many samples' time away each late one stands for. 0 where the counts have no late one left, as
 * when older ones were halved, or came in so late that no bucket is as late. */
double lateness_stands_for(const struct lateness_estimate *e);

#endif
