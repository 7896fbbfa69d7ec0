/* SPDX-License-Identifier: MIT */
/*
 * The truth about who used a guest's vCPUs: what the guest's kernel recorded of its context
 * switches, less what the host's kernel recorded of the vCPU threads being off their CPUs, put
 * together afterwards when all of both is known. It shares nothing with what it judges.
 *
 * The guest's clock differs from the host's by an offset that may drift. In a gap of a vCPU nothing
 * can happen there: so each gap with the guest's switches before and behind it bounds the offset
 * from both sides, and over each tenth of a second the bounds of all vCPUs together leave
 * microseconds. The check: how many switches lie inside a gap all the same. Pure.
 */
#ifndef LAB_GAPJOIN_H
#define LAB_GAPJOIN_H

#include "lab/ftrace.h"

/* A vCPU's thread is off its CPU from `start` to `end`, host's CLOCK_MONOTONIC, and wanted one from
 * `ready` on. The last one may have `end` 0: not yet. */
struct gapjoin_gap {
	uint64_t start, ready, end;
	bool doubtful; /* the thread was there in between for some time, nobody knows when */
};

struct gapjoin_gaps {
	struct gapjoin_gap *gaps;
	size_t n;
};

struct gapjoin_worker {
	uint32_t pid;
	int64_t true_ns; /* out: with its threads and all its descendants */
};

struct gapjoin {
	/* in */
	const struct ftrace *guest;
	const struct gapjoin_gaps *gaps[TRACE_CPUS_MAX]; /* by vCPU */
	double tick_ns; /* of the guest's counter, which is its clock here */
	double low,
		high; /* ns: guest's clock less the host's, to begin with: somewhere in between */
	double from, to; /* ns, the guest's clock: the window of the sums below */
	struct gapjoin_worker *workers;
	int n_workers;
	/* out */
	double true_ns;	 /* all tasks but idle, within the window */
	double idle_ns;	 /* the idle tasks */
	double ready_ns; /* the vCPUs wanted a CPU */
	uint64_t switches, n_gaps;
	uint64_t inside;     /* switches inside a gap by more than GAPJOIN_SLACK_NS */
	double drift_ns;     /* the offset at the end less that at the beginning */
	double uncertain_ns; /* half of what the bounds left, in the worst tenth of the time */
};

#define GAPJOIN_SLACK_NS 3000

/* -ENODATA: too little was recorded; -EBADMSG: the two do not fit together; -ENOMEM. */
int gapjoin_run(struct gapjoin *g);

#endif
