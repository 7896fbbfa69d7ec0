/* SPDX-License-Identifier: MIT */
/*
 * One host in virtual time as all see it that play a part of it: its VMs, vCPUs and CPUs, and what
 * workloads, memory and moves do to a guest's vCPU. engine.h makes it, and lets time pass.
 */
#ifndef SIM_SIM_H
#define SIM_SIM_H

#include "sim/quantiles.h"
#include "sim/spec.h"
#include "sim/timers.h"

#include <desched/gap.h>

struct guest {
	uint64_t need;	/* ns of work until the next step */
	uint64_t debt;	/* ns of overhead to be done before that */
	uint64_t alarm; /* TIMER_NEVER, or when to call the row's alarm() if it runs then */
	uint64_t until; /* ns: end of its sleep */
	uint64_t random;
	uint64_t work; /* ns done */
	uint64_t ops;
	uint32_t vm;
	uint32_t pace : 17;   /* the VM's, here since each event needs it */
	uint32_t phase : 12;  /* the row's affair */
	uint32_t ticking : 1; /* an idle tick is being served */
	uint32_t hooked : 1;  /* the row wants to know when it gets a CPU */
} __attribute__((aligned(LINE)));

/* The state of a tick-counting guest (workload `ticks`). */
struct tick_guest {
	struct tick tick;
	uint32_t process;    /* that runs; n_processes: none; n_processes + 1: VMDesched */
	uint32_t resumes;    /* process that VMDesched interrupted */
	uint64_t kept;	     /* its need */
	uint64_t entered;    /* guest->work when the present process began to be counted */
	uint64_t halted;     /* ns: since when the guest idles */
	uint64_t even_at;    /* ns: when the clock was last seen to lag */
	uint64_t late_from;  /* ns: since when there is a backlog; TIMER_NEVER: there is none */
	uint64_t late_worst; /* ns: the longest time that a backlog stood after a resume */
	uint64_t lag_base;
	uint64_t behind;    /* ns: the most that the clock has been behind, more than lag_base */
	uint64_t seen;	    /* ns: up to when tick_away() has been told (tick_by_run) */
	uint64_t seen_work; /* guest->work then */
	uint64_t truth[SCENARIO_PROCESSES + 2];	  /* ns executed */
	uint64_t charged[SCENARIO_PROCESSES + 2]; /* ticks */
};

/* The state of a guest that serves requests (workload `requests`). */
struct requests {
	uint64_t next; /* ns: arrival of the first that no vCPU has taken */
	uint64_t random;
	uint32_t listener; /* the idle vCPU that sleeps until then; CORE_NONE: all serve */
	struct quantiles response;
	uint64_t arrived[]; /* ns: of each vCPU's request */
};

struct sim_vm {
	const struct vm_spec *spec;
	const struct workload_row *row;
	uint32_t first, n;    /* vCPUs first .. first + n - 1; n is 0: it isn't there */
	uint32_t room;	      /* that it may have */
	uint32_t number;      /* among the VMs of its section, from 0 on */
	uint32_t pace;	      /* work per run time, in 1/65536: what ticks leave over */
	uint32_t section;     /* index of spec in the scenario */
	uint64_t tick_period; /* of idle ticks; 0: none */
	uint64_t tick_cost;
	uint64_t idle;	   /* ns: mean time between bursts */
	uint32_t arrived;  /* barrier */
	uint32_t owner;	   /* lock: vCPU, or CORE_NONE */
	uint64_t overhead; /* ns of debt paid */
	uint64_t wasted;   /* ns of work that were spinning */
	struct tick_guest *ticks;
	struct requests *requests;
	uint64_t *pending; /* io: completion times of streams, TIMER_NEVER: none under way */
	bool absent;	   /* it is on another host (cluster.h) */
	bool homeless;	   /* it isn't there, and no host has room for it */
} __attribute__((aligned(LINE)));

