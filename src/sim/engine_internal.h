/* SPDX-License-Identifier: MIT */
/* What engine.c (running) and engine_setup.c (setting up) share. */
#ifndef SIM_ENGINE_INTERNAL_H
#define SIM_ENGINE_INTERNAL_H

#include "sim/engine.h"

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

/* What is beside the engine sees of the core. */
static inline uint32_t engine_vms(const struct sim *s)
{
	return s->n_vms;
}

static inline uint32_t engine_vcpus(const struct sim *s)
{
	return s->n_vcpus;
}

static inline uint32_t engine_vm_of(const struct sim *s, uint32_t vcpu)
{
	return s->guests[vcpu].vm;
}

/* vCPUs first .. end - 1. */
static inline uint32_t engine_first(const struct sim *s, uint32_t vm)
{
	return s->vms[vm].first;
}

static inline uint32_t engine_end(const struct sim *s, uint32_t vm)
{
	return s->vms[vm].first + s->vms[vm].n;
}

static inline const struct ledger *engine_ledger(const struct sim *s, uint32_t vcpu)
{
	struct core_vcpu_figures f;

	core_read_vcpu(s->core, vcpu, &f);
	return f.ledger;
}

static inline bool engine_wants(const struct sim *s, uint32_t vcpu)
{
	enum ledger_state state = core_state_of(s->core, vcpu);

	return state != LEDGER_HALT && state != LEDGER_SWAPWAIT && state != LEDGER_WAIT;
}

/* Carries out what the core has decided. */
void engine_sync(struct sim *s);

#endif
