/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/* When the timers of source `self` really fired. Shared by timers.bpf.c and src/guest/sampler.c. */
#ifndef BPF_TIMERS_H
#define BPF_TIMERS_H

#ifndef __bpf__
#include <linux/types.h>
#endif

#define TIMERS_CPUS_MAX 1024 /* a power of two */

struct timers_fire {
	__u64 time;  /* ns, CLOCK_MONOTONIC: when the interrupt of the sampler's timer was served */
	__u32 tid;   /* who was on the CPU then */
	__u32 count; /* raised with every fire */
};

/* The object's only global: user space maps it. */
struct timers_shared {
	__u64 sampler[TIMERS_CPUS_MAX]; /* address of the sampling thread's task */
	struct timers_fire fire[TIMERS_CPUS_MAX];
};

/* Argument of the program by which a thread says that it samples a CPU. */
struct timers_enlist {
	__u32 cpu;
	__u32 reserved;
};

#endif
