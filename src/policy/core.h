/* SPDX-License-Identifier: MIT */
/*
 * The scheduler of one host as a library: events in, decisions out.
 *
 * A host has CPUs. CPUs form domains, which vCPUs do not leave by themselves (a NUMA node, a hard
 * cell, or the whole host), and caches, which they leave unwillingly. A VM has vCPUs with numbers
 * in a row and lives in one domain. A vCPU wants to run or not; if it does, it runs, waits for a
 * CPU (READY), is held back for its siblings (COSTOP) or for its limit (LIMITED).
 *
 * The embedder makes a core (core_new()), adds groups and VMs, and starts it (core_start()). From
 * then on it reports events, each with the present time:
 *
 *	core_wake(), core_block()   a vCPU wants to run, or no longer does
 *	core_expire()		    the time `until` of a CPU has come
 *	core_timer()		    the time of one of the core's timers has come
 *	core_serve()		    a vCPU ran more, or less, than it was on a CPU
 *	core_taken()		    others use a part of the CPUs
 *	core_vm_add() ...	    VMs, groups and CPUs come, go and change
 *
 * After one or more events it asks core_changes() what to do, and does it: it lets each CPU named
 * there run the vCPU named there, and sets the timers. Nothing else is asked of it, and there is
 * nothing else to see: what has become of vCPUs, VMs and CPUs is read by the core_read_*()
 * functions. docs/examples/embed.c is a whole embedder on one page.
 *
 * Times are ns on a clock of the embedder's choice that starts anywhere below 2^62 and never runs
 * backwards. CPU amounts (reservations, limits) are in CPUs, as doubles. Numbers of CPUs, vCPUs,
 * VMs and groups are the embedder's, from 0 (groups: from 1) up to what `struct core_shape` says;
 * CORE_NONE stands for none. A number out of range is refused by what returns an error, and
 * undefined elsewhere.
 *
 * No I/O, no clock, no randomness; all memory is allocated by core_new(). Calls for one core must
 * not overlap; different cores are independent. Functions that can fail return 0 or -errno and have
 * changed nothing then.
 *
 * Each event costs O(log n) in the number of queued vCPUs; with SMP VMs also O(vCPUs of the VM),
 * with strict ones O(CPUs of the domain). Entitlements are divided again every entitle_period,
 * O(vCPUs), unless all VMs are alike; a change costs that, too.
 */
#ifndef POLICY_CORE_H
#define POLICY_CORE_H

#include "policy/cosched.h"
#include "policy/entitle.h"

#include <desched/ledger.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CORE_NONE      UINT32_MAX
#define CORE_NEVER     UINT64_MAX
#define CORE_FULL      UINT32_C(65536) /* speed of a CPU that shares its core with nobody */
#define CORE_VCPUS_MAX 4096	       /* of one VM */

struct core;

