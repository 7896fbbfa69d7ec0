/* SPDX-License-Identifier: MIT */
/*
 * The monitor: one VM per process, from what a person asks for to how it ended. vmm_open() prepares
 * it, vmm_run() runs it to its end, each vCPU in a thread of its own, and serves input and control
 * meanwhile.
 */
#ifndef VMM_VMM_H
#define VMM_VMM_H

#include "base/failure.h"
#include "policy/tick.h"

#include <jansson.h>
#include <stdint.h>

#define VMM_CPUS_MAX 16

struct vmm_config {
	const char *name;
	const char *kernel;  /* NULL: the test guest that is built in */
	const char *initrd;  /* NULL: none */
	const char *append;  /* the kernel's command line */
	const char *disk;    /* NULL: none */
	const char *page;    /* the ledger page's file, NULL: none */
	const char *control; /* path of the control socket, NULL: none */
	uint64_t memory;     /* bytes */
	unsigned cpus;	     /* 1 to VMM_CPUS_MAX */
	enum tick_policy policy;
	bool read_only; /* the disk */
	bool no_reboot; /* a reset ends the VM */
	void (*notice)(
		const char *text); /* what the user should know meanwhile; NULL: discards it */
};

struct vmm;

int vmm_open(const struct vmm_config *c, struct failure *f, struct vmm **ret);
struct vmm *vmm_close(struct vmm *v); /* NULL accepted; returns NULL */

/* Serial input and output are this process' standard ones. 0 when the guest has ended, or a signal
 * (INT, TERM, HUP) has ended it; -errno when KVM could not go on, what it needs is not there, or
 * output is lost; -ETIMEDOUT when a thread did not end after a signal: the process is to end. */
int vmm_run(struct vmm *v, struct failure *f);

/* The figures of desched-vm(1), a new reference. */
json_t *vmm_figures(struct vmm *v);

#endif
