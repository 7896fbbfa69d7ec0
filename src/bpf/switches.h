/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * What the guest's BPF programs tell vmdesched: one stream of records in the order in which they
 * happened, one ring buffer for all CPUs. Shared by switches.bpf.c and src/guest/switches.c.
 */
#ifndef BPF_SWITCHES_H
#define BPF_SWITCHES_H

#ifndef __bpf__
#include <linux/types.h>
#include <stdint.h>
#endif

#define SWITCHES_RING_BYTES (1u << 20)
#define SWITCHES_COMM_LEN   16
#define SWITCHES_CPUS_MAX   1024 /* a power of two */

enum switches_kind {
	SWITCHES_SWITCH, /* struct switches_switch */
	SWITCHES_FORK,	 /* struct switches_life, and so the rest */
	SWITCHES_EXEC,
	SWITCHES_RENAME,
	SWITCHES_MOVE, /* to another control group: which, stands in /proc */
};

struct switches_head {
	__u32 kind; /* enum switches_kind */
	__u32 cpu;
	__u64 time; /* ns, the guest's CLOCK_MONOTONIC */
};

/* The CPU changed from prev to next. */
struct switches_switch {
	struct switches_head head;
	__u64 steal;	/* ns, the CPU's steal clock at this instant, 0 without one */
	__u64 prev_ran; /* ns since prev was switched in, by its own clock; 0: not known */
	__u32 prev_tid;
	__u32 next_tid;
	__u32 next_tgid;
	__u32 prev_dead; /* prev will never run again */
};

struct switches_life {
	struct switches_head head;
	__u32 tid;
	__u32 tgid;
	__u32 parent; /* tgid of the parent process */
	__u32 moved;  /* fork: the child is in another control group; move: the whole process */
	char comm[SWITCHES_COMM_LEN];
};

/* Where the steal clock is read from, best first. */
enum switches_steal {
	SWITCHES_STEAL_NONE,
	SWITCHES_STEAL_KVM,	/* per-CPU variable steal_time (CONFIG_KALLSYMS_ALL) */
	SWITCHES_STEAL_XEN,	/* per-CPU variable xen_runstate: runnable and offline */
	SWITCHES_STEAL_VMWARE,	/* per-CPU variable vmw_steal_time, in units of the counter */
	SWITCHES_STEAL_RQ_TASK, /* rq->prev_steal_time_rq: kernels that subtract steal themselves */
	SWITCHES_STEAL_RQ_TICK, /* rq->prev_steal_time: brought up to date at every tick */
	SWITCHES_STEAL_ROWS,
};

/* The object's only global: user space maps it. */
struct switches_shared {
	__u64 lost_switches; /* records that found the ring full */
	__u64 lost_lives;
	__u32 steal_row;			 /* enum switches_steal, set by user space */
	__u32 probed_rows;			 /* a bit for each row that this kernel has */
	__u64 probed_steal[SWITCHES_STEAL_ROWS]; /* ns, as the probe read them on its CPU */
	__u64 rq[SWITCHES_CPUS_MAX];		 /* address of the CPU's run queue, once known */
};

/* Argument of the program that reads any CPU's steal clock. */
struct switches_steal_query {
	__u32 cpu;
	__u32 reserved;
	__u64 steal; /* out: ns */
};

#endif
