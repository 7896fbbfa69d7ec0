/* SPDX-License-Identifier: MIT */
/* Inside src/host: the state of source bpf. source_bpf.c has ledgers, source_bpf_gaps.c gaps,
 * source_bpf_runs.c who ran where vCPUs waited. */
#ifndef HOST_SOURCE_BPF_H
#define HOST_SOURCE_BPF_H

#include "host/exits.h"
#include "host/host_gaps.h"
#include "host/host_runs.h"
#include "host/interrupts.h"
#include "host/run_log.h"
#include "host/vcpu_programs.h"

struct owner {
	struct bpf_vm *vm; /* NULL: nobody's */
	bool left;	   /* it was somebody's since the last grace period */
	uint32_t vcpu;
	uint32_t index; /* the guest's number of it */
	uint32_t wanted,
		taken;	     /* gaps in the ring buffer, modulo 2^32: as of the last reading; that
				 * were taken out */
	uint64_t lost_here;  /* gaps for which there was no memory */
	uint64_t lost;	     /* as of the last reading */
	uint64_t since;	     /* ns: the last transition, as of the last reading */
	uint32_t wait_cpu;   /* as of the last reading, which was at `at` */
	uint64_t wait_since; /* ns */
	uint64_t at;	     /* ns */
};

/* A gap that was taken and not handed out yet. */
struct taken_gap {
	struct gap gap;
	uint32_t slot;
	uint32_t tid; /* whose slot it was */
};

#define NO_PROCESS UINT32_MAX

struct bpf_vm {
	int id;
	uint32_t tgid;	  /* of its process, as the kernel counts */
	uint32_t process; /* index, or NO_PROCESS before it was entered */
	uint32_t n_slots;
	uint32_t slots[]; /* index by vCPU */
};

struct bpf_source {
	struct vcpu_programs p;
	struct ring_buffer *ring;
	struct interrupts_programs *recording; /* likewise */
	struct exits_programs *counting;       /* NULL: nobody wants them */
	struct owner owners[VCPU_SLOTS];
	struct bpf_vm *vms[VCPU_PROCESSES];
	bool process_left[VCPU_PROCESSES]; /* as owner.left */
	uint32_t n_owners;		   /* no slot from here on was ever used */
	uint64_t gaps;			   /* handed out */
	uint64_t lost, exits, missed;	   /* of VMs that were removed */
	bool read;			   /* since gaps were found to be as many as were wanted */
	struct taken_gap *taken;	   /* [room], owned; the first n_taken */
	size_t n_taken, room;
	uint64_t latest;    /* ns: of all readings */
	struct run_log log; /* `taken` is NULL until runs are recorded */
	/* Who gets these, the last caller of source_bpf_runs(). NULL: nobody yet, and until then they stay
	 * in the log. */
	const struct host_runs_fns *fns;
	uint32_t cpu; /* whose they are */
};

#define SOURCE_BPF_SPINS                                                                           \
	1000 /* tries for what a program is about to write; then with naps between */

void source_bpf_nap(void); /* a millisecond */

/* As in struct host_source. */
int source_bpf_poll(void *state, host_gap_fn fn, void *data);
uint32_t source_bpf_cpus(const void *state);
int source_bpf_record(void *state, enum host_record what, struct failure *f);
int source_bpf_runs(void *state, const struct host_runs_fns *fns);
/* Hands out what the logs have, gaps and the rest, but not who is on CPUs. -EAGAIN as for those. */
int source_bpf_take(struct bpf_source *s);
/* Takes a record of the ring buffer, for ring_buffer__new(). */
int source_bpf_ring_gap(void *context, void *bytes, size_t size);
/* Keeps a gap of that slot for the next poll. -ENOMEM. */
int source_bpf_take_gap(struct bpf_source *s, uint32_t slot, const struct gap *gap);
bool source_bpf_waiting(void *state, const void *vm, uint32_t vcpu, struct host_wait *ret);

#endif
