/* SPDX-License-Identifier: MIT */
/*
 * What each VM ought to get of this host, computed: nobody has set shares or reservations, so every
 * vCPU has the same shares, nothing is reserved, and the VMs alone divide all CPUs. What a VM wanted
 * in an interval, cut at its limit, is divided by policy/entitle.h as the scheduler's core does it.
 */
#ifndef HOST_ENTITLEMENT_H
#define HOST_ENTITLEMENT_H

#include <stddef.h>

struct entitlement {
	size_t n_vcpus;
	double wanted;	 /* CPUs: what its vCPUs ran or wanted to run */
	double limit;	 /* CPUs; 0: none */
	double entitled; /* out: CPUs; never above wanted or limit */
};

/* Divides `cpus` CPUs. -ENOMEM: nothing has changed. */
int entitlement_divide(struct entitlement *vms, size_t n, double cpus);

#endif
