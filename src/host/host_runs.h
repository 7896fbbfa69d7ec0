/* SPDX-License-Identifier: MIT */
/*
 * What sources of ledgers record besides gaps: who was on which CPU of the host, where vCPUs waited,
 * in which states they were. Times are CLOCK_MONOTONIC, intervals half-open; the streams of
 * different CPUs come one after the other, each in order of its ends.
 */
#ifndef HOST_HOST_RUNS_H
#define HOST_HOST_RUNS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

enum host_record { HOST_RECORD_NOTHING, HOST_RECORD_WAITS, HOST_RECORD_ALL };

#define HOST_RUN_NAME 16

/* A thread was on a CPU. */
struct host_run {
	uint64_t start, end; /* ns */
	uint64_t irq;	     /* ns: of it, in interrupts */
	uint32_t cpu;
	int vm;			  /* the VM's id, -1: none's */
	int vcpu;		  /* position in host_vm.vcpus, -1: another thread */
	bool kernel;		  /* a kernel thread */
	pid_t tid;		  /* as the kernel counts; 0: the CPU was idle */
	pid_t pid;		  /* its process; 0: in a PID namespace that isn't seen from here */
	char name[HOST_RUN_NAME]; /* of the process; of the thread where all is recorded; empty for
				   * a run that isn't over of a process that is seen from here */
};

/* A vCPU was ready and waited for a CPU. */
struct host_wait {
	uint64_t start, end; /* ns */
	uint32_t cpu;
	int vm;
	uint32_t vcpu;
	bool over; /* it ended in running; otherwise it went on on another CPU */
};

/* A vCPU was in a state; only where all is recorded. */
struct host_stay {
	uint64_t start, end; /* ns */
	int vm;
	uint32_t vcpu, state; /* enum ledger_state */
	uint32_t cpu;	      /* where its thread was when that ended */
};

struct host_runs_fns {
	void (*run)(const struct host_run *run, void *data);
	/* A run that isn't over (its end is the time of looking), or, with a start of 0, nobody
	 * knows who is on the CPU. All that ended there before `end` has been handed out. */
	void (*now)(const struct host_run *run, void *data);
	void (*wait)(const struct host_wait *wait, void *data);
	void (*stay)(const struct host_stay *stay, void *data); /* may be NULL */
	void *data;
};

#endif
