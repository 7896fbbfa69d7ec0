/* SPDX-License-Identifier: MIT */
/*
 * The decision part of the enforcer `dispatch`: the scheduler's core (policy/core.h) embedded for
 * VMs whose threads a kernel runs. It is shown what each vCPU did, by its true run time, and says
 * what is to become of its thread. What the kernel did otherwise than the core had decided (it
 * switched later, host tasks came between, a thread of class IDLE found a free CPU) the core is told
 * as service, so that it evens out. CPU time of a VM's other threads is charged to its vCPUs, and
 * these threads have a cap: while others wait, the VM's entitlement, or half of it if its vCPUs want
 * to run too.
 *
 * No I/O and no clock: a round is plan_settle(), plan_see() and plan_charge() for what was read,
 * plan_decide(). Times are CLOCK_MONOTONIC ns.
 */
#ifndef ENFORCE_DISPATCH_PLAN_H
#define ENFORCE_DISPATCH_PLAN_H

#include "enforce/enforcer.h"

#include <desched/ledger.h>

#define PLAN_VMS    256
#define PLAN_VCPUS  1024
#define PLAN_GROUPS 64

struct plan;

enum plan_wish {
	PLAN_FREE, /* it doesn't want to run: as the kernel likes */
	PLAN_RUN,  /* on its CPU, before others of ours */
	PLAN_WAIT, /* where nobody else of ours runs */
	PLAN_HOLD, /* nowhere */
};

/* A thread that is dispatched. Its number is the core's of the vCPU. */
struct plan_thread {
	bool there;
	pid_t pid, tid;
	uint32_t vm;
	enum plan_wish wish;
	uint32_t cpu; /* PLAN_RUN */
	/* The plan's own. */
	bool wants, first;
	uint64_t run; /* ns: as seen last */
	uint64_t core_run;
	int64_t owed; /* ns that it ran, and the core doesn't know */
};

struct plan_vm {
	bool there, wanted; /* wanted: in the set that is worked on */
	pid_t pid;
	uint64_t start_ns;
	uint32_t first, n; /* threads */
	bool hold_others;  /* its threads that are no vCPUs have used up their cap */
	char why[96];	   /* what of its settings can't be kept; "": nothing */
	/* The plan's own. */
	uint64_t others;  /* ns: as seen last */
	int64_t left;	  /* ns that they may run */
	uint64_t run;	  /* ns: of its vCPUs in this round */
	uint64_t left_at; /* ns */
	struct enforce_order order;
};

/* `limit_period`: ns. -ENOMEM. */
int plan_new(uint32_t cpus, uint64_t limit_period, uint64_t now, struct plan **ret);
struct plan *plan_free(struct plan *p); /* NULL accepted; returns NULL */

/* These VMs from now on. Those that were there go on where they are; new ones' vCPUs don't want to
 * run until they are seen. VMs for which there is no room aren't there afterwards. */
void plan_orders(struct plan *p, uint64_t now, const struct enforce_orders *orders);

struct plan_vm *plan_vm(struct plan *p, uint32_t vm);			 /* 0 .. PLAN_VMS - 1 */
struct plan_thread *plan_thread(struct plan *p, uint32_t vcpu);		 /* 0 .. PLAN_VCPUS - 1 */
struct plan_vm *plan_find(struct plan *p, pid_t pid, uint64_t start_ns); /* NULL: not there */

/* Before a round's readings. */
void plan_settle(struct plan *p, uint64_t now);

/* The thread is in `state` and has run for `run` ns altogether. What a thread that is held seems to
 * do is not looked at. */
void plan_see(struct plan *p, uint64_t now, uint32_t vcpu, enum ledger_state state, uint64_t run);

/* All of the VM's other threads have run for `ns` altogether. */
void plan_charge(struct plan *p, uint64_t now, uint32_t vm, uint64_t ns);

/* Decides what each thread's `wish` is. Returns when to decide again even if nothing happens. */
uint64_t plan_decide(struct plan *p, uint64_t now);

/* How many vCPUs want to run. */
uint32_t plan_wanting(const struct plan *p);

/* Since the plan was made, ns: what VMs that reserve CPU wanted of that, and what of it they ran. */
void plan_reserved(const struct plan *p, uint64_t *ret_wanted, uint64_t *ret_kept);

#endif
