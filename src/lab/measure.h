/* SPDX-License-Identifier: MIT */
/* The host's readings of a machine, and what they make of a guest's report. */
#ifndef LAB_MEASURE_H
#define LAB_MEASURE_H

#include "lab/session.h"

struct reading {
	uint64_t at;   /* CLOCK_MONOTONIC */
	uint64_t run;  /* the vCPU's thread */
	uint64_t wait; /* the same, runnable without a CPU */
	uint64_t cpu;  /* the whole process */
	bool has_ledger;
	struct ledger ledger;
};

int measure_take(const struct session *s, const struct machine *m, struct failure *f,
		 struct reading *ret);

/* What lies between two readings of the same machine. */
void measure_window(const struct reading *a, const struct reading *b, struct lab_host *ret);

/* Steal that this host itself has suffered on the shared CPUs, ns since boot. */
uint64_t measure_host_steal(const struct session *s);

/*
 * Fills a VM's result from the answer to "collect" and its vm->host. 0, or -errno with a line in
 * `f`: the report is not usable, or no truth can be had. An agent that has nothing usable to say
 * makes vm->failure, not an error: the rest is good.
 */
int measure_fill(const struct session *s, const struct machine *m, struct lab_vm *vm,
		 struct failure *f);

/* Fills vm->trace and the truth of its processes from what both kernels recorded. */
int measure_trace(const struct session *s, const struct machine *m,
		  const struct control_report *report, struct lab_vm *vm, struct failure *f);

#endif
