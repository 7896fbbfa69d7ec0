/* SPDX-License-Identifier: MIT */
#include "host/entitlement.h"

#include "base/cleanup.h"
#include "policy/entitle.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

static void fill(struct entitle_node *node, const struct entitlement *vm)
{
	*node = (struct entitle_node){
		.shares = ENTITLE_SHARES_NORMAL * fmax(1, (double)vm->n_vcpus),
		.limit = vm->limit > 0 ? vm->limit : ENTITLE_UNLIMITED,
		.demand = vm->wanted,
		/* Whether it got that is what it is compared with. */
		.used = vm->wanted,
	};
}

int entitlement_divide(struct entitlement *vms, size_t n, double cpus)
{
	_cleanup_(free_ptr) struct entitle_node *nodes = calloc(n + 1, sizeof(*nodes));

	if (!nodes)
		return -ENOMEM;
	nodes[0] = (struct entitle_node){
		.parent = ENTITLE_NONE, .shares = 1, .limit = ENTITLE_UNLIMITED};
	for (size_t i = 0; i < n; i++)
		fill(&nodes[i + 1], &vms[i]);
	entitle_link(nodes, (uint32_t)n + 1);
	entitle_divide(nodes, (uint32_t)n + 1, cpus);
	for (size_t i = 0; i < n; i++)
		vms[i].entitled = nodes[i + 1].given;
	return 0;
}