struct sim_cpu {
	uint32_t running;
	uint32_t last;
	uint32_t speed;
	bool off;	/* it isn't there */
	uint64_t from;	/* ns: the running guest's work is counted up to here */
	uint64_t until; /* ns: the core wants to know then */
} __attribute__((aligned(32)));

struct sim {
	const struct scenario *scenario;
	struct core *core;
	uint32_t n_vms, n_vcpus, n_cpus; /* all that are there at some time */
	struct timers timers;
	uint32_t ahead[32]; /* by node of the tournament: whose memory was asked for */
	struct guest *guests;
	struct sim_vm *vms;
	struct sim_cpu *cpus;
	uint32_t *last_cpu; /* where each vCPU runs or has last run */
	uint64_t now;
	uint64_t start; /* ns: counters run from here */
	uint64_t events;
	struct life *life;     /* NULL: nothing changes while it runs (engine_change.c) */
	struct waits *waits;   /* NULL: not measured */
	struct memory *memory; /* NULL: no VM lacks any */
};

/* For workload rows: the vCPU's next step after `ns` of work; at once if it runs. */
void guest_work(struct sim *s, uint32_t vcpu, uint64_t ns);
/* The running vCPU sleeps until `until` (TIMER_NEVER: until it is woken) in this state. */
void guest_sleep(struct sim *s, uint32_t vcpu, uint64_t until, enum ledger_state state);
/* A vCPU that sleeps already goes on sleeping until `until`. */
void guest_rest(struct sim *s, uint32_t vcpu, uint64_t until);
/* The sleeping vCPU has `ns` of work. */
void guest_wake(struct sim *s, uint32_t vcpu, uint64_t ns);
/* Counts the work of a running vCPU up to now, before its need is looked at or changed. */
void guest_settle(struct sim *s, uint32_t vcpu);
/* The vCPU's need or alarm was changed while it runs. */
void guest_changed(struct sim *s, uint32_t vcpu);

/* Requests that have arrived and are not done, of a VM that serves requests. */
uint64_t workload_requests_queued(const struct sim *s, uint32_t vm);

static inline struct sim_vm *guest_vm(const struct sim *s, uint32_t vcpu)
{
	return &s->vms[s->guests[vcpu].vm];
}

static inline const struct vm_spec *guest_spec(const struct sim *s, uint32_t vcpu)
{
	return guest_vm(s, vcpu)->spec;
}

static inline bool guest_runs(const struct sim *s, uint32_t vcpu)
{
	return core_state_of(s->core, vcpu) == LEDGER_RUN;
}

/* What is beside the engine sees of the core. */
static inline uint32_t engine_vms(const struct sim *s)
{
	return s->n_vms;
}

static inline uint32_t engine_vcpus(const struct sim *s)
{
	return s->n_vcpus;
}

static inline uint32_t engine_vm_of(const struct sim *s, uint32_t vcpu)
{
	return s->guests[vcpu].vm;
}

/* vCPUs first .. end - 1. */
static inline uint32_t engine_first(const struct sim *s, uint32_t vm)
{
	return s->vms[vm].first;
}

static inline uint32_t engine_end(const struct sim *s, uint32_t vm)
{
	return s->vms[vm].first + s->vms[vm].n;
}

/* Likewise, with those that it may get. */
static inline uint32_t engine_room_end(const struct sim *s, uint32_t vm)
{
	return s->vms[vm].first + s->vms[vm].room;
}

static inline const struct ledger *engine_ledger(const struct sim *s, uint32_t vcpu)
{
	struct core_vcpu_figures f;

	core_read_vcpu(s->core, vcpu, &f);
	return f.ledger;
}

static inline bool engine_wants(const struct sim *s, uint32_t vcpu)
{
	enum ledger_state state = core_state_of(s->core, vcpu);

	return state != LEDGER_HALT && state != LEDGER_SWAPWAIT && state != LEDGER_WAIT;
}

#endif
