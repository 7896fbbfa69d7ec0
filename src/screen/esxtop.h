/* SPDX-License-Identifier: MIT */
/*
 * The host's figures as esxtop -b writes them, for the programs that read its files: PDH-CSV with one
 * column for each counter of each CPU, VM and vCPU, and one row for each interval, times in UTC.
 *
 * Counters have esxtop's names and meanings, which overlap where ours don't: % Ready contains % Max
 * Limited, and % Wait contains % Idle, % VmWait and % Swap Wait. % System is the overhead. The group
 * of a VM is its process id, the world of a vCPU its thread id.
 *
 * The first row's VMs make the columns, as with esxtop's option -l: one that ends has zeros from then
 * on, and one that comes later has no columns until the program is started again; it is counted.
 */
#ifndef SCREEN_ESXTOP_H
#define SCREEN_ESXTOP_H

#include "base/proc.h"
#include "wire/host_frame.h"

#include <stdio.h>

/* The CPUs of the host at the two ends of an interval. */
struct esxtop_cpus {
	const struct proc_cpu *from, *to; /* [n] */
	size_t n;
};

struct esxtop;

struct esxtop *esxtop_new(const char *host); /* its name is copied; NULL without memory */
struct esxtop *esxtop_free(struct esxtop *e);

/* Writes a row, and in front of the first one the head. -ENOMEM. What the stream says of its errors
 * is the caller's to ask. */
int esxtop_write(struct esxtop *e, const struct host_frame *from, const struct host_frame *to,
		 const struct esxtop_cpus *cpus, FILE *stream);

/* The same for this machine, whose name and CPUs it looks up; each row's end where the one before
 * did. -ENOMEM, or what reading /proc/stat gave. */
int esxtop_here(struct esxtop **ret);
int esxtop_write_here(struct esxtop *e, const struct host_frame *from, const struct host_frame *to,
		      FILE *stream);

/* A VM of the last row that came since the one before and has no columns; NULL for none. *ret_n:
 * how many have none in all. */
const char *esxtop_left_out(const struct esxtop *e, size_t *ret_n);

#endif
