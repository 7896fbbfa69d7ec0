/* SPDX-License-Identifier: MIT */
/*
 * Reading /proc with the rights of another: what the kernel shows in a file depends on who reads
 * it. Between assume and restore this thread has the caller's user and group for files, no other
 * groups, and of the capabilities in force those that the caller has too: never more than the
 * caller, at times less.
 */
#ifndef VIEW_CALLER_H
#define VIEW_CALLER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct caller {
	pid_t pid; /* 0: not in our pid namespace */
	uid_t uid; /* for files */
	gid_t gid;
};

/* Once, in the thread that serves. */
int caller_begin(void);

/* True when something was changed, and is to be restored. */
bool caller_assume(const struct caller *caller);
void caller_restore(bool assumed);

#endif
