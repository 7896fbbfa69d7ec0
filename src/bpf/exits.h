/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * What exits.bpf.c and src/host/exits.c share: for each slot of vcpu.h, how often its vCPU left the
 * guest, what for, and the CPU time that this took. All of it only counts up, but for what is under
 * way.
 *
 * Two tables are kept. `kernel` is of exits: from the guest into the host's kernel, until the next
 * entry. `user` is of trips: out of KVM_RUN into the monitor, until it calls KVM_RUN again. A trip
 * lies within an exit and its time is not in the exit's. Time is the thread's CPU time by the slot's
 * own clock: what it waits or sleeps in between is not in it.
 */
#ifndef BPF_EXITS_H
#define BPF_EXITS_H

#include <linux/types.h>

/* What an exit or a trip is for. */
enum exit_class {
	EXIT_OTHER,
	EXIT_HALT,	/* HLT, MWAIT: the guest is idle */
	EXIT_PORT,	/* port I/O */
	EXIT_MMIO,	/* a device in memory */
	EXIT_MSR,	/* on x86 also the timer of the local APIC */
	EXIT_APIC,	/* the interrupt controller's registers, or an interrupt's end */
	EXIT_TIMER,	/* the guest's own timer ran out while it ran */
	EXIT_INTERRUPT, /* an interrupt or NMI of the host */
	EXIT_WINDOW,	/* the guest can take an interrupt now */
	EXIT_PAUSE,	/* it spins for a lock */
	EXIT_MEMORY,	/* a page that is not there */
	EXIT_CPUID,
	EXIT_CONTROL, /* control and debug registers, descriptor tables */
	EXIT_HYPERCALL,
	EXIT_EXCEPTION,
	EXIT_SIGNAL, /* trips only: a signal, or a kick, ended KVM_RUN */
	EXIT_CLASSES
};

#define EXITS_ISAS    4	   /* by the tracepoint: 1 VMX, 2 SVM */
#define EXITS_REASONS 2048 /* those from here on are EXIT_OTHER */

/* What user space tells the programs: where the fields of kvm_exit are, and what reasons mean. */
struct exits_globals {
	__u32 reason_at, isa_at;
	__u8 class_of[EXITS_ISAS][EXITS_REASONS];
	__u8 user_class_of[64]; /* of KVM_EXIT_* */
};

struct exits_count {
	__u64 n;
	__u64 ns;
};

struct exits_vcpu {
	struct exits_count kernel[EXIT_CLASSES];
	struct exits_count user[EXIT_CLASSES];
	__u64 exited; /* ns of the thread's CPU time at the exit, plus 1; 0: in the guest */
	__u64 left;   /* the same when KVM_RUN came back; 0: in KVM_RUN */
	__u64 away;   /* ns of trips since the exit */
	__u32 exit_class, user_class;
} __attribute__((aligned(64)));

#endif
