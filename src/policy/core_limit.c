/* SPDX-License-Identifier: MIT */
#include "policy/core_limit.h"

#include "policy/core_cpu.h"
#include "policy/core_dispatch.h"
#include "policy/core_gang.h"

#include <math.h>

#define LOOKS 32 /* at a pool's pot in a period, at most, while it is empty */

/* Uses up pots: its part is used up. */
static bool beyond_part(const struct core *c, const struct core_vm *vm)
{
	return vm->pool != CORE_NONE && budget_exhausted(part_of(c, vm));
}

/* The first pool whose pot the VM uses up, and the one after pool p: within its part of the pool
 * above a pool takes nothing from anybody there. */
static uint32_t first_pot(const struct core *c, const struct core_vm *vm)
{
	return beyond_part(c, vm) ? vm->pool : CORE_NONE;
}

static uint32_t next_pot(const struct core *c, uint32_t p)
{
	return c->pools[p].spare > 0 ? CORE_NONE : c->pools[p].up;
}

static bool part_exhausted(const struct core *c, const struct core_vm *vm)
{
	for (uint32_t p = first_pot(c, vm); p != CORE_NONE; p = next_pot(c, p)) {
		if (c->pools[p].pot <= 0)
			return true;
	}
	return false;
}

bool core_limit_over(const struct core *c, const struct core_vm *vm)
{
	if (budget_exhausted(&vm->budget) || part_exhausted(c, vm))
		return true;
	for (uint32_t p = vm->pool; p != CORE_NONE; p = c->pools[p].up) {
		if (budget_exhausted(&c->pools[p].budget))
			return true;
	}
	return false;
}

static bool due(const struct budget *b, uint64_t now)
{
	return b->period && now >= b->began + b->period;
}

static void charge_vm(struct core *c, const struct core_vm *vm, uint64_t now)
{
	for (uint32_t i = vm->first; vm->running && i < vm->first + vm->n; i++) {
		if (c->vcpus[i].where == CORE_RUNNING)
			core_charge(c, c->vcpus[i].cpu, now);
	}
}

uint32_t core_limit_member(const struct core *c, uint32_t group, uint32_t node)
{
	uint32_t at = node == CORE_NONE ? group : node;

	do {
		if (c->tree[at].child != ENTITLE_NONE) {
			at = c->tree[at].child;
			continue;
		}
		while (at != group && c->tree[at].next == ENTITLE_NONE)
			at = c->tree[at].parent;
		if (at == group)
			return CORE_NONE;
		at = c->tree[at].next;
	} while (at <= c->shape.groups);
	return at;
}

static void charge_members(struct core *c, uint32_t pool, uint64_t now)
{
	CORE_FOR_MEMBERS(c, pool, node)
	charge_vm(c, &c->vms[core_vm_at(c, node)], now);
}

static double left_at(struct budget b, uint64_t now)
{
	budget_refresh(&b, now);
	return b.left > 0 ? (double)b.left : 0;
}

/* Of a budget: what is claimed by parts, and what is wanted. */
struct claims {
	double parts;
	double wanted;
};

/* What the VM will probably use in the rest of the period, and of its part: what it can, if it
 * wants to run; or what it demands on average, but for the last moments, which nobody makes up for. */
static struct claims claims_of(const struct core *c, const struct core_vm *vm, double rest,
			       uint64_t now)
{
	double step = (double)c->config.limit_period / LOOKS;
	double later = c->tree[vm->node].demand * fmax(0, rest - step);
	double wanted = fmax(vm->active * rest, later);

	if (vm->budget.period)
		wanted = fmin(wanted, left_at(vm->budget, now));
	return (struct claims){fmin(wanted, left_at(*part_of(c, vm), now)), wanted};
}

/* What pool p's part of the pool above is in a period that begins. */
static double part_of_pool(const struct core *c, uint32_t p)
{
	return c->tree[p + 1].rate * (double)c->pools[p].budget.period;
}

/* What those below a limited pool claim is no more than it has, and no less than its own part if
 * they want that: what one of them leaves is for the others, not for those beside the pool. */
