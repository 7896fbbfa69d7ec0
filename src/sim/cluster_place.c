/* SPDX-License-Identifier: MIT */
/* Who is where: the first placement by mean demand, later moves by what was wanted lately. */
#include "sim/cluster_internal.h"
#include "sim/demand.h"
#include "sim/engine_internal.h"
#include "sim/scenario_changes.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define MOVES_AT_ONCE 64 /* that one look begins, at most */

static double working_set(const struct vm_spec *vm)
{
	return (double)(vm->working_set ? vm->working_set : vm->memory);
}

/* CPUs' worth of a host: of those that are there. */
static double capacity_of(const struct host_spec *h)
{
	uint32_t there = 0;

	for (uint32_t i = 0; i < h->cpus; i++)
		there += !scenario_cpu_in(h->offline, i);
	return there * (h->smt == 2 ? h->core.smt_speed : 1);
}

/* CPUs of a host, as one domain. */
static void domain_of(const struct scenario *own, struct place_domain *ret)
{
	const struct host_spec *h = &own->host;

	*ret = (struct place_domain){.cpus = h->cells == CELLS_HARD ? h->cell : h->cpus / h->nodes,
				     .capacity = capacity_of(h),
				     .memory = h->memory ? (double)h->memory : INFINITY};
}

void cluster_put(struct cluster *c, uint32_t vm, uint32_t domain)
{
	struct place_vm *p = &c->places[vm];

	if (p->domain != PLACE_NONE) {
		struct place_domain *d = &c->domains[p->domain];

		d->load -= p->load;
		d->reserved -= p->reservation;
		d->memory += p->memory;
	}
	p->domain = domain;
	if (domain != PLACE_NONE) {
		struct place_domain *d = &c->domains[domain];

		d->load += p->load;
		d->reserved += p->reservation;
		d->memory -= p->memory;
	}
}

/* Where the VM is told to be; PLACE_NONE: anywhere. */
static uint32_t told(const struct cluster *c, uint32_t vm)
{
	const char *name = cluster_spec(c, vm)->host;

	for (uint32_t i = 0; i < c->scenario->n_hosts && name[0]; i++) {
		if (!strcmp(c->scenario->hosts[i].name, name))
			return i;
	}
	return PLACE_NONE;
}

static int refuse(const struct cluster *c, uint32_t vm, struct failure *f)
{
	const struct vm_spec *spec = cluster_spec(c, vm);

	return failure_set(f, -ENOSPC,
			   "%s:%d: no host has room for vm %s: %u vCPUs on a node or cell, %.3g "
			   "CPUs reserved, a working set of %.3g GiB; add memory or CPUs, or give "
			   "it a host",
			   c->scenario->path, spec->line, spec->name, spec->room, spec->reservation,
			   working_set(spec) / 0x1p30);
}

uint32_t cluster_domain(const struct cluster *c, uint32_t host)
{
	for (uint32_t i = 0; i < c->n_domains; i++) {
		if (c->hosts[i] == host)
			return i;
	}
	return PLACE_NONE;
}

uint32_t cluster_largest(const struct cluster *c)
{
	uint32_t found = PLACE_NONE;

	for (uint32_t i = 0; i < c->n_vms; i++) {
		if (cluster_has(c, i) && told(c, i) == PLACE_NONE &&
		    c->places[i].domain == PLACE_NONE && c->places[i].load >= 0 &&
		    (found == PLACE_NONE || c->places[i].load > c->places[found].load))
			found = i;
	}
	return found;
}

uint32_t cluster_find(struct cluster *c, uint32_t vm)
{
	uint32_t host = told(c, vm);

	if (host != PLACE_NONE)
		return cluster_domain(c, host);
	return place_initial(c->domains, c->n_domains, &c->places[vm]);
}

/* The host as it is now. */
static const struct scenario *host_at(const struct cluster *c, uint32_t host)
{
	return c->sims[host] ? c->sims[host]->scenario : c->own[host];
}

void cluster_load(struct cluster *c, uint64_t from)
{
	const struct run_spec *run = &c->scenario->run;

	for (uint32_t i = 0; i < c->n_domains; i++)
		domain_of(host_at(c, c->hosts[i]), &c->domains[i]);
	for (uint32_t i = 0; i < c->n_vms; i++) {
		const struct vm_spec *spec = cluster_spec(c, i);
		uint32_t domain = c->places[i].domain;

		c->places[i] = (struct place_vm){
			.domain = PLACE_NONE,
			.load = demand_mean(spec, c->vms[i].number, from,
					    run->warmup + run->duration),
			.reservation = spec->reservation,
			.min_cpus = c->scenario->vms[c->vms[i].section].room,
			.memory = working_set(spec)};
		cluster_put(c, i, domain);
	}
}

static void find_hosts(struct cluster *c)
{
	for (uint32_t i = 0; i < c->n_hosts; i++) {
		if (!c->own[i]->host.standby)
			c->hosts[c->n_domains++] = i;
	}
	for (uint32_t i = 0; i < c->n_vms; i++)
		c->places[i].domain = PLACE_NONE;
	cluster_load(c, c->scenario->run.warmup);
}

/* Where a VM that comes later is counted until then: on a host that can have it. */
static uint32_t waits_at(const struct cluster *c, uint32_t vm)
{
	for (uint32_t i = 0; i < c->n_hosts; i++) {
		if (!c->own[i]->vms[c->vms[vm].section].barred)
			return i;
	}
	return PLACE_NONE;
}

