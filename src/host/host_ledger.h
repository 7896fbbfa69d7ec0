/* SPDX-License-Identifier: MIT */
/*
 * Ledgers of the vCPUs of VMs on this host, kept by one of two sources, which are rows of a table:
 *
 *  bpf        sched_switch and sched_wakeup: exact, with every gap and who ran instead
 *  schedstat  polls /proc/PID/task/TID/schedstat: any kernel, no privilege beyond reading /proc;
 *             run and ready only (what is neither is HALT), no gaps
 *
 * Both say RUN for what the kernel calls running. On a host that is itself a VM, bpf's RUN contains
 * the time that the host's own hypervisor took; schedstat's does not where the host's kernel
 * subtracts steal (CONFIG_PARAVIRT_TIME_ACCOUNTING).
 *
 * Times are CLOCK_MONOTONIC. One thread at a time may use a handle.
 */
#ifndef HOST_HOST_LEDGER_H
#define HOST_HOST_LEDGER_H

#include "base/failure.h"
#include "host/exits.h"
#include "host/host_gaps.h"
#include "host/host_runs.h"
#include "host/host_vm.h"
#include "host/interrupts.h"

#include <desched/ledger.h>
#include <stdbool.h>
#include <stdint.h>

struct host_ledger;

/* The names of the sources, best first; NULL behind the last. */
const char *host_source_name(size_t i);

/* `source` is a row's name, or NULL for the best that works. -EINVAL for an unknown name; otherwise
 * what the last tried row failed with, and why in `f`. When a better row failed and another one
 * works, the result is 0 and `f` says why the better one did not. */
int host_ledger_open(const char *source, struct failure *f, struct host_ledger **ret);
struct host_ledger *host_ledger_close(struct host_ledger *h); /* NULL accepted; returns NULL */

const char *host_ledger_source(const struct host_ledger *h);
bool host_ledger_has_gaps(const struct host_ledger *h);

/*
 * Starts the ledgers of a VM's vCPUs now, in the states that the threads are in (schedstat does not
 * tell whether a runnable thread runs, and says RUN). *ret_id names the VM in later calls. -ENOSPC
 * when full, -EEXIST for a VM that is there, -ESRCH for a vCPU thread that is gone.
 */
int host_ledger_add(struct host_ledger *h, const struct host_vm *vm, struct failure *f,
		    int *ret_id);
void host_ledger_remove(struct host_ledger *h, int id);

/*
 * Takes what has happened since the last call; hands every finished gap to `fn` (may be NULL) in
 * order of time per vCPU, gap.vcpu being the position in host_vm.vcpus. Call it at least every
 * 100 ms. -EAGAIN when gaps that ended up to the last reading are still on their way (a CPU of the
 * host stopped while it wrote one): call again before you rely on them.
 */
int host_ledger_poll(struct host_ledger *h, host_gap_fn fn, void *data);

/*
 * The ledger of vCPU number `vcpu` (position in host_vm.vcpus), advanced to this instant (bpf: to
 * within 1 us). A gap that ended up to ret->at has been, or will be by the next host_ledger_poll(),
 * handed out, unless it was lost.
 *
 * After the thread's end the ledger stands still. The first call that finds it so returns -ESRCH
 * (with *ret filled all the same), later ones 0. -EINVAL for what does not exist; -EAGAIN when no
 * consistent reading could be had within a second.
 */
int host_ledger_read(struct host_ledger *h, int id, uint32_t vcpu, struct ledger *ret);

/* Whether a reading has found the vCPU's thread to have ended. */
bool host_ledger_ended(const struct host_ledger *h, int id, uint32_t vcpu);

/* Ends the ledger of a vCPU whose thread is gone, at its last reading, unless it has ended already:
 * the kernel reports no end of a thread that takes another's id by execve(). The next reading says
 * so. */
void host_ledger_end(struct host_ledger *h, int id, uint32_t vcpu);

/* ns: since when the state of the last reading held then; 0 where that is not known. */
uint64_t host_ledger_since(const struct host_ledger *h, int id, uint32_t vcpu);

/* Gaps of this vCPU that were lost up to its last reading. */
uint64_t host_ledger_gaps_lost(const struct host_ledger *h, int id, uint32_t vcpu);

/* CPU time of the VM's other threads since host_ledger_add(), exited ones included. bpf: exact;
 * schedstat: a difference of two figures with clock-tick resolution (10 ms). Never runs back. */
int host_ledger_overhead(struct host_ledger *h, int id, uint64_t *ret_ns);

/* The number of CPUs that this host may have; 0 where the source doesn't look at them. */
uint32_t host_ledger_cpus(const struct host_ledger *h);

/* Begins to record who is on which CPU, before any VM is added. -EOPNOTSUPP for a source that
 * can't. */
int host_ledger_record(struct host_ledger *h, enum host_record what, struct failure *f);

/*
 * Hands out what was recorded since the last call, for each CPU its records and then who is on it.
 * -EAGAIN when that could not be had of some CPU (one that is stopped): it is silent then.
 *
 * Gaps and waits are one record, so host_ledger_poll() hands out to the last `fns`, too: it stays as
 * long as the ledger, or until another one is given. Gaps that this finds wait for the next poll.
 */
int host_ledger_runs(struct host_ledger *h, const struct host_runs_fns *fns);

/* Whether the vCPU waited for a CPU at its last reading; then *ret is that wait, from its beginning
 * on this CPU to the reading. */
bool host_ledger_waiting(const struct host_ledger *h, int id, uint32_t vcpu, struct host_wait *ret);

/* Counts exits from now on, until the ledger is closed; only source bpf can, where the kernel has
 * KVM: -EOPNOTSUPP otherwise. 0 when they are counted already. */
int host_ledger_count_exits(struct host_ledger *h, struct failure *f);

/* -EINVAL for what does not exist, -ENODATA where exits are not counted. */
int host_ledger_exits(const struct host_ledger *h, int id, uint32_t vcpu, struct vcpu_exits *ret);

/* The same of the delays of devices' interrupts, which need no KVM. The first call says whose. */
int host_ledger_record_interrupts(struct host_ledger *h, enum interrupts_of whose,
				  struct failure *f);
int host_ledger_interrupts(const struct host_ledger *h, int id, uint32_t vcpu,
			   struct interrupt_delays *ret);

void host_ledger_counters(struct host_ledger *h, struct host_ledger_counters *ret);

#endif
