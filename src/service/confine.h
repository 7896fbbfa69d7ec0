/* SPDX-License-Identifier: MIT */
/*
 * What a daemon gives up once everything that needs privilege is open: its user, its capabilities
 * but those that it keeps, the right to gain any, and every system call that is in none of its
 * lists. Irrevocable, for all threads but the capabilities, which are the calling thread's and, by
 * a change of user, everybody's.
 */
#ifndef SERVICE_CONFINE_H
#define SERVICE_CONFINE_H

#include "base/failure.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct confine_capability {
	int number;	 /* CAP_... */
	const char *why; /* the failure where the daemon hasn't got it */
};

#define CONFINE_ANY (-1)

/* Numbers by SCMP_SYS(). */
struct confine_call {
	int number;
	int argument; /* that must be `value`; CONFINE_ANY: all arguments may be anything */
	uint64_t value;
};

struct confine_list {
	const struct confine_call *calls;
	size_t n;
};

/* What a daemon keeps beside what src/service/ itself needs. */
struct confine {
	const struct confine_capability *capabilities;
	size_t n_capabilities;
	const struct confine_list *lists;
	size_t n_lists;
};

/* -ENOENT: no such user, group. */
int confine_find_user(const char *name, struct failure *f, uid_t *ret_uid, gid_t *ret_gid);
int confine_find_group(const char *name, struct failure *f, gid_t *ret_gid);

/* `user` "" keeps the user. */
int confine_privileges(const char *user, const struct confine_capability *keep, size_t n,
		       struct failure *f);

/* Other system calls fail with EPERM from here on. */
int confine_system_calls(const struct confine_list *lists, size_t n, struct failure *f);

/* Both, for a daemon (service/service.h): `keep`, and what the loop, the server, the settings and
 * the textfile need. */
int confine_daemon(const char *user, bool system_calls, const struct confine *keep,
		   struct failure *f);

#endif
