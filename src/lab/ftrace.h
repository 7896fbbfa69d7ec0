/* SPDX-License-Identifier: MIT */
/*
 * Reads what ftrace has recorded in a guest: raw sub-buffers, as Documentation/trace/ and
 * events/header_page, header_event of the kernel describe them. Pure; the memory may hold anything.
 */
#ifndef LAB_FTRACE_H
#define LAB_FTRACE_H

#include "lab/trace_area.h"

#include <stdbool.h>
#include <stddef.h>

struct ftrace_switch {
	uint64_t at; /* the guest's counter */
	uint32_t prev, next;
};

struct ftrace_fork {
	uint64_t at;
	uint32_t parent, child;
};

struct ftrace_cpu {
	struct ftrace_switch *switches; /* in order of time; owned */
	size_t n, room;
};

struct ftrace {
	unsigned n_cpus;
	struct ftrace_cpu cpus[TRACE_CPUS_MAX];
	struct ftrace_fork *forks; /* in order of time; owned */
	size_t n_forks, forks_room;
	uint64_t lost;
};

/* -ENODATA: nothing was left there; -EBADMSG: what is there makes no sense; -ENOMEM. */
int ftrace_read(const void *area, size_t size, struct ftrace *ret);
void ftrace_done(struct ftrace *t);

#endif
