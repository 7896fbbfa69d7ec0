/* SPDX-License-Identifier: MIT */
/* VMs are balanced over the domains of a host, some times in a minute, and their memory follows. */
#include "policy/core_internal.h"
#include "policy/place.h"

void core_settle_into(struct core *c, struct core_vm *vm, uint32_t domain)
{
	const struct core_domain *d = &c->domains[domain];

	vm->domain = domain;
	for (uint32_t i = 0; i < vm->n; i++)
		c->vcpus[vm->first + i].cpu = d->first + (vm->first + i) % d->n;
}

/* Memory follows a VM to another node at a constant rate, within config.memory_move. */
void core_locality(struct core *c, struct core_vm *vm, uint64_t from, uint64_t to)
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

/* Takes a vCPU off its CPU or queue for a move. Returns true if it has to be made ready again. */
static bool lift(struct core *c, uint32_t vcpu, uint64_t now, uint32_t *freed, uint32_t *n)
{
	struct core_vcpu *v = &c->vcpus[vcpu];

	if (v->where == CORE_RUNNING) {
		freed[(*n)++] = v->cpu;
		core_stop(c, v->cpu, now, LEDGER_READY);
		core_leave(c, v);
		return true;
	}
	if (v->where != CORE_QUEUED)
		return false;
	core_dequeue(c, vcpu, now);
	core_leave(c, v);
	return true;
}

static void move_vm(struct core *c, uint32_t id, uint32_t to, uint64_t now)
{
	struct core_vm *vm = &c->vms[id];
	bool gang = vm_gang(vm), gang_on = vm->gang_on;
	uint64_t old = core_clock(&c->domains[vm->domain], now),
		 new = core_clock(&c->domains[to], now);
	uint32_t n = 0, from = vm->domain;

	if (gang_on)
		core_gang_stop(c, id, now, false);
	else if (gang && vm->active && !vm->exhausted)
		core_gang_dequeue(c, id, now);
	core_gang_leave(c, id);
	for (uint32_t i = vm->first; i < vm->first + vm->n; i++) {
		if (lift(c, i, now, c->freed, &n))
			c->vcpus[i].where = CORE_QUEUED; /* for the loop below */
		if (!vm->realtime)
			c->vcpus[i].vtime = dispatch_rebase(c->vcpus[i].vtime, old, new);
	}
	if (gang)
		gang_of(c, vm)->vtime = dispatch_rebase(gang_of(c, vm)->vtime, old, new);
	vm->vtime = dispatch_rebase(vm->vtime, old, new);
	core_settle_into(c, vm, to);
	vm->placed = now;
	vm->memory_at = now + c->config.memory_move;
	vm->migrations++;
	for (uint32_t i = vm->first; i < vm->first + vm->n; i++) {
		if (c->vcpus[i].where == CORE_QUEUED)
			core_ready(c, i, now, false);
	}
	if (gang && vm->active && !vm->exhausted) {
		core_gang_enqueue(c, id, now);
		core_refill_domain(c, to, now);
	}
	core_refill_domain(c, from, now);
}

static void balance(struct core *c, uint64_t now)
{
	uint32_t vm, to = 0;
	double span = (double)c->config.balance_period;

	for (uint32_t i = 0; i < c->n_domains; i++)
		c->place_domains[i].load = 0;
	for (uint32_t i = 0; i < c->n_vms; i++) {
		struct core_vm *v = &c->vms[i];

		core_active(c, i, now, 0);
		c->place_vms[i].domain = v->domain;
		c->place_vms[i].load = c->uniform ? (double)(v->active_ns - v->balance_seen) / span
						  : c->tree[v->node].given;
		c->place_domains[v->domain].load += c->place_vms[i].load;
		v->balance_seen = v->active_ns;
	}
	for (uint32_t moves = 0; moves < c->n_vms; moves++) {
		struct place_vm *pv;

		vm = place_rebalance(c->place_domains, c->n_domains, c->place_vms, c->n_vms,
				     c->config.balance_threshold, &to);
		if (vm == PLACE_NONE)
			return;
		pv = &c->place_vms[vm];
		c->place_domains[pv->domain].load -= pv->load;
		c->place_domains[pv->domain].reserved -= pv->reservation;
		c->place_domains[to].load += pv->load;
		c->place_domains[to].reserved += pv->reservation;
		pv->domain = to;
		move_vm(c, vm, to, now);
	}
}

void core_period(struct core *c, uint64_t now)
{
	if (now >= c->next_balance) {
		c->next_balance += c->config.balance_period;
		balance(c, now);
	}
	core_divide(c, now);
	c->next_period = c->uniform ? c->next_balance : now + c->config.entitle_period;
	if (c->next_balance < c->next_period)
		c->next_period = c->next_balance;
}
