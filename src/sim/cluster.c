/* SPDX-License-Identifier: MIT */
#include "sim/cluster.h"
#include "sim/scenario_changes.h"

#include "base/units.h"
#include "sim/cluster_internal.h"
#include "sim/engine_internal.h"
#include "sim/workload.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define MOVER_SHARES 2000

/* Whether a VM of this section can be on the host: by the size that it ever has, and where it is told
 * to be. */
static bool can_be(const struct scenario *own, uint32_t host, const struct vm_spec *vm)
{
	const struct host_spec *h = &own->host;
	uint32_t domain = h->cells == CELLS_HARD ? h->cell : h->cpus / h->nodes;

	return vm->room <= domain && (!vm->host[0] || !strcmp(vm->host, own->hosts[host].name));
}

/* The section of the host's mover, behind all others. */
static int add_mover(struct scenario *own)
{
	struct vm_spec *more = realloc(own->vms, (own->n_vms + 1) * sizeof(*more));
	struct vm_spec *mover;

	if (!more)
		return -ENOMEM;
	own->vms = more;
	mover = &more[own->n_vms++];
	*mover = (struct vm_spec){.name = "(mover)",
				  .count = 1,
				  .most = 1,
				  .vcpus = 1,
				  .room = 1,
				  .load = 0.5, /* of nothing: it works when it is told to */
				  .shares = MOVER_SHARES,
				  .limit = ENTITLE_UNLIMITED,
				  .cosched = COSCHED_ROWS,
				  .workload = (uint32_t)workload_find(workload_idle.name)};
	return 0;
}

/* Moves and looks take their time of the day, which passes faster than the run's. */
static void compress(struct cluster_spec *spec, double by)
{
	spec->rebalance = (uint64_t)((double)spec->rebalance / by);
	spec->link = (uint64_t)((double)spec->link * by);
	spec->move_cost = (uint64_t)((double)spec->move_cost / by);
	spec->downtime = (uint64_t)((double)spec->downtime / by);
}

/* The scenario as the host sees it: with all VMs that can be there. */
static int own_scenario(struct cluster *c, uint32_t host)
{
	const struct scenario *sc = c->scenario;
	struct scenario *own;
	int err = scenario_on_host(sc, host, NULL, &own);

	if (err)
		return err;
	c->own[host] = own;
	compress(&own->cluster, sc->run.compress);
	for (uint32_t i = 0; i < sc->n_vms; i++) {
		if (!can_be(own, host, &sc->vms[i]))
			scenario_bar(&own->vms[i]);
	}
	return scenario_check_changes(own, NULL);
}

/* The ids of the host's VMs, and which of them are there. */
static int number_slots(struct cluster *c, uint32_t host)
{
	const struct scenario *own = c->own[host];
	uint32_t id = 0;

	c->present[host] = calloc(c->n_vms + 1, sizeof(bool));
	if (!c->present[host])
		return -ENOMEM;
	for (uint32_t i = 0; i < c->n_vms; i++) {
		struct slot *slot = cluster_slot(c, host, i);

		slot->id = own->vms[c->vms[i].section].barred ? PLACE_NONE : id++;
		if (slot->id != PLACE_NONE)
			c->present[host][slot->id] = c->vms[i].host == host;
	}
	c->present[host][id] = true; /* the mover */
	c->own[host]->present = c->present[host];
	return add_mover(c->own[host]);
}

static int allocate(struct cluster *c)
{
	uint32_t n = c->n_hosts, vms = c->n_vms, k = 0;

	c->own = calloc(n, sizeof(*c->own));
	c->present = calloc(n, sizeof(*c->present));
	c->sims = calloc(n, sizeof(*c->sims));
	c->vms = calloc(vms, sizeof(*c->vms));
	c->slots = calloc((size_t)n * vms, sizeof(*c->slots));
	c->domains = calloc(n, sizeof(*c->domains));
	c->hosts = calloc(n, sizeof(*c->hosts));
	c->places = calloc(vms, sizeof(*c->places));
	c->moves = calloc(n, sizeof(*c->moves));
	c->moving = calloc(n, sizeof(*c->moving));
	c->engaged = calloc(n, sizeof(*c->engaged));
	if (!c->own || !c->present || !c->sims || !c->vms || !c->slots || !c->domains ||
	    !c->hosts || !c->places || !c->moves || !c->moving || !c->engaged)
		return -ENOMEM;
	for (uint32_t i = 0; i < c->scenario->n_vms; i++) {
		for (uint32_t j = 0; j < c->scenario->vms[i].most; j++)
			c->vms[k++] = (struct member){.section = i, .number = j};
	}
	return 0;
}

static int start_host(struct cluster *c, uint32_t host, uint64_t seed, struct failure *f)
{
	int err = number_slots(c, host);
	struct sim *s;

	if (err)
		return err;
	err = sim_new(c->own[host], seed, host, f, &s);
	if (err)
		return err;
	c->sims[host] = s;
	s->vms[engine_vms(s) - 1].row = &workload_mover;
	return 0;
}

int cluster_new(const struct scenario *scenario, uint64_t seed, struct failure *f,
		struct cluster **ret)
{
	struct cluster *c = calloc(1, sizeof(*c));
	int err = c ? 0 : -ENOMEM;

