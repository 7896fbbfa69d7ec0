/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * A log of decisions (policy/turns.h), for turns.bpf.c to make again in the kernel: what happened,
 * and what was made of it. A test records one in virtual time.
 */
#ifndef BPF_TURNS_H
#define BPF_TURNS_H

#include <linux/types.h>

#define TURNS_LOG_VMS	  256
#define TURNS_LOG_THREADS 256

enum turns_happens { TURNS_SET, TURNS_WAKE, TURNS_SLEEP, TURNS_START, TURNS_STOP, TURNS_QUEUE };

struct turns_event {
	__u32 what, vm, thread;
	__u32 leave;	    /* of TURNS_QUEUE */
	__u64 now, service; /* service: of TURNS_STOP */
	/* of TURNS_SET: what the VM and the thread have from the beginning; now: the domain's
	 * patience */
	__u64 rate, reserved, quota, period, keep;
	__u32 each, whole, is_vcpu, nice, cpus;
	/* what was decided: of TURNS_QUEUE and TURNS_START */
	__u32 held;
	__u64 slice, key;
	/* and what is in the accounts behind it */
	__u64 vtime, clock;
	__s64 left;
};

#endif
