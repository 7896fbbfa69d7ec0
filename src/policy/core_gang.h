/* SPDX-License-Identifier: MIT */
/*
 * Strict co-scheduling. A gang is a VM whose vCPUs start and stop together: each holds a CPU,
 * those that are idle too. A gang that waits is in its domain's heap by its own virtual time,
 * which is charged for the time it holds CPUs. It starts when enough CPUs are idle or held by
 * others that are further ahead. CPUs that it leaves idle are for the event's end to fill
 * (core_mark_domain()).
 */
#ifndef POLICY_CORE_GANG_H
#define POLICY_CORE_GANG_H

#include "policy/core_state.h"

/* A gang that had nothing to do, or was not allowed to, waits from now on. */
void core_gang_enter(struct core *c, uint32_t vm, uint64_t now);
void core_gang_enqueue(struct core *c, uint32_t vm, uint64_t now);
/* Where it belongs by the stretch that it has now. */
void core_gang_requeue(struct core *c, uint32_t vm);
void core_gang_dequeue(struct core *c, uint32_t vm, uint64_t now);
/* It counts in its domain's clock no longer, if it does. */
void core_gang_leave(struct core *c, uint32_t vm);
void core_gang_charge(struct core *c, uint32_t vm, uint64_t now);
/* One of its vCPUs was served `ns` more, or less, than was charged: the gang's account follows. */
void core_gang_correct(struct core *c, uint32_t vm, int64_t ns);
/* Gives its CPUs back; it waits again, or, not `requeue`, the caller goes on with it. */
void core_gang_stop(struct core *c, uint32_t vm, uint64_t now, bool requeue);
/* A vCPU of a gang that holds its CPUs begins, or ceases, to want to run. */
void core_gang_resume(struct core *c, uint32_t vcpu, uint64_t now);
void core_gang_pause(struct core *c, uint32_t vcpu, uint64_t now, enum ledger_state state);
/* The gang, which holds its CPUs, may do so for another slice. */
void core_gang_prolong(struct core *c, uint32_t vm, uint64_t now);
/* Both bounds of what it is owed and owes are kept. */
void core_gang_forgive(struct core *c, uint32_t vm, uint64_t now);

/* While a gang waits, others run where it has no room, and get ahead of the clock together, which is
 * no debt: when one of them is further ahead than it may be, all are set back by that much. */
void core_gang_forgive_all(struct core *c, uint32_t domain, uint64_t now);

/* Makes a CPU idle: what ran there is queued again. Other CPUs of a gang are idle then, too. */
void core_preempt(struct core *c, uint32_t cpu, uint64_t now);

/* Starts the first gang that can be started, of the few that are most behind, and behind `rival`:
 * in idle CPUs, or with `preempt` also instead of others. One that cannot blocks no one. */
bool core_gang_start(struct core *c, uint32_t domain, uint64_t rival, bool preempt, uint64_t now);

#endif
