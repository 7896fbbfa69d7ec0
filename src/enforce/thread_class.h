/* SPDX-License-Identifier: MIT */
/* A thread's scheduling class and what belongs to it, as sched_setattr(2) has it; and where it may
 * run. Returns 0 or -errno: -ESRCH for a thread that is gone. */
#ifndef ENFORCE_THREAD_CLASS_H
#define ENFORCE_THREAD_CLASS_H

#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* The kernel's struct sched_attr. */
struct thread_class {
	uint32_t size, policy;
	uint64_t flags;
	int32_t nice;
	uint32_t priority;
	uint64_t runtime; /* of the fair class: the slice, 0 for the usual one */
	uint64_t deadline, period;
	uint32_t util_min, util_max;
};

#define THREAD_CPUS 1024

struct thread_mask {
	unsigned long bits[THREAD_CPUS / (8 * sizeof(unsigned long))];
};

/* The slice of fair threads that have none of their own, ns; 0: not known. To be called by one. */
uint64_t thread_usual_slice(void);
int thread_class_get(pid_t tid, uint64_t usual_slice, struct thread_class *ret);
int thread_class_set(pid_t tid, const struct thread_class *to);

/* The same thread in SCHED_IDLE. */
struct thread_class thread_class_idle(const struct thread_class *of);
bool thread_class_is_fair(const struct thread_class *c); /* SCHED_OTHER or SCHED_BATCH */

int thread_mask_get(pid_t tid, struct thread_mask *ret);
int thread_mask_set(pid_t tid, const struct thread_mask *to);
struct thread_mask thread_mask_of(uint32_t cpu);
bool thread_mask_has(const struct thread_mask *m, uint32_t cpu);

#endif