static struct claims claims_of_pool(const struct core *c, uint32_t p, struct claims of,
				    uint64_t now)
{
	double left = left_at(c->pools[p].budget, now), part = (double)c->pools[p].part;

	if (due(&c->pools[p].budget, now))
		part = part_of_pool(c, p);
	of.wanted = fmin(of.wanted, left);
	of.parts = fmin(of.wanted, fmax(of.parts, part));
	return of;
}

/* What all below a node of the tree claim. */
static struct claims claims_below(const struct core *c, uint32_t node, double rest, uint64_t now)
{
	struct claims sum = {0, 0}, of;

	for (uint32_t i = c->tree[node].child; i != ENTITLE_NONE; i = c->tree[i].next) {
		of = i > c->shape.groups ? claims_of(c, &c->vms[core_vm_at(c, i)], rest, now)
					 : claims_below(c, i, rest, now);
		if (i <= c->shape.groups && c->pools[i - 1].budget.period)
			of = claims_of_pool(c, i - 1, of, now);
		sum.parts += of.parts;
		sum.wanted += of.wanted;
	}
	return sum;
}

/* What a pool has left beyond its members' claims. These become less as the period goes on, and
 * when somebody stops: nothing of the budget stays unused as long as anybody wants it. */
static void fill_pot(struct core *c, uint32_t pool, uint64_t now)
{
	struct core_pool *p = &c->pools[pool];
	double rest = (double)(p->budget.began + p->budget.period - now);
	int64_t claims = (int64_t)claims_below(c, pool + 1, rest, now).parts;

	p->pot = p->budget.left - claims;
	p->spare = p->part - claims;
	p->pot_at = now + p->budget.period / LOOKS;
}

/* Begins the pool's period that `now` is in. What runs is charged to the old one first. */
static void refill_pool(struct core *c, uint32_t pool, uint64_t now)
{
	struct core_pool *p = &c->pools[pool];

	if (!due(&p->budget, now))
		return;
	charge_members(c, pool, now);
	budget_refresh(&p->budget, now);
	p->part = (int64_t)part_of_pool(c, pool);
	fill_pot(c, pool, now);
}

static void look_at_pots(struct core *c, const struct core_vm *vm, uint64_t now)
{
	for (uint32_t p = first_pot(c, vm); p != CORE_NONE; p = next_pot(c, p)) {
		const struct core_pool *pool = &c->pools[p];
		bool spare = pool->spare > 0 || pool->up == CORE_NONE;

		if ((pool->pot > 0 && spare) || now < pool->pot_at)
			continue;
		charge_members(c, p, now);
		fill_pot(c, p, now);
	}
}

void core_limit_refill(struct core *c, uint32_t id, uint64_t now)
{
	struct core_vm *vm = &c->vms[id];

	bool pooled = vm->pool != CORE_NONE;

	if (due(&vm->budget, now) || (pooled && due(part_of(c, vm), now)))
		charge_vm(c, vm, now);
	budget_refresh(&vm->budget, now);
	if (pooled)
		budget_refresh(part_of(c, vm), now);
	for (uint32_t p = vm->pool; p != CORE_NONE; p = c->pools[p].up)
		refill_pool(c, p, now);
	look_at_pots(c, vm, now);
}

static uint64_t sooner(uint64_t until, const struct budget *b, uint32_t running, uint64_t now)
{
	uint64_t grant = budget_grant(b, running);

	if (!b->period)
		return until;
	if (now + grant < until)
		until = now + grant;
	return b->began + b->period < until ? b->began + b->period : until;
}

/* Until when a vCPU of this VM may run before the core has to look again. */
static uint64_t until_of(const struct core *c, const struct core_vm *vm, uint64_t now)
{
	uint64_t until = sooner(CORE_NEVER, &vm->budget, vm->running, now);

	if (vm->pool == CORE_NONE)
		return until;
	if (!budget_exhausted(part_of(c, vm)))
		until = sooner(until, part_of(c, vm), vm->running, now);
	for (uint32_t p = vm->pool; p != CORE_NONE; p = c->pools[p].up)
		until = sooner(until, &c->pools[p].budget, c->pools[p].running, now);
	for (uint32_t p = first_pot(c, vm); p != CORE_NONE; p = next_pot(c, p)) {
		struct budget pot = c->pools[p].budget;

		pot.left = c->pools[p].pot;
		until = sooner(until, &pot, c->pools[p].running, now);
		pot.left = c->pools[p].spare;
		if (pot.left > 0)
			until = sooner(until, &pot, c->pools[p].running, now);
	}
	return until;
}

