/* SPDX-License-Identifier: MIT */
/*
 * Queues and dispatch. Each CPU has a queue ordered by virtual time; each domain has a heap of its
 * CPUs ordered by the heads of their queues, so that whoever is most behind in the domain is found
 * in one step. A CPU that looks for work takes the head of its own queue unless somebody elsewhere
 * is further behind by more than the cost of moving (config.pull).
 */
#include "policy/core_internal.h"

#define PULL_FAR 4 /* pull counts this much between caches */

/* Called before `idle` or `waiting` of a domain changes. */
static void waste_settle(struct core_domain *d, uint64_t now)
{
	if (d->idle && d->waiting)
		d->waste += now - d->waste_at;
	d->waste_at = now;
}

void core_set_idle(struct core *c, uint32_t cpu, uint64_t now, bool idle)
{
	uint64_t bit = UINT64_C(1) << (cpu & 63), *word = &c->idle[cpu >> 6];
	struct core_domain *d = domain_of(c, cpu);

	if (!!(*word & bit) == idle)
		return;
	waste_settle(d, now);
	*word ^= bit;
	d->idle += idle ? 1 : UINT32_MAX;
}

/* Both threads of a core have the same speed: full while one of them runs alone. */
static void set_smt_speeds(struct core *c, uint32_t cpu, uint64_t now)
{
	uint32_t sibling = cpu ^ 1, speed = DISPATCH_STRETCH_ONE;
	struct core_cpu *p = &c->cpus[cpu], *q;

	p->speed = speed;
	if (sibling >= c->shape.cpus)
		return;
	q = &c->cpus[sibling];
	if (p->current != CORE_NONE && q->current != CORE_NONE)
		speed = (uint32_t)(c->config.smt_speed * DISPATCH_STRETCH_ONE);
	p->speed = speed;
	if (q->speed == speed || q->current == CORE_NONE)
		return;
	core_charge(c, sibling, now);
	q->speed = speed;
	core_mark_cpu(c, sibling);
}

static void set_speeds(struct core *c, uint32_t cpu, uint64_t now)
{
	if (c->shape.smt == 2)
		set_smt_speeds(c, cpu, now);
}

void core_charge(struct core *c, uint32_t cpu, uint64_t now)
{
	struct core_cpu *p = &c->cpus[cpu];
	uint64_t from = p->since, dt = now - from;
	struct core_vcpu *v;
	struct core_vm *vm;

	p->since = now;
	if (p->current == CORE_NONE || !dt)
		return;
	v = &c->vcpus[p->current];
	vm = &c->vms[v->vm];
	v->progress += dt;
	ledger_advance(&v->ledger, now);
	if (!vm->realtime && p->gang == CORE_NONE)
		v->vtime += dispatch_stretch((dt * p->speed) >> 16, vm->stretch);
	if (vm->metered)
		vm->budget.left -= (int64_t)dt;
	if (c->shape.nodes)
		core_locality(c, vm, from, now);
}

/* The virtual time of whoever holds the CPU; UINT64_MAX for nobody. */
uint64_t core_vtime_now(const struct core *c, uint32_t cpu, uint64_t now)
{
	const struct core_cpu *p = &c->cpus[cpu];
	const struct core_vcpu *v;
	const struct core_vm *vm;

	if (p->gang != CORE_NONE) {
		vm = &c->vms[p->gang];
		return vm->gang_vtime + dispatch_stretch(now - vm->gang_since, vm->stretch);
	}
	if (p->current == CORE_NONE)
		return UINT64_MAX;
	v = &c->vcpus[p->current];
	vm = &c->vms[v->vm];
	if (vm->realtime)
		return v->vtime;
	return v->vtime + dispatch_stretch(((now - p->since) * p->speed) >> 16, vm->stretch);
}

/* For how long a vCPU of this VM may run before the core has to look again. */
uint64_t core_deadline(struct core *c, uint32_t id, uint64_t now)
{
	struct core_vm *vm = &c->vms[id];
	uint64_t until = now + c->config.slice, left;

	if (!vm->metered)
		return until;
	core_limit_refill(c, id, now);
	left = budget_grant(&vm->budget, vm->running);
	if (now + left < until)
		until = now + left;
	left = vm->budget.began + vm->budget.period;
	return left < until ? left : until;
}

