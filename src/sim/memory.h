/* SPDX-License-Identifier: MIT */
/*
 * Memory and disk of one host. Each VM has a working set, to whose pages its vCPUs turn `touches`
 * times in a CPU second, at random. Where the working sets together are larger than the host's
 * memory, each has in it the same part of its working set (at least what is reserved for it), and a
 * page that is not there is a fault: the vCPU waits (SWAPWAIT) until the disk has brought it.
 *
 * The disk serves `disk_width` requests at once, the others wait in one queue, first come, first
 * served: faults of all VMs, and the I/O of those with device = host.
 */
#ifndef SIM_MEMORY_H
#define SIM_MEMORY_H

#include "sim/sim.h"

struct disk {
	uint64_t free[DISK_WIDTH]; /* ns: when each of its places has done all that it was given */
	uint64_t random;
	uint64_t busy;	/* ns of service given to it, that to come among it */
	uint64_t waits; /* ns that requests took, in the queue and in service */
	uint64_t requests;
};

struct fault_state {
	uint64_t at; /* ns of guest->work: the next fault */
	bool waits;  /* for the disk */
};

struct memory {
	struct disk disk;
	struct fault_state *vcpus;
	double *present;      /* of each VM: the part of its working set that is in memory */
	uint64_t *faults;     /* of each VM, wherever it had them */
	uint64_t all_faults;  /* of this host */
	uint64_t want, given; /* bytes: working sets, and what of them is in memory */
};

/* Sets up s->memory, if the scenario speaks of memory or of the host's disk; -ENOMEM. */
int memory_start(struct sim *s, uint64_t seed, uint32_t host);
void memory_free(struct sim *s);
size_t memory_bytes(const struct scenario *scenario);

/* Divides the memory again: a VM has come or gone. */
void memory_divide(struct sim *s);

/* The vCPU is gone, or begins again: it waits for no page. */
void memory_forget(struct sim *s, uint32_t vcpu);

/* Called before guests' work is counted from 0 again. */
void memory_restart(struct sim *s);

/* The running vCPU has reached a page that isn't there: it waits. */
void memory_fault(struct sim *s, uint32_t vcpu);
/* The page is there: the vCPU goes on. */
void memory_resume(struct sim *s, uint32_t vcpu);

/* ns: when the disk has served a request of `bytes` that it gets now. */
uint64_t memory_disk_submit(struct sim *s, uint64_t bytes, bool fixed);
/* ns of its service up to now. */
uint64_t memory_disk_busy(const struct sim *s);

/* ns of work until the vCPU's next fault, and whether it waits for one. */
static inline uint64_t memory_left(const struct sim *s, uint32_t vcpu)
{
	uint64_t at = s->memory->vcpus[vcpu].at, work = s->guests[vcpu].work;

	return at > work ? at - work : 0;
}

static inline bool memory_waits(const struct sim *s, uint32_t vcpu)
{
	return s->memory && s->memory->vcpus[vcpu].waits;
}

#endif
