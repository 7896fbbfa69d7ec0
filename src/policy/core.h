/* SPDX-License-Identifier: MIT */
/*
 * The scheduler of one host: events in, decisions out.
 *
 * A host has CPUs; CPUs form domains, which vCPUs do not leave by themselves (a NUMA node, a hard
 * cell, or the whole host), and caches, which they leave unwillingly. A VM has vCPUs with numbers
 * in a row and lives in one domain. A vCPU wants to run or not; if it does, it is running, queued
 *at a CPU (READY), waiting with its gang (READY), held back for its siblings (COSTOP) or for its
 * limit (LIMITED).
 *
 * The embedder reports what happens, each with the present time, which never runs backwards:
 *
 *	core_wake(), core_block()   a vCPU wants to run, or no longer does
 *	core_expire()		    the time `until` of a CPU has come
 *	core_vm_timer()		    the time vm->skew_at or vm->limit_at has come
 *	core_period()		    the time `next_period` has come
 *
 * and then carries out what the core has decided: core_changed() names the CPUs whose `current`,
 * `until` or `speed` changed and the VMs whose timers did. The core keeps every vCPU's ledger.
 *
 * No I/O, no clock, no randomness; memory is allocated by core_new() and never again. Each event
 * costs O(log n) in the number of queued vCPUs; with SMP VMs also O(vCPUs of the VM), and with
 * strict ones O(CPUs of the domain). Entitlements are divided again every entitle_period, O(vCPUs),
 * unless all VMs are alike.
 */
#ifndef POLICY_CORE_H
#define POLICY_CORE_H

#include "base/lines.h"
#include "policy/budget.h"
#include "policy/cosched.h"
#include "policy/dispatch.h"
#include "policy/entitle.h"
#include "policy/pheap.h"
#include "policy/place.h"
#include "policy/tournament.h"

#include <desched/ledger.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CORE_NONE  PHEAP_NONE
#define CORE_NEVER UINT64_MAX

#define CORE_PROBES 4 /* CPUs that a waking vCPU asks for a preemption */

struct core_config {
	uint64_t slice;		 /* ns: how long a vCPU runs before others are considered */
	uint64_t wake_credit;	 /* ns; 0: who wakes waits for the end of a slice */
	uint64_t granularity;	 /* ns of service: a smaller lead preempts nobody */
	uint64_t pull;		 /* ns of service: a smaller lag moves nobody to another CPU */
	uint64_t lag_bound;	 /* ns of service: what a co-stopped vCPU can be owed at most */
	uint64_t skew_stop;	 /* ns */
	uint64_t skew_start;	 /* ns */
	uint64_t skew_poll;	 /* ns: skew is looked at no more often */
	uint64_t limit_period;	 /* ns: of limits that are given as a fraction */
	uint64_t entitle_period; /* ns */
	uint64_t balance_period; /* ns */
	uint64_t memory_move;	 /* ns that a VM's memory takes to follow it to another node */
	double balance_threshold;
	double smt_speed; /* of each sibling while both run; 0.5: half CPUs */
};

extern const struct core_config core_defaults;

/* Where a CPU is. CPUs of one domain have numbers in a row, and in it those of one cache; which two
 * are threads of a core is free. */
struct core_site {
	uint32_t domain;  /* from 0 on, without holes */
	uint32_t cache;	  /* any number; another one in each domain */
	uint32_t sibling; /* the other thread of its core, or CORE_NONE */
};

struct core_shape {
	uint32_t cpus;
	uint32_t domains;
	const struct core_site *sites; /* one a CPU; read by core_new() alone */
	uint32_t vms;
	uint32_t groups; /* not counting the host */
	uint32_t vcpus;
	bool nodes; /* domains are NUMA nodes: locality is accounted */
	bool rebalance;
};

/* Sites of a regular host: domains of `domain` CPUs, the last of what is left, cut into caches of
 * `cache`; with `threads` CPUs 2k and 2k + 1 are one core. */
void core_sites_regular(struct core_site *sites, uint32_t cpus, uint32_t domain, uint32_t cache,
			bool threads);

enum core_where {
	CORE_BLOCKED,
	CORE_RUNNING,
	CORE_QUEUED,
	CORE_GANG, /* READY with its gang */
	CORE_COSTOPPED,
	CORE_LIMITED,
};

/* Hosts may be larger than the caches: two lines a vCPU, one a CPU, and a VM's first one has what
 * most events need. */
struct core_vcpu {
	uint64_t vtime;	   /* dispatch.h */
	uint64_t progress; /* ns, up to the last charge; cosched.h */
	uint64_t wanted;   /* ns: since when it wants to run and does not */
	uint32_t vm;
	uint32_t cpu; /* runs, is queued or has last run there */
	struct ledger ledger;
	uint64_t worst;	      /* ns: the longest time that it wanted to and did not */
	uint32_t ran;	      /* CPU of its latest dispatch */
	uint32_t moves : 26;  /* dispatches on another CPU than the one before */
	uint32_t ordered : 1; /* counts in its domain's clock */
	uint32_t woken : 1;   /* may go before others by config.wake_credit */
	uint32_t where : 3;   /* enum core_where */
	uint32_t wants : 1;
} __attribute__((aligned(LINE)));

