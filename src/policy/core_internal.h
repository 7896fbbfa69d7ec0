/* SPDX-License-Identifier: MIT */
/* What the files of the core share: core.c (events), core_run.c (queues and dispatch), core_gang.c
 * (strict co-scheduling), core_vm.c (skew, limits), core_host.c (set-up, entitlement, balance). */
#ifndef POLICY_CORE_INTERNAL_H
#define POLICY_CORE_INTERNAL_H

#include "policy/core.h"
#include "policy/dispatch.h"

static inline const struct cosched_row *vm_row(const struct core_vm *vm)
{
	return &cosched_rows[vm->cosched];
}

/* Dispatched as one. A single vCPU needs no gang. */
static inline bool vm_gang(const struct core_vm *vm)
{
	return vm->n > 1 && vm_row(vm)->gang;
}

static inline struct core_vm *vm_of(struct core *c, uint32_t vcpu)
{
	return &c->vms[c->vcpus[vcpu].vm];
}

static inline struct core_domain *domain_of(struct core *c, uint32_t cpu)
{
	return &c->domains[c->cpus[cpu].domain];
}

/* The one way in which a vCPU's state in its ledger changes. */
static inline void core_state(struct core *c, struct core_vcpu *v, uint64_t now,
			      enum ledger_state state)
{
	if (c->watch && v->ledger.state != state)
		c->watch(c->watch_data, (uint32_t)(v - c->vcpus), now, state);
	ledger_enter(&v->ledger, now, state);
}

/* Marks for core->dirty and core->dirty_vms. */
static inline void core_mark_cpu(struct core *c, uint32_t cpu)
{
	if (c->cpus[cpu].dirty)
		return;
	c->cpus[cpu].dirty = true;
	c->dirty[c->n_dirty++] = cpu;
}

static inline void core_mark_vm(struct core *c, uint32_t vm)
{
	if (c->vms[vm].dirty)
		return;
	c->vms[vm].dirty = true;
	c->dirty_vms[c->n_dirty_vms++] = vm;
}

/* core_run.c */
void core_charge(struct core *c, uint32_t cpu, uint64_t now);
uint64_t core_vtime_now(const struct core *c, uint32_t cpu, uint64_t now);
void core_run(struct core *c, uint32_t cpu, uint32_t vcpu, uint64_t now);
void core_stop(struct core *c, uint32_t cpu, uint64_t now, enum ledger_state state);
void core_set_idle(struct core *c, uint32_t cpu, uint64_t now, bool idle);
void core_enqueue(struct core *c, uint32_t cpu, uint32_t vcpu, uint64_t now);
void core_dequeue(struct core *c, uint32_t vcpu, uint64_t now);
uint32_t core_best(struct core *c, uint32_t cpu, uint64_t rival);
void core_exchange(struct core *c, uint32_t cpu, uint32_t next, uint64_t now);
bool core_succeed(struct core *c, uint32_t cpu, uint64_t now, enum ledger_state state);
void core_take(struct core *c, uint32_t cpu, uint32_t vcpu, uint64_t now);
void core_refill(struct core *c, uint32_t cpu, uint64_t now);
void core_ready(struct core *c, uint32_t vcpu, uint64_t now, bool woken);
void core_preempt(struct core *c, uint32_t cpu, uint64_t now);
uint64_t core_deadline(struct core *c, uint32_t vm, uint64_t now);

/* core_gang.c */
void core_gang_wake(struct core *c, uint32_t vcpu, uint64_t now);
void core_gang_block(struct core *c, uint32_t vcpu, uint64_t now, enum ledger_state state);
void core_gang_expire(struct core *c, uint32_t vm, uint64_t now);
void core_gang_stop(struct core *c, uint32_t vm, uint64_t now, bool requeue);
void core_gang_charge(struct core *c, uint32_t vm, uint64_t now);
void core_gang_dequeue(struct core *c, uint32_t vm);
void core_gang_enqueue(struct core *c, uint32_t vm);
bool core_gang_try(struct core *c, uint32_t domain, uint64_t rival, uint64_t now);
void core_refill_domain(struct core *c, uint32_t domain, uint64_t now);

/* core_vm.c */
uint64_t core_slowest(const struct core *c, const struct core_vm *vm, uint64_t now);
void core_skew_look(struct core *c, uint32_t vm, uint64_t now);
void core_skew_check(struct core *c, uint32_t vm, uint64_t now);
void core_limit_look(struct core *c, uint32_t vm, uint64_t now);
void core_limit_refill(struct core *c, uint32_t vm, uint64_t now);

/* A vCPU of the VM has begun to run or to wait: skew may grow faster than the timer has it. */
static inline void core_skew_arm(struct core *c, uint32_t vm, uint64_t now)
{
	if (c->vms[vm].n > 1)
		core_skew_look(c, vm, now);
}

/* Holds a VM back whose budget is used up, lets it go when there is something left again. */
static inline void core_limit_check(struct core *c, uint32_t vm, uint64_t now)
{
	if (c->vms[vm].metered)
		core_limit_look(c, vm, now);
}

/* core_host.c */
void core_active(struct core *c, uint32_t vm, uint64_t now, int change);
void core_divide(struct core *c, uint64_t now);
void core_locality(struct core *c, struct core_vm *vm, uint64_t from, uint64_t to);

#endif
