/* SPDX-License-Identifier: MIT */
/* What sources of ledgers give beside those: gaps, and counters of their own work. */
#ifndef HOST_HOST_GAPS_H
#define HOST_HOST_GAPS_H

#include <desched/gap.h>
#include <stdint.h>

/* `id` is that of host_ledger_add(); gap->vcpu the position in host_vm.vcpus. */
typedef void (*host_gap_fn)(int id, const struct gap *gap, void *data);

struct host_ledger_counters {
	uint64_t gaps;	    /* handed out */
	uint64_t gaps_lost; /* not recorded since the buffer was full; their time is in ns[] */
	uint64_t runs_lost; /* records of runs and waits that were not taken in time */
	uint64_t kvm_exits; /* of the added vCPUs, where the kernel has kvm tracepoints */
	uint64_t bpf_runs;  /* runs of the BPF programs, where statistics are on */
	uint64_t bpf_ns;    /* their time */
	uint64_t
		interrupts_lost; /* of VMs whose vCPU was not known: their delays aren't recorded */
	uint64_t bpf_missed; /* switches of vCPUs that the kernel did not report, and runs of our
			      * programs that it skipped: from such a one to the next, a vCPU's
			      * time stays with the state before */
};

#endif
