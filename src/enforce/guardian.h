/* SPDX-License-Identifier: MIT */
/* The guardian of the row `cgroup`: it alone writes VMs' cgroups. */
#ifndef ENFORCE_GUARDIAN_H
#define ENFORCE_GUARDIAN_H

#include "enforce/cgroup.h"

struct guardian_work {
	const struct cgroup_host *h;
	const char *file; /* the record's, and outlives it */
};

/* A guard_life (guard.h). */
_Noreturn void guardian(const void *work, int fd);

#endif
