/* SPDX-License-Identifier: MIT */
/*
 * A CPU: what runs there is charged, put on and taken off, and a queue ordered by virtual time.
 * Each domain has a tournament of its CPUs by the heads of their queues, and a clock (dispatch.h).
 */
#ifndef POLICY_CORE_CPU_H
#define POLICY_CORE_CPU_H

#include "policy/core_state.h"

/* The account of a vCPU that enters the order, and its credit. */
void core_place(struct core *c, struct core_vcpu *v, uint64_t now);
/* The most that somebody of this VM may be ahead of the clock: what it owes is bounded, too. */
uint64_t core_debt_most(const struct core *c, const struct core_vm *vm, uint64_t clock);
/* The vCPU begins, or ceases, to count in its domain's clock. */
void core_join(struct core *c, struct core_vcpu *v);
void core_leave(struct core *c, struct core_vcpu *v);

/* What runs on the CPU has been served up to now: account, budgets. Its ledger needs no call. */
void core_charge(struct core *c, uint32_t cpu, uint64_t now);

/* It was served `ns` more, or less, than was charged: account, budgets, progress. A gang's own account
 * isn't looked at. */
void core_correct(struct core *c, uint32_t vcpu, int64_t ns);

/* Puts a vCPU that is in no queue on a CPU that nobody or its own gang holds. It may run for a
 * slice; if it has a budget, the event's end says for how long. */
void core_run(struct core *c, uint32_t cpu, uint32_t vcpu, uint64_t now);
/* Takes the running vCPU off; the CPU is idle then, or still held by the gang. The vCPU is in no
 * queue: the caller goes on with it. */
void core_stop(struct core *c, uint32_t cpu, uint64_t now, enum ledger_state state);

void core_enqueue(struct core *c, uint32_t cpu, uint32_t vcpu, uint64_t now);
/* Where it belongs in its queue by the stretch that its VM has now. */
void core_requeue(struct core *c, uint32_t vcpu);
void core_dequeue(struct core *c, uint32_t vcpu, uint64_t now);

/* Runs `next`, which is queued somewhere in the domain, and queues what ran here at the CPU `to`.
 * The CPU is never idle, and as many wait as before. */
void core_exchange(struct core *c, uint32_t cpu, uint32_t next, uint32_t to, uint64_t now);
/* Runs a vCPU that is in no queue instead of what runs, which is queued here. */
void core_displace(struct core *c, uint32_t cpu, uint32_t vcpu, uint64_t now);
/* What runs blocks, and `next`, which is queued, takes over: the CPU is never idle. */
void core_succeed(struct core *c, uint32_t cpu, uint32_t next, uint64_t now,
		  enum ledger_state state);

/* What runs may do so for another slice. */
void core_prolong(struct core *c, uint32_t cpu, uint64_t now);

/* What runs is owed no more than config.lag_bound, and owes no more than debt_bound: it cannot be
 * served faster, or nobody else could use what it was served, and others would pay for what they
 * never got. Returns its virtual time as it is then. */
uint64_t core_forgive(struct core *c, const struct core_vm *vm, uint64_t vtime, uint64_t weight,
		      uint64_t now);

/* The virtual time of what holds the CPU, as it will be at the end of its next slice. UINT64_MAX
 * if nobody does; 0 if the CPU isn't there. */
uint64_t core_vtime_held(const struct core *c, const struct core_cpu *p, uint64_t now);

static inline uint64_t core_vtime_now(const struct core *c, uint32_t cpu, uint64_t now)
{
	const struct core_cpu *p = &c->cpus[cpu];
	const struct core_vcpu *v;
	const struct core_vm *vm;
	uint64_t calm;

	if (p->gang != CORE_NONE || p->current == CORE_NONE)
		return core_vtime_held(c, p, now);
	v = &c->vcpus[p->current];
	vm = &c->vms[v->vm];
	if (vm->realtime)
		return v->vtime;
	/* as core_key() at the end of what it has been served */
	calm = core_calm(&c->domains[p->domain], now) - p->calm;
	return core_key(c, v, vm) + calm +
	       dispatch_stretch(((now - p->since - calm) * p->speed) >> 16, vm->stretch);
}

#endif
