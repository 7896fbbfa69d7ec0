/* SPDX-License-Identifier: MIT */
/* What the files of the core share, from below: core_cpu.c (a CPU, its queue, the clock),
 * core_limit.c (budgets), core_gang.c (strict co-scheduling), core_dispatch.c (who runs where),
 * core_vm.c (skew), core_entitle.c (demand and entitlement), core_balance.c (domains), core.c
 * (events), core_setup.c. */
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

static inline struct core_gang *gang_of(const struct core *c, const struct core_vm *vm)
{
	return &c->gangs[vm - c->vms];
}

static inline struct budget *part_of(const struct core *c, const struct core_vm *vm)
{
	return &c->pool_parts[vm - c->vms];
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
	if (c->dirty_bits[vm >> 6] >> (vm & 63) & 1)
		return;
	c->dirty_bits[vm >> 6] |= UINT64_C(1) << (vm & 63);
	c->dirty_vms[c->n_dirty_vms++] = vm;
}

/* Of the tree of entitlements. */
static inline uint32_t core_nodes(const struct core_shape *s)
{
	return 1 + s->groups + s->vms;
}

/* What the domain's clock says. */
static inline uint64_t core_clock(const struct core_domain *d, uint64_t now)
{
	return dispatch_now(&d->clock, now, !core_contended(d));
}

/* Called before `idle`, `waiting` or `gangs` of a domain changes. */
static inline void core_domain_settle(struct core_domain *d, uint64_t now)
{
	if (!core_contended(d))
		d->calm += now - d->at;
	if (d->idle && d->waiting)
		d->waste += now - d->at;
	d->at = now;
}

static inline uint64_t core_calm(const struct core_domain *d, uint64_t now)
{
	return d->calm + (core_contended(d) ? 0 : now - d->at);
}

/* The place of a vCPU in the order: its account at the end of its next slice, less its credit; of a
 * real-time one its deadline. */
static inline uint64_t core_key(const struct core *c, const struct core_vcpu *v)
{
	const struct core_vm *vm = &c->vms[v->vm];

	return vm->realtime
		       ? v->vtime
		       : v->vtime + dispatch_stretch(c->config.slice, vm->stretch) -
				 (v->woken ? dispatch_stretch(c->config.wake_credit, vm->stretch)
					   : 0);
}

static inline uint64_t core_gang_key(const struct core *c, const struct core_vm *vm)
{
	return vm->realtime
		       ? gang_of(c, vm)->vtime
		       : gang_of(c, vm)->vtime + dispatch_stretch(c->config.slice, vm->stretch) -
				 (vm->gang_woken
					  ? dispatch_stretch(c->config.wake_credit, vm->stretch)
					  : 0);
}

/* core_cpu.c, core_dispatch.c */
uint64_t core_forgive(struct core *c, const struct core_vm *vm, uint64_t vtime, uint64_t weight,
		      uint64_t now);
void core_place(struct core *c, struct core_vcpu *v, uint64_t now);
void core_join(struct core *c, struct core_vcpu *v);
void core_leave(struct core *c, struct core_vcpu *v);
void core_charge(struct core *c, uint32_t cpu, uint64_t now);
uint64_t core_vtime_now(const struct core *c, uint32_t cpu, uint64_t now);
void core_run(struct core *c, uint32_t cpu, uint32_t vcpu, uint64_t now);
void core_stop(struct core *c, uint32_t cpu, uint64_t now, enum ledger_state state);
void core_set_idle(struct core *c, uint32_t cpu, uint64_t now, bool idle);
void core_enqueue(struct core *c, uint32_t cpu, uint32_t vcpu, uint64_t now);
void core_dequeue(struct core *c, uint32_t vcpu, uint64_t now);
uint32_t core_best(struct core *c, uint32_t cpu, uint64_t rival);
void core_exchange(struct core *c, uint32_t cpu, uint32_t next, uint64_t now);
void core_succeed(struct core *c, uint32_t cpu, uint32_t next, uint64_t now,
		  enum ledger_state state);
bool core_hand_over(struct core *c, uint32_t cpu, uint64_t now, enum ledger_state state);
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
void core_gang_dequeue(struct core *c, uint32_t vm, uint64_t now);
void core_gang_enqueue(struct core *c, uint32_t vm, uint64_t now);
void core_gang_enter(struct core *c, uint32_t vm, uint64_t now);
void core_gang_leave(struct core *c, uint32_t vm);
bool core_gang_owed(const struct core *c, uint32_t vm, uint64_t now);
bool core_gang_try(struct core *c, uint32_t domain, uint64_t rival, uint64_t now);
void core_refill_domain(struct core *c, uint32_t domain, uint64_t now);

/* core_vm.c */
uint64_t core_slowest(const struct core *c, const struct core_vm *vm, uint64_t now);
void core_skew_look(struct core *c, uint32_t vm, uint64_t now);
void core_skew_check(struct core *c, uint32_t vm, uint64_t now);

/* core_limit.c */
void core_limit_look(struct core *c, uint32_t vm, uint64_t now);
void core_limit_refill(struct core *c, uint32_t vm, uint64_t now);
void core_limit_pool(struct core *c, uint32_t pool, uint64_t now);
void core_limit_charge(struct core *c, struct core_vm *vm, uint64_t dt);
void core_limit_running(struct core *c, const struct core_vm *vm, int change);
uint64_t core_limit_until(struct core *c, uint32_t vm, uint64_t now, uint64_t until);

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

/* core_entitle.c, core_balance.c */
void core_active(struct core *c, uint32_t vm, uint64_t now, int change);
void core_draw(struct core *c, uint32_t vm, uint64_t now);
double core_capacity(const struct core *c);
void core_settle_into(struct core *c, struct core_vm *vm, uint32_t domain);
void core_divide(struct core *c, uint64_t now);
void core_locality(struct core *c, struct core_vm *vm, uint64_t from, uint64_t to);

#endif
