/* SPDX-License-Identifier: MIT */
/*
 * A feed gives frames of this machine. Feeds are rows of `feeds[]`, for each subject best first:
 *
 *     guest: vmdesched  the daemon's socket: exact, costs nothing here, needs no privilege of its own
 *            agent      an agent in this program: exact, needs root or its capabilities
 *            proc       /proc alone: reported time and the CPUs' steal, for everybody
 *     host:  deschedd   the daemon's socket: all VMs since they began, for whom the socket lets ask
 *            host       ledgers in this program (host/measure.h), with or without BPF
 */
#ifndef SCREEN_FEED_H
#define SCREEN_FEED_H

#include "base/failure.h"
#include "guest/agent.h"
#include "guest/asked.h"
#include "screen/subject.h"

#include <jansson.h>
#include <signal.h>
#include <stdint.h>

struct feed_ops {
	const char *name;
	const struct subject *subject;

	int (*open)(const struct asked *config, struct failure *f, void **ret);
	void (*close)(void *feed);

	/* A new frame, the caller's; its subject is filled in later. A failure may pass: vmdesched is
	 * started anew. */
	int (*take)(void *feed, struct failure *f, struct frame *ret);

	/* Why the figures are not all that there could be, as a line for people; "" for no reason. May
	 * be NULL. */
	void (*limits)(void *feed, char *ret, size_t size);

	/* What it remembers of the time before, schema desched-history; may be NULL. */
	int (*history)(void *feed, struct failure *f, json_t **ret);

	/* Works for its figures, at most until it has nothing to do; called at least every
	 * interval(), or AGENT_POLL_NS. May be NULL. */
	void (*poll)(void *feed);
	uint64_t (*interval)(void *feed); /* ns; NULL: that */
	int (*fd)(void *feed);		  /* readable when poll() should not wait; may be NULL */
};

extern const struct feed_ops feed_vmdesched, feed_agent, feed_proc, feed_deschedd, feed_host;

/* Names of sources, a guest's and then a host's; NULL behind the last. And whether it is a host's. */
const char *feed_source_name(size_t i);
bool feed_is_host_source(const char *name);

struct feed {
	const struct feed_ops *ops;
	void *feed;
	struct annotator *annotator;
	char why[512];	     /* why nothing better could be had, "" for none */
	const char *missing; /* which processes /proc does not show, why, what to do; NULL: none */
};

/* The best of this subject that works; the one that is asked for where one is. */
int feed_open(const struct subject *subject, const struct asked *config, struct failure *f,
	      struct feed *ret);
void feed_close(struct feed *feed);

/* As ops->take(); of a guest with its time, and with parent, user and cgroup of each process
 * (screen/annotate.h). */
int feed_take(struct feed *feed, struct failure *f, struct frame *ret);

/* Lets the feed (NULL: none) work until clock_mono() is `until`; a signal, *stop, or something to
 * read from `fd`
 * (-1: none) ends it early. */
void feed_wait(struct feed *feed, uint64_t until, int fd, const volatile sig_atomic_t *stop);

#endif
