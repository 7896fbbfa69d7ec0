/* SPDX-License-Identifier: MIT */
/* What the workload rows share. */
#ifndef SIM_WORKLOAD_INTERNAL_H
#define SIM_WORKLOAD_INTERNAL_H

#include "sim/random.h"
#include "sim/sim.h"
#include "sim/workload.h"

/* A duration with this mean: as it is, or exponential. */
static inline uint64_t workload_draw(struct sim *s, uint32_t vcpu, uint64_t mean)
{
	if (guest_spec(s, vcpu)->fixed || !mean)
		return mean;
	return random_exp(&s->guests[vcpu].random, mean);
}

/* How many arrivals pass until the next: one, or one on average. */
static inline double workload_arrivals(const struct vm_spec *spec, uint64_t *random)
{
	return spec->fixed ? 1 : -log(random_unit(random));
}

/* When the VM's guest begins: by its key, but not before it is there. */
static inline uint64_t workload_start(const struct sim *s, uint32_t vcpu)
{
	uint64_t start = guest_spec(s, vcpu)->start;

	return start > s->now ? start : s->now;
}

/* Lets a vCPU that has not run yet begin at `at` ns. A vCPU without work sleeps for ever. */
static inline void workload_first(struct sim *s, uint32_t vcpu, uint64_t at)
{
	const struct vm_spec *spec = guest_spec(s, vcpu);
	uint32_t index = vcpu - guest_vm(s, vcpu)->first;

	if (!spec->active || index < spec->active)
		guest_rest(s, vcpu, at);
	else
		guest_rest(s, vcpu, TIMER_NEVER);
}

#endif
