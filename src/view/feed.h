/* SPDX-License-Identifier: MIT */
/*
 * Where the figures come from: the vmdesched that answers on a socket, or an agent of our own where
 * none does. Which of the two is decided once; a vmdesched that goes away is waited for.
 */
#ifndef VIEW_FEED_H
#define VIEW_FEED_H

#include "base/failure.h"

#include <jansson.h>
#include <sys/types.h>

struct feed_config {
	const char *socket; /* of vmdesched */
	const char *source; /* for our own agent, as in struct agent_config */
	const char *page;
};

struct feed;

/* `config` must outlive the feed. Fails as agent_open() does when neither is to be had. */
int feed_open(const struct feed_config *config, struct failure *f, struct feed **ret);
struct feed *feed_close(struct feed *feed);

/* A snapshot, and the process that shows the descheduled time: vmdesched, or this one. Waits a
 * second at most. -errno where nobody answers, -EBADMSG for an answer that is no JSON. */
int feed_snapshot(struct feed *feed, json_t **ret, pid_t *ret_holder);

#endif
