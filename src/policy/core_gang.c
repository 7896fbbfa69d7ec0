/* SPDX-License-Identifier: MIT */
#include "policy/core_gang.h"

#include "base/units.h"
#include "policy/core_cpu.h"
#include "policy/core_topology.h"

#define GANGS_LOOKED_AT 8

/* A gang counts in the clock as its vCPUs would. */
static uint64_t weight_of(const struct core_vm *vm)
{
	return (uint64_t)vm->weight * vm->n;
}

void core_gang_enqueue(struct core *c, uint32_t id, uint64_t now)
{
	struct core_vm *vm = &c->vms[id];
	struct core_domain *d = &c->domains[vm->domain];

	core_domain_settle(d, now);
	if (!vm->realtime && !vm->gang_ordered) {
		vm->gang_ordered = true;
		dispatch_join(&d->clock, gang_of(c, vm)->vtime, weight_of(vm));
	}
	d->gangs = pheap_insert(c->gang_links, d->gangs, id, core_gang_key(c, vm));
}

void core_gang_enter(struct core *c, uint32_t id, uint64_t now)
{
	const struct core_vm *vm = &c->vms[id];
	struct core_gang *g = &c->gangs[id];
	uint64_t clock = core_clock(&c->domains[vm->domain], now),
		 most = core_debt_most(c, vm, clock);

	g->vtime = dispatch_enter(g->vtime, clock);
	if (g->vtime > most)
		g->vtime = most;
	if (vm->realtime)
		g->vtime = vm->budget.began + vm->budget.period;
	g->since = now;
	core_gang_enqueue(c, id, now);
}

void core_gang_leave(struct core *c, uint32_t id)
{
	struct core_vm *vm = &c->vms[id];

	if (!vm->gang_ordered)
		return;
	vm->gang_ordered = false;
	dispatch_leave(&c->domains[vm->domain].clock, gang_of(c, vm)->vtime, weight_of(vm));
}

void core_gang_dequeue(struct core *c, uint32_t id, uint64_t now)
{
	struct core_domain *d = &c->domains[c->vms[id].domain];

	core_domain_settle(d, now);
	d->gangs = pheap_remove(c->gang_links, d->gangs, id);
}

void core_gang_requeue(struct core *c, uint32_t id)
{
	const struct core_vm *vm = &c->vms[id];
	struct core_domain *d = &c->domains[vm->domain];

	d->gangs = pheap_remove(c->gang_links, d->gangs, id);
	d->gangs = pheap_insert(c->gang_links, d->gangs, id, core_gang_key(c, vm));
}

void core_gang_charge(struct core *c, uint32_t id, uint64_t now)
{
	struct core_vm *vm = &c->vms[id];

	if (vm->gang_ordered) {
		struct core_domain *d = &c->domains[vm->domain];
		uint64_t dt = now - gang_of(c, vm)->since,
			 calm = core_calm(d, now) - gang_of(c, vm)->calm,
			 vt = calm + dispatch_stretch(dt - calm, vm->stretch);

		gang_of(c, vm)->calm += calm;
		gang_of(c, vm)->vtime += vt;
		d->clock.since += dt * vm->n;
		dispatch_serve(&d->clock, vt, weight_of(vm));
	}
	gang_of(c, vm)->since = now;
	for (uint32_t i = vm->first; i < vm->first + vm->n; i++)
		core_charge(c, c->vcpus[i].cpu, now);
}

void core_gang_correct(struct core *c, uint32_t id, int64_t ns)
{
	const struct core_vm *vm = &c->vms[id];
	uint64_t vt = dispatch_stretch_signed(ns / (int64_t)vm->n, vm->stretch);

	if (vm->realtime)
		return;
	gang_of(c, vm)->vtime += vt;
	if (vm->gang_ordered)
		dispatch_serve(&c->domains[vm->domain].clock, vt, weight_of(vm));
	if (vm->gang_ordered && !vm->gang_on)
		core_gang_requeue(c, id);
}

static void hold(struct core *c, uint32_t cpu, uint32_t vm, uint64_t now)
{
	core_set_idle(c, cpu, now, false);
	c->cpus[cpu].gang = vm;
	c->held[cpu].at = now;
	c->cpus[cpu].until = c->gangs[vm].until;
	core_mark_cpu(c, cpu);
}

static void unheld(struct core *c, uint32_t cpu, uint64_t now)
{
	c->held[cpu].ns += now - c->held[cpu].at;
	c->held[cpu].at = now;
}

