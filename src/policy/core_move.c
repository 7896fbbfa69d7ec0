/* SPDX-License-Identifier: MIT */
#include "policy/core_move.h"

#include "policy/core_cpu.h"
#include "policy/core_dispatch.h"
#include "policy/core_gang.h"
#include "policy/core_limit.h"
#include "policy/core_topology.h"

void core_settle_into(struct core *c, struct core_vm *vm, uint32_t domain)
{
	const struct core_domain *d = &c->domains[domain];

	vm->domain = domain;
	for (uint32_t i = 0; i < vm->room; i++)
		c->vcpus[vm->first + i].cpu = core_online_cpu(c, d->first + (vm->first + i) % d->n);
}

/* The account of who was held back for its limit: it is owed nothing for that. */
static uint64_t owed_nothing(const struct core *c, const struct core_vm *vm, uint64_t vtime,
			     uint64_t now)
{
	return dispatch_enter(vtime, core_clock(&c->domains[vm->domain], now));
}

static void lift_vcpu(struct core *c, uint32_t vcpu, uint64_t now)
{
	struct core_vcpu *v = &c->vcpus[vcpu];
	const struct core_vm *vm = &c->vms[v->vm];

	if (v->where == CORE_LIMITED && !vm->realtime)
		v->vtime = owed_nothing(c, vm, v->vtime, now);
	if (v->where == CORE_RUNNING)
		core_stop(c, v->cpu, now, LEDGER_READY);
	else if (v->where == CORE_QUEUED)
		core_dequeue(c, vcpu, now);
	else if (v->where == CORE_COSTOPPED)
		c->vms[v->vm].costopped--;
	core_leave(c, v);
	v->where = CORE_BLOCKED;
	if (v->wants)
		core_state(c, v, now, LEDGER_READY);
}

void core_lift(struct core *c, uint32_t id, uint64_t now)
{
	struct core_vm *vm = &c->vms[id];

	if (vm->gang_on)
		core_gang_stop(c, id, now, false);
	else if (vm_gang(vm) && vm->active && !vm->exhausted)
		core_gang_dequeue(c, id, now);
	else if (vm_gang(vm) && vm->exhausted)
		gang_of(c, vm)->vtime = owed_nothing(c, vm, gang_of(c, vm)->vtime, now);
	core_gang_leave(c, id);
	for (uint32_t i = vm->first; i < vm->first + vm->n; i++)
		lift_vcpu(c, i, now);
	vm->exhausted = false;
	core_mark_domain(c, vm->domain);
}

/* A VM whose budget is used up is back, but held. */
static void put_held(struct core *c, struct core_vm *vm, uint64_t now)
{
	vm->exhausted = true;
	for (uint32_t i = vm->first; i < vm->first + vm->n; i++) {
		if (!c->vcpus[i].wants)
			continue;
		c->vcpus[i].where = CORE_LIMITED;
		core_state(c, &c->vcpus[i], now, LEDGER_LIMITED);
	}
}

static void put_gang(struct core *c, uint32_t id, uint64_t now)
{
	struct core_vm *vm = &c->vms[id];

	for (uint32_t i = vm->first; i < vm->first + vm->n; i++) {
		if (c->vcpus[i].wants)
			c->vcpus[i].where = CORE_GANG;
	}
	if (!vm->active)
		return;
	if (vm->realtime)
		c->gangs[id].vtime = vm->budget.began + vm->budget.period;
	c->gangs[id].since = now;
	core_gang_enqueue(c, id, now);
	core_mark_domain(c, vm->domain);
}

void core_put(struct core *c, uint32_t id, uint64_t now)
{
	struct core_vm *vm = &c->vms[id];

	core_limit_refill(c, id, now);
	if (core_limit_over(c, vm))
		put_held(c, vm, now);
	else if (vm_gang(vm))
		put_gang(c, id, now);
	for (uint32_t i = vm->first; i < vm->first + vm->n; i++) {
		if (c->vcpus[i].wants && c->vcpus[i].where == CORE_BLOCKED)
			core_ready(c, i, now, false);
	}
	core_mark_vm(c, id, CORE_MARK_SKEW);
	core_limit_look(c, id, now); /* if only to turn a timer off that it has no more use for */
}

void core_rehome(struct core *c, uint32_t id, uint32_t to, uint64_t now)
{
	struct core_vm *vm = &c->vms[id];
	uint64_t old = core_clock(&c->domains[vm->domain], now),
		 new = core_clock(&c->domains[to], now);

	for (uint32_t i = vm->first; i < vm->first + vm->n && !vm->realtime; i++)
		c->vcpus[i].vtime = dispatch_rebase(c->vcpus[i].vtime, old, new);
	if (vm_gang(vm))
		gang_of(c, vm)->vtime = dispatch_rebase(gang_of(c, vm)->vtime, old, new);
	vm->vtime = dispatch_rebase(vm->vtime, old, new);
	core_settle_into(c, vm, to);
	vm->placed = now;
	vm->memory_at = now + c->config.memory_move;
	vm->migrations++;
}
