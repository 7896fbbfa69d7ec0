/* SPDX-License-Identifier: MIT */
/*
 * What specs say, in the tree of entitlements and in budgets; whether all reservations can be kept;
 * and where a VM lives. Functions that can fail leave everything as it was then.
 */
#ifndef POLICY_CORE_ADMIT_H
#define POLICY_CORE_ADMIT_H

#include "policy/core_state.h"

/* Links the tree and asks whether all reservations can be kept by `capacity` CPUs. */
int core_admit(struct core *c, double capacity, struct core_refusal *ret_refusal);
/* Puts a node in the tree in place of what is there, if it is admitted (before the start: in any
 * case). */
int core_admit_node(struct core *c, uint32_t node, struct entitle_node to,
		    struct core_refusal *ret_refusal);

struct entitle_node core_node_of_group(const struct core_group_spec *spec);
struct entitle_node core_node_of_vm(const struct core_vm_spec *spec);

/* Budgets and pool of a VM, and its scheme; what it has used of a period that goes on stays used.
 * The VM is new or out. */
void core_set_scheme(struct core *c, uint32_t vm, const struct core_vm_spec *spec, uint64_t now);
/* A VM's pool, or a group's: whichever limited group is nearest above. */
void core_set_pool(struct core *c, uint32_t vm, uint32_t group, uint64_t now);
/* Budget of a group, and who is below which. Members are out. */
void core_set_group(struct core *c, uint32_t group, double limit, uint64_t now);

/* How a VM of this spec is placed. */
struct place_vm core_place_vm(const struct core *c, const struct core_vm_spec *spec);
/* The domain where the VM, which doesn't count anywhere, had best live: `domain` if that can hold
 * it (CORE_NONE: none is preferred). -E2BIG. */
int core_find_domain(const struct core *c, const struct place_vm *vm, uint32_t domain,
		     uint32_t *ret);
/* CPUs and capacity of a domain, for placement. */
void core_place_domain(struct core *c, uint32_t domain);

#endif
