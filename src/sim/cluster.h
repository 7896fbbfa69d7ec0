/* SPDX-License-Identifier: MIT */
/*
 * Hosts that share VMs: each VM without a host of its own is placed on one, by its mean demand
 * (policy/place.h), and moves to another when that makes the hosts more alike. All hosts run to the
 * same time, then moves are looked after, and so on.
 *
 * Each host has a slot for every VM that may be there; a slot whose VM is elsewhere is `absent`:
 * its vCPUs want nothing, and what their ledgers count meanwhile isn't the VM's.
 */
#ifndef SIM_CLUSTER_H
#define SIM_CLUSTER_H

#include "sim/metrics.h"

struct cluster;

static inline bool cluster_wanted(const struct scenario *s)
{
	return s->cluster.place;
}

/* 0; -ENOMEM; -ENOSPC or what sim_new() says, with the reason in `f`. Waits are measured on
 * demand. */
int cluster_new(const struct scenario *scenario, uint64_t seed, struct failure *f,
		struct cluster **ret);
struct cluster *cluster_free(struct cluster *c); /* NULL accepted; returns NULL */

int cluster_run(struct cluster *c, uint64_t end); /* -ENOMEM */
void cluster_restart_counters(struct cluster *c);
int cluster_measure_waits(struct cluster *c);
struct sim *cluster_host(struct cluster *c, uint32_t host);

/* One result a host; a VM is in that of the host where it is. */
int cluster_take(struct cluster *c, struct result *ret);

/* Bytes that cluster_new() will need. */
size_t cluster_bytes(const struct scenario *scenario);

#endif
