/* SPDX-License-Identifier: MIT */
/*
 * What exists changes: groups, VMs and CPUs come, change and go. Each change is first tried on the
 * tree and on the domains, which nobody sees; only what is admitted touches what runs. A VM whose
 * scheme, vCPUs or budgets change is taken out and put back, and all are served by new rates from
 * then on.
 */
#include "policy/core_admit.h"
#include "policy/core_cpu.h"
#include "policy/core_dispatch.h"
#include "policy/core_entitle.h"
#include "policy/core_gang.h"
#include "policy/core_limit.h"
#include "policy/core_marks.h"
#include "policy/core_move.h"
#include "policy/core_topology.h"

#include <errno.h>

/* Rates follow at once. */
static void changed(struct core *c, uint64_t now)
{
	if (!c->started)
		return;
	core_entitle_changed(c, now);
	core_divide(c, now);
	core_end(c, now);
}

static int check_spec(const struct core *c, const struct core_vm_spec *spec)
{
	if (!spec->vcpus || spec->vcpus > CORE_VCPUS_MAX || spec->group > c->shape.groups ||
	    (spec->group && !c->pools[spec->group - 1].there) || !(spec->shares > 0) ||
	    (unsigned)spec->cosched >= COSCHED_ROWS || spec->quota > spec->period ||
	    !(spec->reservation >= 0))
		return -EINVAL;
	return 0;
}

/* vCPUs that are new, or of a VM that is. */
static void init_vcpus(struct core *c, uint32_t id, uint32_t from, uint32_t to, uint64_t now)
{
	for (uint32_t i = from; i < to; i++) {
		struct core_vcpu *v = &c->vcpus[i];
		struct ledger kept = v->ledger;
		uint32_t cpu = v->cpu;

		*v = (struct core_vcpu){.vm = id,
					.cpu = cpu,
					.ran = CORE_NONE,
					.vtime = DISPATCH_BASE,
					.wanted = now,
					.worst = v->worst,
					.moves = v->moves,
					.ledger = kept};
		core_unseen_vcpu(c, i, now);
	}
}

static bool are_free(const struct core *c, uint32_t first, uint32_t n)
{
	for (uint32_t i = first; i < first + n; i++) {
		if (c->vcpus[i].vm != CORE_NONE)
			return false;
	}
	return true;
}

static void init_vm(struct core *c, uint32_t id, uint32_t first, uint32_t room,
		    const struct core_vm_spec *spec, uint64_t now)
{
	struct core_vm *vm = &c->vms[id];

	*vm = (struct core_vm){.first = first,
			       .n = spec->vcpus,
			       .room = room,
			       .node = core_vm_node(c, id),
			       .marks = vm->marks,
			       .rate = DISPATCH_RATE_ONE,
			       .stretch = DISPATCH_STRETCH_ONE,
			       .weight = (uint32_t)DISPATCH_STRETCH_ONE,
			       .skew_at = CORE_NEVER,
			       .limit_at = CORE_NEVER,
			       .pool = CORE_NONE,
			       .active_at = now,
			       .placed = now,
			       .vtime = DISPATCH_BASE};
	if (core_shape_smp(&c->shape))
		c->gangs[id] = (struct core_gang){.vtime = DISPATCH_BASE};
	init_vcpus(c, id, first, first + room, now);
	core_set_scheme(c, id, spec, now);
	core_unseen(c, id, now);
	if (id >= c->n_vms)
		c->n_vms = id + 1;
	if (first + room > c->n_vcpus)
		c->n_vcpus = first + room;
}

/* The VM counts in this domain from now on. */
static void place(struct core *c, uint32_t id, const struct place_vm *pv, uint32_t domain)
{
	c->place_vms[id] = *pv;
	c->place_vms[id].domain = domain;
	place_add(&c->place_domains[domain], pv);
}

/* Finds a domain for a VM, in which it does not count yet, and says why there is none. */
static int find_domain(const struct core *c, uint32_t id, const struct place_vm *pv,
		       uint32_t domain, uint32_t *ret, struct core_refusal *ret_refusal)
{
	int err = core_find_domain(c, pv, domain, ret);

	if (err && ret_refusal)
		*ret_refusal = (struct core_refusal){
			.vm = id, .wanted = pv->min_cpus, .available = core_capacity(c)};
	return err;
}

/* Takes a node back out of the tree. */
static void drop_node(struct core *c, uint32_t node)
{
	c->tree[node] = (struct entitle_node){.parent = ENTITLE_NONE};
	entitle_link(c->tree, core_nodes(&c->shape));
}

