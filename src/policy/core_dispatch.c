/* SPDX-License-Identifier: MIT */
/*
 * Dispatch. A CPU that looks for work takes the head of its own queue unless somebody elsewhere in
 * its domain is further behind by more than the cost of moving (config.pull), which is found in one
 * step.
 */
#include "policy/core_internal.h"

#define PULL_FAR 4 /* pull counts this much between caches */

/* True if a sibling of the vCPU runs or is queued at this CPU. */
static bool sibling_at(const struct core *c, uint32_t vcpu, uint32_t cpu)
{
	const struct core_vm *vm = &c->vms[c->vcpus[vcpu].vm];

	for (uint32_t i = vm->first; i < vm->first + vm->n; i++) {
		const struct core_vcpu *v = &c->vcpus[i];

		if (i != vcpu && v->cpu == cpu &&
		    (v->where == CORE_RUNNING || v->where == CORE_QUEUED))
			return true;
	}
	return false;
}

static bool may_enter(const struct core *c, uint32_t vcpu, uint32_t cpu)
{
	const struct core_vm *vm = &c->vms[c->vcpus[vcpu].vm];

	return vm->n == 1 || !vm_row(vm)->spread || !sibling_at(c, vcpu, cpu);
}

/* What it costs to move somebody from one CPU to another. */
static uint64_t pull(const struct core *c, uint32_t from, uint32_t to)
{
	return core_same_cache(c, from, to) ? c->config.pull : c->config.pull * PULL_FAR;
}

static uint32_t head_of(const struct core *c, uint32_t cpu)
{
	return cpu == CORE_NONE ? CORE_NONE : c->cpus[cpu].queue;
}

/* Is somebody who is queued elsewhere so far behind `rival` (UINT64_MAX: nobody) that it should
 * come here? */
static bool worth_a_move(const struct core *c, uint32_t vcpu, uint32_t cpu, uint64_t rival)
{
	return rival == UINT64_MAX ||
	       dispatch_behind(c->vcpu_links[vcpu].key, rival, pull(c, c->vcpus[vcpu].cpu, cpu),
			       c->vms[c->vcpus[vcpu].vm].stretch);
}

/* Of the heads of other queues the one that is most behind of those that may come to this CPU, if
 * siblings of the very first are in its way. */
static uint32_t enterable(const struct core *c, uint32_t cpu)
{
	const struct core_domain *d = &c->domains[c->cpus[cpu].domain];
	uint32_t best = CORE_NONE;

	for (uint32_t i = d->first; i < d->first + d->n; i++) {
		uint32_t v = c->cpus[i].queue;

		if (i == cpu || v == CORE_NONE || !may_enter(c, v, cpu))
			continue;
		if (best == CORE_NONE || pheap_before(c->vcpu_links, v, best))
			best = v;
	}
	return best;
}

/*
 * The queued vCPU that this CPU should run rather than somebody at virtual time `rival`
 * (UINT64_MAX: it would idle), or CORE_NONE.
 */
uint32_t core_best(struct core *c, uint32_t cpu, uint64_t rival)
{
	const struct core_cpu *p = &c->cpus[cpu];
	struct core_domain *d = domain_of(c, cpu);
	uint32_t best = CORE_NONE, other;

	if (p->queue != CORE_NONE && c->vcpu_links[p->queue].key <= rival) {
		best = p->queue;
		rival = c->vcpu_links[best].key;
	}
	other = head_of(c, core_most_behind(d));
	if (other == CORE_NONE || c->vcpus[other].cpu == cpu)
		return best;
	if (!worth_a_move(c, other, cpu, rival))
		return best;
	if (may_enter(c, other, cpu))
		return other;
	other = enterable(c, cpu);
	return other != CORE_NONE && worth_a_move(c, other, cpu, rival) ? other : best;
}

/* What runs blocks, and somebody who waits takes over. False if there is nobody, or gangs wait too:
 * nothing was done. */
bool core_hand_over(struct core *c, uint32_t cpu, uint64_t now, enum ledger_state state)
{
	uint32_t next = core_best(c, cpu, UINT64_MAX);

	if (next == CORE_NONE || domain_of(c, cpu)->gangs != CORE_NONE)
		return false;
	core_succeed(c, cpu, next, now, state);
	return true;
}

void core_take(struct core *c, uint32_t cpu, uint32_t vcpu, uint64_t now)
{
	core_dequeue(c, vcpu, now);
	core_run(c, cpu, vcpu, now);
}

