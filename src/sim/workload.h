/* SPDX-License-Identifier: MIT */
/*
 * Guests: what the vCPUs do when they run. One row per workload.
 *
 * A guest vCPU has `need` ns of work until its next step. The engine lets it work while the core
 * runs it, and calls the row: `begin` once, `done` when the need is used up (the vCPU runs),
 * `timer` when a sleep is over (it does not), `started` when it gets a CPU,
 * `alarm` at guest->alarm while it runs. A row answers with guest_work(), guest_sleep() or
 * guest_wake() from sim.h.
 */
#ifndef SIM_WORKLOAD_H
#define SIM_WORKLOAD_H

#include <stddef.h>
#include <stdint.h>

struct sim;

#define GUEST_BUSY (UINT64_C(1) << 46) /* ns of work that stand for "for ever" */

struct workload_row {
	const char *name;
	const char *summary;
	void (*begin)(struct sim *s, uint32_t vcpu);
	void (*done)(struct sim *s, uint32_t vcpu);
	void (*timer)(struct sim *s, uint32_t vcpu);
	void (*started)(struct sim *s, uint32_t vcpu);
	void (*alarm)(struct sim *s, uint32_t vcpu);
};

extern const struct workload_row workload_busy, workload_duty, workload_io, workload_barrier,
	workload_spinlock, workload_ticks, workload_idle, workload_requests;

extern const struct workload_row *const workload_rows[];
extern const uint32_t n_workload_rows;
const char *workload_name(size_t i); /* NULL behind the last */
int workload_find(const char *name); /* -EINVAL if there is no such row */

#endif
