/* SPDX-License-Identifier: MIT */
/* What engine.c (running) and engine_setup.c (setting up) share. */
#ifndef SIM_ENGINE_INTERNAL_H
#define SIM_ENGINE_INTERNAL_H

#include "base/failure.h"
#include "sim/sim.h"

/* Timers, in this order: one a vCPU (end of sleep, idle tick), one a CPU (end of the guest's need
 * or of the slice), one for the host, one for changes, and one a VM (skew, limit) where some VM has
 * use for it. */
static inline uint32_t engine_cpu_timer(const struct sim *s, uint32_t cpu)
{
	return s->n_vcpus + cpu;
}

static inline uint32_t engine_host_timer(const struct sim *s)
{
	return engine_cpu_timer(s, s->n_cpus);
}

/* The next change of the scenario. */
static inline uint32_t engine_change_timer(const struct sim *s)
{
	return engine_host_timer(s) + 1;
}

/* The core's own, of a VM or a group. */
static inline uint32_t engine_vm_timer(const struct sim *s, uint32_t vm)
{
	return engine_change_timer(s) + 1 + vm;
}

/* What the core is told of a VM and of a group. */
struct core_vm_spec engine_vm_spec(const struct sim *s, const struct vm_spec *spec);
struct core_group_spec engine_group_spec(const struct scenario *sc, const struct group_spec *spec);
/* What the guest is by its spec. */
void engine_set_guest(struct sim *s, struct sim_vm *vm, const struct vm_spec *spec);

/* engine_change.c: the scenario's changes, if there are any; their next one. 0 or -ENOMEM. */
int engine_change_start(struct sim *s, struct failure *f);
void engine_change(struct sim *s);
void engine_change_end(struct sim *s);
size_t engine_change_bytes(const struct scenario *sc);

/* Carries out what the core has decided. */
void engine_sync(struct sim *s);

#endif
