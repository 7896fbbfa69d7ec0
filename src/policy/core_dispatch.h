/* SPDX-License-Identifier: MIT */
/*
 * Dispatch. A CPU that looks for work takes the head of its own queue unless a vCPU elsewhere in
 * its domain is further behind by more than the cost of moving (config.pull), which is found in one
 * step.
 */
#ifndef POLICY_CORE_DISPATCH_H
#define POLICY_CORE_DISPATCH_H

#include "policy/core_state.h"

/* The queued vCPU that this CPU should run rather than one at virtual time `rival` (UINT64_MAX: it
 * would idle), or CORE_NONE. */
uint32_t core_best(const struct core *c, uint32_t cpu, uint64_t rival);

/* What runs, if something queued is better than it is, makes room for that at the end of its slice.
 * False: it may go on. */
bool core_rotate(struct core *c, uint32_t cpu, uint64_t now);
/* What runs blocks, and a vCPU that waits takes over. False if there is none, or gangs wait too:
 * nothing was done. */
bool core_hand_over(struct core *c, uint32_t cpu, uint64_t now, enum ledger_state state);
/* Finds work for an idle CPU. */
void core_refill(struct core *c, uint32_t cpu, uint64_t now);
/* Finds work for all idle CPUs of a domain: the gang that is most behind, if those that hold the
 * CPUs that it needs are all ahead of it; then whatever fits and is most behind. */
void core_refill_domain(struct core *c, uint32_t domain, uint64_t now);

/* A vCPU that may run and is in no queue: on an idle CPU at once, else in a queue, or instead of
 * one that is far enough ahead of it if it was woken. */
void core_ready(struct core *c, uint32_t vcpu, uint64_t now, bool woken);

#endif
