/* SPDX-License-Identifier: MIT */
#include "policy/core_dispatch.h"

#include "policy/core_cpu.h"
#include "policy/core_gang.h"
#include "policy/core_topology.h"

#define PULL_FAR 4 /* pull counts this much between caches */

/* The sibling of the vCPU that runs or is queued at this CPU, where the scheme wants siblings
 * apart, or CORE_NONE. */
static uint32_t rival_sibling(const struct core *c, uint32_t vcpu, uint32_t cpu)
{
	const struct core_vm *vm = &c->vms[c->vcpus[vcpu].vm];

	if (vm->n == 1 || !vm_row(vm)->spread)
		return CORE_NONE;
	for (uint32_t i = vm->first; i < vm->first + vm->n; i++) {
		const struct core_vcpu *v = &c->vcpus[i];

		if (i != vcpu && v->cpu == cpu &&
		    (v->where == CORE_RUNNING || v->where == CORE_QUEUED))
			return i;
	}
	return CORE_NONE;
}

static bool may_enter(const struct core *c, uint32_t vcpu, uint32_t cpu)
{
	return rival_sibling(c, vcpu, cpu) == CORE_NONE;
}

/* What it costs to move a vCPU from one CPU to another. */
static uint64_t pull(const struct core *c, uint32_t from, uint32_t to)
{
	return c->near[from].first == c->near[to].first ? c->config.pull
							: c->config.pull * PULL_FAR;
}

uint32_t core_best(const struct core *c, uint32_t cpu, uint64_t rival)
{
	const struct core_cpu *p = &c->cpus[cpu];
	const struct core_domain *d = &c->domains[p->domain];
	uint64_t least = tournament_least(&d->queues);
	uint32_t best = CORE_NONE, from = d->first + tournament_winner(&d->queues), other;

	if (least == TOURNAMENT_NEVER)
		return CORE_NONE;
	if (p->queue != CORE_NONE && c->vcpu_links[p->queue].key <= rival) {
		best = p->queue;
		rival = c->vcpu_links[best].key;
	}
	if (from == cpu)
		return best;
	other = c->cpus[from].queue;
	if (rival == UINT64_MAX ||
	    dispatch_behind(least, rival, pull(c, from, cpu), c->vms[c->vcpus[other].vm].stretch))
		return other;
	return best;
}

/* `next` is about to leave its queue and run on this CPU: a sibling that is queued here and has to
 * be apart from it takes its place there. So siblings keep apart and whoever is most behind runs
 * all the same, wherever it waits. */
static void make_way(struct core *c, uint32_t cpu, uint32_t next, uint64_t now)
{
	uint32_t from = c->vcpus[next].cpu, sibling;

	if (from == cpu)
		return;
	sibling = rival_sibling(c, next, cpu);
	if (sibling == CORE_NONE || c->vcpus[sibling].where != CORE_QUEUED)
		return;
	core_dequeue(c, sibling, now);
	core_enqueue(c, from, sibling, now);
}

static void take(struct core *c, uint32_t cpu, uint32_t vcpu, uint64_t now)
{
	make_way(c, cpu, vcpu, now);
	core_dequeue(c, vcpu, now);
	core_run(c, cpu, vcpu, now);
}

/* A gang that waits is more behind than one at virtual time `rival`. */
static bool gang_before(const struct core *c, const struct core_domain *d, uint64_t rival)
{
	return d->gangs != CORE_NONE && c->gang_links[d->gangs].key < rival;
}

bool core_rotate(struct core *c, uint32_t cpu, uint64_t now)
{
	uint64_t rival = core_vtime_now(c, cpu, now);
	uint32_t current = c->cpus[cpu].current, next;
	bool siblings;

	if (gang_before(c, domain_of(c, cpu), rival)) {
		core_preempt(c, cpu, now);
		core_refill(c, cpu, now);
		return true;
	}
	next = core_best(c, cpu, rival);
	if (next == CORE_NONE)
		return false;
	make_way(c, cpu, next, now);
	siblings = rival_sibling(c, next, cpu) == current && c->vcpus[next].cpu != cpu;
	core_exchange(c, cpu, next, siblings ? c->vcpus[next].cpu : cpu, now);
	return true;
}

bool core_hand_over(struct core *c, uint32_t cpu, uint64_t now, enum ledger_state state)
{
	uint32_t next = core_best(c, cpu, UINT64_MAX);

	if (next == CORE_NONE || domain_of(c, cpu)->gangs != CORE_NONE)
		return false;
	make_way(c, cpu, next, now);
	core_succeed(c, cpu, next, now, state);
	return true;
}

