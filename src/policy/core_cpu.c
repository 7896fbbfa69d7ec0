/* SPDX-License-Identifier: MIT */
/*
 * A CPU: what runs there is charged, put on and taken off, and a queue ordered by virtual time.
 * Each domain has a tournament of its CPUs by the heads of their queues, and a clock (dispatch.h).
 */
/*
 * Queues and dispatch. Each CPU has a queue ordered by virtual time; each domain has a heap of its
 * CPUs ordered by the heads of their queues, so that whoever is most behind in the domain is found
 * in one step. A CPU that looks for work takes the head of its own queue unless somebody elsewhere
 * is further behind by more than the cost of moving (config.pull).
 */
#include "policy/core_internal.h"

/* The vCPU begins, or ceases, to count in its domain's clock. */
void core_join(struct core *c, struct core_vcpu *v)
{
	const struct core_vm *vm = &c->vms[v->vm];

	if (vm->realtime || vm_gang(vm) || v->ordered)
		return;
	v->ordered = 1;
	dispatch_join(&c->domains[vm->domain].clock, v->vtime, vm->weight);
}

void core_leave(struct core *c, struct core_vcpu *v)
{
	const struct core_vm *vm = &c->vms[v->vm];

	if (!v->ordered)
		return;
	v->ordered = 0;
	dispatch_leave(&c->domains[vm->domain].clock, v->vtime, vm->weight);
}

static bool bit_of(const uint64_t *bits, uint32_t cpu)
{
	return bits[cpu >> 6] >> (cpu & 63) & 1;
}

static void set_bit(uint64_t *bits, uint32_t cpu, bool to)
{
	bits[cpu >> 6] &= ~(UINT64_C(1) << (cpu & 63));
	bits[cpu >> 6] |= (uint64_t)to << (cpu & 63);
}

/* A core is idle if both its threads are, or the only one. */
static void set_whole(struct core *c, uint32_t cpu, uint32_t sibling, bool idle)
{
	bool whole = idle && (sibling == CORE_NONE || bit_of(c->idle, sibling));

	set_bit(c->whole, cpu, whole);
	if (sibling != CORE_NONE)
		set_bit(c->whole, sibling, whole);
}

void core_set_idle(struct core *c, uint32_t cpu, uint64_t now, bool idle)
{
	uint64_t bit = UINT64_C(1) << (cpu & 63), *word = &c->idle[cpu >> 6];
	struct core_domain *d = domain_of(c, cpu);

	if (!!(*word & bit) == idle)
		return;
	core_domain_settle(d, now);
	*word ^= bit;
	d->idle += idle ? 1 : UINT32_MAX;
	if (c->threads)
		set_whole(c, cpu, c->near[cpu].sibling, idle);
}

/* Both threads of a core have the same speed: full while one of them runs alone. */
static void set_smt_speeds(struct core *c, uint32_t cpu, uint64_t now)
{
	uint32_t sibling = c->near[cpu].sibling, speed = (uint32_t)DISPATCH_STRETCH_ONE;
	struct core_cpu *p = &c->cpus[cpu], *q;

	p->speed = speed;
	if (sibling == CORE_NONE)
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
	if (c->threads)
		set_smt_speeds(c, cpu, now);
}

void core_charge(struct core *c, uint32_t cpu, uint64_t now)
{
	struct core_cpu *p = &c->cpus[cpu];
	uint64_t from = p->since, dt = now - from, calm = 0, vt;
	struct core_domain *d = domain_of(c, cpu);
	struct core_vcpu *v;
	struct core_vm *vm;

	p->since = now;
	if (p->current == CORE_NONE || !dt)
		return;
	calm = core_calm(d, now) - p->calm;
	p->calm += calm;
	v = &c->vcpus[p->current];
	vm = &c->vms[v->vm];
	v->progress += dt;
	ledger_advance(&v->ledger, now);
	if (v->ordered) {
		vt = calm + dispatch_stretch(((dt - calm) * p->speed) >> 16, vm->stretch);
		v->vtime += vt;
		d->clock.since += dt;
		dispatch_serve(&d->clock, vt, vm->weight);
		if (vm->n > 1)
			vm->vtime += vt / (vm->active ? vm->active : 1);
	}
	if (vm->metered)
		core_limit_charge(c, vm, dt);
	if (c->shape.nodes)
		core_locality(c, vm, from, now);
}