int core_vm_add(struct core *c, uint64_t now, uint32_t id, uint32_t first, uint32_t room,
		const struct core_vm_spec *spec, struct core_refusal *ret_refusal)
{
	struct place_vm pv;
	uint32_t domain = 0;
	int err;

	if (id >= c->shape.vms || check_spec(c, spec))
		return -EINVAL;
	if (c->vms[id].n)
		return -EEXIST;
	if (spec->vcpus > room || first > c->shape.vcpus || room > c->shape.vcpus - first)
		return -E2BIG;
	if (!are_free(c, first, room))
		return -EEXIST;
	err = core_admit_node(c, core_vm_node(c, id), core_node_of_vm(spec), ret_refusal);
	if (err)
		return err;
	pv = core_place_vm(c, spec);
	if (c->started)
		err = find_domain(c, id, &pv, CORE_NONE, &domain, ret_refusal);
	if (err) {
		drop_node(c, core_vm_node(c, id));
		return err;
	}
	init_vm(c, id, first, room, spec, now);
	if (!c->started)
		return 0;
	place(c, id, &pv, domain);
	core_settle_into(c, &c->vms[id], domain);
	changed(c, now);
	return 0;
}

/* vCPUs that are taken away, of a VM that is out, do nothing any more. */
static void remove_vcpus(struct core *c, uint32_t id, uint32_t from, uint32_t to, uint64_t now)
{
	for (uint32_t i = from; i < to; i++) {
		struct core_vcpu *v = &c->vcpus[i];

		if (v->wants)
			core_active(c, id, now, -1);
		v->wants = 0;
		v->wanted = now;
		core_state(c, v, now, LEDGER_HALT);
	}
}

/* The account of a gang is that of its vCPUs, and the other way round; nothing is owed to it. */
static void change_account(struct core *c, struct core_vm *vm, bool was_gang, uint64_t now)
{
	uint64_t sum = 0, clock = core_clock(&c->domains[vm->domain], now);

	if (was_gang == vm_gang(vm) || !core_shape_smp(&c->shape))
		return;
	for (uint32_t i = vm->first; i < vm->first + vm->n; i++) {
		sum += (dispatch_enter(c->vcpus[i].vtime, clock) - DISPATCH_BASE) / vm->n;
		if (was_gang)
			c->vcpus[i].vtime = gang_of(c, vm)->vtime;
	}
	if (was_gang)
		vm->vtime = gang_of(c, vm)->vtime;
	else
		gang_of(c, vm)->vtime = dispatch_enter(DISPATCH_BASE + sum, clock);
	core_unseen(c, (uint32_t)(vm - c->vms), now);
}

/* Deadlines are no virtual times. */
static void change_order(struct core *c, struct core_vm *vm, bool was_realtime, uint64_t now)
{
	uint64_t clock = core_clock(&c->domains[vm->domain], now),
		 deadline = vm->budget.began + vm->budget.period;

	if (!vm->realtime && !was_realtime)
		return;
	for (uint32_t i = vm->first; i < vm->first + vm->n; i++)
		c->vcpus[i].vtime = vm->realtime ? deadline : clock;
	vm->vtime = clock;
	if (core_shape_smp(&c->shape))
		gang_of(c, vm)->vtime = vm->realtime ? deadline : clock;
}

/* Another number of vCPUs, of a VM that is out. */
static void resize(struct core *c, uint32_t id, uint32_t n, uint64_t now)
{
	struct core_vm *vm = &c->vms[id];

	if (n < vm->n)
		remove_vcpus(c, id, vm->first + n, vm->first + vm->n, now);
	if (n > vm->n)
		init_vcpus(c, id, vm->first + vm->n, vm->first + n, now);
	vm->n = n;
}

static void apply(struct core *c, uint32_t id, const struct core_vm_spec *spec, uint64_t now)
{
	struct core_vm *vm = &c->vms[id];
	bool gang = vm_gang(vm), realtime = vm->realtime;

	resize(c, id, spec->vcpus, now);
	core_set_scheme(c, id, spec, now);
	change_order(c, vm, realtime, now);
	change_account(c, vm, gang, now);
}

int core_vm_change(struct core *c, uint64_t now, uint32_t id, const struct core_vm_spec *spec,
		   struct core_refusal *ret_refusal)
{
	struct core_vm *vm;
	struct entitle_node old;
	struct place_vm pv;
	uint32_t domain;
	int err;

