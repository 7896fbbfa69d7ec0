/* SPDX-License-Identifier: MIT */
/*
 * What holds VMs to their settings, as rows of a table: each says what it can guarantee, whether it
 * works here, and takes orders, a set of all VMs at a time. Entitlements are computed above
 * (enforce.h); a row only brings them about, and leaves everything as it was when it is closed, or
 * when the process is killed.
 */
#ifndef ENFORCE_ENFORCER_H
#define ENFORCE_ENFORCER_H

#include "base/failure.h"
#include "host/host_vm.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* What a VM is to get until the next orders: what was computed from its settings and its demand, for
 * a row that only carries out, and the settings themselves, for one that divides CPUs itself. */
struct enforce_order {
	pid_t pid;
	uint64_t start_ns; /* of the process, since boot: with its id, its identity */
	double rate;	   /* CPUs while it wants to run, against those of other VMs */
	double limit;	   /* CPUs; 0: none */
	uint64_t period;   /* ns, of the limit */
	uint64_t credit;   /* ns that may be saved up; 0: none */

	double shares;		       /* of the VM, not of each vCPU */
	double reservation, own_limit; /* CPUs; own_limit 0: none */
	uint32_t group;		       /* 0: none; else i + 1 of groups[i] */
	uint32_t cosched;	       /* enum cosched */
	uint32_t first_vcpu, n_vcpus;  /* of vcpus[] */
};

struct enforce_group {
	uint32_t parent; /* 0: the host; else i + 1 of a group before it */
	double shares, reservation;
	double limit; /* CPUs; 0: none */
};

/* A set of orders: of all VMs, or of none. */
struct enforce_orders {
	const struct enforce_order *vms;    /* [n] */
	const struct host_vcpu *vcpus;	    /* [n_vcpus] */
	const struct enforce_group *groups; /* [n_groups] */
	size_t n, n_vcpus, n_groups;
};

/* What came of it. */
struct enforce_outcome {
	pid_t pid; /* 0: why the enforcer has broken down */
	bool enforced;
	char where[256]; /* what was changed; "": nothing */
	char how[96];	 /* to which values */
	char why[192];	 /* why not, or not all; "": all is well */
};

struct enforcer {
	const char *name;
	const char *guarantees, *cannot; /* for people, one line each */
	uint32_t keys;			 /* bits of enum vm_key that it brings about */
	/* Whether it works here; `root` is "" or a directory with a `proc` and `sys` of its own.
	 * -EOPNOTSUPP and why not. */
	int (*probe)(const char *root, struct failure *why);
	/* Undoes what an earlier process has left, which was killed together with whoever would have
	 * undone it; NULL: nothing can be left. `say` hears of what stays as it is. */
	void (*recover)(void (*say)(const char *line, void *data), void *data);
	/* With all privileges, before the daemon gives them up and before it has threads. */
	int (*open)(struct failure *f, void **ret);
	/* Those that aren't among the orders are left alone again. -EPIPE: it has broken down, and
	 * nothing is enforced; -EAGAIN: it is still busy with the last ones. */
	int (*apply)(void *state, const struct enforce_orders *orders);
	/* Outcomes that came since, if any. As apply(). */
	int (*take)(void *state, void (*got)(const struct enforce_outcome *o, void *data),
		    void *data);
	void (*close)(void *state);
};

extern const struct enforcer enforcer_none, enforcer_cgroup, enforcer_dispatch,
	enforcer_sched_ext;

#define ENFORCERS 4
extern const struct enforcer *const enforcers[ENFORCERS];

/* The same of all rows. */
void enforcers_recover(void (*say)(const char *line, void *data), void *data);

/* NULL behind the last. */
const char *enforcer_name(size_t i);

#endif
