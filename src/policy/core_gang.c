/* SPDX-License-Identifier: MIT */
/*
 * Strict co-scheduling. A gang is a VM whose vCPUs start and stop together: each holds a CPU,
 * those that are idle too. A gang that waits is in its domain's heap by its own virtual time,
 * which is charged for the time it holds CPUs. It starts when enough CPUs are idle or held by
 * somebody who is further ahead.
 */
#include "policy/core_internal.h"

#define GANGS_LOOKED_AT 8

void core_gang_enqueue(struct core *c, uint32_t id)
{
	struct core_vm *vm = &c->vms[id];
	struct core_domain *d = &c->domains[vm->domain];

	d->gangs = pheap_insert(c->gang_links, d->gangs, id, vm->gang_vtime);
}

void core_gang_dequeue(struct core *c, uint32_t id)
{
	struct core_domain *d = &c->domains[c->vms[id].domain];

	d->gangs = pheap_remove(c->gang_links, d->gangs, id);
}

void core_gang_charge(struct core *c, uint32_t id, uint64_t now)
{
	struct core_vm *vm = &c->vms[id];

	if (!vm->realtime)
		vm->gang_vtime += dispatch_stretch(now - vm->gang_since, vm->stretch);
	vm->gang_since = now;
	for (uint32_t i = vm->first; i < vm->first + vm->n; i++)
		core_charge(c, c->vcpus[i].cpu, now);
}

static void hold(struct core *c, uint32_t cpu, uint32_t vm, uint64_t now)
{
	core_set_idle(c, cpu, now, false);
	c->cpus[cpu].gang = vm;
	c->cpus[cpu].held_at = now;
	c->cpus[cpu].until = c->vms[vm].gang_until;
	core_mark_cpu(c, cpu);
}

static void unheld(struct core_cpu *p, uint64_t now)
{
	p->held_ns += now - p->held_at;
	p->held_at = now;
}

/* On the n CPUs in core->scratch, all idle. */
static void gang_start(struct core *c, uint32_t id, uint64_t now)
{
	struct core_vm *vm = &c->vms[id];
	struct core_domain *d = &c->domains[vm->domain];

	core_gang_dequeue(c, id);
	vm->gang_on = true;
	vm->gang_since = now;
	vm->gang_until = core_deadline(c, id, now);
	if (vm->gang_vtime > d->clock && !vm->realtime)
		d->clock = vm->gang_vtime;
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
	for (uint32_t i = vm->first; i < vm->first + vm->n; i++) {
		struct core_vcpu *v = &c->vcpus[i];
		struct core_cpu *p = &c->cpus[v->cpu];

		if (v->where == CORE_RUNNING) {
			core_stop(c, v->cpu, now, LEDGER_READY);
			v->where = CORE_GANG;
		} else {
			unheld(p, now);
		}
		p->gang = CORE_NONE;
		core_set_idle(c, v->cpu, now, true);
		core_mark_cpu(c, v->cpu);
	}
	if (requeue)
		core_gang_enqueue(c, id);
}