	if (id >= c->shape.vms || check_spec(c, spec))
		return -EINVAL;
	vm = &c->vms[id];
	if (!vm->n)
		return -ENOENT;
	if (spec->vcpus > vm->room)
		return -E2BIG;
	old = c->tree[vm->node];
	err = core_admit_node(c, vm->node, core_node_of_vm(spec), ret_refusal);
	if (err)
		return err;
	if (!c->started) {
		apply(c, id, spec, now);
		return 0;
	}
	pv = core_place_vm(c, spec);
	place_remove(&c->place_domains[vm->domain], &c->place_vms[id]);
	err = find_domain(c, id, &pv, vm->domain, &domain, ret_refusal);
	if (err) {
		place_add(&c->place_domains[vm->domain], &c->place_vms[id]);
		core_admit_node(c, vm->node, old, NULL);
		return err;
	}
	core_lift(c, id, now);
	place(c, id, &pv, domain);
	apply(c, id, spec, now);
	if (domain != vm->domain)
		core_rehome(c, id, domain, now);
	core_put(c, id, now);
	changed(c, now);
	return 0;
}

int core_vm_remove(struct core *c, uint64_t now, uint32_t id)
{
	struct core_vm *vm;

	if (id >= c->shape.vms)
		return -EINVAL;
	vm = &c->vms[id];
	if (!vm->n)
		return -ENOENT;
	core_lift(c, id, now);
	remove_vcpus(c, id, vm->first, vm->first + vm->n, now);
	for (uint32_t i = vm->first; i < vm->first + vm->room; i++)
		c->vcpus[i].vm = CORE_NONE;
	if (c->started)
		place_remove(&c->place_domains[vm->domain], &c->place_vms[id]);
	c->place_vms[id] = (struct place_vm){0};
	vm->n = vm->room = 0;
	vm->pool = CORE_NONE;
	vm->metered = false;
	vm->skew_at = vm->limit_at = CORE_NEVER;
	core_mark_timer(c, id);
	drop_node(c, vm->node);
	changed(c, now);
	return 0;
}

/* Whether the group may have these members' figures. */
static int check_group(const struct core *c, uint32_t group, const struct core_group_spec *spec)
{
	if (!group || group > c->shape.groups || spec->parent >= group || !(spec->shares > 0) ||
	    !(spec->reservation >= 0) || !(spec->limit >= spec->reservation))
		return -EINVAL;
	return spec->parent && !c->pools[spec->parent - 1].there ? -EINVAL : 0;
}

int core_group_add(struct core *c, uint64_t now, uint32_t group, const struct core_group_spec *spec,
		   struct core_refusal *ret_refusal)
{
	int err = check_group(c, group, spec);

	if (err)
		return err;
	if (c->pools[group - 1].there)
		return -EEXIST;
	err = core_admit_node(c, group, core_node_of_group(spec), ret_refusal);
	if (err)
		return err;
	c->pools[group - 1] = (struct core_pool){
		.up = CORE_NONE, .there = true, .limit_at = CORE_NEVER};
	core_set_group(c, group, spec->limit, now);
	changed(c, now);
	return 0;
}

int core_group_change(struct core *c, uint64_t now, uint32_t group,
		      const struct core_group_spec *spec, struct core_refusal *ret_refusal)
{
	int err = check_group(c, group, spec);

	if (err)
		return err;
	if (!c->pools[group - 1].there)
		return -ENOENT;
	err = core_admit_node(c, group, core_node_of_group(spec), ret_refusal);
	if (err)
		return err;
	if (!c->started)
		entitle_link(c->tree, core_nodes(&c->shape));
	CORE_FOR_MEMBERS(c, group - 1, node)
	core_lift(c, core_vm_at(c, node), now);
	core_set_group(c, group, spec->limit, now);
	CORE_FOR_MEMBERS(c, group - 1, node)
	core_set_pool(c, core_vm_at(c, node), c->tree[node].parent, now);
	CORE_FOR_MEMBERS(c, group - 1, node)
	core_put(c, core_vm_at(c, node), now);
	changed(c, now);
	return 0;
}

int core_group_remove(struct core *c, uint64_t now, uint32_t group)
{
	struct core_pool *p;

	if (!group || group > c->shape.groups)
		return -EINVAL;
	p = &c->pools[group - 1];
	if (!p->there)
		return -ENOENT;
	for (uint32_t i = 1; i < core_nodes(&c->shape); i++) {
		if (c->tree[i].parent == group)
			return -EBUSY;
	}
	p->there = false;
	p->budget = (struct budget){0};
	p->limit_at = CORE_NEVER;
	core_mark_timer(c, core_timers_group(&c->shape, group));
	drop_node(c, group);
	changed(c, now);
	return 0;
}

