/* SPDX-License-Identifier: MIT */
/*
 * A host at one instant: its VMs and their vCPUs, with what each has in its ledger since it was
 * first seen. One that has ended is in one more frame, with its last reading. What a frame holds is
 * its own: host_frame_done().
 */
#ifndef SCREEN_HOST_FRAME_H
#define SCREEN_HOST_FRAME_H

#include <desched/ledger.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct host_frame_vcpu {
	unsigned index; /* the guest's number of it */
	pid_t tid;
	bool ended;
	uint64_t ns[LEDGER_STATES]; /* since its VM was first seen */
	char name[24];		    /* "vCPU 0" */
};

struct host_frame_vm {
	pid_t pid;
	uint64_t since; /* ns: when it was first seen; with pid, its identity */
	bool ended;
	char name[64], uuid[40];
	uint64_t overhead; /* ns: CPU time of its other threads */
	uint64_t rss;	   /* bytes; 0: not known */
	struct host_frame_vcpu *vcpus;
	size_t n_vcpus;
};

struct host_frame {
	uint64_t time;	     /* ns, CLOCK_REALTIME */
	uint64_t elapsed;    /* ns since measuring began */
	const char *source;  /* "bpf", static */
	uint64_t gaps_lost;  /* since measuring began */
	unsigned n_unseen;   /* VMs that cannot be measured now; the first of them: */
	char unseen[64 + 8]; /* its name, */
	char why[160];	     /* and why */
	struct host_frame_vm *vms;
	size_t n_vms;
};

/* Makes room for `n_vcpus` vCPUs in a new VM at the end of `f->vms`, which has room. NULL without
 * memory. */
struct host_frame_vm *host_frame_add(struct host_frame *f, size_t n_vcpus);

void host_frame_done(struct host_frame *f);

#endif