struct core_vm {
	uint32_t first; /* vCPUs first .. first + n - 1 */
	uint32_t n;
	uint32_t active;  /* vCPUs that want to run */
	uint32_t running; /* vCPUs that run */
	uint32_t domain;
	uint32_t node;	  /* in the tree of entitlements */
	uint64_t stretch; /* of each active vCPU */
	uint64_t rate;	  /* 1/2^32 CPU */
	uint32_t weight;  /* in the clock, of each active vCPU */
	uint8_t cosched;  /* enum cosched */
	bool realtime;	  /* budget is a guarantee too */
	bool metered;	  /* has a budget, or is in a pool */
	bool exhausted;
	bool gang_on;
	bool gang_woken;
	bool gang_ordered;
	uint64_t active_ns; /* time integral of `active` up to active_at */
	uint64_t active_at;
	uint32_t costopped;
	uint32_t migrations; /* between domains */
	struct budget budget;
	uint32_t pool;	     /* CORE_NONE: in none */
	uint64_t skew_at;    /* CORE_NEVER, or call core_vm_timer() then */
	uint64_t limit_at;   /* likewise */
	uint64_t skew_worst; /* ns: largest lead of a running vCPU over a busy sibling */
	uint64_t costops;
	uint64_t busy_since; /* ns: when its first vCPU became active */
	uint64_t idle_ns;    /* for which no vCPU was active */
	uint64_t balance_seen;
	double promised;    /* CPUs: its rate in its domain */
	uint64_t vtime;	    /* of an SMP VM as a whole: the average of its vCPUs */
	uint64_t placed;    /* ns: when it came to its domain */
	uint64_t memory_at; /* ns: its memory has arrived by then */
	uint64_t local_ns;  /* run time with memory on the own node */
	uint64_t remote_ns;
} __attribute__((aligned(LINE)));

struct core_cpu {
	uint32_t current; /* vCPU, or CORE_NONE */
	uint32_t gang;	  /* VM whose gang holds the CPU, or CORE_NONE */
	uint32_t queue;	  /* pheap of vCPUs */
	uint32_t domain;
	uint32_t speed; /* of `current`, in 1/65536 */
	uint32_t last;	/* vCPU that ran last */
	uint32_t switches;
	bool dirty;
	uint64_t since; /* ns: charged up to here */
	uint64_t until; /* ns: call core_expire() then */
	uint64_t calm;	/* ns: the domain's calm time at `since` */
} __attribute__((aligned(LINE)));

/* How much a vCPU (of a gang: its first one for all) has run and idled lately: each
 * entitle_period what was before counts less. */
struct core_use {
	uint64_t run, idle; /* ns: the counters when they were looked at */
	float ran, idled;
};

/* A VM that is dispatched as one. */
struct core_gang {
	uint64_t vtime;
	uint64_t since; /* ns: charged up to here, or waits since */
	uint64_t began; /* ns: when it got its CPUs */
	uint64_t calm;	/* ns: the domain's calm time at `since` */
	uint64_t until; /* ns: the end of its slice */
	uint64_t ns;	/* for which it held CPUs before */
};

/* A CPU that a gang holds for a vCPU that is idle. */
struct core_held {
	uint64_t ns;
	uint64_t at;
};

/* A limited group. */
struct core_pool {
	struct budget budget; /* period 0: not limited */
	int64_t pot;	      /* ns that members may run beyond their parts */
	uint32_t up;	      /* the next limited group above, or CORE_NONE */
	uint32_t running;     /* vCPUs below it that run */
	bool exhausted;
	uint64_t limit_at; /* CORE_NEVER, or call core_vm_timer() then */
};

/* The CPUs of a CPU's cache are first .. end - 1. */
struct core_near {
	uint32_t sibling;
	uint32_t first;
	uint32_t end;
};

struct core_domain {
	double capacity; /* CPUs; less where threads share cores */
	uint32_t first;	 /* CPUs first .. first + n - 1 */
	uint32_t n;
	bool look;		  /* for work for idle CPUs, at the end of what goes on */
	uint32_t idle;		  /* CPUs without current and gang */
	uint32_t waiting;	  /* vCPUs in queues */
	uint32_t gangs;		  /* pheap of VMs */
	struct tournament queues; /* CPUs (from `first`) by the heads of their queues */
	struct dispatch_clock clock;
	uint64_t calm;	/* ns for which nobody waited, up to `at` */
	uint64_t waste; /* ns for which a CPU idled while a queue was not empty, up to `at` */
	uint64_t at;
};