/* The part of core_run() that concerns the vCPU; the CPU is marked busy already. */
static void put_on(struct core *c, uint32_t cpu, uint32_t vcpu, uint64_t now)
{
	struct core_cpu *p = &c->cpus[cpu];
	struct core_vcpu *v = &c->vcpus[vcpu];
	struct core_vm *vm = &c->vms[v->vm];
	struct core_domain *d = domain_of(c, cpu);

	p->switches += p->last != vcpu;
	if (v->ran != cpu)
		v->moves++;
	if (now - v->wanted > v->worst)
		v->worst = now - v->wanted;
	v->where = CORE_RUNNING;
	v->cpu = v->ran = cpu;
	core_state(c, v, now, LEDGER_RUN);
	vm->running++;
	p->current = vcpu;
	p->since = now;
	if (!vm->realtime && p->gang == CORE_NONE && v->vtime > d->clock)
		d->clock = v->vtime;
	p->until = p->gang == CORE_NONE ? core_deadline(c, v->vm, now) : vm->gang_until;
	core_mark_cpu(c, cpu);
}

void core_run(struct core *c, uint32_t cpu, uint32_t vcpu, uint64_t now)
{
	core_set_idle(c, cpu, now, false);
	put_on(c, cpu, vcpu, now);
	set_speeds(c, cpu, now);
	core_skew_arm(c, c->vcpus[vcpu].vm, now);
}

/* The part of core_stop() that concerns the vCPU. */
static void take_off(struct core *c, uint32_t cpu, uint64_t now, enum ledger_state state)
{
	struct core_cpu *p = &c->cpus[cpu];
	struct core_vcpu *v = &c->vcpus[p->current];

	core_charge(c, cpu, now);
	core_state(c, v, now, state);
	v->wanted = now;
	c->vms[v->vm].running--;
	p->last = p->current;
	p->current = CORE_NONE;
	core_mark_cpu(c, cpu);
}

/* Takes the running vCPU off; the CPU is idle then, or still held by the gang. The vCPU is in no
 * queue: the caller goes on with it. */
void core_stop(struct core *c, uint32_t cpu, uint64_t now, enum ledger_state state)
{
	take_off(c, cpu, now, state);
	set_speeds(c, cpu, now);
	if (c->cpus[cpu].gang == CORE_NONE)
		core_set_idle(c, cpu, now, true);
}

/* Brings a CPU's place in its domain's heap of queues up to date. */
static void relist(struct core *c, uint32_t cpu)
{
	const struct core_cpu *p = &c->cpus[cpu];
	struct core_domain *d = domain_of(c, cpu);

	tournament_set(&d->queues, cpu - d->first,
		       p->queue == CORE_NONE ? TOURNAMENT_NEVER : c->vcpu_links[p->queue].key);
}

void core_enqueue(struct core *c, uint32_t cpu, uint32_t vcpu, uint64_t now)
{
	struct core_cpu *p = &c->cpus[cpu];
	struct core_vcpu *v = &c->vcpus[vcpu];
	struct core_domain *d = domain_of(c, cpu);

	waste_settle(d, now);
	d->waiting++;
	v->where = CORE_QUEUED;
	v->cpu = cpu;
	core_state(c, v, now, LEDGER_READY);
	p->queue = pheap_insert(c->vcpu_links, p->queue, vcpu, v->vtime);
	relist(c, cpu);
	core_skew_arm(c, v->vm, now);
}

void core_dequeue(struct core *c, uint32_t vcpu, uint64_t now)
{
	struct core_vcpu *v = &c->vcpus[vcpu];
	struct core_cpu *p = &c->cpus[v->cpu];
	struct core_domain *d = domain_of(c, v->cpu);

	waste_settle(d, now);
	d->waiting--;
	v->where = CORE_BLOCKED;
	p->queue = pheap_remove(c->vcpu_links, p->queue, vcpu);
	relist(c, v->cpu);
}

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
	uint32_t cache = c->shape.cache_cpus;

	return from / cache == to / cache ? c->config.pull : c->config.pull * PULL_FAR;
}

/*
 * The queued vCPU that this CPU should run rather than somebody at virtual time `rival`
 * (UINT64_MAX: it would idle), or CORE_NONE.
 */