static void shorten(struct core *c, uint32_t cpu, uint64_t until)
{
	if (c->cpus[cpu].until <= until)
		return;
	c->cpus[cpu].until = until;
	core_mark_cpu(c, cpu);
}

void core_limit_deadline(struct core *c, uint32_t id, uint64_t now)
{
	const struct core_vm *vm = &c->vms[id];
	uint64_t until;

	if (!vm->metered || !vm->running)
		return;
	core_limit_refill(c, id, now);
	until = until_of(c, vm, now);
	if (vm->gang_on && until < c->gangs[id].until)
		c->gangs[id].until = until;
	for (uint32_t i = vm->first; i < vm->first + vm->n; i++) {
		if (c->vcpus[i].where == CORE_RUNNING || vm->gang_on)
			shorten(c, c->vcpus[i].cpu, until);
	}
}

/* Moves one vCPU out of the way of an exhausted budget. Its CPU, if idle now, is in core->freed. */
static void hold_back(struct core *c, uint32_t vcpu, uint64_t now, uint32_t *n)
{
	struct core_vcpu *v = &c->vcpus[vcpu];

	if (!v->wants || v->where == CORE_LIMITED)
		return;
	if (v->where == CORE_RUNNING) {
		c->freed[(*n)++] = v->cpu;
		core_stop(c, v->cpu, now, LEDGER_LIMITED);
	} else if (v->where == CORE_QUEUED) {
		core_dequeue(c, vcpu, now);
		core_leave(c, v);
	} else if (v->where == CORE_COSTOPPED) {
		c->vms[v->vm].costopped--;
	}
	core_state(c, v, now, LEDGER_LIMITED);
	v->where = CORE_LIMITED;
}

static void exhaust(struct core *c, uint32_t id, uint64_t now, uint32_t *n)
{
	struct core_vm *vm = &c->vms[id];

	vm->exhausted = true;
	if (vm->gang_on)
		core_gang_stop(c, id, now, false);
	else if (vm_gang(vm) && vm->active)
		core_gang_dequeue(c, id, now);
	if (vm_gang(vm))
		core_gang_leave(c, id);
	for (uint32_t i = vm->first; i < vm->first + vm->n; i++)
		hold_back(c, i, now, n);
	if (vm_gang(vm))
		core_mark_domain(c, vm->domain);
}

static void replenish(struct core *c, uint32_t id, uint64_t now)
{
	struct core_vm *vm = &c->vms[id];
	bool gang = vm_gang(vm);

	vm->exhausted = false;
	if (gang && vm->active)
		core_gang_enter(c, id, now);
	for (uint32_t i = vm->first; i < vm->first + vm->n; i++) {
		struct core_vcpu *v = &c->vcpus[i];

		if (v->where != CORE_LIMITED)
			continue;
		v->where = gang ? CORE_GANG : CORE_BLOCKED;
		core_state(c, v, now, LEDGER_READY);
		if (gang)
			continue;
		core_place(c, v, now);
		core_ready(c, i, now, vm->realtime || c->config.wake_credit);
	}
	if (gang && vm->active && core_gang_start(c, vm->domain, UINT64_MAX, true, now))
		core_mark_domain(c, vm->domain);
}

/* When a VM whose part is used up may have something again: with the next period, or when a pot
 * that is empty is looked at. */
