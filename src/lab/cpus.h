/* SPDX-License-Identifier: MIT */
/* CPU lists such as "0-1,3", and putting threads on them. */
#ifndef LAB_CPUS_H
#define LAB_CPUS_H

#include "base/failure.h"

#include <sched.h>
#include <stddef.h>
#include <sys/types.h>

/* CPUs that this process may use. */
int cpus_allowed(cpu_set_t *ret);

/* -EINVAL with one line in `f` for a list that is none or names a CPU outside `allowed`. */
int cpus_parse(const char *list, const cpu_set_t *allowed, struct failure *f, cpu_set_t *ret);

/* The last one of a set as a set; the set must not be empty. */
void cpus_last(const cpu_set_t *set, cpu_set_t *ret);

/* "0-1,3", cut to fit. */
void cpus_text(const cpu_set_t *set, char *ret, size_t size);

/* Puts all threads of a process on the set, those too that begin meanwhile. */
int cpus_pin_process(pid_t pid, const cpu_set_t *set);

#endif
