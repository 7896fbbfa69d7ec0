/* SPDX-License-Identifier: MIT */
/*
 * What each VM ought to get of this host: what it wanted in an interval, cut at its limit, is divided
 * by policy/entitle.h as the scheduler's core does it, among VMs and groups of VMs that divide all
 * CPUs alone. Where nobody has set anything, every vCPU has the same shares and nothing is reserved.
 */
#ifndef HOST_ENTITLEMENT_H
#define HOST_ENTITLEMENT_H

#include <stddef.h>
#include <stdint.h>

struct entitlement {
	size_t n_vcpus;
	uint32_t group;	    /* 0: none; else i + 1 of groups[i] */
	double shares;	    /* 0: the usual ones of each vCPU */
	double reservation; /* CPUs */
	double wanted;	    /* CPUs: what it ran or wanted to run */
	double limit;	    /* CPUs; 0: none */
	double entitled;    /* out: CPUs; never above wanted or limit */
	double rate;	    /* out: CPUs, what it would be if this VM alone wanted more */
};

struct entitlement_group {
	uint32_t parent; /* 0: the host; else i + 1 of a group that stands before it */
	double shares, reservation;
	double limit; /* CPUs; 0: none */
};

struct entitlement_host {
	double cpus;
	const struct entitlement_group *groups; /* may be NULL */
	size_t n_groups;
};

/* Divides them. -ENOMEM: nothing has changed. */
int entitlement_divide(struct entitlement *vms, size_t n, const struct entitlement_host *host);

/* What of reservations can't be kept. */
struct entitlement_refusal {
	uint32_t group; /* whose members reserve too much; 0: the host's */
	size_t vm;	/* whose limit is below its reservation; SIZE_MAX: no VM's */
	double wanted, available;
};

/* -ENOSPC: more is reserved than there is; -EINVAL: a limit below a reservation; -ENOMEM. */
int entitlement_admit(const struct entitlement *vms, size_t n, const struct entitlement_host *host,
		      struct entitlement_refusal *ret);

#endif
