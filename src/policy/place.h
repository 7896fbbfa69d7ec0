/* SPDX-License-Identifier: MIT */
/*
 * Where a VM goes: domains are the groups of CPUs that it may not leave by itself (cells as a hard
 * boundary, NUMA nodes), or hosts. Loads and capacities are in CPUs.
 */
#ifndef POLICY_PLACE_H
#define POLICY_PLACE_H

#include <stdbool.h>
#include <stdint.h>

#define PLACE_NONE UINT32_MAX

struct place_domain {
	uint32_t cpus;
	double capacity;
	double load;	 /* demand of the VMs that live here */
	double reserved; /* their reservations */
	double memory;	 /* bytes that are free; those of a VM are 0 where this isn't asked for */
};

struct place_vm {
	uint32_t domain;
	double load;
	double reservation;
	uint32_t min_cpus; /* a domain of fewer CPUs cannot hold it */
	double memory;	   /* bytes */
};

/* The VM comes to the domain, or leaves it. */
static inline void place_add(struct place_domain *d, const struct place_vm *vm)
{
	d->load += vm->load;
	d->reserved += vm->reservation;
}

static inline void place_remove(struct place_domain *d, const struct place_vm *vm)
{
	d->load -= vm->load;
	d->reserved -= vm->reservation;
}

/* The domain has the CPUs and the unreserved capacity for one VM more. */
bool place_fits(const struct place_domain *d, const struct place_vm *vm);

/* Initial placement: the domain that is least loaded for its capacity afterwards, the first of
 * equals. PLACE_NONE if no domain has the CPUs, the unreserved capacity and the memory. */
uint32_t place_initial(const struct place_domain *domains, uint32_t n, const struct place_vm *vm);

/* (most - least loaded) / most loaded, by load per capacity: 0 balanced, 1 worst. Tells also
 * which two these are. */
double place_imbalance(const struct place_domain *domains, uint32_t n, uint32_t *ret_from,
		       uint32_t *ret_to);

/*
 * One step of balancing: if the imbalance is above `threshold`, the move from the most to the
 * least loaded domain that leaves the two most alike. Returns the VM to move and its new domain,
 * or PLACE_NONE when nothing gets better. Call it again until then; each call expects the loads
 * updated by the move before.
 */
uint32_t place_rebalance(const struct place_domain *domains, uint32_t n_domains,
			 const struct place_vm *vms, uint32_t n_vms, double threshold,
			 uint32_t *ret_to);

#endif
