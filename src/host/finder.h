/* SPDX-License-Identifier: MIT */
/* Inside src/host: what the finders of <host/find.h> share. */
#ifndef HOST_FINDER_H
#define HOST_FINDER_H

#include "host/host_vm.h"

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Looks for vCPU threads in process vm->pid and puts them into `vm`. -ENOENT where there are
 * none. */
struct host_finder {
	const char *name;
	int (*find)(struct host_vm *vm, struct failure *f);
};

extern const struct host_finder host_finder_kvm;
extern const struct host_finder host_finder_thread_names;

/* A thread's name to its vCPU: "CPU 3/KVM" is 3. -ENOENT for a name that is no vCPU's. */
int host_vcpu_of_name(const char *name, uint32_t *ret_index);
int host_vcpu_of_thread(pid_t pid, pid_t tid, uint32_t *ret_index);

/* Whether that is for want of memory or descriptors: then a look has found nothing out. */
static inline bool host_is_want(int err)
{
	return err == -ENOMEM || err == -EMFILE || err == -ENFILE;
}

#endif
