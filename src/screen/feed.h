/* SPDX-License-Identifier: MIT */
/*
 * A feed gives snapshots of this machine. Feeds are rows of `feeds[]`, best first:
 *
 *     vmdesched  the daemon's socket: exact, costs nothing here, needs no privilege of its own
 *     agent      an agent in this program: exact, needs root or its capabilities
 *     proc       /proc alone: reported time and the CPUs' steal, for everybody
 */
#ifndef SCREEN_FEED_H
#define SCREEN_FEED_H

#include "base/failure.h"
#include "guest/agent.h"
#include "guest/asked.h"

#include <jansson.h>
#include <signal.h>
#include <stdint.h>

struct feed_ops {
	const char *name;

	int (*open)(const struct asked *config, struct failure *f, void **ret);
	void (*close)(void *feed);

	/* A new snapshot, the caller's. A failure may pass: vmdesched is started anew. */
	int (*take)(void *feed, struct failure *f, struct snapshot *ret);

	/* What it remembers of the time before, schema desched-history; may be NULL. */
	int (*history)(void *feed, struct failure *f, json_t **ret);

	/* Works for its figures, at most until it has nothing to do; called at least every
	 * AGENT_POLL_NS. May be NULL. */
	void (*poll)(void *feed);
	int (*fd)(void *feed); /* readable when poll() should not wait; may be NULL */
};

/* Asks the vmdesched at `path` for "snapshot", "history" or "gaps"; the answer is the caller's. */
int feed_ask(const char *path, const char *what, struct failure *f, json_t **ret);

extern const struct feed_ops feed_vmdesched, feed_agent, feed_proc;

struct feed {
	const struct feed_ops *ops;
	void *feed;
	struct annotator *annotator;
	char why[512];	     /* why no better feed could be had, "" for none */
	const char *missing; /* which processes /proc does not show, why, what to do; NULL: none */
};

/* The best that works; the one that is asked for where one is. */
int feed_open(const struct asked *config, struct failure *f, struct feed *ret);
void feed_close(struct feed *feed);

/* As ops->take(), with its time, and with parent, user and cgroup of each process
 * (screen/annotate.h). */
int feed_take(struct feed *feed, struct failure *f, struct snapshot *ret);

/* Lets the feed (NULL: none) work until clock_mono() is `until`; a signal, *stop, or something to
 * read from `fd`
 * (-1: none) ends it early. */
void feed_wait(struct feed *feed, uint64_t until, int fd, const volatile sig_atomic_t *stop);

#endif
