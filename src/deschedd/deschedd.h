/* SPDX-License-Identifier: MIT */
/*
 * deschedd as a service (service/service.h): a measurement of this host's VMs (host/measure.h) that
 * goes on all the time, and what asks it. One thread, one loop:
 *
 *     every 5 to 50 ms   a step of measuring: pages are written, VMs found, waits taken
 *     once a second      a reading: those that have ended are reported, the history gets a sample
 *     at any time        requests on the socket, SIGHUP, SIGTERM
 */
#ifndef DESCHEDD_DESCHEDD_H
#define DESCHEDD_DESCHEDD_H

#include "base/failure.h"
#include "deschedd/host_keys.h"

struct deschedd;

/* `source` is what SIGHUP reads again; it outlives the daemon. */
int deschedd_open(const struct host_settings *settings, const struct settings_source *source,
		  struct failure *f, struct deschedd **ret);

/* Gives privileges up, and serves until SIGTERM or SIGINT. */
int deschedd_run(struct deschedd *d, struct failure *f);
void deschedd_close(struct deschedd *d); /* NULL accepted */

#endif
