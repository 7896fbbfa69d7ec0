/* SPDX-License-Identifier: MIT */
/* Inside src/host: src/bpf/vcpu.bpf.c loaded and attached, its arrays mapped, its hashes at
 * hand. */
#ifndef HOST_VCPU_PROGRAMS_H
#define HOST_VCPU_PROGRAMS_H

#include "base/failure.h"
#include "bpf/blame.h"
#include "bpf/object.h"
#include "bpf/vcpu.h"

#include <stdint.h>

struct vcpu_programs {
	struct bpf_object *object;
	struct bpf_links links;
	struct bpf_link *exits;		/* NULL: a kernel without KVM */
	struct bpf_link *resolve;	/* an iterator */
	struct bpf_link *translate;	/* another one */
	int slots_of, processes_of;	/* descriptors of the hashes */
	struct vcpu_number *numbers;	/* [VCPU_NUMBERS], mapped */
	int gaps;			/* and of the ring buffer */
	struct vcpu_slot *slots;	/* [VCPU_SLOTS], mapped */
	struct vcpu_process *processes; /* [VCPU_PROCESSES], mapped */
	struct vcpu_cpu *cpus;		/* [n_cpus], mapped */
	uint32_t n_cpus;
	struct vcpu_globals *globals; /* mapped */
	size_t globals_bytes;
	struct blame_cpu *blame_cpus;	/* [n_cpus], mapped */
	struct blame_record *blame_log; /* [n_cpus * log_size], mapped */
	uint32_t log_size;
	struct bpf_links recorders; /* of what only recording needs */
};

/* Loads, maps and attaches. *p must be zero before; on failure it is to be closed all the same. */
int vcpu_programs_open(struct vcpu_programs *p, struct failure *f);
void vcpu_programs_close(struct vcpu_programs *p);

/* Records from now on, those who are on CPUs already among it; whatever was recorded before.
 * Interrupts that the kernel has no tracepoints for are not seen. */
int vcpu_programs_record(struct vcpu_programs *p, enum blame_record_what what, struct failure *f);

/* While runs are recorded: has blame_cpus say who is on a CPU now, and of which VM. Nothing happens
 * where it is offline. */
void vcpu_programs_look_at(const struct vcpu_programs *p, uint32_t cpu);

/* To be called before `object`, whose programs include bpf/vcpu_share.h, is loaded: the maps that it
 * calls `slots`, `cpus` and `processes` become the ledger's. */
int vcpu_programs_share(const struct vcpu_programs *p, struct bpf_object *object);

/* Afterwards the state of every slot whose thread exists is known. */
int vcpu_programs_resolve(const struct vcpu_programs *p);

/*
 * The threads that /proc shows, by the ids that it shows. *ret is owned by the caller, free(), and
 * NULL where these are the kernel's own: in the first PID namespace. -EXDEV where /proc is another
 * namespace's than this process's.
 */
int vcpu_programs_translate(const struct vcpu_programs *p, struct vcpu_thread **ret, size_t *ret_n);

#endif
