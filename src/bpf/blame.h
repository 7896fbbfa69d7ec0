/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * Who was on which CPU while a vCPU waited there: what blame.bpf.h and src/host/run_log.c share.
 * Two arrays that user space maps, beside the slots of vcpu.h, which say on which CPU a thread waits:
 *
 *  blame_cpus   who is on each CPU now, and how many vCPUs wait there
 *  blame_log    a ring of records for each CPU, written by that CPU alone and never waited for: where
 *               the reader is too late, runs and waits are counted only, and gaps go into the ring
 *               buffer
 *
 * `seq` of a CPU is odd while a switch is under way there. A reader that takes the time first and
 * then finds an even, unchanged `seq` has in the log, and in blame_cpus, all that happened on the
 * CPU up to that time.
 */
#ifndef BPF_BLAME_H
#define BPF_BLAME_H

#include <linux/types.h>

#define BLAME_LOG_MIN	512   /* records a CPU, a power of two */
#define BLAME_LOG_MAX	4096  /* the same, on hosts with few CPUs; */
#define BLAME_LOG_TOTAL 65536 /* on others so many that all CPUs have about this many */

/* What is recorded (vcpu_globals.record). */
enum blame_record_what {
	BLAME_NOTHING,
	BLAME_WAITS, /* runs on CPUs on which a vCPU waits, and waits */
	BLAME_ALL,   /* all runs, and all states of vCPUs; the names are those of threads */
};

#define BLAME_COMM 16

struct blame_cpu {
	__u32 seq;
	__u32 tid;	 /* who is on the CPU, 0 for the idle task, as the kernel counts */
	__u64 since;	 /* ns: since when; 0: not known */
	__u64 head;	 /* records written to its log so far */
	__u64 taken;	 /* of these, by the reader, who writes this */
	__u64 lost;	 /* records for which it was full */
	__u64 irq_ns;	 /* of the time since `since`: spent in interrupts that are over */
	__u64 irq_since; /* ns: when the present one began */
	__u32 irq_depth; /* of interrupts in each other */
	__u32 waiters;	 /* vCPUs that wait for this CPU */
	__u32 moved;	 /* raised whenever one of them was taken to another CPU */
	__u32 moved_seen;
	__u32 slot;	       /* index + 1 of the vCPU that is on the CPU */
	__u32 process;	       /* index + 1 of the VM to which who is on the CPU belongs */
	__u32 tgid;	       /* in the namespace of who reads */
	__u32 kthread;	       /* 1: a kernel thread */
	char comm[BLAME_COMM]; /* the process's name, where tgid is GAP_BY_HIDDEN */
} __attribute__((aligned(64)));

enum blame_kind {
	BLAME_RUN,   /* a thread was on this CPU */
	BLAME_WAIT,  /* a vCPU waited for `cpu`, and then ran or was taken to another one */
	BLAME_STATE, /* a vCPU was in `state` */
};

struct blame_record {
	__u64 start, end; /* ns */
	__u64 irq_ns;	  /* run, or wait.idle: of it, spent in interrupts */
	__u16 kind;
	__u16 detail; /* run: 1 for a kernel thread; wait: 1 if it is over, 0 if it goes on elsewhere;
		       * state: enum ledger_state */
	__u32 tid;    /* as the kernel counts */
	__u32 tgid;   /* run: the process in the reader's PID namespace, or GAP_BY_HIDDEN */
	__u32 slot;   /* index + 1 of the vCPU, 0 for a run that isn't one's */
	__u32 place; /* run: index + 1 of the VM, or 0; wait: its CPU; state: the CPU at its end */
	union {
		char comm[BLAME_COMM]; /* run: the process's name, or the thread's with BLAME_ALL */
		struct {
			__u64 gap;  /* ns: when the gap began that ended with it, which tgid ended
				     * (vcpu_gap.by); 0: that isn't a gap, or told elsewhere */
			__u64 idle; /* ns: since when the idle task was on this CPU until the end,
				     * of which irq_ns are spent in interrupts; 0: told elsewhere */
		} wait;
	};
} __attribute__((aligned(64)));

#endif
