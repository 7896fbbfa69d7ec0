/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/* What sched_ext.bpf.c and the enforcer of this name share. */
#ifndef BPF_SCHED_EXT_H
#define BPF_SCHED_EXT_H

#include <linux/types.h>

#define SCHED_EXT_NAME	     "desched"
#define SCHED_EXT_ONE	     (1ULL << 32) /* a CPU, in rates */
#define SCHED_EXT_VMS	     1024	  /* orders[0] is of the host's own work */
#define SCHED_EXT_VCPUS	     16384
#define SCHED_EXT_TIMEOUT_MS 500	    /* the kernel's watchdog */
#define SCHED_EXT_VIRTUAL_MS 5000	    /* on a host that is a virtual machine itself */
#define SCHED_EXT_PATIENCE   10000000000ULL /* ns without a word from the daemon, then it is over */

/* What a VM is to get. `changed` is written last, and differs from its last value. */
struct sched_ext_order {
	__u64 rate;		   /* 1/2^32 CPU */
	__u64 reserved;		   /* 1/2^32 CPU, whatever rates are in */
	__u64 quota, period, keep; /* ns, of the limit; period 0: none */
	__u32 whole;		   /* CPUs of the limit, rounded down */
	__u32 changed;
};

/* What has happened since it was attached; the daemon reads it, and writes `heard` alone. */
struct sched_ext_globals {
	__u64 heard;	 /* CLOCK_MONOTONIC ns: when the daemon last gave orders */
	__u64 holds;	 /* times that a limit held a vCPU */
	__u64 looks;	 /* at held vCPUs, by a timer */
	__u64 lets;	 /* vCPUs that were let go */
	__u64 stuck;	 /* ... that the kernel didn't move at once */
	__u64 signals;	 /* held vCPUs that were let go since a signal waited for them */
	__u64 longest;	 /* ns: the longest hold */
	__u64 preempts;	 /* CPUs that a waking thread took */
	__u64 yields;	 /* directed yields that were followed */
	__u64 rescues;	 /* threads that had waited for too long */
	__u64 no_memory; /* threads for which there was none: the kernel schedules again */
	__u64 patience;	 /* ns, of the kernel's watchdog; written before it is attached */
	__u32 ended;	 /* the kernel's kind of exit; 0: it is in charge */
	__u32 cpus;	 /* online */
	char reason[64], message[128]; /* the kernel's, of the end */
};

#endif
