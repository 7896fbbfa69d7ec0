/* SPDX-License-Identifier: MIT */
/*
 * The metrics of a host, as rows: what is written for Prometheus, what deschedd(8) describes, and
 * what rules and dashboards may use (`deschedd --metrics` lists them) is the one table.
 *
 * A VM is told by its name and UUID; where two have the same ones, their names have the process in
 * them as well: `web (4711)`. A VM that has ended has no series any more.
 */
#ifndef DESCHEDD_HOST_METRICS_H
#define DESCHEDD_HOST_METRICS_H

#include "deschedd/known.h"
#include "service/gaplog.h"
#include "wire/host_frame.h"

#include <stdio.h>

struct host_metrics_input {
	const struct host_frame *frame;
	const struct known *known;
	const struct gaplog *gaps;
	uint64_t late, late_ns; /* steps of measuring */
	uint64_t not_counted;	/* gaps, in no histogram */
	bool vcpus;		/* false: a VM's vCPUs together, as vCPU "all" */
};

/* All of them. -ENOMEM. */
int host_metrics_put(FILE *to, const struct host_metrics_input *in);

/* The table: name, type, labels and help, a line each with tabs in between. */
void host_metrics_list(FILE *to);

#endif