uint32_t core_best(struct core *c, uint32_t cpu, uint64_t rival)
{
	const struct core_cpu *p = &c->cpus[cpu];
	struct core_domain *d = domain_of(c, cpu);
	uint32_t best = CORE_NONE, other, far;

	if (p->queue != CORE_NONE && c->vcpu_links[p->queue].key <= rival) {
		best = p->queue;
		rival = c->vcpu_links[best].key;
	}
	far = core_most_behind(d);
	if (far == CORE_NONE || far == cpu)
		return best;
	other = c->cpus[far].queue;
	if (rival != UINT64_MAX && !dispatch_behind(c->vcpu_links[other].key, rival,
						    pull(c, far, cpu), vm_of(c, other)->stretch))
		return best;
	return may_enter(c, other, cpu) ? other : best;
}

/* Runs `next`, which is queued somewhere in the domain, and queues what ran here. The CPU is never
 * idle, and as many wait as before. */
void core_exchange(struct core *c, uint32_t cpu, uint32_t next, uint64_t now)
{
	struct core_cpu *p = &c->cpus[cpu];
	uint32_t old = p->current, from = c->vcpus[next].cpu;
	struct core_vcpu *v = &c->vcpus[old];

	take_off(c, cpu, now, LEDGER_READY);
	c->cpus[from].queue = pheap_remove(c->vcpu_links, c->cpus[from].queue, next);
	v->where = CORE_QUEUED;
	p->queue = pheap_insert(c->vcpu_links, p->queue, old, v->vtime);
	if (from != cpu)
		relist(c, from);
	relist(c, cpu);
	put_on(c, cpu, next, now);
	core_skew_arm(c, v->vm, now);
	core_skew_arm(c, c->vcpus[next].vm, now);
}

/* What runs blocks, and somebody who waits takes over: the CPU is never idle. False if there is
 * nobody, or gangs wait too: nothing was done. */
bool core_succeed(struct core *c, uint32_t cpu, uint64_t now, enum ledger_state state)
{
	uint32_t next = core_best(c, cpu, UINT64_MAX);

	if (next == CORE_NONE || domain_of(c, cpu)->gangs != CORE_NONE)
		return false;
	take_off(c, cpu, now, state);
	core_dequeue(c, next, now);
	put_on(c, cpu, next, now);
	core_skew_arm(c, c->vcpus[next].vm, now);
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

/* The first set bit of `bits` in [from, end), or CORE_NONE. With `pairs`, the first whose
 * neighbour is set too: an idle core. */
static uint32_t next_idle(const uint64_t *bits, uint32_t from, uint32_t end, bool pairs)
{
	for (uint32_t w = from >> 6; from < end; w++, from = w << 6) {
		uint64_t word = bits[w] & (UINT64_MAX << (from & 63));
		uint32_t at;

		if (pairs)
			word &= ((bits[w] >> 1) & UINT64_C(0x5555555555555555)) |
				((bits[w] << 1) & UINT64_C(0xaaaaaaaaaaaaaaaa));
		if (!word)
			continue;
		at = (w << 6) + (uint32_t)__builtin_ctzll(word);
		return at < end ? at : CORE_NONE;
	}
	return CORE_NONE;
}

/* An idle CPU in [first, end), the nearest upwards from `near` first. */
static uint32_t find_idle(const struct core *c, uint32_t first, uint32_t end, uint32_t near,
			  bool pairs)
{
	uint32_t at = next_idle(c->idle, near, end, pairs);

	return at != CORE_NONE ? at : next_idle(c->idle, first, near, pairs);
}

/* An idle CPU for somebody who ran at `near`: there, in the same cache, in the domain; whole cores
 * before halves. */
static uint32_t idle_near(const struct core *c, uint32_t near)
{
	const struct core_domain *d = &c->domains[c->cpus[near].domain];
	uint32_t first, end, at;

	if (!d->idle)
		return CORE_NONE;
	first = near - near % c->shape.cache_cpus;
	end = first + c->shape.cache_cpus;
	if (end > d->first + d->n)
		end = d->first + d->n;
	for (int pairs = c->shape.smt == 2; pairs >= 0; pairs--) {
		at = find_idle(c, first, end, near, pairs);
		if (at == CORE_NONE)
			at = find_idle(c, d->first, d->first + d->n, near, pairs);
		if (at != CORE_NONE)
			return at;
	}
	return CORE_NONE;
}

static bool preempts(const struct core *c, uint32_t vcpu, uint32_t cpu, uint64_t now)
{
	const struct core_vcpu *v = &c->vcpus[vcpu];

	return dispatch_behind(v->vtime, core_vtime_now(c, cpu, now), c->config.granularity,
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
