/* SPDX-License-Identifier: MIT */
/*
 * The virtual machines whose processes a tree shows, by the names of their monitors and their
 * command lines. A process may write anything there: that is what checks show, never what they
 * trust.
 */
#ifndef DOCTOR_VMS_H
#define DOCTOR_VMS_H

#include "doctor/tree.h"

#include <stddef.h>

#define VMS_MAX 256 /* of them, at most */

struct vm_seen {
	char pid[16];
	char name[48];	  /* as its owner calls it, else "pid PID"; without '/' */
	bool qemu;	  /* QEMU's options are understood; of others only that they are there */
	bool kvm;	  /* not TCG */
	bool page;	  /* it has memory for a ledger page */
	bool steal;	  /* its guest can have a steal clock */
	bool threads;	  /* its vCPU threads can be found */
	char cgroup[192]; /* its path, or empty */
};

struct vms_seen {
	struct vm_seen *list;
	size_t n;
};

/* -ENOENT where the tree shows no process at all, -ENOMEM. Free with vms_done(). */
int vms_find(const struct tree *t, struct vms_seen *ret);
void vms_done(struct vms_seen *v);

#endif
