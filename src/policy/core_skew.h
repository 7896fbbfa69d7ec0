/* SPDX-License-Identifier: MIT */
/*
 * The skew between the vCPUs of a VM (relaxed co-scheduling). Skew can only grow while one vCPU
 * runs and a busy sibling does not, and then no faster than time: the timer is set to the earliest
 * instant at which a bound can be crossed, but not sooner than one poll.
 */
#ifndef POLICY_CORE_SKEW_H
#define POLICY_CORE_SKEW_H

#include "policy/core_state.h"

/* The least progress among the busy vCPUs of a VM; UINT64_MAX if none is busy. */
uint64_t core_slowest(const struct core *c, const struct core_vm *vm, uint64_t now);
/* Skew may grow sooner than the timer expects: it is set again (CORE_MARK_SKEW). */
void core_skew_look(struct core *c, uint32_t vm, uint64_t now);
/* Co-stops those that lead by too much, and lets those go on that no longer do. */
void core_skew_check(struct core *c, uint32_t vm, uint64_t now);

#endif
