/* SPDX-License-Identifier: MIT */
/* Inside src/host: reading the logs that blame.bpf.h writes, one for each CPU (bpf/blame.h). */
#ifndef HOST_RUN_LOG_H
#define HOST_RUN_LOG_H

#include "bpf/blame.h"

#include <stdbool.h>
#include <stdint.h>

struct run_log {
	struct blame_cpu *cpus;		    /* [n_cpus], written by the kernel all the time */
	const struct blame_record *records; /* [n_cpus * size], the same */
	uint32_t n_cpus, size;
	uint64_t *taken; /* [n_cpus]: records that were taken; owned */
};

/* *l has all but `taken`. -ENOMEM. */
int run_log_open(struct run_log *l);
void run_log_close(struct run_log *l);

/* What was written before is nobody's. */
void run_log_skip(struct run_log *l);

/* Records for which there was no room, since they were not taken in time. */
uint64_t run_log_lost(const struct run_log *l);

/*
 * Hands out a CPU's new records in order, and then tells who is on it, in *ret_now, and the time up
 * to which this is all. -EAGAIN when a switch is under way there for so long that the hypervisor of
 * this host must have stopped the CPU in it; the records are handed out all the same.
 */
int run_log_take(struct run_log *l, uint32_t cpu,
		 void (*fn)(const struct blame_record *record, void *data), void *data,
		 struct blame_cpu *ret_now, uint64_t *ret_until);

#endif
