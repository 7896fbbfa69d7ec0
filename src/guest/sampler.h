/* SPDX-License-Identifier: MIT */
/*
 * Samples at random instants: was this CPU running?
 *
 * Each CPU has a schedule of instants, a Poisson process drawn in advance, whatever happens: the
 * next instant is the last *instant* plus an exponential time, not the last wake-up. A timer is set
 * for each; the timer interrupt tells when the CPU was there to serve it. Instants that passed
 * while the CPU was away have no timer of their own and are known to be late all the same. Because
 * the schedule does not depend on anything that the hypervisor does, the share of instants at which
 * the CPU was away is the share of time in which it was.
 */
#ifndef GUEST_SAMPLER_H
#define GUEST_SAMPLER_H

#include "base/failure.h"

#include <stdint.h>
#include <sys/types.h>

struct sample {
	unsigned cpu;
	uint64_t due;  /* ns, CLOCK_MONOTONIC */
	uint64_t late; /* ns between `due` and the interrupt that should have come then */
	pid_t tid;     /* who was on the CPU, 0 for idle */
};

struct sampler;

/* One thread a CPU, `mean` ns between instants. -EPERM without BPF. */
int sampler_open(unsigned n_cpus, uint64_t mean, uint64_t seed, struct failure *f,
		 struct sampler **ret);
struct sampler *sampler_close(struct sampler *s);

/* Moves up to `max` samples out; returns how many. Samples that nobody took are counted and
 * lost. */
size_t sampler_take(struct sampler *s, struct sample *samples, size_t max);
uint64_t sampler_lost(struct sampler *s);

#endif