/* On the n CPUs in core->scratch, all idle. */
static void gang_start(struct core *c, uint32_t id, uint64_t now)
{
	struct core_vm *vm = &c->vms[id];
	struct core_domain *d = &c->domains[vm->domain];

	core_gang_dequeue(c, id, now);
	vm->gang_on = true;
	gang_of(c, vm)->since = gang_of(c, vm)->began = now;
	gang_of(c, vm)->calm = core_calm(d, now);
	gang_of(c, vm)->until = now + c->config.slice;
	if (vm->metered)
		core_mark_vm(c, id, CORE_MARK_BUDGET);
	if (vm->gang_ordered) {
		d->clock.running += vm->n;
		d->clock.since += now * vm->n;
	}
	for (uint32_t i = 0; i < vm->n; i++)
		hold(c, c->scratch[i], id, now);
	for (uint32_t i = 0; i < vm->n; i++) {
		struct core_vcpu *v = &c->vcpus[vm->first + i];

		v->cpu = c->scratch[i];
		if (v->wants)
			core_run(c, v->cpu, vm->first + i, now);
	}
}

void core_gang_stop(struct core *c, uint32_t id, uint64_t now, bool requeue)
{
	struct core_vm *vm = &c->vms[id];

	core_gang_charge(c, id, now);
	vm->gang_on = false;
	gang_of(c, vm)->ns += now - gang_of(c, vm)->began;
	if (vm->gang_ordered) {
		c->domains[vm->domain].clock.running -= vm->n;
		c->domains[vm->domain].clock.since -= now * vm->n;
	}
	if (!requeue)
		core_gang_leave(c, id);
	for (uint32_t i = vm->first; i < vm->first + vm->n; i++) {
		struct core_vcpu *v = &c->vcpus[i];
		struct core_cpu *p = &c->cpus[v->cpu];

		if (v->where == CORE_RUNNING) {
			core_stop(c, v->cpu, now, LEDGER_READY);
			v->where = CORE_GANG;
		} else {
			unheld(c, v->cpu, now);
		}
		p->gang = CORE_NONE;
		core_set_idle(c, v->cpu, now, true);
		core_mark_cpu(c, v->cpu);
	}
	core_mark_domain(c, vm->domain);
	if (!requeue)
		return;
	core_gang_forgive(c, id, now);
	core_gang_enqueue(c, id, now);
}

void core_gang_resume(struct core *c, uint32_t vcpu, uint64_t now)
{
	uint32_t cpu = c->vcpus[vcpu].cpu;

	unheld(c, cpu, now);
	core_run(c, cpu, vcpu, now);
}

void core_gang_pause(struct core *c, uint32_t vcpu, uint64_t now, enum ledger_state state)
{
	struct core_vcpu *v = &c->vcpus[vcpu];

	core_gang_charge(c, v->vm, now);
	core_stop(c, v->cpu, now, state);
	c->held[v->cpu].at = now;
}

void core_gang_prolong(struct core *c, uint32_t id, uint64_t now)
{
	const struct core_vm *vm = &c->vms[id];

	c->gangs[id].until = now + c->config.slice;
	if (vm->metered)
		core_mark_vm(c, id, CORE_MARK_BUDGET);
	for (uint32_t i = vm->first; i < vm->first + vm->n; i++) {
		c->cpus[c->vcpus[i].cpu].until = c->gangs[id].until;
		core_mark_cpu(c, c->vcpus[i].cpu);
	}
}

void core_gang_forgive(struct core *c, uint32_t id, uint64_t now)
{
	const struct core_vm *vm = &c->vms[id];

	if (vm->gang_ordered)
		c->gangs[id].vtime = core_forgive(c, vm, c->gangs[id].vtime, weight_of(vm), now);
}

static uint64_t further(uint64_t vtime, uint64_t most, uint64_t excess)
{
	return vtime > most && vtime - most > excess ? vtime - most : excess;
}

/* By how much somebody of the VM is further ahead than it may be, if that is more than `excess`. */
static uint64_t excess_of(const struct core *c, const struct core_vm *vm, uint64_t clock,
			  uint64_t excess)
{
	uint64_t most = core_debt_most(c, vm, clock);

	if (vm->gang_ordered)
		excess = further(gang_of(c, vm)->vtime, most, excess);
	for (uint32_t i = vm->first; i < vm->first + vm->n; i++) {
		if (c->vcpus[i].ordered)
			excess = further(c->vcpus[i].vtime, most, excess);
	}
	return excess;
}

/* An account that is ahead of the clock, at most to it. */
static uint64_t set_back(struct core_domain *d, uint64_t vtime, uint64_t weight, uint64_t clock,
			 uint64_t excess)
{
	uint64_t by = u64_min(excess, vtime > clock ? vtime - clock : 0);

	d->clock.sum -= (int64_t)weight * (int64_t)by;
	return vtime - by;
}