/* Finds work for an idle CPU. */
void core_refill(struct core *c, uint32_t cpu, uint64_t now)
{
	struct core_domain *d = domain_of(c, cpu);
	uint32_t v = core_best(c, cpu, UINT64_MAX);
	uint64_t key = v == CORE_NONE ? UINT64_MAX : c->vcpu_links[v].key;

	if (d->gangs != CORE_NONE && c->gang_links[d->gangs].key <= key &&
	    core_gang_try(c, c->cpus[cpu].domain, key, now)) {
		core_refill_domain(c, c->cpus[cpu].domain, now);
		return;
	}
	if (v != CORE_NONE)
		core_take(c, cpu, v, now);
}

/* The first set bit of `bits` in [from, end), or CORE_NONE. */
static uint32_t next_set(const uint64_t *bits, uint32_t from, uint32_t end)
{
	for (uint32_t w = from >> 6; from < end; w++, from = w << 6) {
		uint64_t word = bits[w] & (UINT64_MAX << (from & 63));
		uint32_t at;

		if (!word)
			continue;
		at = (w << 6) + (uint32_t)__builtin_ctzll(word);
		return at < end ? at : CORE_NONE;
	}
	return CORE_NONE;
}

/* One in [first, end), the nearest upwards from `near` first. */
static uint32_t find_set(const uint64_t *bits, uint32_t first, uint32_t end, uint32_t near)
{
	uint32_t at = next_set(bits, near, end);

	return at != CORE_NONE ? at : next_set(bits, first, near);
}

/* An idle CPU for somebody who ran at `near`: there, in the same cache, in the domain; whole cores
 * before halves. */
static uint32_t idle_near(const struct core *c, uint32_t near)
{
	const struct core_domain *d = &c->domains[c->cpus[near].domain];
	const struct core_near *n = &c->near[near];
	uint32_t at;

	if (!d->idle)
		return CORE_NONE;
	for (int threads = !c->threads; threads <= 1; threads++) {
		const uint64_t *bits = threads ? c->idle : c->whole;

		at = find_set(bits, n->first, n->end, near);
		if (at == CORE_NONE)
			at = find_set(bits, d->first, d->first + d->n, near);
		if (at != CORE_NONE)
			return at;
	}
	return CORE_NONE;
}

static bool preempts(const struct core *c, uint32_t vcpu, uint32_t cpu, uint64_t now)
{
	const struct core_vcpu *v = &c->vcpus[vcpu];

	return dispatch_behind(core_key(c, v), core_vtime_now(c, cpu, now), c->config.granularity,
			       c->vms[v->vm].stretch);
}

static uint32_t next_in(const struct core_domain *d, uint32_t cpu)
{
	return cpu + 1 < d->first + d->n ? cpu + 1 : d->first;
}

/* The busy CPU at which a vCPU waits: where it ran, unless the scheme forbids that. */
static uint32_t queue_at(const struct core *c, uint32_t vcpu)
{
	const struct core_vcpu *v = &c->vcpus[vcpu];
	const struct core_domain *d = &c->domains[c->cpus[v->cpu].domain];
	uint32_t cpu = v->cpu;

	for (uint32_t i = 0; i < d->n; i++, cpu = next_in(d, cpu)) {
		if (may_enter(c, vcpu, cpu))
			return cpu;
	}
	return v->cpu;
}

/* A CPU whose holder this vCPU may preempt: `at`, or one of the next few; CORE_NONE if none. */
static uint32_t preemptible(const struct core *c, uint32_t vcpu, uint32_t at, uint64_t now)
{
	const struct core_domain *d = &c->domains[c->cpus[at].domain];
	uint32_t probes = vm_of((struct core *)c, vcpu)->realtime ? d->n : CORE_PROBES;

	for (uint32_t i = 0; i < probes && i < d->n; i++, at = next_in(d, at)) {
		if (preempts(c, vcpu, at, now) && may_enter(c, vcpu, at))
			return at;
	}
	return CORE_NONE;
}

/* Makes a CPU idle: what ran there is queued again. Other CPUs of a gang are idle then, too. */
void core_preempt(struct core *c, uint32_t cpu, uint64_t now)
{
	struct core_cpu *p = &c->cpus[cpu];
	uint32_t v = p->current;

	if (p->gang != CORE_NONE) {
		core_gang_stop(c, p->gang, now, true);
		return;
	}
	core_stop(c, cpu, now, LEDGER_READY);
	core_enqueue(c, cpu, v, now);
}

/* A vCPU that may run: on an idle CPU at once, else in a queue, or instead of somebody who is far
 * enough ahead of it if it was woken. */
void core_ready(struct core *c, uint32_t vcpu, uint64_t now, bool woken)
{
	struct core_vcpu *v = &c->vcpus[vcpu];
	uint32_t cpu = idle_near(c, v->cpu), victim;
	bool gang;

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
	gang = c->cpus[victim].gang != CORE_NONE;
	core_preempt(c, victim, now);
	core_run(c, victim, vcpu, now);
	if (gang)
		core_refill_domain(c, c->cpus[victim].domain, now);
}
