/* SPDX-License-Identifier: MIT */
/* Inside src/host: a source of ledgers, as <host/host_ledger.h> describes them. */
#ifndef HOST_SOURCE_H
#define HOST_SOURCE_H

#include "host/exits.h"
#include "host/host_gaps.h"
#include "host/host_runs.h"
#include "host/host_vm.h"
#include "host/interrupts.h"

#include <desched/ledger.h>
#include <stdbool.h>

struct host_source {
	const char *name;
	bool has_gaps;
	/* Needs nothing but the right to; *ret_state is the first argument of the others. */
	int (*open)(struct failure *f, void **ret_state);
	void (*close)(void *state); /* every VM has been removed */
	/* *ret_vm names the VM to the source. `id` is for gaps. */
	int (*add)(void *state, int id, const struct host_vm *vm, struct failure *f, void **ret_vm);
	void (*remove)(void *state, void *vm);
	int (*poll)(void *state, host_gap_fn fn, void *data);
	/* 0 or, for a thread that has ended, -ESRCH; *ret is filled in both cases. */
	int (*read)(void *state, void *vm, uint32_t vcpu, struct ledger *ret);
	/* The thread of a vCPU is no more, which the source has not heard: its ledger ends with the
	 * last reading. NULL for a source that finds that by itself. */
	void (*end)(void *state, const void *vm, uint32_t vcpu);
	/* ns: since when the state of the last reading holds. NULL for a source without gaps. */
	uint64_t (*since)(void *state, const void *vm, uint32_t vcpu);
	uint64_t (*gaps_lost)(void *state, const void *vm, uint32_t vcpu);
	int (*overhead)(void *state, void *vm, uint64_t *ret_ns);
	/* Runs and waits: host_ledger_record() and so on. All NULL for a source without them. */
	uint32_t (*cpus)(const void *state);
	int (*record)(void *state, enum host_record what, struct failure *f);
	int (*runs)(void *state, const struct host_runs_fns *fns);
	bool (*waiting)(void *state, const void *vm, uint32_t vcpu, struct host_wait *ret);
	void (*counters)(void *state, struct host_ledger_counters *ret);
	/* Exits are counted from now on, or from the next add() of a VM. NULL where a source can't
	 * count them. */
	int (*count_exits)(void *state, struct failure *f);
	/* The same of interrupts' delays. */
	int (*record_interrupts)(void *state, enum interrupts_of whose, struct failure *f);
	void (*interrupts)(const void *state, const void *vm, uint32_t vcpu,
			   struct interrupt_delays *ret);
	void (*exits)(const void *state, const void *vm, uint32_t vcpu, struct vcpu_exits *ret);
};

extern const struct host_source source_bpf;
extern const struct host_source source_schedstat;

#endif
