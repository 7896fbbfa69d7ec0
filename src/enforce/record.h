/* SPDX-License-Identifier: MIT */
/*
 * What was changed of VMs' cgroups, and what it was before: kept in a file of root's that is written
 * before each change, so that whoever comes after a crash can undo it. Only what is as we left it is
 * undone: what somebody else has changed since stays as it is, and is said.
 */
#ifndef ENFORCE_RECORD_H
#define ENFORCE_RECORD_H

#include "enforce/cgroup.h"

#include <stddef.h>

#define RECORD_FILE "/run/desched-enforced"

/* One VM's cgroup. */
struct record_entry {
	pid_t pid;
	uint64_t start_ns;
	bool made; /* the cgroup is ours, and the VM was in `from` */
	char path[CGROUP_PATH], from[CGROUP_PATH];
	struct cgroup_values old;	  /* before we came */
	struct cgroup_values now, before; /* written last, and the time before that */
};

/* Writes them all, as this process's: the file is the old one or the new one. Without entries there
 * is no file. */
int record_write(const char *file, const struct record_entry *entries, size_t n);

/* -ENOENT: there is none; -EBADMSG: it isn't ours, or of another version. *ret is malloc'ed.
 * *ret_owner: the process that wrote it, if it is still there, and isn't this one; else 0. */
int record_read(const char *file, struct record_entry **ret, size_t *ret_n, pid_t *ret_owner);

/* That process; 0: nobody has a record. */
pid_t record_owner(const char *file);

/* Undoes one. `left`: what is left as it is, and why; empty where nothing is. */
void record_undo(const struct cgroup_host *h, const struct record_entry *e, struct failure *left);

/* Undoes what the file says, if it is there and its owner isn't, and removes it. `say` hears of what is left. Returns
 * how many entries there were. */
size_t record_undo_all(const struct cgroup_host *h, const char *file,
		       void (*say)(const char *line, void *data), void *data);

#endif