/* True if the gang may take this CPU from whoever holds it. */
static bool takeable(const struct core *c, const struct core_vm *vm, uint32_t cpu, uint64_t now)
{
	return !core_cpu_idle(&c->cpus[cpu]) &&
	       dispatch_behind(vm->gang_vtime, core_vtime_now(c, cpu, now), c->config.granularity,
			       vm->stretch);
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

/* Starts the gang that is most behind if it is behind `rival`, preempting others. CPUs may be idle
 * afterwards: core_refill_domain(). */
bool core_gang_try(struct core *c, uint32_t domain, uint64_t rival, uint64_t now)
{
	const struct core_domain *d = &c->domains[domain];

	if (d->gangs == CORE_NONE || c->gang_links[d->gangs].key > rival)
		return false;
	return start_gang(c, d->gangs, true, now);
}

/* Starts the first gang that fits into the idle CPUs, of the few that are most behind and behind
 * `rival`. One that does not fit blocks no one. */
static bool start_fitting(struct core *c, uint32_t domain, uint64_t rival, uint64_t now)
{
	struct core_domain *d = &c->domains[domain];
	uint32_t passed[GANGS_LOOKED_AT], n = 0;
	bool started = false;

	while (!started && n < GANGS_LOOKED_AT && d->gangs != CORE_NONE &&
	       c->gang_links[d->gangs].key <= rival) {
		started = start_gang(c, d->gangs, false, now);
		if (started)
			break;
		passed[n++] = d->gangs;
		core_gang_dequeue(c, d->gangs);
	}
	while (n)
		core_gang_enqueue(c, passed[--n]);
	return started;
}

/* Finds work for all idle CPUs of a domain: whoever fits and is most behind. */
void core_refill_domain(struct core *c, uint32_t domain, uint64_t now)
{
	const struct core_domain *d = &c->domains[domain];

	for (uint32_t i = d->first; i < d->first + d->n && d->idle; i++) {
		uint32_t v;

		if (!core_cpu_idle(&c->cpus[i]))
			continue;
		v = core_best(c, i, UINT64_MAX);
		if (start_fitting(c, domain, v == CORE_NONE ? UINT64_MAX : c->vcpu_links[v].key,
				  now)) {
			i = d->first - 1;
			continue;
		}
		if (v != CORE_NONE)
			core_take(c, i, v, now);
	}
}

void core_gang_wake(struct core *c, uint32_t vcpu, uint64_t now)
{
	struct core_vcpu *v = &c->vcpus[vcpu];
	struct core_vm *vm = &c->vms[v->vm];
	struct core_domain *d = &c->domains[vm->domain];

	if (vm->gang_on) {
		unheld(&c->cpus[v->cpu], now);
		core_run(c, v->cpu, vcpu, now);
		return;
	}
	v->where = CORE_GANG;
	core_state(c, v, now, LEDGER_READY);
	if (vm->active > 1)
		return;
	if (vm->realtime)
		vm->gang_vtime = vm->budget.began + vm->budget.period;
	else
		vm->gang_vtime = dispatch_wake(vm->gang_vtime, d->clock, c->config.wake_credit,
					       vm->stretch);
	core_gang_enqueue(c, v->vm);
	if (d->gangs == v->vm && (c->config.wake_credit || d->idle >= vm->n) &&
	    core_gang_try(c, vm->domain, UINT64_MAX, now))
		core_refill_domain(c, vm->domain, now);
}

void core_gang_block(struct core *c, uint32_t vcpu, uint64_t now, enum ledger_state state)
{
	struct core_vcpu *v = &c->vcpus[vcpu];
	struct core_vm *vm = &c->vms[v->vm];

	if (v->where == CORE_RUNNING) {
		core_gang_charge(c, v->vm, now);
		core_stop(c, v->cpu, now, state);
		c->cpus[v->cpu].held_at = now;
	} else {
		core_state(c, v, now, state);
	}
	v->where = CORE_BLOCKED;
	if (vm->active)
		return;
	if (!vm->gang_on) {
		if (!vm->exhausted)
			core_gang_dequeue(c, v->vm);
		return;
	}
	core_gang_stop(c, v->vm, now, false);
	core_refill_domain(c, vm->domain, now);
}

/* The end of a gang's slice: somebody who is more behind takes over, or it goes on. */
void core_gang_expire(struct core *c, uint32_t id, uint64_t now)
{
	struct core_vm *vm = &c->vms[id];
	const struct core_domain *d = &c->domains[vm->domain];
	uint64_t rival;

	core_gang_charge(c, id, now);
	core_limit_check(c, id, now);
	if (!vm->gang_on || now < vm->gang_until)
		return;
	rival = tournament_least(&d->queues)->key;
	if (d->gangs != CORE_NONE && c->gang_links[d->gangs].key < rival)
		rival = c->gang_links[d->gangs].key;
	if (rival < vm->gang_vtime) {
		core_gang_stop(c, id, now, true);
		core_refill_domain(c, vm->domain, now);
		return;
	}
	vm->gang_until = core_deadline(c, id, now);
	for (uint32_t i = vm->first; i < vm->first + vm->n; i++) {
		c->cpus[c->vcpus[i].cpu].until = vm->gang_until;
		core_mark_cpu(c, c->vcpus[i].cpu);
	}
}
