/* SPDX-License-Identifier: MIT */
#include "host/entitlement.h"

#include "base/cleanup.h"
#include "policy/entitle.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

static double limit_of(double limit)
{
	return limit > 0 ? limit : ENTITLE_UNLIMITED;
}

static struct entitle_node node_of(const struct entitlement *vm)
{
	return (struct entitle_node){
		.parent = vm->group,
		.shares = vm->shares > 0 ? vm->shares
					 : ENTITLE_SHARES_NORMAL * fmax(1, (double)vm->n_vcpus),
		.reservation = vm->reservation,
		.limit = limit_of(vm->limit),
		.demand = vm->wanted,
		/* Whether it got that is what it is compared with. */
		.used = vm->wanted,
	};
}

/* The host, groups, VMs: parents before their children. */
static struct entitle_node *tree_of(const struct entitlement *vms, size_t n,
				    const struct entitlement_host *host)
{
	struct entitle_node *nodes = calloc(n + host->n_groups + 1, sizeof(*nodes));

	if (!nodes)
		return NULL;
	nodes[0] = (struct entitle_node){
		.parent = ENTITLE_NONE, .shares = 1, .limit = ENTITLE_UNLIMITED};
	for (size_t i = 0; i < host->n_groups; i++) {
		const struct entitlement_group *g = &host->groups[i];

		nodes[i + 1] = (struct entitle_node){.parent = g->parent,
						     .shares = g->shares,
						     .reservation = g->reservation,
						     .limit = limit_of(g->limit)};
	}
	for (size_t i = 0; i < n; i++)
		nodes[host->n_groups + 1 + i] = node_of(&vms[i]);
	entitle_link(nodes, (uint32_t)(n + host->n_groups) + 1);
	return nodes;
}

int entitlement_divide(struct entitlement *vms, size_t n, const struct entitlement_host *host)
{
	_cleanup_(free_ptr) struct entitle_node *nodes = tree_of(vms, n, host);
	size_t first = host->n_groups + 1;

	if (!nodes)
		return -ENOMEM;
	entitle_divide(nodes, (uint32_t)(n + first), host->cpus);
	for (size_t i = 0; i < n; i++) {
		vms[i].entitled = nodes[first + i].given;
		vms[i].rate = nodes[first + i].rate;
	}
	return 0;
}

int entitlement_admit(const struct entitlement *vms, size_t n, const struct entitlement_host *host,
		      struct entitlement_refusal *ret)
{
	_cleanup_(free_ptr) struct entitle_node *nodes = tree_of(vms, n, host);
	struct entitle_refusal r = {0};
	size_t first = host->n_groups + 1;
	int err;

	if (!nodes)
		return -ENOMEM;
	err = entitle_admit(nodes, (uint32_t)(n + first), host->cpus, &r);
	if (err)
		*ret = (struct entitlement_refusal){r.node < first ? r.node : 0,
						    r.node < first ? SIZE_MAX : r.node - first,
						    r.wanted, r.available};
	return err;
}
