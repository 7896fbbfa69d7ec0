/* SPDX-License-Identifier: MIT */
/*
 * VMs come, go and get other vCPUs where they are placed. When a change is due, what the scenario is
 * then says who has to be there; whoever is new is given a host by its demand, largest first, as at
 * the start, and the hosts carry out the rest themselves (engine_change.c): all of them have a slot
 * for the VM, which is absent on all but one. For whom no host has room, the one where it would have
 * been refuses it, until a later change finds one. A move of a VM that goes or is resized is cut
 * short.
 */
#include "sim/cluster_internal.h"
#include "sim/engine_internal.h"
#include "sim/scenario_changes.h"

static struct sim_vm *vm_at(const struct cluster *c, uint32_t host, uint32_t vm)
{
	return &c->sims[host]->vms[cluster_slot(c, host, vm)->id];
}

static bool is_there(const struct cluster *c, uint32_t vm)
{
	return vm_at(c, c->vms[vm].host, vm)->n;
}

uint64_t cluster_change_at(const struct cluster *c)
{
	return c->changes < c->scenario->n_changes ? c->scenario->changes[c->changes].at
						   : TIMER_NEVER;
}

static int next_scenario(struct cluster *c)
{
	struct failure f;
	struct scenario *next;
	int err = scenario_after(c->is, &c->scenario->changes[c->changes], &f, &next);

	if (err)
		return err;
	scenario_free(c->is);
	c->is = next;
	c->changes++;
	return 0;
}

static void cut_moves_short(struct cluster *c)
{
	for (uint32_t from = 0; from < c->n_hosts; from++) {
		uint32_t vm = c->moving[from];
		bool copies;

		if (!c->moves[from])
			continue;
		if (cluster_has(c, vm) && cluster_spec(c, vm)->vcpus == vm_at(c, from, vm)->n)
			continue;
		copies = c->moves[from]->phase != MOVE_RESTS;
		if (!copies)
			cluster_note_away(c, c->hosts[c->places[vm].domain], vm);
		move_cut_short(c->moves[from]);
		cluster_move_over(c, from, copies);
	}
}

/* A VM that isn't there is from now on one of another host. */
static void change_home(struct cluster *c, uint32_t vm, uint32_t to)
{
	uint32_t hosts[2] = {c->vms[vm].host, to};
	struct end ends[2];

	if (hosts[0] == to)
		return;
	for (int i = 0; i < 2; i++)
		ends[i] = (struct end){.sim = c->sims[hosts[i]],
				       .vm = cluster_slot(c, hosts[i], vm)->id};
	cluster_note_away(c, to, vm);
	cluster_slot(c, hosts[0], vm)->gone = c->now;
	vm_at(c, to, vm)->n = 0;
	move_identity(ends[0], ends[1]);
	c->vms[vm].host = to;
}

static void come(struct cluster *c, uint32_t vm)
{
	struct member *m = &c->vms[vm];
	uint32_t domain = cluster_find(c, vm);
	bool anywhere = domain != PLACE_NONE || cluster_spec(c, vm)->host[0];

	if (domain != PLACE_NONE) {
		cluster_put(c, vm, domain);
		change_home(c, vm, c->hosts[domain]);
	}
	vm_at(c, m->host, vm)->homeless = !anywhere;
	if (!anywhere)
		return;
	cluster_add_stay(c, m->host, vm, &m->before);
	m->seen = cluster_wanted_ns(c, vm);
	m->since = c->now;
}

int cluster_change(struct cluster *c)
{
	int err = next_scenario(c);

	if (err)
		return err;
	for (uint32_t i = 0; i < c->n_hosts; i++)
		sim_settle(c->sims[i]);
	cut_moves_short(c);
	for (uint32_t i = 0; i < c->n_vms; i++) {
		if (!cluster_has(c, i) || !is_there(c, i))
			cluster_put(c, i, PLACE_NONE);
	}
	cluster_load(c, c->now);
	for (uint32_t i = 0; i < c->n_vms; i++) {
		if (cluster_has(c, i) && !is_there(c, i) && cluster_spec(c, i)->host[0])
			come(c, i);
	}
	for (;;) {
		uint32_t vm = cluster_largest(c);

		if (vm == PLACE_NONE)
			return 0;
		come(c, vm);
		if (c->places[vm].domain == PLACE_NONE)
			c->places[vm].load = -1; /* looked at */
	}
}
