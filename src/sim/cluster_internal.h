/* SPDX-License-Identifier: MIT */
/* What cluster.c (time), cluster_place.c (who is where), cluster_change.c (who comes and goes) and
 * cluster_take.c (results) share. */
#ifndef SIM_CLUSTER_INTERNAL_H
#define SIM_CLUSTER_INTERNAL_H

#include "policy/place.h"
#include "sim/moves.h"

/* Of one VM on one host. */
struct slot {
	uint32_t id;		      /* of the VM there; PLACE_NONE: it can't be there */
	uint64_t gone;		      /* ns: since when it is absent */
	uint64_t away[LEDGER_STATES]; /* ns that its ledgers counted while it was absent before */
};

/* What cores count of a VM as a whole, over its stays on hosts. */
struct stays {
	uint64_t costops, skew, homes; /* ns: skew */
	uint64_t local, remote;	       /* ns */
};

struct member {
	uint32_t section, number; /* among the VMs of its section, from 0 on */
	uint32_t host;		  /* where it is, or if it isn't there, was or would have been */
	uint32_t moved;
	uint64_t downtime;
	uint64_t seen;	     /* ns: what it had wanted when loads were measured last */
	uint64_t since;	     /* ns: ... and when that was */
	struct stays before; /* those that a host forgets since the VM comes back there */
};

struct cluster {
	const struct scenario *scenario;
	struct scenario *is;   /* as changes have left it */
	uint32_t changes;      /* that have been made */
	struct scenario **own; /* one a host */
	bool **present;	       /* likewise, by the host's VM ids */
	struct sim **sims;
	uint32_t n_hosts, n_vms;
	struct member *vms;
	struct slot *slots;	      /* [host * n_vms + vm] */
	struct place_domain *domains; /* hosts that are in use */
	uint32_t *hosts;	      /* of each, its number */
	uint32_t n_domains;
	struct place_vm *places;
	struct move **moves; /* one a host that sends, or NULL */
	uint32_t *moving;    /* the VM that it sends */
	bool *engaged;	     /* one a host: it sends or receives */
	uint64_t now;
	uint64_t next_look;
};

static inline struct slot *cluster_slot(const struct cluster *c, uint32_t host, uint32_t vm)
{
	return &c->slots[(size_t)host * c->n_vms + vm];
}

static inline const struct vm_spec *cluster_spec(const struct cluster *c, uint32_t vm)
{
	return &c->is->vms[c->vms[vm].section];
}

/* The VM is to be there. */
static inline bool cluster_has(const struct cluster *c, uint32_t vm)
{
	return c->vms[vm].number < cluster_spec(c, vm)->count;
}

/* Adds what the host's core has counted of the VM. */
void cluster_add_stay(const struct cluster *c, uint32_t host, uint32_t vm, struct stays *to);

/* Places all VMs that are there: fills members' hosts. -ENOSPC with the VM that fits nowhere. */
int cluster_place(struct cluster *c, struct failure *f);
/* The place of a VM that has none yet, where its key `host` or its demand from `from` ns on puts it;
 * PLACE_NONE if no host has room. Hosts' loads are of the same demands: cluster_load() finds them. */
uint32_t cluster_find(struct cluster *c, uint32_t vm);
void cluster_load(struct cluster *c, uint64_t from);
/* The VM that has the largest load of those that are to be there and have no place; PLACE_NONE. */
uint32_t cluster_largest(const struct cluster *c);
/* The VM counts in another place, or (PLACE_NONE) in none. */
void cluster_put(struct cluster *c, uint32_t vm, uint32_t domain);
/* The host's number among those in use; PLACE_NONE: it isn't. */
uint32_t cluster_domain(const struct cluster *c, uint32_t host);

/* When the next change is due; TIMER_NEVER. cluster_change() decides then where VMs come, before the
 * hosts change; -ENOMEM. */
uint64_t cluster_change_at(const struct cluster *c);
int cluster_change(struct cluster *c);

/* The host's move is over: its VM has arrived, or (`given_up`) stays. */
void cluster_move_over(struct cluster *c, uint32_t from, bool given_up);

/* Looks at the loads since the last look and begins the moves that make hosts more alike. */
int cluster_rebalance(struct cluster *c);

/* The VM isn't on the host: what its ledgers there have counted since it went isn't its. */
void cluster_note_away(struct cluster *c, uint32_t host, uint32_t vm);

/* ns that the VM's vCPUs ran or wanted to, as its present host counts. */
uint64_t cluster_wanted_ns(const struct cluster *c, uint32_t vm);

#endif
