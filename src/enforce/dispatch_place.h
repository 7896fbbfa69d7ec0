/* SPDX-License-Identifier: MIT */
/*
 * Where the threads of dispatched VMs are, and the way back. Classes have a meaning within one task
 * group alone, so all vCPU threads move into one; what is to be held is frozen by the freezer of
 * cgroups of version 2, which needs no controller. Below one new cgroup, `top`, of that hierarchy
 *
 *	top/t-TID	a vCPU's thread, one each
 *	top/o-PID	a VM's other threads
 *
 * all are threaded. With cgroups of version 1 beside it (hybrid), vCPU threads are also in `top` of
 * the `cpu` controller, and other threads stay where they were there. With version 2 alone, `top` has
 * the `cpu` controller and what is below it hasn't, so that it is one task group.
 *
 * Each thread's cgroups, class and mask are recorded before anything is touched (record_file.h).
 */
#ifndef ENFORCE_DISPATCH_PLACE_H
#define ENFORCE_DISPATCH_PLACE_H

#include "enforce/cgroup.h"
#include "enforce/enforcer.h"
#include "enforce/thread_class.h"

#define DISPATCH_TOP	40
#define DISPATCH_RECORD "/run/desched-dispatched"

struct dispatch_host {
	struct cgroup_host cpu;	 /* the hierarchy of the `cpu` controller */
	struct cgroup_host hold; /* that of version 2; the same, where there is no other */
};

/* One thread, as it was. */
struct dispatch_entry {
	pid_t pid, tid;
	uint64_t start_ns; /* of the process */
	bool vcpu;
	bool leader; /* tid == pid: the first entry of each VM */
	struct thread_class class;
	struct thread_mask mask;
	char top[DISPATCH_TOP];
	char cpu[CGROUP_PATH], hold[CGROUP_PATH];
};

/* -EOPNOTSUPP and why. */
int dispatch_host(const char *root, struct failure *why, struct dispatch_host *ret);

/* Makes `top`, in both hierarchies. */
int dispatch_make_top(const struct dispatch_host *h, const char *top, struct failure *f);
void dispatch_remove_top(const struct dispatch_host *h, const char *top);

/* What all threads of a VM are, its leader first. -EOPNOTSUPP and why for one that can't be
 * dispatched. *ret is the caller's. */
int dispatch_capture(const struct dispatch_host *h, const char *top, uint64_t usual_slice,
		     const struct enforce_order *o, const struct host_vcpu *vcpus,
		     struct failure *why, struct dispatch_entry **ret, size_t *ret_n);

/* Moves them to where they are dispatched. */
int dispatch_move_in(const struct dispatch_host *h, const struct dispatch_entry *entries, size_t n,
		     struct failure *why);

/* Threads that have come since: those that a vCPU's thread made are like it. They become other
 * threads. */
void dispatch_adopt(const struct dispatch_host *h, const struct dispatch_entry *entries, size_t n);

/* Lets go everybody who is held, at once. */
void dispatch_thaw(const struct dispatch_host *h, const struct dispatch_entry *entries, size_t n);

/* Everything of these threads is as it was; `top` may be empty then and is removed if so. What has
 * ended is passed over. `say` hears of what stays. Returns how many VMs they were of. */
size_t dispatch_undo(const struct dispatch_host *h, const struct dispatch_entry *entries, size_t n,
		     void (*say)(const char *line, void *data), void *data);

int dispatch_record(const char *file, const struct dispatch_entry *entries, size_t n);
/* Who has a record, and is there; 0: nobody. */
pid_t dispatch_owner(const char *file);
/* Undoes what the file says, unless its owner is there, and removes it. Returns VMs. */
size_t dispatch_undo_record(const struct dispatch_host *h, const char *file,
			    void (*say)(const char *line, void *data), void *data);

/* The path of a file of a thread's, or of other threads', cgroup in the file system. */
void dispatch_freezer(const struct dispatch_host *h, const char *top, char kind, pid_t id,
		      char *ret, size_t size);

#endif