int cluster_place(struct cluster *c, struct failure *f)
{
	uint32_t vm, domain;

	find_hosts(c);
	for (vm = 0; vm < c->n_vms; vm++) {
		c->vms[vm].host = told(c, vm);
		if (c->vms[vm].host == PLACE_NONE)
			c->vms[vm].host = waits_at(c, vm);
		if (c->vms[vm].host == PLACE_NONE)
			return refuse(c, vm, f);
		if (cluster_has(c, vm) && cluster_spec(c, vm)->host[0])
			cluster_put(c, vm, cluster_find(c, vm));
	}
	while ((vm = cluster_largest(c)) != PLACE_NONE) {
		domain = cluster_find(c, vm);
		if (domain == PLACE_NONE)
			return refuse(c, vm, f);
		cluster_put(c, vm, domain);
		c->vms[vm].host = c->hosts[domain];
	}
	return 0;
}

uint64_t cluster_wanted_ns(const struct cluster *c, uint32_t vm)
{
	const struct sim *s = c->sims[c->vms[vm].host];
	uint32_t id = cluster_slot(c, c->vms[vm].host, vm)->id;
	uint64_t ns = 0;

	for (uint32_t i = engine_first(s, id); i < engine_room_end(s, id); i++) {
		const struct ledger *l = engine_ledger(s, i);

		ns += l->ns[LEDGER_RUN] + l->ns[LEDGER_READY] + l->ns[LEDGER_COSTOP];
	}
	return ns;
}

/* What hosts have and VMs reserve may have changed since the last look. */
static void look_again(struct cluster *c)
{
	for (uint32_t i = 0; i < c->n_domains; i++) {
		c->domains[i].load = c->domains[i].reserved = 0;
		c->domains[i].capacity = capacity_of(&c->sims[c->hosts[i]]->scenario->host);
	}
	for (uint32_t i = 0; i < c->n_vms; i++) {
		const struct sim *s = c->sims[c->vms[i].host];
		struct place_vm *p = &c->places[i];

		p->reservation = s->vms[cluster_slot(c, c->vms[i].host, i)->id].spec->reservation;
		if (p->domain != PLACE_NONE)
			c->domains[p->domain].reserved += p->reservation;
	}
}

/* Loads of hosts and VMs since the last look; VMs that are to stay have none of their own. */
static void measure(struct cluster *c)
{
	for (uint32_t i = 0; i < c->n_hosts; i++)
		sim_settle(c->sims[i]);
	look_again(c);
	for (uint32_t i = 0; i < c->n_vms; i++) {
		struct member *m = &c->vms[i];
		uint64_t wanted = cluster_wanted_ns(c, i);
		double load = (double)(wanted - m->seen) / fmax(1, (double)(c->now - m->since));

		m->seen = wanted;
		m->since = c->now;
		if (c->places[i].domain != PLACE_NONE)
			c->domains[c->places[i].domain].load += load;
		c->places[i].load = move_possible(cluster_spec(c, i)) ? load : 0;
	}
}

/* Begins the move, if the host can have the VM. */
static int begin(struct cluster *c, uint32_t vm, uint32_t domain)
{
	uint32_t from = c->vms[vm].host, hosts[2] = {from, c->hosts[domain]};
	struct stays seen = c->vms[vm].before;
	struct end ends[2];
	int err;

	for (int i = 0; i < 2; i++) {
		struct sim *s = c->sims[hosts[i]];

		ends[i] = (struct end){.sim = s,
				       .vm = cluster_slot(c, hosts[i], vm)->id,
				       .mover = engine_vcpus(s) - 1};
	}
	c->moves[from] = calloc(1, sizeof(*c->moves[from]));
	if (!c->moves[from])
		return -ENOMEM;
	cluster_add_stay(c, hosts[1], vm, &seen);
	err = move_begin(c->moves[from], ends[0], ends[1]);
	if (err) {
		free(c->moves[from]);
		c->moves[from] = NULL;
		return err;
	}
	c->vms[vm].before = seen;
	c->moving[from] = vm;
	c->engaged[from] = c->engaged[hosts[1]] = true;
	return 0;
}

/* Whether some host has more load than is left alone. */
static bool some_busy(const struct cluster *c)
{
	bool any = false;

	for (uint32_t i = 0; i < c->n_domains; i++)
		any |= c->domains[i].load >= c->scenario->cluster.busy * c->domains[i].capacity;
	return any;
}

/* A VM that is to move counts where it goes, and moves at once where both hosts are free; otherwise
 * a later look decides again. */
int cluster_rebalance(struct cluster *c)
{
	measure(c);
	for (int i = 0; i < MOVES_AT_ONCE && some_busy(c); i++) {
		uint32_t to, vm = place_rebalance(c->domains, c->n_domains, c->places, c->n_vms,
						  c->scenario->cluster.threshold, &to);
		uint32_t from = vm == PLACE_NONE ? 0 : c->places[vm].domain;
		bool free_ends;
		int err;

		if (vm == PLACE_NONE)
			return 0;
		free_ends = !c->engaged[c->hosts[from]] && !c->engaged[c->hosts[to]];
		err = free_ends ? begin(c, vm, to) : -EBUSY;
		if (err == -ENOMEM)
			return err;
		cluster_put(c, vm, to);
		if (err) {
			c->places[vm].load = 0; /* looked at, and stays */
			cluster_put(c, vm, from);
		}
		c->places[vm].load = 0;
	}
	return 0;
}