static uint64_t part_ready_at(const struct core *c, const struct core_vm *vm, uint64_t now)
{
	uint64_t end = part_of(c, vm)->began + part_of(c, vm)->period;
	uint64_t at = now + 1; /* a timer that has gone off does so again at another time alone */

	for (uint32_t p = vm->pool; p != CORE_NONE; p = c->pools[p].up) {
		if (budget_exhausted(&c->pools[p].budget))
			return end;
	}
	for (uint32_t p = first_pot(c, vm); p != CORE_NONE; p = next_pot(c, p)) {
		if (c->pools[p].pot <= 0 && c->pools[p].pot_at > at)
			at = c->pools[p].pot_at;
	}
	return at < end ? at : end;
}

/* When the VM's budgets have something left again. Pools that are marked exhausted have timers of
 * their own. */
static uint64_t ready_at(const struct core *c, const struct core_vm *vm, uint64_t now)
{
	uint64_t at = 0, part;

	if (budget_exhausted(&vm->budget))
		at = budget_ready_at(&vm->budget);
	part = part_exhausted(c, vm) ? part_ready_at(c, vm, now) : 0;
	at = part > at ? part : at;
	for (uint32_t p = vm->pool; p != CORE_NONE; p = c->pools[p].up) {
		const struct budget *b = &c->pools[p].budget;

		if (budget_exhausted(b) && !c->pools[p].exhausted && budget_ready_at(b) > at)
			at = budget_ready_at(b);
	}
	return at ? at : CORE_NEVER;
}

static void set_timer(struct core *c, uint32_t id, uint64_t at)
{
	if (c->vms[id].limit_at == at)
		return;
	c->vms[id].limit_at = at;
	core_mark_timer(c, id);
}

static void look_at_vm(struct core *c, uint32_t id, uint64_t now, bool hold, uint32_t *n)
{
	struct core_vm *vm = &c->vms[id];

	core_limit_refill(c, id, now);
	if (hold && !vm->exhausted && core_limit_over(c, vm))
		exhaust(c, id, now, n);
	else if (!hold && vm->exhausted && !core_limit_over(c, vm))
		replenish(c, id, now);
	set_timer(c, id, ready_at(c, vm, now));
}

/* A pool whose budget was used up, or has something left again. */
static void look_at_pool(struct core *c, uint32_t pool, uint64_t now, bool hold, uint32_t *n)
{
	struct core_pool *p = &c->pools[pool];
	bool exhausted = budget_exhausted(&p->budget);
	uint64_t at = exhausted ? budget_ready_at(&p->budget) : CORE_NEVER;

	if (p->limit_at != at) {
		p->limit_at = at;
		core_mark_timer(c, c->shape.vms + pool);
	}
	if (p->exhausted == exhausted || exhausted != hold)
		return;
	p->exhausted = exhausted;
	CORE_FOR_MEMBERS(c, pool, node)
	look_at_vm(c, core_vm_at(c, node), now, hold, n);
}

static void find_work(struct core *c, uint32_t n, uint64_t now)
{
	for (uint32_t i = 0; i < n; i++) {
		if (core_cpu_idle(&c->cpus[c->freed[i]]))
			core_refill(c, c->freed[i], now);
	}
	for (uint32_t i = 0; c->look && i < c->n_domains; i++) {
		if (c->domains[i].look)
			core_refill_domain(c, i, now);
		c->domains[i].look = false;
	}
	c->look = false;
}

void core_limit_look(struct core *c, uint32_t id, uint64_t now)
{
	struct core_vm *vm = &c->vms[id];

	core_limit_refill(c, id, now);
	for (int hold = 1; hold >= 0; hold--) {
		uint32_t n = 0;

		for (uint32_t p = vm->pool; p != CORE_NONE; p = c->pools[p].up)
			look_at_pool(c, p, now, hold, &n);
		look_at_vm(c, id, now, hold, &n);
		if (hold)
			find_work(c, n, now);
	}
}

void core_limit_pool(struct core *c, uint32_t pool, uint64_t now)
{
	uint32_t n = 0;

	for (uint32_t p = pool; p != CORE_NONE; p = c->pools[p].up)
		refill_pool(c, p, now);
	for (uint32_t p = pool; p != CORE_NONE; p = c->pools[p].up)
		look_at_pool(c, p, now, false, &n);
}