struct core_config {
	uint64_t slice;	       /* ns: how long a vCPU runs before others are considered */
	uint64_t wake_credit;  /* ns; 0: who wakes waits for the end of a slice */
	uint64_t granularity;  /* ns of service: a smaller lead preempts nobody */
	uint64_t pull;	       /* ns of service: a smaller lag moves nobody to another CPU */
	uint64_t lag_bound;    /* ns of service: what a vCPU can be owed at most */
	uint64_t debt_bound;   /* ns of service: what it can owe at most, and waits for later */
	uint64_t skew_stop;    /* ns */
	uint64_t skew_start;   /* ns */
	uint64_t skew_poll;    /* ns: skew is looked at no more often */
	uint64_t limit_period; /* ns: of limits that are given as a fraction */
	double limit_keep; /* of a limit an eighth that is left over is kept, and so many quotas more */
	bool limit_all; /* VMs are served more than by their vCPUs (core_serve()): limits above the
			 * number of these count, too */
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

/* What a core has room for. */
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

/* Bytes that core_new() will allocate. */
size_t core_bytes(const struct core_shape *shape);
/* All CPUs are there, no groups and VMs. `config` is copied. -ENOMEM; -EINVAL if the sites are not
 * in order. */
int core_new(const struct core_config *config, const struct core_shape *shape, struct core **ret);
struct core *core_free(struct core *c); /* NULL accepted; returns NULL */

/* Why something was refused. */
struct core_refusal {
	uint32_t group;	  /* whose reservations don't fit: 0 is the host */
	uint32_t vm;	  /* CORE_NONE, or the VM that the group's figures are of */
	double wanted;	  /* CPUs */
	double available; /* CPUs */
};

struct core_group_spec {
	uint32_t parent;    /* 0: the host; otherwise a group with a lower number than its own */
	double shares;	    /* > 0, against its siblings */
	double reservation; /* CPUs, at least */
	double limit;	    /* CPUs, at most; ENTITLE_UNLIMITED */
};

struct core_vm_spec {
	uint32_t vcpus; /* 1 .. CORE_VCPUS_MAX */
	uint32_t group; /* 0: none */
	enum cosched cosched;
	double shares; /* > 0, of the VM */
	double reservation;
	double limit; /* ENTITLE_UNLIMITED: none */
	/* Real time, if period is not 0: runs before all others, `quota` ns in each `period` ns, no
	 * more. Reservation and limit are not looked at then. */
	uint64_t quota;
	uint64_t period;
};

/*
 * Groups and VMs come, change and go, before core_start() and after it. After it what they reserve
 * is admitted or refused at once, and a new VM is placed in a domain.
 *
 *  -EINVAL  numbers out of range, a group that isn't there, a limit below the reservation
 *  -EEXIST  the number is in use
 *  -ENOENT  it isn't
 *  -EBUSY   the group has members
 *  -E2BIG   more vCPUs than there is room for, or no domain can hold the VM
 *  -ENOSPC  not everybody's reservation can be kept
 *
 * `ret_refusal` (may be NULL) is set with -ENOSPC, -E2BIG and, for a limit below the reservation,
 * -EINVAL.
 *
 * A VM has vCPUs first .. first + room - 1 until it is removed, and `spec->vcpus` of them (at most
 * `room`), the lower ones, are there. All that are new are idle. vCPUs that are taken away block
 * (HALT), whatever they did. What a VM is owed or owes goes along where something else changes; one
 * that comes is owed nothing. The ledger of a vCPU that isn't there counts HALT.
 */
int core_group_add(struct core *c, uint64_t now, uint32_t group, const struct core_group_spec *spec,
		   struct core_refusal *ret_refusal);
int core_group_change(struct core *c, uint64_t now, uint32_t group,
		      const struct core_group_spec *spec, struct core_refusal *ret_refusal);
int core_group_remove(struct core *c, uint64_t now, uint32_t group);
int core_vm_add(struct core *c, uint64_t now, uint32_t vm, uint32_t first, uint32_t room,
		const struct core_vm_spec *spec, struct core_refusal *ret_refusal);
int core_vm_change(struct core *c, uint64_t now, uint32_t vm, const struct core_vm_spec *spec,
		   struct core_refusal *ret_refusal);
int core_vm_remove(struct core *c, uint64_t now, uint32_t vm);

/* Takes a CPU away or gives it back; what runs or is queued there goes elsewhere in its domain.
 * Errors as above: -E2BIG if a VM of the domain has then more vCPUs than it needs CPUs at once, or
 * it is the domain's last CPU; -ENOSPC if reservations cannot be kept without it. */
int core_cpu_set(struct core *c, uint64_t now, uint32_t cpu, bool on,
		 struct core_refusal *ret_refusal);

/* Admits and places what was added; ledgers begin. Errors as above. */
int core_start(struct core *c, uint64_t now, struct core_refusal *ret_refusal);

/* The vCPU wants to run; not again if it does already. */
void core_wake(struct core *c, uint64_t now, uint32_t vcpu);
/* It no longer does, and is in `state` until it is woken: HALT, SWAPWAIT or WAIT. */
void core_block(struct core *c, uint64_t now, uint32_t vcpu, enum ledger_state state);
void core_expire(struct core *c, uint64_t now, uint32_t cpu);
void core_timer(struct core *c, uint64_t now, uint32_t timer);

/* Where something below the core decides, too, what it put on a CPU may run later, not all the time,
 * or elsewhere: the vCPU, whatever it does now, was served `ns` more than its ledger says, or less if
 * that is negative. Accounts, budgets and progress follow; the ledger stays. Within +- 1 s. */
void core_serve(struct core *c, uint64_t now, uint32_t vcpu, int64_t ns);

/* So many CPUs' time of the host's is used by others than the VMs of late: what is left is divided from
 * the next division on. Admission isn't touched by it. */
void core_taken(struct core *c, double cpus);

/* What a CPU is to do from now on. */
struct core_decision {
	uint32_t cpu;
	uint32_t vcpu;	/* runs there, CORE_NONE: nobody */
	uint32_t speed; /* at which it does, of CORE_FULL */
	uint64_t until; /* core_expire() then, unless it is decided anew before; CORE_NEVER */
};

/* Timers: one a VM, then one a group (core_timers_group), one for the host (core_timers_host). */
struct core_alarm {
	uint32_t timer;
	uint64_t at; /* core_timer() then, and no longer at the time given before; CORE_NEVER */
};

static inline uint32_t core_timers_group(const struct core_shape *s, uint32_t group)
{
	return s->vms + group - 1;
}

static inline uint32_t core_timers_host(const struct core_shape *s)
{
	return s->vms + s->groups;
}

struct core_changes {
	const struct core_decision *cpus; /* each CPU once, in no order */
	const struct core_alarm *alarms;  /* likewise */
	uint32_t n_cpus;
	uint32_t n_alarms;
};

/* What has changed since it was asked last. The arrays are the core's, and good until the next
 * call of any of its functions. A vCPU may be taken from one CPU and put on another at once. */
const struct core_changes *core_changes(struct core *c);

/* Is told every change of a vCPU's state, as it happens; the core must not be called from it. */
struct core_watch {
	void (*told)(void *data, uint32_t vcpu, uint64_t now, enum ledger_state state);
	void *data;
};

/* `told` NULL: nobody is told. Returns who was before. */
struct core_watch core_set_watch(struct core *c, struct core_watch watch);

/* Hints for hosts that are larger than the caches: an event of this CPU or vCPU is near, and what
 * it will look at may be fetched; `all`: also what that leads to; rivals: whom it will meet when it
 * wakes. Changes nothing. */
void core_expect_cpu(const struct core *c, uint32_t cpu);
void core_expect_vcpu(const struct core *c, uint32_t vcpu, bool all);
void core_expect_rivals(const struct core *c, uint32_t vcpu);

/*
 * Reading. Figures are what has been counted since core_start() or core_restart_counters(), up to
 * core_settle().
 */
struct core_vcpu_figures {
	const struct ledger *ledger; /* the core's; good as long as the core */
	uint64_t delay;		     /* ns: the longest time that it wanted to run and did not */
	uint32_t moves;		     /* dispatches on another CPU than the one before */
	uint32_t vm;		     /* CORE_NONE: it isn't there */
	uint32_t cpu;		     /* runs, waits or has last run there */
};

struct core_vm_figures {
	uint32_t first, vcpus, room; /* vCPUs; 0: it isn't there */
	uint32_t domain;
	uint32_t migrations; /* between domains */
	enum cosched cosched;
	double entitled;     /* CPUs that it would have if it alone wanted more */
	uint64_t skew_worst; /* ns: largest lead of a running vCPU over a busy sibling (relaxed) */
	uint64_t costops;
	uint64_t local_ns; /* run time with memory on the own node (shape.nodes) */
	uint64_t remote_ns;
};

struct core_host_figures {
	uint32_t cpus; /* that are there */
	uint64_t switches;
	uint64_t held_ns;  /* for which CPUs were held by a gang for an idle vCPU */
	uint64_t waste_ns; /* for which a CPU idled while a queue of its domain was not empty */
	uint64_t divisions;
};

struct core_domain_figures {
	uint32_t first, end; /* CPUs first .. end - 1 */
	uint32_t cpus;	     /* of these that are there */
	double capacity;     /* CPUs; less where threads share cores */
};

void core_read_vcpu(const struct core *c, uint32_t vcpu, struct core_vcpu_figures *ret);
void core_read_vm(const struct core *c, uint32_t vm, struct core_vm_figures *ret);
void core_read_host(const struct core *c, struct core_host_figures *ret);
void core_read_domain(const struct core *c, uint32_t domain, struct core_domain_figures *ret);
const struct core_shape *core_shape(const struct core *c);

/* What the vCPU does now. */
enum ledger_state core_state_of(const struct core *c, uint32_t vcpu);
bool core_same_cache(const struct core *c, uint32_t cpu, uint32_t other);

/* Starts all ledgers and counters again at `now`; what is scheduled goes on. */
void core_restart_counters(struct core *c, uint64_t now);

/* Advances all ledgers, charges and integrals to `now`, for reading. */
void core_settle(struct core *c, uint64_t now);

#endif
