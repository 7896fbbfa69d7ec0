/* SPDX-License-Identifier: MIT */
/*
 * The stream of switches, forks, execs and exits that this kernel tells through BPF, and its steal
 * clock. Needs root, or CAP_BPF and CAP_PERFMON, and a kernel with BTF.
 */
#ifndef GUEST_SWITCHES_H
#define GUEST_SWITCHES_H

#include "base/failure.h"
#include "bpf/switches.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct switches;

/* Loads the programs and finds out which steal clocks there are; attaches nothing yet. */
int switches_open(struct failure *f, struct switches **ret);
struct switches *switches_close(struct switches *s);

/* The best steal clock that this kernel has and that a hypervisor feeds; SWITCHES_STEAL_NONE
 * else. */
enum switches_steal switches_steal_row(const struct switches *s);
const char *switches_steal_name(enum switches_steal row);

/* The kernel takes stolen time out of the tasks' CPU time itself (CONFIG_PARAVIRT_TIME_ACCOUNTING,
 * and a steal clock that has counted something). */
bool switches_kernel_subtracts(const struct switches *s);

/* From now on records flow. `steal`: every switch carries the steal clock. */
int switches_attach(struct switches *s, enum switches_steal steal, struct failure *f);

/* The CPU's steal clock now, ns. -ENODATA while no switch has been seen on it. */
int switches_read_steal(struct switches *s, unsigned cpu, uint64_t *ret);

/* Hands over every record that has come, in order, until `fn` returns a -errno. Returns how many,
 * or that -errno. */
typedef int (*switches_fn)(const struct switches_head *record, size_t size, void *data);
int switches_drain(struct switches *s, switches_fn fn, void *data);

/* Readable when the buffer is half full, though nobody has drained it. */
int switches_fd(const struct switches *s);

struct switches_counters {
	uint64_t lost_switches;
	uint64_t lost_lives;
	uint64_t bpf_runs; /* while kernel.bpf_stats_enabled is on */
	uint64_t bpf_ns;
};
uint64_t switches_lost(const struct switches *s); /* of the counters, the one for lost switches */
void switches_counters(const struct switches *s, struct switches_counters *ret);

#endif
