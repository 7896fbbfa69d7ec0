/* SPDX-License-Identifier: MIT */
/*
 * The counters of a VM that libvirt has, in nanoseconds since it was started: for each vCPU how
 * long it ran (time), was runnable and waited (delay), and was queued (wait, which is the same
 * where the kernel keeps it, and all there was before delay).
 *
 * What lies between two samples is a piece. A sample that lacks a counter which was there before is
 * left out, so that the next one makes a piece over both intervals; a vCPU that was never there
 * before has been plugged in.
 */
#ifndef CORRECT_DOMSTATS_H
#define CORRECT_DOMSTATS_H

#include "correct/usage.h"

#define DOMSTATS_VCPUS 1024

enum domstats_kind { DOMSTATS_RUN, DOMSTATS_WAIT, DOMSTATS_DELAY, DOMSTATS_KINDS };

struct domstats_sample {
	double ns[DOMSTATS_VCPUS][DOMSTATS_KINDS]; /* NaN: there is none */
	double process;				   /* the whole process's, ns: cpu.time */
};

struct domstats {
	struct usage *r;
	struct track track;
	struct domstats_sample last, now; /* the last one that was used; the one under way */
	bool any;
	double last_at;
};

void domstats_init(struct domstats *d, struct usage *r);

/* Empties the sample under way. */
void domstats_clear(struct domstats *d);

/* Whether the name is that of a counter, such as "vcpu.0.time"; where its value belongs. */
double *domstats_counter(struct domstats *d, const char *name);

/* Takes a value into the sample under way. False for one that is neither a number nor blank. */
bool domstats_set(double *counter, const char *text);

/* The sample under way is complete. -ENOMEM. */
int domstats_sample(struct domstats *d, const struct instant *time);

#endif
