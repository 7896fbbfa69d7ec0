/* SPDX-License-Identifier: MIT */
/*
 * A virtual machine: a board (board.h), vCPUs (vcpu.h), and what is to boot. A thread for each
 * vCPU runs the guest, its devices and its ticks, so that whatever a guest makes of them is paid
 * for with its own CPU time; the caller's thread waits for input (console.h). `lock` is held
 * whenever one of them looks at the machine, never while its guest code runs, and never while a
 * thread waits for anything or does what a guest may ask for without bound (work.h, output.h).
 */
#ifndef VMM_MACHINE_H
#define VMM_MACHINE_H

#include "vmm/board.h"
#include "vmm/kvm.h"
#include "vmm/vcpu.h"

#define MACHINE_CPUS_MAX 16

enum machine_end {
	MACHINE_RUNS,
	MACHINE_POWEROFF,
	MACHINE_RESET,
	MACHINE_STOPPED, /* by us */
	MACHINE_HALTED,	 /* the guest halted for good, with interrupts off */
	MACHINE_FAULT,	 /* triple fault */
	MACHINE_BROKEN,	 /* KVM cannot go on: `broken` says why */
	MACHINE_ENDS,
};

extern const char *const machine_end_names[MACHINE_ENDS];

struct machine {
	struct board board;
	struct kvm kvm;
	struct image_entry entry;
	struct vcpu cpu[MACHINE_CPUS_MAX];
	unsigned cpus;
	struct image_file kernel, initrd; /* .name NULL: none */
	char command[IMAGE_COMMAND_MAX];
	bool reboots;  /* when it is reset; otherwise that ends it */
	bool stopping; /* the user wants it to end: what is being read for a reset need not be */
	uint64_t resets;

	pid_t process;
	int output;	      /* where the serial port goes */
	int output_error;     /* the first of it, -errno */
	uint64_t output_lost; /* bytes that were not written, for that or since the machine ended */
	pthread_mutex_t lock; /* by machine_lock() */
	pthread_mutex_t gate; /* see there; taken before it */
	bool gated;
	pthread_mutex_t output_lock; /* taken before `lock` */
	uint64_t ready_at;	     /* mono: the first KVM_RUN began; 0: not yet */
	bool told;		     /* vCPU 0 knows what the 8259s and the timers want of it */
	unsigned started, threads;   /* vCPUs' threads; of them, those that have not ended */
	unsigned parked;	     /* of these, at rest until the machine restarts */
	int ended;		     /* an eventfd: one is */
	enum machine_end end;
	struct failure broken;
};

/* The lock. A vCPU's thread takes it by machine_lock(); the caller's by machine_lock_first(), which
 * gets it before every vCPU that is still waiting for it, so that vCPUs, however many and busy, keep
 * the caller no longer than each needs the lock once. */
void machine_lock(struct machine *m);
void machine_lock_first(struct machine *m);
void machine_unlock(struct machine *m);

/* A millisecond without the lock. */
void machine_nap(struct machine *m);

/* Read without the lock. */
bool machine_has_ended(const struct machine *m);

/* A reset or a triple fault has ended it, and this machine restarts after that. */
bool machine_restarts(const struct machine *m);

/* KVM cannot go on, for this reason. */
void machine_break(struct machine *m, const char *what, unsigned number);

/* Of all timers: the policy from now on; what was worst so far is forgotten. */
void machine_set_policy(struct machine *m, enum tick_policy policy);
void machine_forget(struct machine *m);

#endif