struct core {
	struct core_config config;
	struct core_shape shape;
	struct core_vcpu *vcpus;
	struct core_use *uses;	   /* one a vCPU */
	struct core_pool *pools;   /* one a group */
	struct budget *pool_parts; /* one a VM: its part of its pool */
	struct core_gang *gangs;   /* one a VM, on hosts with SMP VMs */
	struct core_held *held;	   /* one a CPU, likewise */
	struct core_vm *vms;
	struct core_cpu *cpus;
	struct core_domain *domains;
	struct entitle_node *parts; /* one a VM: of a domain */
	struct entitle_node *tree;  /* 0: the host, then groups, then VMs */
	struct pheap_node *vcpu_links, *gang_links;
	struct tournament_entry *queue_nodes; /* memory of domains' `queues` */
	struct core_near *near;		      /* one a CPU */
	uint64_t *idle;			      /* bit per CPU */
	uint64_t *whole;		      /* likewise: idle, and so is its sibling, if any */
	bool threads;			      /* some CPUs have siblings */
	uint32_t *scratch;		      /* one per CPU: CPUs that a gang takes */
	uint32_t *freed;		      /* one per CPU: CPUs to find work for */
	uint32_t *dirty;		      /* CPUs */
	uint32_t *dirty_vms; /* VMs, and shape.vms + group for the timers of limited groups */
	uint64_t *dirty_bits;
	struct place_domain *place_domains;
	struct place_vm *place_vms;
	uint32_t n_domains;
	uint32_t n_dirty;
	uint32_t n_dirty_vms;
	uint32_t n_vms;
	uint32_t n_groups;
	uint32_t n_vcpus;
	void (*watch)(void *data, uint32_t vcpu, uint64_t now, enum ledger_state state);
	void *watch_data; /* `watch` may be NULL; it is told every change of a vCPU's state */
	bool uniform;	  /* all VMs alike: virtual time is service, nothing to divide */
	uint64_t next_period;
	uint64_t next_balance;
	uint64_t divided; /* ns: when entitlements were divided last */
	uint64_t divisions;
	float kept;  /* of what was seen of demands before */
	double span; /* ns: what uses' `ran` is a part of */
};

/* Bytes that core_new() will allocate. */
size_t core_bytes(const struct core_shape *shape);
/* -ENOMEM; -EINVAL if the sites are not in order. */
int core_new(const struct core_config *config, const struct core_shape *shape, struct core **ret);
struct core *core_free(struct core *c); /* NULL accepted; returns NULL */

/* Groups first, parents before children; `parent` is 0 for the host or a number returned before.
 * limit: ENTITLE_UNLIMITED for none. */
uint32_t core_add_group(struct core *c, uint32_t parent, double shares, double reservation,
			double limit);

struct core_vm_spec {
	uint32_t vcpus;
	uint32_t group; /* 0: none */
	enum cosched cosched;
	double shares; /* of the VM */
	double reservation;
	double limit; /* ENTITLE_UNLIMITED: none */
	/* Real time, if period is not 0: runs before all others, `quota` in each `period`, no more.
	 */
	uint64_t quota;
	uint64_t period;
};

/* Adds VM number n_vms with the next vCPU numbers, all halted. -E2BIG if no domain can hold it. */
int core_add_vm(struct core *c, const struct core_vm_spec *spec);

/* When all are added: admission control and initial placement. 0; -ENOSPC with what could not be
 * guaranteed where (VMs are nodes vm->node); -E2BIG with the VM that fits into no domain as
 * `node`. */
int core_start(struct core *c, uint64_t now, struct entitle_refusal *ret_refusal);

void core_wake(struct core *c, uint64_t now, uint32_t vcpu);
void core_block(struct core *c, uint64_t now, uint32_t vcpu, enum ledger_state state);
void core_expire(struct core *c, uint64_t now, uint32_t cpu);
void core_vm_timer(struct core *c, uint64_t now, uint32_t vm);
void core_period(struct core *c, uint64_t now);

/* Forgets what core->dirty and core->dirty_vms name. */
void core_changed_clear(struct core *c);

/* Starts all ledgers and counters anew at `now`; what is scheduled goes on. */
void core_restart_counters(struct core *c, uint64_t now);

/* Advances all ledgers, charges and integrals to `now`, for reading. */
void core_settle(struct core *c, uint64_t now);

/* The CPU with the head of a queue that is most behind in the domain, or CORE_NONE. */
static inline uint32_t core_most_behind(const struct core_domain *d)
{
	const struct tournament_entry *e = tournament_least(&d->queues);

	return e->key == TOURNAMENT_NEVER ? CORE_NONE : d->first + e->id;
}

/* When core_vm_timer() is to be called for a VM, or for a limited group (shape.vms + group - 1);
 * CORE_NEVER: not. */
static inline uint64_t core_timer_at(const struct core *c, uint32_t id)
{
	if (id >= c->shape.vms)
		return c->pools[id - c->shape.vms].limit_at;
	return c->vms[id].skew_at < c->vms[id].limit_at ? c->vms[id].skew_at : c->vms[id].limit_at;
}

static inline bool core_same_cache(const struct core *c, uint32_t a, uint32_t b)
{
	return c->near[a].first == c->near[b].first;
}

/* SMP VMs are there, or may be. */
static inline bool core_smp(const struct core *c)
{
	return c->shape.vcpus > c->shape.vms;
}

static inline bool core_contended(const struct core_domain *d)
{
	return d->waiting || d->gangs != CORE_NONE;
}

static inline bool core_cpu_idle(const struct core_cpu *p)
{
	return p->current == CORE_NONE && p->gang == CORE_NONE;
}

#endif
