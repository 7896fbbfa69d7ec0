/* SPDX-License-Identifier: MIT */
/*
 * Watching this host's processes for virtual machines that come, grow and go.
 *
 * A round looks at every process once. What is known of one is kept from round to round, so that
 * only those are looked into which are new, have another number of threads than before, or were not
 * looked into for ten seconds: a monitor may run for a long time before it makes its vCPUs. One
 * that changed is looked into a few times more, since it may still be about to name its threads. A
 * VM is looked at in one round of five.
 */
#ifndef HOST_WATCH_H
#define HOST_WATCH_H

#include "host/host_vm.h"

#include <stdbool.h>
#include <stdint.h>

/* A round begins so long after the one before; where rounds are dear, later, so that they take
 * a quarter of a percent of a CPU. */
#define WATCH_ROUND_NS	   (200 * 1000 * 1000ull)
#define WATCH_ROUND_MAX_NS (700 * 1000 * 1000ull)

struct watch;

struct watch_events {
	/* A VM, or one with other vCPU threads than it had; *vm is the callee's from now on. */
	void (*came)(struct host_vm *vm, void *data);
	/* A process that came or was unseen is gone. */
	void (*went)(pid_t pid, void *data);
	/* A process that is a VM, but whose vCPU threads cannot be found; once for each. */
	void (*unseen)(const struct host_vm *vm, const char *why, void *data);
	void *data;
};

int watch_new(const struct watch_events *events, struct watch **ret);
struct watch *watch_free(struct watch *w); /* NULL accepted; returns NULL */

/*
 * Goes on with the round, or begins the next one if it is time, for about `budget_ns` at most (0:
 * to the end of the round). Returns whether a round has ended; -errno when /proc cannot be read.
 */
int watch_look(struct watch *w, uint64_t budget_ns);

/* Looks into a process again as if it were new: what it had as vCPUs is no more. */
void watch_again(struct watch *w, pid_t pid);

/* One of the vCPU threads of a VM that came has ended: another one may take its place, and then the
 * process has no more threads than it ever had. */
void watch_thread_ended(struct watch *w, pid_t pid);

/* Looks that failed for want of memory or descriptors, ever. */
uint64_t watch_failures(const struct watch *w);

#endif
