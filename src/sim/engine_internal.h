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

/* What is beside the engine sees of the core. */
static inline uint32_t engine_vms(const struct sim *s)
{
	return s->core->n_vms;
}

static inline uint32_t engine_vcpus(const struct sim *s)
{
	return s->core->n_vcpus;
}

static inline uint32_t engine_vm_of(const struct sim *s, uint32_t vcpu)
{
	return s->core->vcpus[vcpu].vm;
}

/* vCPUs first .. end - 1. */
static inline uint32_t engine_first(const struct sim *s, uint32_t vm)
{
	return s->core->vms[vm].first;
}

static inline uint32_t engine_end(const struct sim *s, uint32_t vm)
{
	return s->core->vms[vm].first + s->core->vms[vm].n;
}

static inline const struct ledger *engine_ledger(const struct sim *s, uint32_t vcpu)
{
	return &s->core->vcpus[vcpu].ledger;
}

static inline bool engine_wants(const struct sim *s, uint32_t vcpu)
{
	return s->core->vcpus[vcpu].wants;
}

void engine_carry_out(struct sim *s);

/* Carries out what the core has decided, if anything: not every event changes who runs. */
static inline void engine_sync(struct sim *s)
{
	if (s->core->n_dirty || s->core->n_dirty_vms)
		engine_carry_out(s);
}

#endif
