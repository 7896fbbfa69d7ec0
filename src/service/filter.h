/* SPDX-License-Identifier: MIT */
/*
 * Which system calls a process may still make: a seccomp filter, made on the stack. libseccomp
 * gives the numbers (SCMP_SYS), but not the filter: where it finds no memory it dereferences NULL,
 * or goes on without a rule, and the process dies of that later.
 */
#ifndef SERVICE_FILTER_H
#define SERVICE_FILTER_H

#include <linux/filter.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FILTER_MAX 512

struct filter {
	struct sock_filter code[FILTER_MAX];
	unsigned short n;
	bool full; /* a rule found no place: it can't be loaded */
};

void filter_begin(struct filter *f);

/* Numbers by SCMP_SYS(); one that this machine doesn't have is negative, and left out. */
void filter_allow(struct filter *f, const int *calls, size_t n);
/* Only with this value of an argument, from 0. */
void filter_allow_with(struct filter *f, int call, unsigned argument, uint64_t value);

/* All else is answered with `otherwise` (SECCOMP_RET_...), for this thread or all, for good. Sets
 * no_new_privs. -E2BIG; -errno of prctl(2), seccomp(2); -EBUSY: a thread has other filters. */
int filter_load(struct filter *f, uint32_t otherwise, bool all_threads);

#endif
