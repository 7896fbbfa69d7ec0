/* SPDX-License-Identifier: MIT */
#include "policy/core_balance.h"

#include "policy/core_entitle.h"
#include "policy/core_move.h"

/* What each VM uses, and each domain. */
static void sum_loads(struct core *c, uint64_t now)
{
	double span = (double)c->config.balance_period;

	for (uint32_t i = 0; i < c->n_domains; i++)
		c->place_domains[i].load = 0;
	for (uint32_t i = 0; i < c->n_vms; i++) {
		struct core_vm *v = &c->vms[i];

		core_active(c, i, now, 0);
		c->place_vms[i].domain = v->domain;
		c->place_vms[i].load = c->uniform ? (double)(v->active_ns - v->balance_seen) / span
						  : c->tree[v->node].given;
		if (!v->n)
			c->place_vms[i].load = 0;
		c->place_domains[v->domain].load += c->place_vms[i].load;
		v->balance_seen = v->active_ns;
	}
}

void core_balance(struct core *c, uint64_t now)
{
	uint32_t vm, to = 0;

	sum_loads(c, now);
	for (uint32_t moves = 0; moves < c->n_vms; moves++) {
		struct place_vm *pv;

		vm = place_rebalance(c->place_domains, c->n_domains, c->place_vms, c->n_vms,
				     c->config.balance_threshold, &to);
		if (vm == PLACE_NONE)
			return;
		pv = &c->place_vms[vm];
		place_remove(&c->place_domains[pv->domain], pv);
		pv->domain = to;
		place_add(&c->place_domains[to], pv);
		core_lift(c, vm, now);
		core_rehome(c, vm, to, now);
		core_put(c, vm, now);
	}
}
