/* SPDX-License-Identifier: MIT */
/*
 * A VM is taken out of its domain, with all its vCPUs that want to run, and put into the same or
 * another one. Whatever changes about a VM as a whole changes in between: its domain, its vCPUs,
 * its scheme, its budgets. CPUs that it leaves are for the event's end to fill.
 */
#ifndef POLICY_CORE_MOVE_H
#define POLICY_CORE_MOVE_H

#include "policy/core_state.h"

void core_lift(struct core *c, uint32_t vm, uint64_t now);
void core_put(struct core *c, uint32_t vm, uint64_t now);

/* A VM that is out lives in this domain from now on: what it is owed goes along, and its memory
 * follows. */
void core_settle_into(struct core *c, struct core_vm *vm, uint32_t domain);
void core_rehome(struct core *c, uint32_t vm, uint32_t domain, uint64_t now);

#endif