	if (c) {
		c->scenario = scenario;
		c->n_hosts = scenario_hosts(scenario);
		c->n_vms = scenario_vms_per_host(scenario);
		err = allocate(c);
	}
	if (!err)
		err = scenario_before(scenario, &c->is);
	for (uint32_t i = 0; !err && i < c->n_hosts; i++)
		err = own_scenario(c, i);
	if (!err) {
		c->next_look = c->own[0]->cluster.rebalance;
		c->next_look = c->next_look ? c->next_look : TIMER_NEVER;
		err = cluster_place(c, f);
	}
	for (uint32_t i = 0; !err && i < c->n_hosts; i++)
		err = start_host(c, i, seed, f);
	if (err) {
		cluster_free(c);
		return err;
	}
	*ret = c;
	return 0;
}

struct cluster *cluster_free(struct cluster *c)
{
	if (!c)
		return NULL;
	for (uint32_t i = 0; i < c->n_hosts; i++) {
		if (c->sims && c->sims[i])
			waits_free(c->sims[i]->waits);
		if (c->sims)
			sim_free(c->sims[i]);
		if (c->own)
			scenario_free(c->own[i]);
		if (c->present)
			free(c->present[i]);
		if (c->moves && c->moves[i])
			move_end(c->moves[i]);
		if (c->moves)
			free(c->moves[i]);
	}
	scenario_free(c->is);
	free(c->own);
	free(c->present);
	free(c->sims);
	free(c->vms);
	free(c->slots);
	free(c->domains);
	free(c->hosts);
	free(c->places);
	free(c->moves);
	free(c->moving);
	free(c->engaged);
	free(c);
	return NULL;
}

static void run_hosts(struct cluster *c, uint64_t to)
{
	for (uint32_t i = 0; i < c->n_hosts; i++)
		sim_run(c->sims[i], to);
	c->now = to;
}

void cluster_note_away(struct cluster *c, uint32_t host, uint32_t vm)
{
	struct slot *slot = cluster_slot(c, host, vm);
	const struct sim *s = c->sims[host];

	for (uint32_t i = engine_first(s, slot->id); i < engine_room_end(s, slot->id); i++)
		slot->away[engine_ledger(s, i)->state] += c->now - slot->gone;
	slot->gone = c->now;
}

static void arrived(struct cluster *c, uint32_t from, uint32_t to)
{
	uint32_t vm = c->moving[from];
	struct member *m = &c->vms[vm];

	cluster_slot(c, from, vm)->gone = c->now;
	m->host = to;
	m->moved++;
	m->downtime += c->now - c->moves[from]->stopped;
	m->seen = cluster_wanted_ns(c, vm);
	m->since = c->now;
}

void cluster_move_over(struct cluster *c, uint32_t from, bool given_up)
{
	uint32_t vm = c->moving[from], to = c->hosts[c->places[vm].domain];

	if (given_up)
		cluster_put(c, vm, cluster_domain(c, from));
	else
		arrived(c, from, to);
	c->engaged[from] = c->engaged[to] = false;
	move_end(c->moves[from]);
	free(c->moves[from]);
	c->moves[from] = NULL;
}

/* The next time at which something is to be done. */
static uint64_t next(const struct cluster *c)
{
	uint64_t at = u64_min(c->next_look, cluster_change_at(c));

	for (uint32_t i = 0; i < c->n_hosts; i++)
		at = c->moves[i] ? u64_min(at, c->moves[i]->next) : at;
	return at;
}

static void act_on_moves(struct cluster *c)
{
	for (uint32_t i = 0; i < c->n_hosts; i++) {
		struct move *m = c->moves[i];

		if (!m || m->next > c->now)
			continue;
		if (m->phase == MOVE_RESTS)
			cluster_note_away(c, c->hosts[c->places[c->moving[i]].domain],
					  c->moving[i]);
		move_step(m);
		if (m->phase == MOVE_DONE)
			cluster_move_over(c, i, false);
	}
}

/* A change comes last: what was begun at the same time has to do with what there is then. */
static int act(struct cluster *c)
{
	int err = 0;

	act_on_moves(c);
	if (c->next_look <= c->now) {
		c->next_look += c->own[0]->cluster.rebalance;
		err = cluster_rebalance(c);
	}
	return !err && cluster_change_at(c) <= c->now ? cluster_change(c) : err;
}

int cluster_run(struct cluster *c, uint64_t end)
{
	uint64_t at;
	int err = 0;

	while (!err && (at = next(c)) < end) {
		run_hosts(c, at);
		err = act(c);
	}
	run_hosts(c, end);
	return err;
}

void cluster_restart_counters(struct cluster *c)
{
	for (uint32_t i = 0; i < c->n_hosts; i++)
		sim_restart_counters(c->sims[i]);
	for (uint32_t i = 0; i < c->n_hosts * c->n_vms; i++) {
		memset(c->slots[i].away, 0, sizeof(c->slots[i].away));
		c->slots[i].gone = c->now;
	}
	for (uint32_t i = 0; i < c->n_vms; i++) {
		struct member *m = &c->vms[i];

		*m = (struct member){.section = m->section,
				     .number = m->number,
				     .host = m->host,
				     .since = c->now};
	}
	for (uint32_t i = 0; i < c->n_hosts; i++) {
		if (c->moves[i])
			c->moves[i]->run = 0;
	}
}

int cluster_measure_waits(struct cluster *c)
{
	int err = 0;

	for (uint32_t i = 0; i < c->n_hosts && !err; i++)
		err = waits_start(c->sims[i]);
	return err;
}

struct sim *cluster_host(struct cluster *c, uint32_t host)
{
	return c->sims[host];
}

size_t cluster_bytes(const struct scenario *scenario)
{
	size_t slots = (size_t)scenario_hosts(scenario) * scenario_vms_per_host(scenario);

	return sizeof(struct cluster) + slots * sizeof(struct slot) +
	       scenario_hosts(scenario) * (sim_bytes(scenario) + 4096);
}
