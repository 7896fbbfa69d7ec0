/* SPDX-License-Identifier: MIT */
#include "core_check.h"

#include "policy/core_cpu.h"

#include <math.h>
#include <stdlib.h>

/* Who is in a domain's clock: each vCPU that is ordered, a gang for all of its vCPUs. */
struct members {
	uint64_t weight, running, since;
	int64_t sum;
};

static void add(struct members *m, const struct dispatch_clock *k, uint64_t vtime, uint64_t weight)
{
	m->weight += weight;
	m->sum += dispatch_term(k, vtime, weight);
}

static void add_vcpu(struct members *m, const struct core *c, const struct core_domain *d,
		     const struct core_vcpu *v)
{
	if (!v->ordered)
		return;
	add(m, &d->clock, v->vtime, c->vms[v->vm].weight);
	if (v->where != CORE_RUNNING)
		return;
	m->running++;
	m->since += c->cpus[v->cpu].since;
}

static void add_gang(struct members *m, const struct core_domain *d, const struct core_vm *vm,
		     const struct core_gang *g)
{
	if (!vm->gang_ordered)
		return;
	add(m, &d->clock, g->vtime, (uint64_t)vm->weight * vm->n);
	if (!vm->gang_on)
		return;
	m->running += vm->n;
	m->since += g->since * vm->n;
}

static const char *check_clock(const struct core *c, uint32_t domain)
{
	const struct core_domain *d = &c->domains[domain];
	struct members m = {0};

	for (uint32_t i = 0; i < c->n_vms; i++) {
		const struct core_vm *vm = &c->vms[i];

		if (!vm->n || vm->domain != domain)
			continue;
		for (uint32_t k = vm->first; k < vm->first + vm->n; k++)
			add_vcpu(&m, c, d, &c->vcpus[k]);
		if (c->gangs)
			add_gang(&m, d, vm, &c->gangs[i]);
	}
	if (m.weight != d->clock.weight)
		return "a clock's weight";
	if (m.weight && m.sum != d->clock.sum)
		return "a clock's sum";
	if (m.running != d->clock.running || m.since != d->clock.since)
		return "who runs in a clock";
	return NULL;
}

static const char *check_domain(const struct core *c, uint32_t domain)
{
	const struct core_domain *d = &c->domains[domain];
	uint32_t idle = 0, waiting = 0, online = 0;

	for (uint32_t i = d->first; i < d->first + d->n; i++) {
		idle += core_cpu_idle(&c->cpus[i]);
		online += !c->cpus[i].off;
	}
	for (uint32_t i = 0; i < c->n_vcpus; i++) {
		const struct core_vcpu *v = &c->vcpus[i];

		waiting += v->vm != CORE_NONE && v->where == CORE_QUEUED &&
			   c->vms[v->vm].domain == domain;
	}
	if (idle != d->idle)
		return "a domain's idle CPUs";
	if (online != d->online)
		return "a domain's CPUs";
	return waiting == d->waiting ? NULL : "who waits in a domain";
}

/* Which vCPUs may be where. */
static const char *check_vcpu(const struct core *c, const struct core_vm *vm,
			      const struct core_vcpu *v)
{
	bool orders = !vm->realtime && !vm_gang(vm) &&
		      (v->where == CORE_RUNNING || v->where == CORE_QUEUED);

	if (v->ordered != orders)
		return "who is in a clock";
	if (v->where == CORE_RUNNING && &c->vcpus[c->cpus[v->cpu].current] != v)
		return "who runs on a CPU";
	if (v->wants != (v->where != CORE_BLOCKED))
		return "who wants to run";
	if ((v->where == CORE_LIMITED) && !vm->exhausted)
		return "who is held back";
	if (v->where == CORE_QUEUED && c->vcpu_links[v - c->vcpus].key != core_key(c, v, vm))
		return "the place of a vCPU in its queue";
	return NULL;
}

static const char *check_vm(const struct core *c, const struct core_vm *vm)
{
	uint32_t active = 0, running = 0, costopped = 0;

	for (uint32_t i = vm->first; i < vm->first + vm->n; i++) {
		const struct core_vcpu *v = &c->vcpus[i];
		const char *wrong = check_vcpu(c, vm, v);

		if (wrong)
			return wrong;
		active += v->wants;
		running += v->where == CORE_RUNNING;
		costopped += v->where == CORE_COSTOPPED;
	}
	if (active != vm->active || running != vm->running || costopped != vm->costopped)
		return "what a VM's vCPUs do";
	if (vm->gang_ordered && (!vm_gang(vm) || !active || vm->exhausted || vm->realtime))
		return "which gangs are in a clock";
	if (vm->gang_ordered && !vm->gang_on &&
	    c->gang_links[vm - c->vms].key != core_gang_key(c, vm))
		return "the place of a gang among those that wait";
	return NULL;
}

static bool is_below(const struct core *c, const struct core_vm *vm, uint32_t pool)
{
	for (uint32_t p = vm->pool; p != CORE_NONE; p = c->pools[p].up) {
		if (p == pool)
			return true;
	}
	return false;
}

static const char *check_pool(const struct core *c, uint32_t pool)
{
	const struct core_pool *p = &c->pools[pool];
	uint32_t running = 0;

	if (!p->there || !p->budget.period)
		return NULL;
	for (uint32_t i = 0; i < c->n_vms; i++) {
		if (c->vms[i].n && is_below(c, &c->vms[i], pool))
			running += c->vms[i].running;
	}
	return running == p->running ? NULL : "who runs of a limited group";
}

/* What VMs reserve counts once, where they live. */
static const char *check_places(const struct core *c, uint32_t domain)
{
	double reserved = 0, load = 0;

	for (uint32_t i = 0; i < c->n_vms; i++) {
		const struct core_vm *vm = &c->vms[i];

		if (!vm->n || vm->domain != domain)
			continue;
		if (c->place_vms[i].domain != domain)
			return "where a VM lives";
		if (fabs(c->place_vms[i].reservation - c->tree[vm->node].reservation) > 1e-9)
			return "what a VM reserves";
		reserved += c->place_vms[i].reservation;
		load += c->place_vms[i].load;
	}
	if (fabs(reserved - c->place_domains[domain].reserved) > 1e-6)
		return "what is reserved in a domain";
	return fabs(load - c->place_domains[domain].load) < 1e-6 ? NULL : "the load of a domain";
}

const char *core_check(const struct core *c)
{
	const char *wrong = NULL;

	for (uint32_t i = 0; i < c->n_vms && !wrong; i++)
		wrong = c->vms[i].n ? check_vm(c, &c->vms[i]) : NULL;
	for (uint32_t i = 0; i < c->shape.groups && !wrong; i++)
		wrong = check_pool(c, i);
	for (uint32_t i = 0; i < c->n_domains && !wrong; i++) {
		wrong = check_domain(c, i);
		wrong = wrong ? wrong : check_clock(c, i);
		wrong = wrong ? wrong : check_places(c, i);
	}
	return wrong;
}

int64_t core_check_forgiven(struct core *c, int64_t ahead, uint64_t now)
{
	uint64_t clock = core_clock(&c->domains[0], now);

	return (int64_t)(core_forgive(c, c->vms, clock + (uint64_t)ahead, 0, now) - clock);
}
