/* SPDX-License-Identifier: MIT */
/*
 * What the daemon gives up once everything that needs privilege is open: its user, its capabilities
 * but those in `keep`, the right to gain any, and every system call that is not in the list of
 * confine.c. Irrevocable, for all threads but the capabilities, which are the calling thread's and,
 * by a change of user, everybody's.
 */
#ifndef VMDESCHED_CONFINE_H
#define VMDESCHED_CONFINE_H

#include "base/failure.h"

#include <stdbool.h>
#include <sys/types.h>

/* -ENOENT: no such user, group. */
int confine_find_user(const char *name, struct failure *f, uid_t *ret_uid, gid_t *ret_gid);
int confine_find_group(const char *name, struct failure *f, gid_t *ret_gid);

/* `user` "" keeps the user. `set_clock` keeps CAP_SYS_TIME, and nothing else is ever kept. */
int confine_privileges(const char *user, bool set_clock, struct failure *f);

/* Other system calls fail with EPERM from here on. */
int confine_system_calls(bool set_clock, struct failure *f);

/* The same for a process that does no more than backlog_run(). */
int confine_backlog_calls(bool set_clock, struct failure *f);

#endif
