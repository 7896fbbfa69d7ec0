/* SPDX-License-Identifier: MIT */
/*
 * How long interrupts of devices wait for their vCPU (src/bpf/interrupts.h): recorded only once
 * somebody asks.
 */
#ifndef HOST_INTERRUPTS_H
#define HOST_INTERRUPTS_H

#include "base/failure.h"
#include "bpf/interrupts.h"

#include <stdint.h>

/* Of one vCPU, since recording began or it came. */
struct interrupt_delays {
	uint64_t n;	  /* interrupts that were taken */
	uint64_t ns;	  /* their delays together */
	uint64_t at_once; /* of the n, while the vCPU was on a CPU: no delay */
	uint64_t merged;  /* besides: came while another one waited for the same vCPU */
	uint64_t longest; /* ns */
	uint64_t buckets[INTERRUPT_BUCKETS]; /* of the n */
};

/* ns: delays in the bucket are below that. UINT64_MAX for the last one. */
uint64_t interrupt_bound(unsigned bucket);

/* Adds up, in place. */
void interrupt_delays_add(struct interrupt_delays *sum, const struct interrupt_delays *more);

/* The delay (ns) below which the part `q` of all lies, within its bucket by proportion; 0 for none.
 * Within a factor of two of the truth. */
double interrupt_quantile(const struct interrupt_delays *d, double q);

struct interrupts_programs;
struct vcpu_programs;

/* Whose interrupts are recorded. */
enum interrupts_of {
	INTERRUPTS_OF_NONE,
	INTERRUPTS_OF_KVM, /* KVM's tracepoints, whichever of them this kernel has */
	INTERRUPTS_OF_ALL, /* and VMs without KVM, by looking at every system call of the host */
};

/* Loads the programs beside those of the ledger and attaches them. */
int interrupts_open(const struct vcpu_programs *ledger, enum interrupts_of whose, struct failure *f,
		    struct interrupts_programs **ret);
struct interrupts_programs *interrupts_close(struct interrupts_programs *p); /* NULL accepted */

/* vCPU number `index` of `n` of the VM `process` has this slot from now on, or no longer. */
void interrupts_enter(struct interrupts_programs *p, uint32_t process, uint32_t index, uint32_t n,
		      uint32_t slot);
void interrupts_leave(struct interrupts_programs *p, uint32_t process, uint32_t index);

void interrupts_read(const struct interrupts_programs *p, uint32_t slot,
		     struct interrupt_delays *ret);

/* Interrupts whose vCPU was not known. */
uint64_t interrupts_lost(const struct interrupts_programs *p);

#endif
