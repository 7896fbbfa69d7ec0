/* SPDX-License-Identifier: MIT */
#include "policy/core_cpu.h"

#include "base/units.h"
#include "policy/core_topology.h"

void core_join(struct core *c, struct core_vcpu *v)
{
	const struct core_vm *vm = &c->vms[v->vm];

	if (v->ordered || vm->realtime || vm_gang(vm))
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

/* Both threads of a core have the same speed: full while one of them runs alone. */
static void set_smt_speeds(struct core *c, uint32_t cpu, uint64_t now)
{
	uint32_t sibling = c->near[cpu].sibling, speed = CORE_FULL;
	struct core_cpu *p = &c->cpus[cpu], *q;

	p->speed = speed;
	if (sibling == CORE_NONE)
		return;
	q = &c->cpus[sibling];
	if (p->current != CORE_NONE && q->current != CORE_NONE)
		speed = (uint32_t)(c->config.smt_speed * CORE_FULL);
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

/* Budgets: the VM's own, its part of its pool, and those of all pools above. What it runs beyond its
 * part nobody else wanted: no debt. A pool has a part of the pool above, as VMs do. */
static void charge_budgets(struct core *c, struct core_vm *vm, uint64_t dt)
{
	bool beyond;

	if (vm->budget.period)
		vm->budget.left -= (int64_t)dt;
	if (vm->pool == CORE_NONE)
		return;
	beyond = part_of(c, vm)->left <= 0;
	part_of(c, vm)->left -= beyond ? 0 : (int64_t)dt;
	for (uint32_t p = vm->pool; p != CORE_NONE; p = c->pools[p].up) {
		c->pools[p].budget.left -= (int64_t)dt;
		c->pools[p].part -= (int64_t)dt;
		if (!beyond)
			continue;
		c->pools[p].pot -= (int64_t)dt;
		beyond = c->pools[p].spare <= 0;
		c->pools[p].spare -= (int64_t)dt;
	}
}

/* One vCPU more, or fewer, of the VM runs. */
static void count_running(struct core *c, struct core_vm *vm, uint32_t change)
{
	vm->running += change;
	for (uint32_t p = vm->pool; p != CORE_NONE; p = c->pools[p].up)
		c->pools[p].running += change;
}

/* Memory follows a VM to another node at a constant rate, within config.memory_move. */
static void charge_locality(const struct core *c, struct core_vm *vm, uint64_t from, uint64_t to)
{
	double span = (double)c->config.memory_move, f;
	uint64_t moving, local;

	if (from >= vm->memory_at) {
		vm->local_ns += to - from;
		return;
	}
	moving = (to < vm->memory_at ? to : vm->memory_at) - from;
	f = ((double)(from - vm->placed) + (double)moving / 2) / span;
	local = (uint64_t)((double)moving * (f < 1 ? f : 1)) + (to - from - moving);
	vm->local_ns += local;
	vm->remote_ns += to - from - local;
}

/* What few VMs have. */
static void charge_few(struct core *c, struct core_vm *vm, uint64_t from, uint64_t to)
{
	if (vm->metered)
		charge_budgets(c, vm, to - from);
	if (c->shape.nodes)
		charge_locality(c, vm, from, to);
}

/* What `v` on the CPU `p` of the domain `d` has been served. Inline where most events pass. */
static inline __attribute__((always_inline)) void
charge(struct core *c, struct core_cpu *p, struct core_domain *d, struct core_vcpu *v, uint64_t now)
{
	uint64_t from = p->since, dt = now - from, calm = core_calm(d, now) - p->calm, vt;
	struct core_vm *vm = &c->vms[v->vm];

	p->since = now;
	p->calm += calm;
	v->progress += dt;
	if (v->ordered) {
		vt = calm + dispatch_stretch(((dt - calm) * p->speed) >> 16, vm->stretch);
		v->vtime += vt;
		d->clock.since += dt;
		dispatch_serve(&d->clock, vt, vm->weight);
		if (vm->n > 1)
			vm->vtime += vt / (vm->active ? vm->active : 1);
	}
	charge_few(c, vm, from, now);
}

void core_charge(struct core *c, uint32_t cpu, uint64_t now)
{
	struct core_cpu *p = &c->cpus[cpu];

	if (p->current == CORE_NONE || p->since == now)
		p->since = now;
	else
		charge(c, p, &c->domains[p->domain], &c->vcpus[p->current], now);
}

void core_correct(struct core *c, uint32_t vcpu, int64_t ns)
{
	struct core_vcpu *v = &c->vcpus[vcpu];
	struct core_vm *vm = &c->vms[v->vm];
	uint64_t vt = dispatch_stretch_signed(ns, vm->stretch);

	v->progress = ns < 0 && v->progress < (uint64_t)-ns ? 0 : v->progress + (uint64_t)ns;
	if (vm->metered)
		charge_budgets(c, vm, (uint64_t)ns);
	if (vm->realtime)
		return;
	v->vtime += vt;
	if (v->ordered)
		dispatch_serve(&c->domains[vm->domain].clock, vt, vm->weight);
	if (vm->n > 1)
		vm->vtime += (uint64_t)((int64_t)vt / (int64_t)(vm->active ? vm->active : 1));
	if (v->where == CORE_QUEUED)
		core_requeue(c, vcpu);
}

uint64_t core_vtime_held(const struct core *c, const struct core_cpu *p, uint64_t now)
{
	const struct core_vm *vm;

	if (p->gang == CORE_NONE)
		return p->off ? 0 : UINT64_MAX;
	vm = &c->vms[p->gang];
	return core_gang_key(c, vm) +
	       (vm->realtime ? 0 : dispatch_stretch(now - gang_of(c, vm)->since, vm->stretch));
}

/* For how long what runs may do so: its gang's slice, or its own. */
static void set_until(struct core *c, struct core_cpu *p, uint32_t vcpu, uint64_t now)
{
	uint32_t id = c->vcpus[vcpu].vm;

	p->until = p->gang == CORE_NONE ? now + c->config.slice : c->gangs[id].until;
	if (c->vms[id].metered)
		core_mark_vm(c, id, CORE_MARK_BUDGET);
}

void core_prolong(struct core *c, uint32_t cpu, uint64_t now)
{
	set_until(c, &c->cpus[cpu], c->cpus[cpu].current, now);
	core_mark_cpu(c, cpu);
}

/* The part of core_run() that concerns the vCPU; the CPU is marked busy already. */
static inline __attribute__((always_inline)) void put_on(struct core *c, uint32_t cpu,
							 uint32_t vcpu, uint64_t now)
{
	struct core_cpu *p = &c->cpus[cpu];
	struct core_vcpu *v = &c->vcpus[vcpu];
	struct core_vm *vm = &c->vms[v->vm];
	struct core_domain *d = &c->domains[p->domain];

	p->switches += p->last != vcpu;
	if (v->ran != cpu)
		v->moves++;
	if (now - v->wanted > v->worst)
		v->worst = now - v->wanted;
	v->where = CORE_RUNNING;
	v->cpu = v->ran = cpu;
	core_state(c, v, now, LEDGER_RUN);
	count_running(c, vm, 1);
	p->current = vcpu;
	p->since = now;
	p->calm = core_calm(d, now);
	if (v->ordered) {
		d->clock.running++;
		d->clock.since += now;
	}
	set_until(c, p, vcpu, now);
	core_mark_cpu(c, cpu);
	if (vm->n > 1)
		core_mark_vm(c, v->vm, CORE_MARK_SKEW);
}

void core_run(struct core *c, uint32_t cpu, uint32_t vcpu, uint64_t now)
{
	core_set_idle(c, cpu, now, false);
	put_on(c, cpu, vcpu, now);
	set_speeds(c, cpu, now);
}

/* The part of core_stop() that concerns the vCPU. */
static inline __attribute__((always_inline)) void take_off(struct core *c, uint32_t cpu,
							   uint64_t now, enum ledger_state state)
{
	struct core_cpu *p = &c->cpus[cpu];
	struct core_vcpu *v = &c->vcpus[p->current];
	struct core_domain *d = &c->domains[p->domain];

	if (p->since != now)
		charge(c, p, d, v, now);
	if (v->ordered) {
		d->clock.running--;
		d->clock.since -= now;
		if (state != LEDGER_READY)
			core_leave(c, v);
	}
	v->woken = 0;
	core_state(c, v, now, state);
	v->wanted = now;
	count_running(c, &c->vms[v->vm], UINT32_MAX);
	p->last = p->current;
	p->current = CORE_NONE;
	core_mark_cpu(c, cpu);
}

void core_stop(struct core *c, uint32_t cpu, uint64_t now, enum ledger_state state)
{
	take_off(c, cpu, now, state);
	set_speeds(c, cpu, now);
	if (c->cpus[cpu].gang == CORE_NONE)
		core_set_idle(c, cpu, now, true);
}

uint64_t core_debt_most(const struct core *c, const struct core_vm *vm, uint64_t clock)
{
	return clock + dispatch_stretch(c->config.debt_bound, vm->stretch);
}

/* A VM that has been given more than its part by many vCPUs that slept in turns has had it. */
void core_place(struct core *c, struct core_vcpu *v, uint64_t now)
{
	struct core_vm *vm = &c->vms[v->vm];
	uint64_t clock, most;

	if (vm->realtime) {
		v->vtime = vm->budget.began + vm->budget.period;
		return;
	}
	clock = core_clock(&c->domains[vm->domain], now);
	most = core_debt_most(c, vm, clock);
	v->vtime = dispatch_enter(v->vtime, clock);
	v->woken = c->config.wake_credit != 0;
	if (vm->n > 1) {
		vm->vtime = dispatch_enter(vm->vtime, clock);
		v->vtime = dispatch_enter(v->vtime, vm->vtime);
	}
	if (v->vtime > most)
		v->vtime = most;
}

uint64_t core_forgive(struct core *c, const struct core_vm *vm, uint64_t vtime, uint64_t weight,
		      uint64_t now)
{
	struct core_domain *d = &c->domains[vm->domain];
	uint64_t clock = core_clock(d, now);
	uint64_t most = core_debt_most(c, vm, clock), fair = vtime;
	uint64_t bound = dispatch_stretch(c->config.lag_bound, vm->stretch);

	/* Not so much that it would go before somebody who waits once more: with little each, a slice
	 * of theirs may be further ahead than the bound. */
	if (d->waiting)
		most = u64_max(most, tournament_least(&d->queues));
	if (vtime + bound < clock)
		fair = clock - bound;
	else if (vtime > most)
		fair = most;
	else
		return vtime;
	d->clock.sum += (int64_t)weight * (int64_t)(fair - vtime);
	return fair;
}

/* Brings a CPU's place in its domain's heap of queues up to date. */
static void relist(struct core *c, uint32_t cpu)
{
	const struct core_cpu *p = &c->cpus[cpu];
	struct core_domain *d = &c->domains[p->domain];

	tournament_set(&d->queues, cpu - d->first,
		       p->queue == CORE_NONE ? TOURNAMENT_NEVER : c->vcpu_links[p->queue].key);
}

/* The vCPU is READY and waits at this CPU. */
static void queue(struct core *c, uint32_t cpu, uint32_t vcpu)
{
	struct core_cpu *p = &c->cpus[cpu];
	struct core_vcpu *v = &c->vcpus[vcpu];
	const struct core_vm *vm = &c->vms[v->vm];

	v->where = CORE_QUEUED;
	v->cpu = cpu;
	p->queue = pheap_insert(c->vcpu_links, p->queue, vcpu, core_key(c, v, vm));
	relist(c, cpu);
	if (vm->n > 1)
		core_mark_vm(c, v->vm, CORE_MARK_SKEW);
}

static void unqueue(struct core *c, uint32_t vcpu)
{
	uint32_t cpu = c->vcpus[vcpu].cpu;

	c->cpus[cpu].queue = pheap_remove(c->vcpu_links, c->cpus[cpu].queue, vcpu);
	relist(c, cpu);
}

void core_requeue(struct core *c, uint32_t vcpu)
{
	const struct core_vcpu *v = &c->vcpus[vcpu];
	struct core_cpu *p = &c->cpus[v->cpu];
	uint64_t key = core_key(c, v, &c->vms[v->vm]);

	if (c->vcpu_links[vcpu].key == key)
		return;
	p->queue = pheap_remove(c->vcpu_links, p->queue, vcpu);
	p->queue = pheap_insert(c->vcpu_links, p->queue, vcpu, key);
	relist(c, v->cpu);
}

void core_enqueue(struct core *c, uint32_t cpu, uint32_t vcpu, uint64_t now)
{
	struct core_domain *d = domain_of(c, cpu);

	core_domain_settle(d, now);
	d->waiting++;
	core_state(c, &c->vcpus[vcpu], now, LEDGER_READY);
	queue(c, cpu, vcpu);
}

void core_dequeue(struct core *c, uint32_t vcpu, uint64_t now)
{
	struct core_domain *d = domain_of(c, c->vcpus[vcpu].cpu);

	core_domain_settle(d, now);
	d->waiting--;
	c->vcpus[vcpu].where = CORE_BLOCKED;
	unqueue(c, vcpu);
}

void core_exchange(struct core *c, uint32_t cpu, uint32_t next, uint32_t to, uint64_t now)
{
	uint32_t old = c->cpus[cpu].current, from = c->vcpus[next].cpu;

	take_off(c, cpu, now, LEDGER_READY);
	c->cpus[from].queue = pheap_remove(c->vcpu_links, c->cpus[from].queue, next);
	if (from != to)
		relist(c, from);
	queue(c, to, old);
	put_on(c, cpu, next, now);
}

void core_displace(struct core *c, uint32_t cpu, uint32_t vcpu, uint64_t now)
{
	struct core_domain *d = domain_of(c, cpu);
	uint32_t old = c->cpus[cpu].current;

	take_off(c, cpu, now, LEDGER_READY);
	core_domain_settle(d, now);
	d->waiting++;
	queue(c, cpu, old);
	put_on(c, cpu, vcpu, now);
}

void core_succeed(struct core *c, uint32_t cpu, uint32_t next, uint64_t now,
		  enum ledger_state state)
{
	take_off(c, cpu, now, state);
	core_dequeue(c, next, now);
	put_on(c, cpu, next, now);
}
