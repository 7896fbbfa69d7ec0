/* SPDX-License-Identifier: MIT */
/*
 * Limits. A VM has a budget of its own if it is limited or real-time, and one for its part of the
 * limited group (pool) it is in. A pool has one budget for all its members: it is used up by
 * whichever wants to run. So that members share it by their rates when they want more than there
 * is, each counts on its part of a period, and beyond that on what all of them will probably leave
 * over (the pot). What is exhausted holds VMs back until its next period.
 */
#ifndef POLICY_CORE_LIMIT_H
#define POLICY_CORE_LIMIT_H

#include "policy/core_state.h"

/* Some budget of the VM is used up. */
bool core_limit_over(const struct core *c, const struct core_vm *vm);
/* Begins the periods of all its budgets that `now` is in. */
void core_limit_refill(struct core *c, uint32_t vm, uint64_t now);
/* What runs of the VM may do so no longer than its budgets last (CORE_MARK_BUDGET). */
void core_limit_deadline(struct core *c, uint32_t vm, uint64_t now);
/* VMs whose budgets are used up are held back, others let go: this one and those in its pools. */
void core_limit_look(struct core *c, uint32_t vm, uint64_t now);
/* The timer of a pool. */
void core_limit_pool(struct core *c, uint32_t pool, uint64_t now);

/* Holds a VM back whose budget is used up, lets it go when there is something left again. */
static inline void core_limit_check(struct core *c, uint32_t vm, uint64_t now)
{
	if (c->vms[vm].metered)
		core_limit_look(c, vm, now);
}

/* The VM's node after this one that is below node `group` in the tree, or the first (CORE_NONE). */
uint32_t core_limit_member(const struct core *c, uint32_t group, uint32_t node);

#define CORE_FOR_MEMBERS(c, pool, node)                                                            \
	for (uint32_t node = core_limit_member(c, (pool) + 1, CORE_NONE); node != CORE_NONE;       \
	     node = core_limit_member(c, (pool) + 1, node))

static inline uint32_t core_vm_at(const struct core *c, uint32_t node)
{
	return node - 1 - c->shape.groups;
}

#endif
