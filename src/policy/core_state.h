/* SPDX-License-Identifier: MIT */
/*
 * What a core consists of, and its marks. The layers above work on it, each a file of its own that
 * calls those below it alone, from below:
 *
 *	core_topology	which CPUs are near, idle, whole
 *	core_cpu	a CPU and its queue: charge, run, stop; a domain's clock
 *	core_gang	VMs that run on several CPUs at once or not at all
 *	core_dispatch	who runs where
 *	core_skew	a VM: its vCPUs' skew
 *	core_limit	a VM: its budgets
 *	core_entitle	a VM: demand and rate
 *	core_move	a VM is taken out, and put back somewhere
 *	core_balance	VMs over domains
 *	core_marks	the end of an event
 *	core		events
 *	core_admit	what specs say; admission and placement
 *	core_change	VMs, groups and CPUs come, go and change
 *	core_setup	memory
 *	core_read	figures, for the embedder
 *
 * A lower layer that wants a higher one to look marks the VM or the domain; the event's end settles
 * the marks (core_marks.c). tests/style/layers.sh enforces the order.
 */
#ifndef POLICY_CORE_STATE_H
#define POLICY_CORE_STATE_H

#include "base/lines.h"
#include "policy/budget.h"
#include "policy/core.h"
#include "policy/dispatch.h"
#include "policy/pheap.h"
#include "policy/place.h"
#include "policy/tournament.h"

#define CORE_PROBES 4 /* CPUs that a waking vCPU asks for a preemption */

enum core_where {
	CORE_BLOCKED, /* or, if it wants to run, taken out for a move */
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
	uint32_t n;	  /* vCPUs; 0: not there */
	uint32_t active;  /* vCPUs that want to run */
	uint32_t running; /* vCPUs that run */
	uint32_t domain;
	uint64_t stretch;   /* of each active vCPU */
	uint32_t weight;    /* in the clock, of each active vCPU */
	uint32_t pool;	    /* CORE_NONE: in none */
	uint16_t costopped; /* vCPUs */
	uint8_t cosched;    /* enum cosched */
	uint8_t marks;	    /* enum core_mark */
	bool realtime;	    /* budget is a guarantee too */
	bool metered;	    /* has a budget, or is in a pool */
	bool exhausted;
	bool gang_on : 1;
	bool gang_woken : 1;
	bool gang_ordered : 1;
	uint64_t active_ns; /* time integral of `active` up to active_at */
	uint64_t active_at;
	uint64_t idle_ns; /* for which no vCPU was active */
	/* From here on what events of most VMs do not need. */
	uint64_t busy_since; /* ns: when its first vCPU became active (not where VMs are alike) */
	uint32_t first;	     /* vCPUs first .. first + n - 1 */
	uint32_t room;	     /* vCPUs that it may have */
	uint32_t node;	     /* in the tree of entitlements */
	uint32_t migrations; /* between domains */
	uint64_t rate;	     /* 1/2^32 CPU */
	struct budget budget;
	uint64_t skew_at;    /* CORE_NEVER, or when core_timer() is to be called */
	uint64_t limit_at;   /* likewise */
	uint64_t skew_worst; /* ns: largest lead of a running vCPU over a busy sibling */
	uint64_t costops;
	uint64_t balance_seen;
	double promised;    /* CPUs: its rate in its domain */
	uint64_t vtime;	    /* of an SMP VM as a whole: the average of its vCPUs */
	uint64_t placed;    /* ns: when it came to its domain */
	uint64_t memory_at; /* ns: its memory has arrived by then */
	uint64_t local_ns;  /* run time with memory on the own node */
	uint64_t remote_ns;
} __attribute__((aligned(LINE)));

_Static_assert(offsetof(struct core_vm, busy_since) == LINE, "an event needs one line of a VM");

