/* SPDX-License-Identifier: MIT */
/* Inside src/host: what the finders of <host/vm.h> share. */
#ifndef HOST_FINDER_H
#define HOST_FINDER_H

#include "host/vm.h"

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Looks for vCPU threads in process vm->pid and puts them into `vm`. -ENOENT where there are
 * none. */
struct host_finder {
	const char *name;
	int (*find)(struct host_vm *vm, struct failure *f);
};

extern const struct host_finder finder_kvm;
extern const struct host_finder finder_names;

/* Adds a vCPU. -ERANGE for an index of HOST_VCPUS_MAX or more, -EEXIST for one that is there. */
int host_vm_put(struct host_vm *vm, pid_t tid, uint32_t index);

/* Puts the vCPUs in order and says who found them; -ENOENT when there are none. */
int host_vm_finish(struct host_vm *vm, const char *found_by);

/* Sets name, UUID, process and its start. */
void host_vm_start(struct host_vm *vm, pid_t pid);

/* A thread's name to its vCPU: "CPU 3/KVM" is 3. -ENOENT for a name that is no vCPU's. */
int vcpu_of_name(const char *name, uint32_t *ret_index);
int vcpu_of_thread(pid_t pid, pid_t tid, uint32_t *ret_index);

/* The VM's name in a command line: QEMU's -name NAME[,...] and -name guest=NAME, Firecracker's
 * --id. -ENOENT. */
struct words;
int vm_name_of_words(const struct words *w, char *ret, size_t size);

/* Copies the text with '?' for each character that is not harmless (base/text.h) and for each byte
 * that is of none; cuts at a character. */
void printable_copy(const char *from, char *ret, size_t size);

#endif
