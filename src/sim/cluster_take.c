/* SPDX-License-Identifier: MIT */
/* Results: what a VM did on all hosts is one VM's, and is told by the host where it is. */
#include "sim/cluster.h"
#include "sim/cluster_internal.h"

#include "base/units.h"
#include "sim/waits.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

void cluster_add_stay(const struct cluster *c, uint32_t host, uint32_t vm, struct stays *to)
{
	struct core_vm_figures f;

	core_read_vm(c->sims[host]->core, cluster_slot(c, host, vm)->id, &f);
	to->costops += f.costops;
	to->skew = u64_max(to->skew, f.skew_worst);
	to->homes += f.migrations;
	to->local += f.local_ns;
	to->remote += f.remote_ns;
}

/* What a stay on another host adds to a VM's figures; work and faults went along. */
static void add_other(struct vm_result *to, const struct vm_result *from)
{
	to->values[METRIC_MOVES] += from->values[METRIC_MOVES];
	to->values[METRIC_DELAY] = fmax(to->values[METRIC_DELAY], from->values[METRIC_DELAY]);
	ledger_merge(&to->ledger, &from->ledger);
}

/* Takes from a result what its host counted while the VM was elsewhere. */
static void leave_out_absence(struct cluster *c, uint32_t host, uint32_t vm, struct vm_result *r)
{
	if (c->vms[vm].host != host)
		cluster_note_away(c, host, vm);
	for (int st = 0; st < LEDGER_STATES; st++)
		r->ledger.ns[st] -= cluster_slot(c, host, vm)->away[st];
}

/* Ends the waits of a VM's stays, all in the books of one host. */
static void merge_waits(const struct cluster *c, uint32_t vm, uint32_t home)
{
	for (uint32_t h = 0; h < c->n_hosts; h++) {
		uint32_t id = cluster_slot(c, h, vm)->id;

		if (h != home && id != PLACE_NONE && c->sims[h]->waits)
			waits_merge(c->sims[home]->waits, cluster_slot(c, home, vm)->id,
				    c->sims[h]->waits, id);
	}
}

static void take_vm(struct cluster *c, uint32_t vm, struct result *results)
{
	const struct member *m = &c->vms[vm];
	struct vm_result *home = &results[m->host].vms[cluster_slot(c, m->host, vm)->id];
	double wall = ns_to_s(c->now - c->sims[m->host]->start);
	struct stays stays = m->before;

	for (uint32_t h = 0; h < c->n_hosts; h++) {
		uint32_t id = cluster_slot(c, h, vm)->id;

		if (id == PLACE_NONE)
			continue;
		leave_out_absence(c, h, vm, &results[h].vms[id]);
		cluster_add_stay(c, h, vm, &stays);
		if (h != m->host)
			add_other(home, &results[h].vms[id]);
	}
	for (int st = 0; st < LEDGER_STATES; st++)
		home->values[METRIC_CPU + st] = ns_to_s(home->ledger.ns[st]) / wall;
	home->values[METRIC_COSTOPS] = (double)stays.costops / wall;
	home->values[METRIC_SKEW] = ns_to_s(stays.skew);
	home->values[METRIC_HOMES] = (double)stays.homes;
	home->values[METRIC_LOCAL] = (double)stays.local /
				     fmax(1, (double)(stays.local + stays.remote));
	home->values[METRIC_MOVED] = m->moved;
	home->values[METRIC_DOWNTIME] = ns_to_s(m->downtime) * c->scenario->run.compress;
	home->values[METRIC_HOST] = m->host;
}

/* Leaves in a host's result the VMs that are there; the mover's time is the host's. */
static void keep_present(const struct cluster *c, uint32_t host, struct result *r)
{
	uint32_t kept = 0, mover = r->n_vms - 1;

	r->host[HOST_MOVING] = r->vms[mover].values[METRIC_CPU];
	for (uint32_t i = 0; i < r->n_vms; i++) {
		if (i != mover && !c->sims[host]->vms[i].absent)
			r->vms[kept++] = r->vms[i];
		else
			free(r->vms[i].processes);
	}
	r->n_vms = kept;
}

int cluster_take(struct cluster *c, struct result *ret)
{
	int err = 0;

	for (uint32_t i = 0; i < c->n_hosts; i++) {
		sim_settle(c->sims[i]);
		if (c->sims[i]->waits)
			waits_end(c->sims[i]->waits, c->now);
	}
	for (uint32_t i = 0; i < c->n_vms; i++)
		merge_waits(c, i, c->vms[i].host);
	for (uint32_t i = 0; i < c->n_hosts && !err; i++)
		err = result_take(c->sims[i], &ret[i]);
	if (err)
		return err;
	for (uint32_t i = 0; i < c->n_vms; i++)
		take_vm(c, i, ret);
	for (uint32_t i = 0; i < c->n_hosts; i++)
		keep_present(c, i, &ret[i]);
	return 0;
}