/* The virtual time of whoever holds the CPU; UINT64_MAX for nobody. */
uint64_t core_vtime_now(const struct core *c, uint32_t cpu, uint64_t now)
{
	const struct core_cpu *p = &c->cpus[cpu];
	const struct core_vcpu *v;
	const struct core_vm *vm;
	uint64_t calm;

	if (p->gang != CORE_NONE) {
		vm = &c->vms[p->gang];
		return core_gang_key(c, vm) +
		       (vm->realtime ? 0
				     : dispatch_stretch(now - gang_of(c, vm)->since, vm->stretch));
	}
	if (p->current == CORE_NONE)
		return UINT64_MAX;
	v = &c->vcpus[p->current];
	vm = &c->vms[v->vm];
	if (vm->realtime)
		return v->vtime;
	/* as core_key() at the end of what it has been served */
	calm = core_calm(&c->domains[p->domain], now) - p->calm;
	return core_key(c, v) + calm +
	       dispatch_stretch(((now - p->since - calm) * p->speed) >> 16, vm->stretch);
}

/* For how long a vCPU of this VM may run before the core has to look again. */
uint64_t core_deadline(struct core *c, uint32_t id, uint64_t now)
{
	uint64_t until = now + c->config.slice;

	return c->vms[id].metered ? core_limit_until(c, id, now, until) : until;
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
	if (vm->metered)
		core_limit_running(c, vm, 1);
	p->current = vcpu;
	p->since = now;
	p->calm = core_calm(d, now);
	if (v->ordered) {
		d->clock.running++;
		d->clock.since += now;
	}
	p->until = p->gang == CORE_NONE ? core_deadline(c, v->vm, now) : gang_of(c, vm)->until;
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
	if (v->ordered) {
		domain_of(c, cpu)->clock.running--;
		domain_of(c, cpu)->clock.since -= now;
		if (state != LEDGER_READY)
			core_leave(c, v);
	}
	v->woken = 0;
	core_state(c, v, now, state);
	v->wanted = now;
	c->vms[v->vm].running--;
	if (c->vms[v->vm].metered)
		core_limit_running(c, &c->vms[v->vm], -1);
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

/* The account of a vCPU that enters the order, and its credit. A VM that has had more than its part
 * by many vCPUs that slept in turns has had it. */
void core_place(struct core *c, struct core_vcpu *v, uint64_t now)
{
	struct core_vm *vm = &c->vms[v->vm];

	if (vm->realtime) {
		v->vtime = vm->budget.began + vm->budget.period;
		return;
	}
	v->vtime = dispatch_enter(v->vtime, core_clock(&c->domains[vm->domain], now));
	v->woken = c->config.wake_credit != 0;
	if (vm->n == 1)
		return;
	vm->vtime = dispatch_enter(vm->vtime, core_clock(&c->domains[vm->domain], now));
	v->vtime = dispatch_enter(v->vtime, vm->vtime);
}

/* Whoever runs is owed no more than config.lag_bound, and owes no more: it cannot be served faster,
 * or nobody else could use what it was served, and others would pay for what they never had.
 * Returns its virtual time as it is then. */
uint64_t core_forgive(struct core *c, const struct core_vm *vm, uint64_t vtime, uint64_t weight,
		      uint64_t now)
{
	struct dispatch_clock *k = &c->domains[vm->domain].clock;
	uint64_t clock = core_clock(&c->domains[vm->domain], now);
	uint64_t bound = dispatch_stretch(c->config.lag_bound, vm->stretch), fair = vtime;

	if (vtime + bound < clock)
		fair = clock - bound;
	else if (vtime > clock + bound)
		fair = clock + bound;
	else
		return vtime;
	k->sum += (int64_t)weight * (int64_t)(fair - vtime);
	return fair;
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

	core_domain_settle(d, now);
	d->waiting++;
	v->where = CORE_QUEUED;
	v->cpu = cpu;
	core_state(c, v, now, LEDGER_READY);
	p->queue = pheap_insert(c->vcpu_links, p->queue, vcpu, core_key(c, v));
	relist(c, cpu);
	core_skew_arm(c, v->vm, now);
}

void core_dequeue(struct core *c, uint32_t vcpu, uint64_t now)
{
	struct core_vcpu *v = &c->vcpus[vcpu];
	struct core_cpu *p = &c->cpus[v->cpu];
	struct core_domain *d = domain_of(c, v->cpu);

	core_domain_settle(d, now);
	d->waiting--;
	v->where = CORE_BLOCKED;
	p->queue = pheap_remove(c->vcpu_links, p->queue, vcpu);
	relist(c, v->cpu);
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
	p->queue = pheap_insert(c->vcpu_links, p->queue, old, core_key(c, v));
	if (from != cpu)
		relist(c, from);
	relist(c, cpu);
	put_on(c, cpu, next, now);
	core_skew_arm(c, v->vm, now);
	core_skew_arm(c, c->vcpus[next].vm, now);
}

/* What runs blocks, and `next`, which is queued, takes over: the CPU is never idle. */
void core_succeed(struct core *c, uint32_t cpu, uint32_t next, uint64_t now,
		  enum ledger_state state)
{
	take_off(c, cpu, now, state);
	core_dequeue(c, next, now);
	put_on(c, cpu, next, now);
	core_skew_arm(c, c->vcpus[next].vm, now);
}
