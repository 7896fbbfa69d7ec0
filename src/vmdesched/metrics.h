/* SPDX-License-Identifier: MIT */
/*
 * The metrics of a guest, as service/prometheus.h writes them. Counters never run backwards while
 * the daemon lives, so `true`, which falls when a source tells late, is not among them: it is
 * occupied minus vmdesched.
 */
#ifndef VMDESCHED_METRICS_H
#define VMDESCHED_METRICS_H

#include "guest/agent.h"
#include "service/gaplog.h"
#include "vmdesched/names.h"
#include "vmdesched/timekeeper.h"

#include <stdio.h>

struct metrics_input {
	const struct snapshot *snapshot;
	const struct gaplog *gaps;
	const struct timekeeper *clock;
	const struct names *names; /* NULL: nothing of processes */
	uint64_t cgroups;	   /* at most so many, the busiest */
};

/* All of them. -ENOMEM. */
int metrics_put(FILE *to, const struct metrics_input *in);

#endif
