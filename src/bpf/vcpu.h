/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * What vcpu.bpf.c and src/host/source_bpf.c share: three arrays that user space maps and reads
 * without a system call, and the records of the ring buffer `gaps`.
 *
 * A *slot* is the ledger of one vCPU thread. `seq` is odd from before the time of a transition is
 * taken until after the slot is up to date, so a reader who takes the time first and then finds an
 * even, unchanged `seq` knows that the state in the slot holds up to that time.
 */
#ifndef BPF_VCPU_H
#define BPF_VCPU_H

#include <desched/gap.h>
#include <desched/ledger.h>
#include <linux/types.h>

#define VCPU_SLOTS	4096
#define VCPU_PROCESSES	1024
#define VCPU_RING_BYTES (1 << 20)
#define VCPU_NUMBERS	65536 /* a power of two */
#define VCPU_SHARED	0xffffffff

/* A slot's state before anybody has seen its thread: whoever sees it first, a transition or the
 * program `resolve`, says what it was. */
#define VCPU_UNKNOWN 7

/* What user space tells the programs. */
struct vcpu_globals {
	__u32 epoch; /* raised when a process was entered */
	/* The PID namespace in which thread ids are told (vcpu_gap.by): its depth, and the number
	 * of its inode. Depth 0: the first one, in which the kernel counts. */
	__u32 level;
	__u32 inode;
	__u32 record;	/* enum blame_record_what (blame.h) */
	__u32 log_size; /* records in each CPU's log, a power of two */
};

/* What has the ids with the same low bits: index + 1; 0 for nothing, VCPU_SHARED for several, which are
 * in the hashes. Threads of VMs are found by it without touching a hash, whose buckets are cold
 * where there are many. 8 bytes, as the kernel rounds an array's entries up to. */
struct vcpu_number {
	__u32 slot;    /* of thread ids */
	__u32 process; /* of process ids */
};

/* A thread that the reader of the iterator `translate` sees, and what the kernel calls it. */
struct vcpu_thread {
	__u32 here; /* its id in the reader's PID namespace */
	__u32 tid, tgid;
	__u32 level; /* depth of that namespace */
};

/* What a transition touches comes first: of a thousand vCPUs it isn't in a cache. */
struct vcpu_slot {
	__u32 seq;
	__u32 tid;   /* as the kernel counts; 0: nobody's */
	__u64 at;    /* ns: the last transition */
	__u32 state; /* enum ledger_state since `at`, or VCPU_UNKNOWN */
	__u8 ended;  /* the thread is no more, the ledger stands still */
	__u8 kvm;    /* the thread was seen in KVM_RUN */
	__u16 reserved[3];
	__u32 wait_cpu;	  /* index + 1 of the CPU for which the thread waits; 0: it doesn't, or not
				  * known (blame.h) */
	__u64 wait_since; /* ns */
	__u64 ns[LEDGER_STATES]; /* complete up to `at` */
	__u64 start;		 /* ns: when the ledger was started */
	__u64 exits;		 /* KVM exits */
	__u32 gaps;		 /* put into the ring buffer, modulo 2^32 */
	__u32 gaps_lost;	 /* it was full */
	__u32 missed;		 /* switches that the kernel did not report */
	__u32 process;		 /* index + 1 of its VM's */
} __attribute__((aligned(128)));

struct vcpu_process {
	__u64 overhead_ns; /* CPU time of its threads that are no vCPUs, up to their last switch */
	__u64 added;	   /* ns: when it was added */
	__u32 tgid;	   /* 0: nobody's */
} __attribute__((aligned(64)));

/* The thread that a CPU runs, as far as VMs are concerned. Index + 1, so that 0 is none. */
struct vcpu_cpu {
	__u64 since; /* ns: when it was switched in; 0 while the rest changes, or it is no VM's */
	__u32 tid;
	__u32 epoch;   /* of the tables when it was looked up */
	__u32 process; /* index + 1 */
	__u32 slot;    /* index + 1 */
} __attribute__((aligned(64)));

struct vcpu_gap {
	__u64 start; /* ns */
	__u64 end;   /* ns */
	__u32 slot;
	__u32 tid;   /* whose slot it was then */
	__u32 state; /* enum ledger_state */
	__u32 by;    /* thread that ran before the vCPU came back, or as in gap.h */
};

#endif
