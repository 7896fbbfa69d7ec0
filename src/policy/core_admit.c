/* SPDX-License-Identifier: MIT */
#include "policy/core_admit.h"

#include "policy/core_topology.h"

#include <errno.h>

#define BUDGET_KEPT 8 /* of a limit what is left over of a period, up to an eighth */

int core_admit(struct core *c, double capacity, struct core_refusal *ret_refusal)
{
	struct entitle_refusal r;
	uint32_t groups = c->shape.groups;
	int err;

	entitle_link(c->tree, core_nodes(&c->shape));
	err = entitle_admit(c->tree, core_nodes(&c->shape), capacity, &r);
	if (err && ret_refusal)
		*ret_refusal = (struct core_refusal){.group = r.node <= groups ? r.node : 0,
						     .vm = r.node <= groups ? CORE_NONE
									    : r.node - groups - 1,
						     .wanted = r.wanted,
						     .available = r.available};
	return err;
}

int core_admit_node(struct core *c, uint32_t node, struct entitle_node to,
		    struct core_refusal *ret_refusal)
{
	struct entitle_node old = c->tree[node], *n = &c->tree[node];
	int err;

	n->parent = to.parent;
	n->shares = to.shares;
	n->reservation = to.reservation;
	n->limit = to.limit;
	if (!c->started)
		return 0;
	err = core_admit(c, core_capacity(c), ret_refusal);
	if (!err)
		return 0;
	*n = old;
	entitle_link(c->tree, core_nodes(&c->shape));
	return err;
}

struct entitle_node core_node_of_group(const struct core_group_spec *spec)
{
	return (struct entitle_node){.parent = spec->parent,
				     .shares = spec->shares,
				     .reservation = spec->reservation,
				     .limit = spec->limit};
}

struct entitle_node core_node_of_vm(const struct core_vm_spec *spec)
{
	double fixed = spec->period ? (double)spec->quota / (double)spec->period : 0;

	return (struct entitle_node){.parent = spec->group,
				     .shares = spec->shares,
				     .reservation = fixed > 0 ? fixed : spec->reservation,
				     .limit = fixed > 0 ? fixed : spec->limit};
}

/* Another quota: what was used of a period that goes on is used, debts stay. */
static void set_budget(struct budget *b, uint64_t quota, uint64_t period, uint64_t keep,
		       uint64_t now)
{
	int64_t debt = b->period && b->left < 0 ? b->left : 0;
	struct budget old = *b;

	if (!period) {
		*b = (struct budget){0};
		return;
	}
	budget_refresh(&old, now);
	*b = (struct budget){.quota = quota,
			     .period = period,
			     .keep = keep,
			     .began = now - now % period,
			     .left = (int64_t)quota + debt};
	if (old.period == period)
		b->left = old.left + (int64_t)quota - (int64_t)old.quota;
	if (b->left > (int64_t)(quota + keep))
		b->left = (int64_t)(quota + keep);
}

/* The nearest limited group, this or above. */
static uint32_t pool_above(const struct core *c, uint32_t group)
{
	if (!group)
		return CORE_NONE;
	return c->pools[group - 1].budget.period ? group - 1 : c->pools[group - 1].up;
}

void core_set_pool(struct core *c, uint32_t id, uint32_t group, uint64_t now)
{
	struct core_vm *vm = &c->vms[id];
	uint64_t period = c->config.limit_period;
	uint32_t pool = pool_above(c, group);

	if (pool != vm->pool) {
		vm->pool = pool;
		if (pool != CORE_NONE)
			*part_of(c, vm) = (struct budget){.period = period,
							  .began = now - now % period};
	}
	vm->metered = vm->budget.period || vm->pool != CORE_NONE;
}

void core_set_scheme(struct core *c, uint32_t id, const struct core_vm_spec *spec, uint64_t now)
{
	struct core_vm *vm = &c->vms[id];
	uint64_t quota = spec->quota, period = spec->period, keep = 0;

	vm->cosched = (uint8_t)spec->cosched;
	vm->realtime = period != 0;
	if (!vm->realtime &&
	    spec->limit < (c->config.limit_all ? ENTITLE_UNLIMITED : spec->vcpus)) {
		period = c->config.limit_period;
		quota = (uint64_t)(spec->limit * (double)period);
		keep = quota / BUDGET_KEPT + (uint64_t)((double)quota * c->config.limit_keep);
	}
	set_budget(&vm->budget, quota, period, keep, now);
	core_set_pool(c, id, spec->group, now);
}

void core_set_group(struct core *c, uint32_t group, double limit, uint64_t now)
{
	struct core_pool *p = &c->pools[group - 1];
	uint64_t period = limit < c->shape.cpus ? c->config.limit_period : 0;
	uint64_t quota = period ? (uint64_t)(limit * (double)period) : 0;

	set_budget(&p->budget, quota, period, 0, now);
	p->pot = p->part = p->spare = 0;
	p->pot_at = 0;
	p->exhausted = budget_exhausted(&p->budget);
	if (!p->exhausted && p->limit_at != CORE_NEVER) {
		p->limit_at = CORE_NEVER;
		core_mark_timer(c, core_timers_group(&c->shape, group));
	}
	for (uint32_t i = 0; i < c->shape.groups; i++)
		c->pools[i].up = c->pools[i].there ? pool_above(c, c->tree[i + 1].parent)
						   : CORE_NONE;
}

/* A VM needs all its CPUs at once as a gang, and its siblings apart where it cannot spread over the
 * whole host. */
struct place_vm core_place_vm(const struct core *c, const struct core_vm_spec *spec)
{
	bool gang = spec->vcpus > 1 && cosched_rows[spec->cosched].gang;
	struct entitle_node node = core_node_of_vm(spec);

	return (struct place_vm){.load = spec->vcpus,
				 .reservation = node.reservation,
				 .min_cpus = gang || c->n_domains > 1 ? spec->vcpus : 1};
}

int core_find_domain(const struct core *c, const struct place_vm *vm, uint32_t domain,
		     uint32_t *ret)
{
	if (domain == CORE_NONE || !place_fits(&c->place_domains[domain], vm))
		domain = place_initial(c->place_domains, c->n_domains, vm);
	if (domain == PLACE_NONE)
		return -E2BIG;
	*ret = domain;
	return 0;
}

void core_place_domain(struct core *c, uint32_t domain)
{
	c->place_domains[domain].cpus = c->domains[domain].online;
	c->place_domains[domain].capacity = c->domains[domain].capacity;
}
