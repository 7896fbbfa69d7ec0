/* SPDX-License-Identifier: MIT */
/*
 * Finding virtual machines and their vCPU threads on this host.
 *
 * A finder is a row (finder.h): it looks at a process and says which thread is which vCPU. Rows are
 * tried in order of trust: KVM vCPU file descriptors, then thread names. Where the caller has a QMP
 * socket, the monitor itself is asked, which is better than either.
 */
#ifndef HOST_FIND_H
#define HOST_FIND_H

#include "host/host_vm.h"

/* The VM in process `pid`. -ENOENT where no finder sees one, -ESRCH for no such process,
 * -EACCES. */
int host_find_pid(pid_t pid, struct failure *f, struct host_vm *ret);

/* As above, asking the monitor on a connected QMP socket (greeting not yet read). Each of the two
 * steps of the conversation ends within `timeout_ns`; the socket stays open and usable for further
 * commands: qmp_resume(). Errors are those of qmp.h, -EBADMSG for an answer that is no list of
 * vCPUs, -ESRCH for threads that are not of process `pid`. */
int host_find_qmp(int fd, pid_t pid, uint64_t timeout_ns, struct failure *f, struct host_vm *ret);

/* The same on a handle that is open already. */
struct qmp;
int host_find_qmp_on(struct qmp *q, pid_t pid, uint64_t timeout_ns, struct failure *f,
		     struct host_vm *ret);

/* Every VM that the caller may see. *ret is an array of *ret_n, freed by host_vms_free(). */
int host_find_all(struct host_vm **ret, size_t *ret_n);

/* For completion: the i-th VM that was there at the first call, one without a name by its process.
 * NULL behind the last. */
const char *host_find_name(size_t i);

#endif
