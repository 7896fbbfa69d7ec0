/* SPDX-License-Identifier: MIT */
/* What engine.c (running) and engine_setup.c (setting up) share. */
#ifndef SIM_ENGINE_INTERNAL_H
#define SIM_ENGINE_INTERNAL_H

#include "sim/engine.h"

/* Timers, in this order: one a vCPU (end of sleep, idle tick), one a CPU (end of the guest's need
 * or of the slice), one for the host, and one a VM (skew, limit) where some VM has use for it. */
static inline uint32_t engine_cpu_timer(const struct sim *s, uint32_t cpu)
{
	return s->core->shape.vcpus + cpu;
}

static inline uint32_t engine_host_timer(const struct sim *s)
{
	return engine_cpu_timer(s, s->core->shape.cpus);
}

static inline uint32_t engine_vm_timer(const struct sim *s, uint32_t vm)
{
	return engine_host_timer(s) + 1 + vm;
}

void engine_carry_out(struct sim *s);

/* Carries out what the core has decided, if anything: not every event changes who runs. */
static inline void engine_sync(struct sim *s)
{
	if (s->core->n_dirty || s->core->n_dirty_vms)
		engine_carry_out(s);
}

#endif
