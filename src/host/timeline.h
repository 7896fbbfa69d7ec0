/* SPDX-License-Identifier: MIT */
/*
 * Who was on one CPU of the host, for as long back as somebody may still ask: runs in order of time,
 * each of one *party*. Where nothing is recorded there is a hole. Pure.
 */
#ifndef HOST_TIMELINE_H
#define HOST_TIMELINE_H

#include "host/host_runs.h"

#include <stddef.h>

/* Runs that are kept; more are dropped from the oldest on. */
#define TIMELINE_MAX 65536

/* Who runs: all threads that are told apart by nothing are one party. */
struct party {
	uint64_t key;	   /* of kind, process and name, but for the idle task, which has 0 */
	uint64_t name_key; /* of kind and name: the same for all processes of one name */
	int vm, vcpu;	   /* as in host_run */
	pid_t pid;	   /* 0 for a kernel thread */
	bool kernel;
	char name[HOST_RUN_NAME]; /* a kernel thread's without what comes behind a slash */
};

struct segment {
	uint64_t start, end; /* ns */
	uint64_t irq;	     /* ns: of it, in interrupts */
	struct party who;
};

struct timeline {
	struct segment *segments; /* owned; the first `n` behind `first` */
	size_t first, n, room;
	uint64_t end;		   /* ns: of the last segment */
	uint64_t tail_start, tail; /* ns: of a run that is not over: its start, and what of its
				    * interrupts is in segments already */
	uint64_t dropped;	   /* segments, since there were too many or no memory */
};

void timeline_done(struct timeline *t);

/* A run, whole or up to now; what of it is there already is not taken again. `who` is of the run. */
void timeline_put(struct timeline *t, const struct host_run *run, const struct party *who);

/* The first segment that ends behind `at`; *ret_n is how many there are from it on. */
const struct segment *timeline_from(const struct timeline *t, uint64_t at, size_t *ret_n);

/* Nobody will ask for what ended by `at`. */
void timeline_forget(struct timeline *t, uint64_t at);

/* The party that a run is of. */
struct party party_of(const struct host_run *run);

#endif