void core_refill(struct core *c, uint32_t cpu, uint64_t now)
{
	struct core_domain *d = domain_of(c, cpu);
	uint32_t v = core_best(c, cpu, UINT64_MAX);
	uint64_t key = v == CORE_NONE ? UINT64_MAX : c->vcpu_links[v].key;

	if (d->gangs != CORE_NONE && c->gang_links[d->gangs].key <= key &&
	    core_gang_start(c, c->cpus[cpu].domain, key, true, now)) {
		core_mark_domain(c, c->cpus[cpu].domain);
		return;
	}
	if (v != CORE_NONE)
		take(c, cpu, v, now);
}

void core_refill_domain(struct core *c, uint32_t domain, uint64_t now)
{
	const struct core_domain *d = &c->domains[domain];

	core_gang_start(c, domain, tournament_least(&d->queues), true, now);

	for (uint32_t i = d->first; i < d->first + d->n && d->idle; i++) {
		uint32_t v;

		if (!core_cpu_idle(&c->cpus[i]))
			continue;
		v = core_best(c, i, UINT64_MAX);
		if (core_gang_start(c, domain, v == CORE_NONE ? UINT64_MAX : c->vcpu_links[v].key,
				    false, now)) {
			i = d->first - 1;
			continue;
		}
		if (v != CORE_NONE)
			take(c, i, v, now);
	}
}

/* The busy CPU at which a vCPU waits: where it ran, unless the scheme forbids that. */
static uint32_t queue_at(const struct core *c, uint32_t vcpu)
{
	const struct core_vcpu *v = &c->vcpus[vcpu];
	const struct core_domain *d = &c->domains[c->cpus[v->cpu].domain];
	uint32_t cpu = v->cpu;

	for (uint32_t i = 0; i < d->n; i++, cpu = core_next_cpu(d, cpu)) {
		if (!c->cpus[cpu].off && may_enter(c, vcpu, cpu))
			return cpu;
	}
	return core_online_cpu(c, v->cpu);
}

/* A CPU whose holder this vCPU may preempt: `at`, or one of the next few; CORE_NONE if none. */
static uint32_t preemptible(const struct core *c, uint32_t vcpu, uint32_t at, uint64_t now)
{
	const struct core_vcpu *v = &c->vcpus[vcpu];
	const struct core_vm *vm = &c->vms[v->vm];
	const struct core_domain *d = &c->domains[c->cpus[at].domain];
	uint32_t probes = vm->realtime || d->n < CORE_PROBES ? d->n : CORE_PROBES;
	uint64_t key = core_key(c, v, vm) + dispatch_stretch(c->config.granularity, vm->stretch);

	for (; probes; probes--, at = core_next_cpu(d, at)) {
		if (key < core_vtime_now(c, at, now) && may_enter(c, vcpu, at))
			return at;
	}
	return CORE_NONE;
}

/* An idle CPU for the vCPU, or CORE_NONE. A gang that was stopped in this event leaves CPUs with queues: a
 * sibling that waits at one and has to be apart from the vCPU runs there instead. */
static uint32_t idle_for(struct core *c, uint32_t vcpu, uint64_t now)
{
	const struct core_vcpu *v = &c->vcpus[vcpu];
	const struct core_domain *d = domain_of(c, v->cpu);

	while (d->idle) {
		uint32_t cpu = core_idle_near(c, v->cpu);
		uint32_t sibling = cpu == CORE_NONE ? CORE_NONE : rival_sibling(c, vcpu, cpu);

		if (sibling == CORE_NONE)
			return cpu;
		take(c, cpu, sibling, now);
	}
	return CORE_NONE;
}

void core_ready(struct core *c, uint32_t vcpu, uint64_t now, bool woken)
{
	struct core_vcpu *v = &c->vcpus[vcpu];
	const struct core_domain *d = domain_of(c, v->cpu);
	uint32_t cpu = idle_for(c, vcpu, now), victim;

	core_join(c, v);
	if (cpu != CORE_NONE) {
		core_run(c, cpu, vcpu, now);
		return;
	}
	cpu = queue_at(c, vcpu);
	victim = woken ? preemptible(c, vcpu, cpu, now) : CORE_NONE;
	if (victim == CORE_NONE) {
		core_enqueue(c, cpu, vcpu, now);
		return;
	}
	if (d->gangs == CORE_NONE && c->cpus[victim].gang == CORE_NONE) {
		core_displace(c, victim, vcpu, now);
		return;
	}
	core_preempt(c, victim, now);
	core_run(c, victim, vcpu, now);
}
