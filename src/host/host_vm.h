/* SPDX-License-Identifier: MIT */
/* A virtual machine on this host: its process, and which of its threads is which vCPU. */
#ifndef HOST_HOST_VM_H
#define HOST_HOST_VM_H

#include "base/failure.h"

#include <stdint.h>
#include <sys/types.h>

#define HOST_VCPUS_MAX 1024

struct host_vcpu {
	pid_t tid;
	uint32_t index; /* the guest's number of it, from 0 */
};

struct host_vm {
	char name
		[64]; /* printable; of VMs that are measured together no two have one (vm_name.h) */
	char uuid[40]; /* printable; where the command line has it, else empty */
	pid_t pid;
	uint64_t start_ns; /* when the process started, since boot: with its id, its identity */
	uint32_t n_vcpus;
	struct host_vcpu *vcpus; /* in order of index; owned, freed by host_vm_done() */
	const char *found_by;	 /* the finder's name: "qmp", "kvm-fd", "names" */
	char called
		[64]; /* printable: by its owner, where the command line has it, else "pid PID" */
	char id[32];  /* printable: another name that its manager has for it (VMID); else empty */
	const char *manager; /* "libvirt", "proxmox", "qemu", "firecracker" and so on; may be "" */
};

void host_vm_done(struct host_vm *vm);
void host_vms_free(struct host_vm *vms, size_t n);

/* ---- for finders (finder.h) ---- */

/* Adds a vCPU. -ERANGE for an index of HOST_VCPUS_MAX or more, -EEXIST for one that is there. */
int host_vm_put(struct host_vm *vm, pid_t tid, uint32_t index);

/* Puts the vCPUs in order and says who found them; -ENOENT when there are none. */
int host_vm_finish(struct host_vm *vm, const char *found_by);

/* Copies the text with '?' for each character that is not harmless (base/text.h) and for each byte
 * that is of none; cuts at a character. */
void host_printable(const char *from, char *ret, size_t size);

#endif
