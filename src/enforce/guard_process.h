/* SPDX-License-Identifier: MIT */
/* How a guardian (guard.h) becomes a process of its own, and gives up what it doesn't need. */
#ifndef ENFORCE_GUARD_PROCESS_H
#define ENFORCE_GUARD_PROCESS_H

#include "service/confine.h"

/* One line on standard error; `data` isn't looked at. */
void guard_say(const char *line, void *data);

/* SIGTERM of a whole unit isn't for it: the daemon ends first, and then it does. Of the descriptors
 * that it has inherited `fd` and standard error are left. */
void guard_alone(const char *name, int fd);

/* Keeps these capabilities, and the system calls that every guardian needs and those of `more`
 * (which may be NULL). On failure the process ends. */
void guard_confine(const struct confine_capability *keep, size_t n,
		   const struct confine_list *more);

#endif
