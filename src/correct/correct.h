/* SPDX-License-Identifier: MIT */
/*
 * Correcting a guest's figures after the fact (friedman-blog).
 *
 * State sampling under a hypervisor keeps its proportions and loses its total. With what the guest
 * reports, G, and what the hypervisor measured, H, over the same time,
 *
 *     w = H / G,    corrected = w * reported, for every process.
 *
 * G is the machine's own total, or the sum over the processes where that is more, as it is on
 * Linux, where ticks are lost from the total but not from processes. Both are sums over the vCPUs.
 *
 * One factor for all is exact when the guest was descheduled in proportion to what everybody ran.
 * It is not when somebody runs in short bursts. `least` and `most` hold whatever the proportions:
 * all of H - G, or none of it, may belong to one process.
 */
#ifndef CORRECT_CORRECT_H
#define CORRECT_CORRECT_H

#include "correct/align.h"

#define CORRECT_LONG_ENOUGH 300 /* seconds: below it there is a warning (friedman-blog) */

struct correct_options {
	struct align_options align;
	unsigned cpus;	   /* of the guest; 0: as the recordings say */
	double sampled_hz; /* how often the guest's figures are sampled; 0: they are not */
};

/* CPU time in seconds. */
struct corrected {
	const char *name; /* of the guest's recording */
	double reported, corrected;
	double low, high; /* 95 %, for the sampling and the spread of w */
	double least, most;
};

struct correction {
	double seconds; /* in common */
	double lag, correlation;
	bool by_correlation;
	double zone; /* seconds that the clocks' zones are apart, by correlation */
	unsigned cpus;
	size_t cells;
	uint64_t left_out;	     /* intervals that overlap others of their recording */
	bool by_processes;	     /* G is the sum over the processes */
	double reported;	     /* G */
	double measured;	     /* H */
	double ready;		     /* seconds; NaN: the host's file does not have it */
	double w, w_low, w_high;     /* 95 %; NaN: fewer than five intervals */
	double w_min, w_max;	     /* over blocks of the time */
	struct corrected *processes; /* largest first */
	size_t n;
};

/* -ERANGE with the reason where the recordings cannot be laid on top of each other, or what they
 * say cannot be. Of both, intervals that cannot be are left out and counted. */
int correct(struct usage *guest, struct usage *host, const struct correct_options *o,
	    struct failure *f, struct correction *ret);
void correction_done(struct correction *c);

#endif