/* Whether a domain can do without this CPU. */
static int check_off(struct core *c, uint32_t cpu, struct core_refusal *ret_refusal)
{
	uint32_t domain = c->cpus[cpu].domain;
	const struct core_domain *d = &c->domains[domain];
	double lost = core_capacity_of(c, cpu);
	struct core_refusal why = {.vm = CORE_NONE, .wanted = 1, .available = 0};
	int err = d->online == 1 ? -E2BIG : 0;

	for (uint32_t i = 0; !err && i < c->n_vms && c->started; i++) {
		const struct place_vm *pv = &c->place_vms[i];

		if (!c->vms[i].n || pv->domain != domain || pv->min_cpus < d->online)
			continue;
		why = (struct core_refusal){
			.vm = i, .wanted = pv->min_cpus, .available = d->online - 1};
		err = -E2BIG;
	}
	if (!err && c->started &&
	    c->place_domains[domain].reserved > (d->capacity - lost) * (1 + 1e-9)) {
		why.wanted = c->place_domains[domain].reserved;
		why.available = d->capacity - lost;
		err = -ENOSPC;
	}
	if (!err && c->started)
		return core_admit(c, core_capacity(c) - lost, ret_refusal);
	if (err && ret_refusal)
		*ret_refusal = why;
	return err;
}

/* What runs or waits at a CPU that goes finds another one. */
static void evacuate(struct core *c, uint32_t cpu, uint64_t now)
{
	struct core_cpu *p = &c->cpus[cpu];

	if (!core_cpu_idle(p))
		core_preempt(c, cpu, now);
	core_set_online(c, cpu, now, false);
	core_mark_cpu(c, cpu);
	while (p->queue != CORE_NONE) {
		uint32_t v = p->queue;

		core_dequeue(c, v, now);
		core_ready(c, v, now, false);
	}
}

int core_cpu_set(struct core *c, uint64_t now, uint32_t cpu, bool on,
		 struct core_refusal *ret_refusal)
{
	int err = 0;

	if (cpu >= c->shape.cpus)
		return -EINVAL;
	if (c->cpus[cpu].off != on)
		return 0;
	if (!on)
		err = check_off(c, cpu, ret_refusal);
	if (err)
		return err;
	if (on)
		core_set_online(c, cpu, now, true);
	else
		evacuate(c, cpu, now);
	core_place_domain(c, c->cpus[cpu].domain);
	core_mark_domain(c, c->cpus[cpu].domain);
	changed(c, now);
	return 0;
}

static int place_all(struct core *c, struct core_refusal *ret_refusal)
{
	for (uint32_t i = 0; i < c->n_domains; i++) {
		c->place_domains[i] = (struct place_domain){0};
		core_place_domain(c, i);
	}
	for (uint32_t i = 0; i < c->n_vms; i++) {
		struct core_vm *vm = &c->vms[i];
		struct core_vm_spec spec = {.vcpus = vm->n,
					    .cosched = vm->cosched,
					    .reservation = c->tree[vm->node].reservation};
		struct place_vm pv = core_place_vm(c, &spec);
		uint32_t domain;
		int err;

		if (!vm->n)
			continue;
		err = find_domain(c, i, &pv, CORE_NONE, &domain, ret_refusal);
		if (err)
			return err;
		place(c, i, &pv, domain);
		core_settle_into(c, vm, domain);
	}
	return 0;
}

int core_start(struct core *c, uint64_t now, struct core_refusal *ret_refusal)
{
	int err = core_admit(c, core_capacity(c), ret_refusal);

	if (!err)
		err = place_all(c, ret_refusal);
	if (err)
		return err;
	for (uint32_t i = 0; i < c->shape.vcpus; i++) {
		ledger_start(&c->vcpus[i].ledger, now, LEDGER_HALT);
		c->vcpus[i].wanted = now;
	}
	for (uint32_t i = 0; i < c->n_vms; i++)
		c->vms[i].active_at = c->vms[i].placed = now;
	for (uint32_t i = 0; i < c->n_domains; i++)
		c->domains[i].at = now;
	c->started = c->uniform = true;
	c->divided = now;
	c->next_balance = c->shape.rebalance && c->n_domains > 1 ? now + c->config.balance_period
								 : CORE_NEVER;
	c->next_period = c->next_balance;
	core_mark_timer(c, core_timers_host(&c->shape));
	changed(c, now);
	return 0;
}
