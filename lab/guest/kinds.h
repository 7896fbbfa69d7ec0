/* SPDX-License-Identifier: MIT */
/*
 * Kinds of work that a guest can do, as rows of one table.
 *
 * A worker repeats its kind's unit() and counts. What a unit costs is measured by the host, kind by
 * kind, on a VM that has the CPU to itself; the count is therefore a clock that no scheduler, no
 * kernel and no tool can falsify. The first row is the reference: its cost, in nanoseconds, tells
 * the other kinds how many of its units fill a given time on this machine.
 */
#ifndef LAB_GUEST_KINDS_H
#define LAB_GUEST_KINDS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/* What one worker shares with init: readable after the worker's death. */
struct work_slot {
	_Atomic uint64_t units;
	_Atomic uint32_t order;	 /* enum work_order, a futex word written by init */
	_Atomic uint32_t parked; /* 1 when the worker waits to begin, 2 when it has stopped */
};

enum work_order { WORK_WAIT, WORK_GO, WORK_STOP };
enum work_parked { WORK_BUSY, WORK_READY, WORK_STOPPED };

enum work_use {
	WORK_USUAL,   /* in every lab */
	WORK_TRACED,  /* where the truth is that of a trace: its units tell nothing */
	WORK_BY_NAME, /* where it is asked for */
};

struct work_kind {
	const char *name; /* also the process's name; at most 15 characters */
	enum work_use use;
	bool steady; /* its unit is the first row's, and so costs the same in any company */
	int nice;    /* see kinds.c */
	int fifo;    /* priority in SCHED_FIFO, 0: not there */
	/* Returns false where the unit could not be done. `unit_ns`: cost of one of the first row's
	 * units, 0 where it is not known yet. */
	bool (*unit)(uint64_t unit_ns);
};

extern const struct work_kind work_kinds[];
extern const int n_work_kinds;

const struct work_kind *work_kind_find(const char *name); /* NULL: no such kind */

#endif
