/* SPDX-License-Identifier: MIT */
/*
 * Who ran while a vCPU waited. Waits (a vCPU was ready, in the queue of a CPU) are laid on top of
 * runs (who was on that CPU); every ns of a vCPU's ready time is booked to one culprit, in integers:
 *
 *     sum of a VM's culprits = ready time of its vCPUs, up to their last reading
 *
 * What no record explains is the culprit `unknown`. A run that is over part of a wait only has its
 * interrupts in proportion. Pure but for names of processes that are not over yet, which are asked
 * for in /proc.
 *
 * A VM's culprits are BLAME_ROWS at most. Once they become many, processes of one name are one; where
 * there is no more room, a new one is booked with the rest of its kind, until a culprit gives way of
 * which nothing was heard for a while, or that has less than half of what the new one has there.
 * What one had that gave way is in nobody's row: it is what ready time and rows differ by then.
 */
#ifndef HOST_BLAME_H
#define HOST_BLAME_H

#include "host/blame_rows.h"
#include "host/host_runs.h"

#include <stddef.h>
#include <stdint.h>

struct blame;
struct blame_vm;

/* -ENOMEM */
int blame_new(uint32_t n_cpus, struct blame **ret);
struct blame *blame_free(struct blame *b); /* NULL accepted; returns NULL; every VM was removed */

/* `id` as in host_run.vm; `name` is what others call it from then on, and stays
 * the caller's. -ENOMEM, -EINVAL. */
int blame_add(struct blame *b, int id, pid_t pid, const char *name, uint32_t n_vcpus,
	      struct blame_vm **ret);
/* It runs and waits no more; its rows stay. */
void blame_end(struct blame *b, struct blame_vm *vm);
struct blame_vm *blame_remove(struct blame *b, struct blame_vm *vm); /* NULL accepted */

/* What happened (host_runs.h), for host_ledger_runs(): data is the struct blame. */
extern const struct host_runs_fns blame_fns;

/* A reading of a vCPU's ledger: it had been ready for `ready` ns in all by `at`; it was in `wait`
 * (start and CPU), or NULL. */
void blame_reading(struct blame_vm *vm, uint32_t vcpu, uint64_t at, uint64_t ready,
		   const struct host_wait *wait);

/* All that happened up to the readings was handed in: books it. */
void blame_settle(struct blame *b);

/* Everything was booked that was there when the VM was first seen; amounts begin again. */
void blame_start(struct blame_vm *vm);

/* The longest waits begin again. */
void blame_reported(struct blame_vm *vm);

/* Copies the rows, the biggest first, of one vCPU or (-1) all of them. The longest waits are those since
 * the last report, or since the one `before` it. Returns how many. */
size_t blame_copy(const struct blame_vm *vm, int vcpu, bool before,
		  struct host_frame_blame ret[BLAME_ROWS]);

struct blame_counters {
	uint64_t late;	  /* waits that came after their time was booked, which was to `unknown` */
	uint64_t dropped; /* runs that were dropped since there were too many */
	uint64_t merged;  /* culprits that were booked with the rest of their kind */
};

void blame_count(const struct blame *b, struct blame_counters *ret);

#endif