struct core_cpu {
	uint32_t current; /* vCPU, or CORE_NONE */
	uint32_t queue;	  /* pheap of vCPUs */
	uint32_t gang;	  /* VM whose gang holds the CPU, or CORE_NONE */
	uint32_t domain;
	uint32_t speed; /* of `current`, in 1/65536 */
	uint32_t last;	/* vCPU that ran last */
	uint32_t switches;
	bool dirty;
	bool off;
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

/* A group; limited or not. */
struct core_pool {
	struct budget budget; /* period 0: not limited */
	int64_t pot;	      /* ns that members may run beyond their parts */
	int64_t part;	      /* ns of the pool above that are left for it in this period */
	int64_t spare;	      /* of that, what members may run beyond their parts */
	uint64_t pot_at;      /* ns: when it is filled again, if it is empty */
	uint32_t up;	      /* the next limited group above, or CORE_NONE */
	uint32_t running;     /* vCPUs below it that run */
	bool exhausted;
	bool there;
	uint64_t limit_at; /* CORE_NEVER, or when core_timer() is to be called */
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
	uint32_t online;	  /* CPUs that are there */
	bool look;		  /* a mark: CPUs may be idle for which there is work */
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
	uint64_t *queue_keys;	/* memory of domains' `queues` */
	uint32_t *queue_ids;	/* likewise */
	struct core_near *near; /* one a CPU */
	uint64_t *idle;		/* bit per CPU */
	uint64_t *whole;	/* likewise: idle, and so is its sibling, if any */
	bool threads;		/* some CPUs have siblings */
	bool started;
	bool look;	   /* some domain has a mark */
	uint32_t *scratch; /* one per CPU: CPUs that a gang takes */
	uint32_t *freed;   /* one per CPU: CPUs to find work for */
	uint32_t *dirty;   /* CPUs */
	uint32_t *dirty_timers;
	uint64_t *dirty_bits;
	uint32_t *marked; /* VMs with marks */
	struct core_decision *decisions;
	struct core_alarm *alarms;
	struct core_changes changes;
	struct place_domain *place_domains;
	struct place_vm *place_vms;
	uint32_t n_domains;
	uint32_t n_dirty;
	uint32_t n_dirty_timers;
	uint32_t n_marked;
	uint32_t n_vms;	  /* one more than the highest that was added */
	uint32_t n_vcpus; /* likewise */
	struct core_watch watch;
	bool uniform; /* all VMs alike: virtual time is service, nothing to divide */
	uint64_t next_period;
	uint64_t next_balance;
	uint64_t divided; /* ns: when entitlements were divided last */
	uint64_t divisions;
	double taken; /* CPUs that others use */
	float kept;   /* of what was seen of demands before */
	double span;  /* ns: what uses' `ran` is a part of */
};

static inline const struct cosched_row *vm_row(const struct core_vm *vm)
{
	return &cosched_rows[vm->cosched];
}

/* Dispatched as one. A single vCPU needs no gang. */
static inline bool vm_gang(const struct core_vm *vm)
{
	return vm->n > 1 && vm_row(vm)->gang;
}

static inline struct core_gang *gang_of(const struct core *c, const struct core_vm *vm)
{
	return &c->gangs[vm - c->vms];
}

static inline struct budget *part_of(const struct core *c, const struct core_vm *vm)
{
	return &c->pool_parts[vm - c->vms];
}

static inline struct core_vm *vm_of(struct core *c, uint32_t vcpu)
{
	return &c->vms[c->vcpus[vcpu].vm];
}

static inline struct core_domain *domain_of(struct core *c, uint32_t cpu)
{
	return &c->domains[c->cpus[cpu].domain];
}

/* SMP VMs are there, or may be. */
static inline bool core_shape_smp(const struct core_shape *s)
{
	return s->vcpus > s->vms;
}

static inline bool core_contended(const struct core_domain *d)
{
	return d->waiting || d->gangs != CORE_NONE;
}

static inline bool core_cpu_idle(const struct core_cpu *p)
{
	return p->current == CORE_NONE && p->gang == CORE_NONE && !p->off;
}

/* Of the tree of entitlements. */
static inline uint32_t core_nodes(const struct core_shape *s)
{
	return 1 + s->groups + s->vms;
}

static inline uint32_t core_vm_node(const struct core *c, uint32_t vm)
{
	return 1 + c->shape.groups + vm;
}

/* The one way in which a vCPU's state in its ledger changes. */
static inline void core_state(struct core *c, struct core_vcpu *v, uint64_t now,
			      enum ledger_state state)
{
	if (c->watch.told && v->ledger.state != state)
		c->watch.told(c->watch.data, (uint32_t)(v - c->vcpus), now, state);
	ledger_enter(&v->ledger, now, state);
}

/* Marks for core_changes(). */
static inline void core_mark_cpu(struct core *c, uint32_t cpu)
{
	if (c->cpus[cpu].dirty)
		return;
	c->cpus[cpu].dirty = true;
	c->dirty[c->n_dirty++] = cpu;
}

static inline void core_mark_timer(struct core *c, uint32_t timer)
{
	if (c->dirty_bits[timer >> 6] >> (timer & 63) & 1)
		return;
	c->dirty_bits[timer >> 6] |= UINT64_C(1) << (timer & 63);
	c->dirty_timers[c->n_dirty_timers++] = timer;
}

/* Marks for the event's end. */
enum core_mark {
	CORE_MARK_SKEW = 1,   /* a vCPU has begun to run or to wait: skew may grow sooner */
	CORE_MARK_BUDGET = 2, /* one has begun to run: its budget says for how long */
};

static inline void core_mark_vm(struct core *c, uint32_t vm, enum core_mark mark)
{
	if (!c->vms[vm].marks)
		c->marked[c->n_marked++] = vm;
	c->vms[vm].marks |= (uint8_t)mark;
}

static inline void core_mark_domain(struct core *c, uint32_t domain)
{
	c->domains[domain].look = c->look = true;
}

/* What the domain's clock says. */
static inline uint64_t core_clock(const struct core_domain *d, uint64_t now)
{
	return dispatch_now(&d->clock, now, !core_contended(d));
}

/* Called before `idle`, `waiting` or `gangs` of a domain changes. */
static inline void core_domain_settle(struct core_domain *d, uint64_t now)
{
	if (!core_contended(d))
		d->calm += now - d->at;
	if (d->idle && d->waiting)
		d->waste += now - d->at;
	d->at = now;
}

static inline uint64_t core_calm(const struct core_domain *d, uint64_t now)
{
	return d->calm + (core_contended(d) ? 0 : now - d->at);
}

/* The place of a vCPU in the order: its account at the end of its next slice, less its credit; of a
 * real-time one its deadline. */
static inline uint64_t core_key(const struct core *c, const struct core_vcpu *v,
				const struct core_vm *vm)
{
	return vm->realtime
		       ? v->vtime
		       : v->vtime + dispatch_stretch(c->config.slice, vm->stretch) -
				 (v->woken ? dispatch_stretch(c->config.wake_credit, vm->stretch)
					   : 0);
}

static inline uint64_t core_gang_key(const struct core *c, const struct core_vm *vm)
{
	return vm->realtime
		       ? gang_of(c, vm)->vtime
		       : gang_of(c, vm)->vtime + dispatch_stretch(c->config.slice, vm->stretch) -
				 (vm->gang_woken
					  ? dispatch_stretch(c->config.wake_credit, vm->stretch)
					  : 0);
}

#endif
