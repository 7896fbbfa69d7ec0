/* SPDX-License-Identifier: MIT */
/*
 * A timeline of a host: who was on each CPU, and in which state each vCPU was, as JSON in Chrome's
 * Trace Event Format, which Perfetto opens. It is written as it happens: what is kept is each CPU's
 * runs of the last seconds, for the question who ran while a vCPU waited.
 *
 * Tracks are threads to the format: CPUs those of a process that is none, vCPUs those of their VM.
 */
#ifndef HOST_TRACE_H
#define HOST_TRACE_H

#include "host/host_runs.h"

#include <stdio.h>

/* Above all process ids (PID_MAX_LIMIT): the process whose threads are CPUs; CPU n is the thread
 * n + 1 above it. */
#define TRACE_HOST_PID 4194305

/* A VM as its tracks are called. */
struct trace_vm {
	pid_t pid;
	const char *name;
	uint32_t n_vcpus;
	const struct host_vcpu *vcpus;
};

struct trace_setup {
	FILE *to;
	uint64_t start, real; /* ns: when the trace began, by both clocks */
	uint32_t n_cpus;
	/* The VM with an id of host_runs.h; false: nobody's any more. What it points to stays for
	 * the call that asks. */
	bool (*vm)(int id, struct trace_vm *ret, void *data);
	void *data;
};

struct trace;

/* Begins the file. -ENOMEM. */
int trace_new(const struct trace_setup *setup, struct trace **ret);

/* For host_ledger_runs(): data is the struct trace. */
extern const struct host_runs_fns trace_fns;

/* All records up to now were handed in, `lost` in all were not: a marker says so where it grows. */
void trace_round(struct trace *t, uint64_t lost);

/* A vCPU is in a state, in which it was since `start`, at the end of the trace; as with stay(). */
void trace_last(struct trace *t, const struct host_stay *stay);

/* Ends the file at `end`; runs that are under way end then. Returns how many slices it has. */
uint64_t trace_finish(struct trace *t, uint64_t end);
struct trace *trace_free(struct trace *t); /* NULL accepted; returns NULL */

#endif
