/* SPDX-License-Identifier: MIT */
/* Topology: where CPUs are, which are there, and which of these are idle. */
#ifndef POLICY_CORE_TOPOLOGY_H
#define POLICY_CORE_TOPOLOGY_H

#include "policy/core_state.h"

/* The sites are in order, as core_new() wants them. */
bool core_topology_valid(const struct core_shape *s);
/* CPUs and domains of a new core, whose arrays are there; all CPUs are idle. */
void core_topology_init(struct core *c, const struct core_site *sites);

void core_set_idle(struct core *c, uint32_t cpu, uint64_t now, bool idle);
/* The CPU, which is idle, isn't there any longer; or it is again, idle. */
void core_set_online(struct core *c, uint32_t cpu, uint64_t now, bool online);

/* An idle CPU for a vCPU that ran at `near`: there, in the same cache, in the domain; whole cores
 * before halves. CORE_NONE if all are busy. */
uint32_t core_idle_near(const struct core *c, uint32_t near);

/* CPUs are numbered in a circle in each domain. */
static inline uint32_t core_next_cpu(const struct core_domain *d, uint32_t cpu)
{
	return cpu + 1 < d->first + d->n ? cpu + 1 : d->first;
}

/* The CPU, or the next one that is there; each domain has one. */
static inline uint32_t core_online_cpu(const struct core *c, uint32_t cpu)
{
	const struct core_domain *d = &c->domains[c->cpus[cpu].domain];

	for (uint32_t i = 0; i < d->n && c->cpus[cpu].off; i++)
		cpu = core_next_cpu(d, cpu);
	return cpu;
}

/* What all domains have together, and what one CPU adds to its domain; in CPUs. */
double core_capacity(const struct core *c);
double core_capacity_of(const struct core *c, uint32_t cpu);

#endif
