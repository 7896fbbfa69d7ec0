/* SPDX-License-Identifier: MIT */
/*
 * What a daemon waits for, in one place: descriptors, times and signals. One thread, poll(2), no
 * descriptor of its own but one for signals, and no allocation once everything is watched.
 *
 * A turn waits, takes signals, then calls the function of each descriptor that has an event and of
 * each timer that is due, once each. So no peer is served twice before every other has been served
 * once, provided that a function does a bounded amount of work and never blocks; for the rest of
 * its work it sets a timer that is due at once.
 *
 * Watches and timers are the caller's memory. A function may remove any of them, its own too.
 */
#ifndef SERVICE_LOOP_H
#define SERVICE_LOOP_H

#include <stddef.h>
#include <stdint.h>

#define LOOP_NEVER UINT64_MAX

struct loop;

struct loop_watch {
	int fd;
	short events; /* POLLIN, POLLOUT or 0; may be changed at any time */
	void (*ready)(short events, void *data);
	void *data;
	size_t place; /* the loop's */
};

struct loop_timer {
	uint64_t due;	   /* ns, CLOCK_MONOTONIC; LOOP_NEVER: off. May be changed at any time */
	uint64_t interval; /* ns from one time to the next, missed ones left out; 0: once */
	void (*fire)(uint64_t now, void *data); /* `due` is the next time by then, or LOOP_NEVER */
	void *data;
	struct loop_timer *next; /* the loop's */
};

/* -ENOMEM. */
int loop_new(struct loop **ret);

/* Returns NULL. Unblocks what loop_signals() blocked, unless a signal has come: a second one, as
 * timeout(1) and impatient people send, must not kill a program that is ending as it was told. */
struct loop *loop_free(struct loop *l);

/* Blocks these signals for this thread and those that it makes, and calls `take` with the number of
 * each that comes. Once a loop. -errno of sigprocmask(2), signalfd(2). */
int loop_signals(struct loop *l, const int *numbers, size_t n, void (*take)(int number, void *data),
		 void *data);

/* -ENOMEM. The descriptor stays the caller's, who removes the watch before closing it. */
int loop_watch(struct loop *l, struct loop_watch *w);
void loop_unwatch(struct loop *l, struct loop_watch *w);

void loop_timer_add(struct loop *l, struct loop_timer *t);
void loop_timer_remove(struct loop *l, struct loop_timer *t);

/* Turns until loop_stop(). -errno of poll(2). */
int loop_run(struct loop *l);
void loop_stop(struct loop *l);

/* One turn that waits for at most `patience` (ns); for tests. */
int loop_turn(struct loop *l, uint64_t patience);

#endif
