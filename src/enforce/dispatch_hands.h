/* SPDX-License-Identifier: MIT */
/* The hands of the dispatcher: they bring a thread's class, CPU and freezer to what is wished, by as
 * few system calls as it takes. */
#ifndef ENFORCE_DISPATCH_HANDS_H
#define ENFORCE_DISPATCH_HANDS_H

#include "enforce/dispatch_place.h"
#include "enforce/dispatch_plan.h"

#define HANDS_ANYWHERE UINT32_MAX

struct hand {
	pid_t tid;  /* 0: none */
	int freeze; /* its cgroup's freezer; -1: none */
	bool held, idle;
	uint32_t cpu; /* pinned there; HANDS_ANYWHERE */
	struct thread_class class, idle_class;
	struct thread_mask mask;
};

/* -errno where the thread or its cgroup is gone; *ret has no thread then. */
int hand_open(const struct dispatch_host *h, const char *top, pid_t tid, uint64_t usual_slice,
	      struct hand *ret);
/* As it was. */
void hand_close(struct hand *h);

/* Takes the thread away, if that is wished; and, afterwards for all, lets it run. Both return whether
 * anything changed. `cpu` is the kernel's number. */
bool hand_take_off(struct hand *h, enum plan_wish wish);
bool hand_put_on(struct hand *h, enum plan_wish wish, uint32_t cpu);

/* Freezes or thaws. */
void hand_hold(int freeze, bool hold);

struct kicks;

/* One real-time thread a CPU; -errno: some can't be had. */
int kicks_open(const uint32_t *cpus, uint32_t n, struct kicks **ret);
/* The kernel picks again what runs on the i-th CPU. */
void kicks_kick(struct kicks *k, uint32_t i);

#endif
