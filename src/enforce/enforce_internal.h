/* SPDX-License-Identifier: MIT */
/* What enforce.c, which decides, and enforce_requests.c, which answers, share. */
#ifndef ENFORCE_ENFORCE_INTERNAL_H
#define ENFORCE_ENFORCE_INTERNAL_H

#include "enforce/cgroup.h"
#include "enforce/enforce.h"
#include "enforce/enforcer.h"
#include "enforce/rules.h"
#include "host/entitlement.h"

struct enforced_vm {
	struct host_vm vm; /* its names; its vCPUs are a copy, and owned */
	uint32_t n_vcpus;  /* of them */
	uint64_t since;	   /* with vm.pid, its identity */
	bool there;	   /* at the last step */
	struct vm_given own;
	struct resolved rules;
	uint64_t at, wanted_ns, used_ns; /* since it was first seen, at the last step */
	double wanted, used;		 /* CPUs, in the time before the last step */
	double entitled, rate;		 /* CPUs */
	struct enforce_outcome outcome;
};

struct enforce {
	struct enforce_setup setup;
	const struct enforcer *row; /* that is open */
	void *state;
	bool changed, broken, has_cgroups;
	struct cgroup_host cgroups; /* to read what VMs' own have */
	char ended[192];	    /* why the enforcer has broken down, where it says so */
	struct rules rules;
	struct enforced_vm *vms; /* [n], room for more */
	size_t n, room;
	double cpus;
	uint64_t steps, busy, no_memory; /* busy: orders that the enforcer wasn't ready for */
};

/* The VMs and groups by these rules, to divide or admit. The caller frees both; -ENOMEM. */
struct enforce_tree {
	struct entitlement *vms; /* [e->n] */
	struct entitlement_group groups[ENFORCE_GROUPS_MAX];
	struct entitlement_host host;
};
int enforce_tree(const struct enforce *e, const struct rules *rules, struct enforce_tree *ret);
void enforce_tree_done(struct enforce_tree *t);

/* Applies what has changed with the demands that are known. As enforce_step(). */
int enforce_decide(struct enforce *e);

#endif
