/* SPDX-License-Identifier: MIT */
/*
 * What a process that looks like a VM (like_vm.c) shares with a test: what it shall do, and what its
 * vCPUs know themselves of their time. It is in a file, which the test makes and both map.
 */
#ifndef SYSTEM_LIKE_VM_H
#define SYSTEM_LIKE_VM_H

#include <limits.h>
#include <linux/futex.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

#define LIKE_VM_VCPUS 2

/* Idle, and when they have worked, vCPUs sleep without waking up. */
enum like_vm_order { LIKE_VM_IDLE, LIKE_VM_RUN, LIKE_VM_STOP, LIKE_VM_END };

/* ns, since the thread began: by its own CPU clock, and by its /proc/PID/schedstat. */
struct like_vm_times {
	uint64_t cpu, waited;
};

struct like_vm {
	_Atomic int order;
	_Atomic int ready;   /* vCPUs that have their names */
	_Atomic int stopped; /* vCPUs that have worked */
	pid_t tid[LIKE_VM_VCPUS];
	/* Before they waited for the order to run, and after they ran. */
	struct like_vm_times before[LIKE_VM_VCPUS], after[LIKE_VM_VCPUS];
	uint64_t ordered; /* ns: set before the order to run is given */
	uint64_t jump;	  /* ns: the longest time from one look at the clock to the next, of vCPU 0,
			   * which has nothing to do but to look, since then */
};

/* Until the order is another one. */
static inline void like_vm_wait(struct like_vm *vm, int order)
{
	while (atomic_load(&vm->order) == order)
		syscall(SYS_futex, &vm->order, FUTEX_WAIT, order, NULL);
}

static inline void like_vm_order(struct like_vm *vm, enum like_vm_order order)
{
	atomic_store(&vm->order, order);
	syscall(SYS_futex, &vm->order, FUTEX_WAKE, INT_MAX);
}

#endif
