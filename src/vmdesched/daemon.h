/* SPDX-License-Identifier: MIT */
/*
 * vmdesched as a service (service/service.h): the agent, and what asks it. One thread, one loop:
 *
 *     10 times a second  the agent takes what has come
 *     once a second      a sample of the history, a look at the clock
 *     every `interval`   the textfile
 *     at any time        requests on the socket, SIGHUP, SIGTERM
 *
 * daemon_open() does all that needs privilege; daemon_run() gives it up first.
 */
#ifndef VMDESCHED_DAEMON_H
#define VMDESCHED_DAEMON_H

#include "base/failure.h"
#include "vmdesched/keys.h"

struct daemon;

/* `source` is what SIGHUP reads again; it outlives the daemon. */
int daemon_open(const struct settings *settings, const struct settings_source *source,
		struct failure *f, struct daemon **ret);

/* Until SIGTERM or SIGINT. */
int daemon_run(struct daemon *d, struct failure *f);
void daemon_close(struct daemon *d);

#endif