static void set_vm_back(struct core *c, uint32_t id, uint64_t clock, uint64_t excess)
{
	const struct core_vm *vm = &c->vms[id];
	struct core_domain *d = &c->domains[vm->domain];

	if (vm->gang_ordered) {
		struct core_gang *g = gang_of(c, vm);

		g->vtime = set_back(d, g->vtime, weight_of(vm), clock, excess);
		if (!vm->gang_on)
			core_gang_requeue(c, id);
	}
	for (uint32_t i = vm->first; i < vm->first + vm->n; i++) {
		struct core_vcpu *v = &c->vcpus[i];

		if (!v->ordered)
			continue;
		v->vtime = set_back(d, v->vtime, vm->weight, clock, excess);
		if (v->where == CORE_QUEUED)
			core_requeue(c, i);
	}
}

void core_gang_forgive_all(struct core *c, uint32_t domain, uint64_t now)
{
	uint64_t clock = core_clock(&c->domains[domain], now), excess = 0;

	if (c->domains[domain].gangs == CORE_NONE)
		return;
	for (uint32_t i = 0; i < c->n_vms; i++) {
		if (c->vms[i].domain == domain)
			excess = excess_of(c, &c->vms[i], clock, excess);
	}
	for (uint32_t i = 0; i < c->n_vms && excess; i++) {
		if (c->vms[i].domain == domain)
			set_vm_back(c, i, clock, excess);
	}
}

/* True if the gang may take this CPU from whoever holds it. */
static bool takeable(const struct core *c, const struct core_vm *vm, uint32_t cpu, uint64_t now)
{
	uint64_t holder = core_vtime_now(c, cpu, now);

	if (core_cpu_idle(&c->cpus[cpu]))
		return false;
	if (holder < DISPATCH_BASE || vm->realtime)
		return core_gang_key(c, vm) < holder;
	return dispatch_behind(core_gang_key(c, vm), holder, c->config.granularity, vm->stretch);
}

/* Collects CPUs for a gang in core->scratch: idle ones first, then single vCPUs', then gangs'.
 * Returns how many, at most vm->n. */
static uint32_t collect(struct core *c, const struct core_vm *vm, bool preempt, uint64_t now)
{
	const struct core_domain *d = &c->domains[vm->domain];
	uint32_t n = 0;

	for (uint32_t i = d->first; i < d->first + d->n && n < vm->n; i++) {
		if (core_cpu_idle(&c->cpus[i]))
			c->scratch[n++] = i;
	}
	for (int gangs = 0; preempt && gangs <= 1; gangs++) {
		for (uint32_t i = d->first; i < d->first + d->n && n < vm->n; i++) {
			if ((c->cpus[i].gang != CORE_NONE) == gangs && takeable(c, vm, i, now))
				c->scratch[n++] = i;
		}
	}
	return n;
}

void core_preempt(struct core *c, uint32_t cpu, uint64_t now)
{
	struct core_cpu *p = &c->cpus[cpu];
	uint32_t vcpu = p->current;
	struct core_vcpu *v;

	if (p->gang != CORE_NONE) {
		core_gang_stop(c, p->gang, now, true);
		return;
	}
	core_stop(c, cpu, now, LEDGER_READY);
	v = &c->vcpus[vcpu];
	/* Beside a gang it may have run while no gang could use its CPU. */
	if (v->ordered && domain_of(c, cpu)->gangs != CORE_NONE)
		v->vtime = core_forgive(c, &c->vms[v->vm], v->vtime, c->vms[v->vm].weight, now);
	core_enqueue(c, cpu, vcpu, now);
}

static bool start_gang(struct core *c, uint32_t id, bool preempt, uint64_t now)
{
	struct core_vm *vm = &c->vms[id];

	if (collect(c, vm, preempt, now) < vm->n)
		return false;
	for (uint32_t i = 0; i < vm->n; i++) {
		if (!core_cpu_idle(&c->cpus[c->scratch[i]]))
			core_preempt(c, c->scratch[i], now);
	}
	gang_start(c, id, now);
	return true;
}

bool core_gang_start(struct core *c, uint32_t domain, uint64_t rival, bool preempt, uint64_t now)
{
	struct core_domain *d = &c->domains[domain];
	uint32_t passed[GANGS_LOOKED_AT], n = 0;
	bool started = false;

	while (n < GANGS_LOOKED_AT && d->gangs != CORE_NONE) {
		if (c->gang_links[d->gangs].key > rival)
			break;
		started = start_gang(c, d->gangs, preempt, now);
		if (started)
			break;
		passed[n++] = d->gangs;
		core_gang_dequeue(c, d->gangs, now);
	}
	while (n)
		core_gang_enqueue(c, passed[--n], now);
	return started;
}
