/* SPDX-License-Identifier: MIT */
/*
 * Ledgers of the vCPUs of VMs on this host, kept by one of two sources, which are rows of a table:
 *
 *  bpf        sched_switch and sched_wakeup: exact, with every gap and who ran instead
 *  schedstat  polls /proc/PID/task/TID/schedstat: any kernel, no privilege beyond reading /proc; run
 *             and ready only (what is neither is HALT), no gaps
 *
 * Times are CLOCK_MONOTONIC. One thread at a time may use a handle.
 */
#ifndef HOST_HOST_LEDGER_H
#define HOST_HOST_LEDGER_H

#include "base/failure.h"
#include "host/vm.h"

#include <desched/gap.h>
#include <desched/ledger.h>

struct host_ledger;

/* `source` is a row's name, or NULL for the best that works. -EINVAL for an unknown name; otherwise
 * what the last tried row failed with, and why in `f`. */
int host_ledger_open(const char *source, struct failure *f, struct host_ledger **ret);
struct host_ledger *host_ledger_close(struct host_ledger *h); /* NULL accepted; returns NULL */

const char *host_ledger_source(const struct host_ledger *h);
bool host_ledger_has_gaps(const struct host_ledger *h);

/* Starts the ledgers of a VM's vCPUs now. *ret_id names it in later calls. -ENOSPC when full. */
int host_ledger_add(struct host_ledger *h, const struct host_vm *vm, struct failure *f,
		    int *ret_id);
void host_ledger_remove(struct host_ledger *h, int id);

/* Takes what has happened since the last call; hands every finished gap to `fn` (may be NULL) in
 * order of time per vCPU. Call it at least every 100 ms. */
typedef void (*host_gap_fn)(int id, const struct gap *gap, void *data);
int host_ledger_poll(struct host_ledger *h, host_gap_fn fn, void *data);

/* The ledger of vCPU number `vcpu` (position in host_vm.vcpus), advanced to this instant. After the
 * thread's end: its last state, -ESRCH once. A gap that ended up to ret->at has been, or will be by
 * the next host_ledger_poll(), handed out. */
int host_ledger_read(struct host_ledger *h, int id, uint32_t vcpu, struct ledger *ret);

/* CPU time of the VM's other threads since host_ledger_add(), exited ones included (bpf). */
int host_ledger_overhead(struct host_ledger *h, int id, uint64_t *ret_ns);

struct host_ledger_counters {
	uint64_t gaps;		/* handed out */
	uint64_t gaps_lost;	/* not recorded since the buffer was full; their time is in ns[] */
	uint64_t kvm_exits;	/* of the added vCPUs, where the kernel has kvm tracepoints */
	uint64_t bpf_runs;	/* runs of the BPF programs, where statistics are on */
	uint64_t bpf_ns;	/* their time */
};
void host_ledger_counters(struct host_ledger *h, struct host_ledger_counters *ret);

#endif
