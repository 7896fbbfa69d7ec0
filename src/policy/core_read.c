/* SPDX-License-Identifier: MIT */
/* What has become of vCPUs, VMs and CPUs: the one reader. */
#include "policy/core_cpu.h"
#include "policy/core_entitle.h"
#include "policy/core_gang.h"

#include <string.h>

void core_read_vcpu(const struct core *c, uint32_t vcpu, struct core_vcpu_figures *ret)
{
	const struct core_vcpu *v = &c->vcpus[vcpu];

	*ret = (struct core_vcpu_figures){.ledger = &v->ledger,
					  .delay = v->worst,
					  .moves = v->moves,
					  .vm = v->vm,
					  .cpu = v->cpu};
}

void core_read_vm(const struct core *c, uint32_t id, struct core_vm_figures *ret)
{
	const struct core_vm *vm = &c->vms[id];

	*ret = (struct core_vm_figures){.first = vm->first,
					.vcpus = vm->n,
					.room = vm->room,
					.domain = vm->domain,
					.migrations = vm->migrations,
					.cosched = vm->cosched,
					.entitled = c->tree[vm->node].rate,
					.skew_worst = vm->skew_worst,
					.costops = vm->costops,
					.local_ns = vm->local_ns,
					.remote_ns = vm->remote_ns};
}

void core_read_host(const struct core *c, struct core_host_figures *ret)
{
	struct core_host_figures f = {.divisions = c->divisions};

	for (uint32_t i = 0; i < c->shape.cpus; i++) {
		f.cpus += !c->cpus[i].off;
		f.switches += c->cpus[i].switches;
		f.held_ns += core_shape_smp(&c->shape) ? c->held[i].ns : 0;
	}
	for (uint32_t i = 0; i < c->n_domains; i++)
		f.waste_ns += c->domains[i].waste;
	*ret = f;
}

void core_read_domain(const struct core *c, uint32_t domain, struct core_domain_figures *ret)
{
	const struct core_domain *d = &c->domains[domain];

	*ret = (struct core_domain_figures){.first = d->first,
					    .end = d->first + d->n,
					    .cpus = d->online,
					    .capacity = d->capacity};
}

const struct core_shape *core_shape(const struct core *c)
{
	return &c->shape;
}

enum ledger_state core_state_of(const struct core *c, uint32_t vcpu)
{
	return (enum ledger_state)c->vcpus[vcpu].ledger.state;
}

bool core_same_cache(const struct core *c, uint32_t cpu, uint32_t other)
{
	return c->near[cpu].first == c->near[other].first;
}

struct core_watch core_set_watch(struct core *c, struct core_watch watch)
{
	struct core_watch before = c->watch;

	c->watch = watch;
	return before;
}

void core_expect_cpu(const struct core *c, uint32_t cpu)
{
	__builtin_prefetch(&c->cpus[cpu]);
}

void core_expect_vcpu(const struct core *c, uint32_t vcpu, bool all)
{
	const struct core_vcpu *v = &c->vcpus[vcpu];
	__builtin_prefetch(v);
	__builtin_prefetch((const char *)v + LINE);
	__builtin_prefetch(&c->vcpu_links[vcpu]);
	if (!all || v->vm == CORE_NONE)
		return;
	__builtin_prefetch(&c->vms[v->vm]);
	__builtin_prefetch(&c->cpus[v->cpu]);
}

void core_expect_rivals(const struct core *c, uint32_t vcpu)
{
	for (uint32_t i = 0, cpu = c->vcpus[vcpu].cpu; i < CORE_PROBES; i++, cpu++) {
		uint32_t v = cpu < c->shape.cpus ? c->cpus[cpu].current : CORE_NONE;

		if (v == CORE_NONE)
			continue;
		__builtin_prefetch(&c->vcpus[v]);
		__builtin_prefetch(&c->vms[c->vcpus[v].vm]);
	}
}

static void settle_cpus(struct core *c, uint64_t now)
{
	for (uint32_t i = 0; i < c->shape.cpus; i++) {
		const struct core_cpu *p = &c->cpus[i];

		core_charge(c, i, now);
		if (p->gang != CORE_NONE && p->current == CORE_NONE) {
			c->held[i].ns += now - c->held[i].at;
			c->held[i].at = now;
		}
	}
}

void core_settle(struct core *c, uint64_t now)
{
	settle_cpus(c, now);
	for (uint32_t i = 0; i < c->n_vms; i++) {
		if (c->vms[i].gang_on)
			core_gang_charge(c, i, now);
		core_active(c, i, now, 0);
	}
	for (uint32_t i = 0; i < c->shape.vcpus; i++) {
		struct core_vcpu *v = &c->vcpus[i];

		ledger_advance(&v->ledger, now);
		if (v->wants && v->where != CORE_RUNNING && now - v->wanted > v->worst)
			v->worst = now - v->wanted;
	}
	for (uint32_t i = 0; i < c->n_domains; i++)
		core_domain_settle(&c->domains[i], now);
}

static void restart_vcpu(struct core *c, uint32_t vcpu, uint64_t now)
{
	struct core_vcpu *v = &c->vcpus[vcpu];

	ledger_start(&v->ledger, now, v->ledger.state);
	if (v->vm == CORE_NONE || !vm_gang(&c->vms[v->vm]))
		c->uses[vcpu].run = c->uses[vcpu].idle = 0;
	v->worst = v->moves = 0;
}

void core_restart_counters(struct core *c, uint64_t now)
{
	core_settle(c, now);
	for (uint32_t i = 0; i < c->shape.vcpus; i++)
		restart_vcpu(c, i, now);
	for (uint32_t i = 0; i < c->n_vms; i++) {
		struct core_vm *vm = &c->vms[i];

		vm->skew_worst = vm->costops = vm->local_ns = vm->remote_ns = 0;
		vm->migrations = 0;
	}
	for (uint32_t i = 0; i < c->shape.cpus; i++) {
		c->cpus[i].switches = 0;
		if (core_shape_smp(&c->shape))
			c->held[i].ns = 0;
	}
	for (uint32_t i = 0; i < c->n_domains; i++)
		c->domains[i].waste = 0;
}
