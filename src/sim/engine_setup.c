/* SPDX-License-Identifier: MIT */
/* From a scenario to a host that is about to begin. */
#include "sim/engine.h"
#include "sim/engine_internal.h"

#include "base/units.h"
#include "policy/amounts.h"
#include "sim/memory.h"
#include "sim/random.h"
#include "sim/scenario_changes.h"
#include "sim/workload.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static uint32_t domain_cpus(const struct host_spec *h)
{
	return h->cells == CELLS_HARD ? h->cell : h->cpus / h->nodes;
}

static void shape_of(const struct scenario *sc, struct core_shape *ret)
{
	const struct host_spec *h = &sc->host;

	*ret = (struct core_shape){.cpus = h->cpus,
				   .domains = h->cpus / domain_cpus(h),
				   .vms = scenario_vms_per_host(sc),
				   .groups = sc->n_groups,
				   .vcpus = (uint32_t)scenario_vcpus_per_host(sc),
				   .nodes = h->nodes > 1,
				   .rebalance = h->rebalance};
}

static size_t requests_bytes(const struct vm_spec *spec)
{
	return sizeof(struct requests) + spec->room * sizeof(uint64_t);
}

size_t sim_bytes(const struct scenario *sc)
{
	struct core_shape shape;
	size_t bytes;

	shape_of(sc, &shape);
	bytes = core_bytes(&shape) + sizeof(struct sim) + memory_bytes(sc) +
		engine_change_bytes(sc);
	bytes += timers_bytes(shape.vcpus + shape.cpus + shape.vms + shape.groups + 1);
	bytes += shape.vcpus * (sizeof(struct guest) + sizeof(uint32_t));
	bytes += shape.cpus * sizeof(struct sim_cpu) + shape.vms * sizeof(struct sim_vm);
	for (uint32_t i = 0; i < sc->n_vms; i++) {
		const struct vm_spec *spec = &sc->vms[i];

		if (workload_rows[spec->workload] == &workload_ticks)
			bytes += spec->most * sizeof(struct tick_guest);
		if (workload_rows[spec->workload] == &workload_io)
			bytes += spec->most * spec->streams * sizeof(uint64_t);
		if (workload_rows[spec->workload] == &workload_requests)
			bytes += spec->most * requests_bytes(spec);
	}
	return bytes;
}

static double shares_of(const struct vm_spec *spec)
{
	return amount_shares(spec->shares, spec->vcpus);
}

static uint32_t group_of(const struct scenario *sc, const char *name)
{
	for (uint32_t k = 0; k < sc->n_groups; k++) {
		if (!strcmp(sc->groups[k].name, name))
			return k + 1;
	}
	return 0;
}

struct core_group_spec engine_group_spec(const struct scenario *sc, const struct group_spec *g)
{
	return (struct core_group_spec){.parent = group_of(sc, g->parent),
					.shares = g->shares,
					.reservation = g->reservation,
					.limit = g->limit};
}

static int add_groups(struct sim *s)
{
	const struct scenario *sc = s->scenario;

	for (uint32_t i = 0; i < sc->n_groups; i++) {
		struct core_group_spec spec = engine_group_spec(sc, &sc->groups[i]);
		int err = core_group_add(s->core, 0, i + 1, &spec, NULL);

		if (err)
			return err;
	}
	return 0;
}

/* What is left for work when the guest's ticks are served. */
static void set_ticks(struct sim_vm *vm)
{
	const struct vm_spec *spec = vm->spec;
	double share;

	vm->pace = CORE_FULL;
	if (!spec->tick_hz || !spec->tick_cost)
		return;
	vm->tick_period = NS_PER_SEC / spec->tick_hz;
	vm->tick_cost = spec->tick_cost * (spec->tick_broadcast ? spec->vcpus : 1);
	share = (double)vm->tick_cost / (double)vm->tick_period;
	if (vm->row == &workload_ticks) /* counts its ticks itself */
		vm->tick_period = 0;
	vm->pace = (uint32_t)((share < 0.99 ? 1 - share : 0.01) * CORE_FULL);
}

struct core_vm_spec engine_vm_spec(const struct sim *s, const struct vm_spec *spec)
{
	uint32_t cosched = spec->cosched;

	if (cosched == COSCHED_ROWS)
		cosched = s->scenario->host.cosched;
	return (struct core_vm_spec){.vcpus = spec->vcpus,
				     .group = group_of(s->scenario, spec->group),
				     .cosched = (enum cosched)cosched,
				     .shares = shares_of(spec),
				     .reservation = spec->reservation,
				     .limit = spec->limit,
				     .quota = spec->quota,
				     .period = spec->period};
}

int sim_vm_come(struct sim *s, uint32_t vm)
{
	struct core_vm_spec spec = engine_vm_spec(s, s->vms[vm].spec);

	return core_vm_add(s->core, s->now, vm, s->vms[vm].first, s->vms[vm].room, &spec, NULL);
}

void engine_set_guest(struct sim *s, struct sim_vm *vm, const struct vm_spec *spec)
{
	double load = vm_spec_load(spec);

	vm->spec = spec;
	vm->idle = load > 0 ? (uint64_t)((double)spec->burst * (1 - load) / load) : 0;
	set_ticks(vm);
	for (uint32_t i = vm->first; i < vm->first + vm->room; i++)
		s->guests[i].pace = vm->pace & 0x1ffff;
}

/* A VM has room for as many vCPUs as it ever has; one that comes later isn't there. */
static int add_vm(struct sim *s, uint32_t id, uint32_t first, uint32_t section, uint32_t number)
{
	const struct vm_spec *spec = &s->scenario->vms[section];
	bool there = number < spec->count;
	struct sim_vm *vm = &s->vms[id];

	*vm = (struct sim_vm){.absent = s->scenario->present && !s->scenario->present[id],
			      .first = first,
			      .n = there ? spec->vcpus : 0,
			      .room = spec->room,
			      .number = number,
			      .section = section,
			      .row = workload_rows[spec->workload],
			      .owner = CORE_NONE};
	engine_set_guest(s, vm, spec);
	if (vm->row == &workload_ticks)
		vm->ticks = calloc(1, sizeof(*vm->ticks));
	if (vm->row == &workload_io)
		vm->pending = calloc(spec->streams, sizeof(*vm->pending));
	if (vm->row == &workload_requests)
		vm->requests = calloc(1, requests_bytes(spec));
	if ((vm->row == &workload_ticks && !vm->ticks) ||
	    (vm->row == &workload_io && !vm->pending) ||
	    (vm->row == &workload_requests && !vm->requests))
		return -ENOMEM;
	for (uint32_t i = first; i < first + vm->room; i++)
		s->guests[i].vm = id;
	return there && !vm->absent ? sim_vm_come(s, id) : 0;
}

/* Names what was refused for a message. */
static const char *refused_name(const struct sim *s, const struct core_refusal *r)
{
	if (r->vm != CORE_NONE)
		return s->vms[r->vm].spec->name;
	return r->group ? s->scenario->groups[r->group - 1].name : "the host";
}

static int refuse(const struct sim *s, int err, const struct core_refusal *r, struct failure *f)
{
	const char *name = refused_name(s, r), *path = s->scenario->path;

	if (err == -ENOSPC)
		return failure_set(
			f, err,
			"%s: not admitted: reservations in %s sum up to %.3g CPUs, it has "
			"%.3g; lower a reservation or add CPUs",
			path, name, r->wanted, r->available);
	if (err == -EINVAL)
		return failure_set(f, err,
				   "%s: not admitted: %s reserves %.3g CPUs, its limit is %.3g",
				   path, name, r->wanted, r->available);
	if (r->vm == CORE_NONE)
		return failure_set(f, err,
				   "%s: not admitted: offline takes all CPUs of a node or cell; "
				   "leave one",
				   path);
	return failure_set(
		f, err,
		"%s: not admitted: no node or cell can hold %s; give it fewer vCPUs or a "
		"smaller reservation",
		path, name);
}

static int set_offline(struct sim *s, struct core_refusal *ret_refusal)
{
	int err = 0;

	for (uint32_t i = 0; i < s->n_cpus; i++)
		s->cpus[i] = (struct sim_cpu){.running = CORE_NONE,
					      .last = CORE_NONE,
					      .speed = CORE_FULL,
					      .off = scenario_cpu_in(s->scenario->host.offline, i),
					      .until = CORE_NEVER};
	for (uint32_t i = 0; i < s->n_cpus && !err; i++) {
		if (s->cpus[i].off)
			err = core_cpu_set(s->core, 0, i, false, ret_refusal);
	}
	return err;
}

/* Starts the core and lets every vCPU sleep until its VM starts. */
static int start(struct sim *s, uint64_t seed, uint32_t host, struct failure *f)
{
	struct core_refusal refusal = {0};
	int err = set_offline(s, &refusal);

	if (!err)
		err = core_start(s->core, 0, &refusal);
	if (err)
		return refuse(s, err, &refusal, f);
	for (uint32_t i = 0; i < s->n_vcpus; i++) {
		struct guest *g = &s->guests[i];

		g->random = random_stream(seed, ((uint64_t)host << 32) + i);
		g->alarm = g->until = TIMER_NEVER;
		g->hooked = guest_vm(s, i)->row->started != NULL;
		s->last_cpu[i] = CORE_NONE;
	}
	for (uint32_t i = 0; i < s->n_vcpus; i++) {
		const struct sim_vm *vm = guest_vm(s, i);

		if (!vm->absent && i < vm->first + vm->n)
			vm->row->begin(s, i);
	}
	engine_sync(s);
	return 0;
}

static int allocate(struct sim *s)
{
	const struct host_spec *h = &s->scenario->host;
	struct core_shape shape;
	struct core_site *sites;
	int err;

	shape_of(s->scenario, &shape);
	s->n_vms = shape.vms;
	s->n_vcpus = shape.vcpus;
	s->n_cpus = shape.cpus;
	s->guests = lines_alloc(shape.vcpus, sizeof(*s->guests));
	s->vms = lines_alloc(shape.vms, sizeof(*s->vms));
	s->cpus = lines_alloc(shape.cpus, sizeof(*s->cpus));
	s->last_cpu = calloc(shape.vcpus, sizeof(*s->last_cpu));
	if (!s->guests || !s->vms || !s->cpus || !s->last_cpu)
		return -ENOMEM;
	sites = calloc(h->cpus, sizeof(*sites));
	if (!sites)
		return -ENOMEM;
	core_sites_regular(sites, h->cpus, domain_cpus(h), h->cell ? h->cell : domain_cpus(h),
			   h->smt == 2);
	shape.sites = sites;
	err = core_new(&h->core, &shape, &s->core);
	free(sites);
	return err;
}

static bool has_timers(const struct vm_spec *spec)
{
	return spec->room > 1 || spec->limit < spec->vcpus || spec->period;
}

/* Skew needs siblings, a limit needs a budget: without either VMs have no timers, unless they come
 * and go. */
static int allocate_timers(struct sim *s)
{
	const struct scenario *sc = s->scenario;
	bool timed = sc->n_groups > 0 || sc->n_changes > 0 || sc->present;

	for (uint32_t i = 0; i < sc->n_vms; i++)
		timed |= has_timers(&sc->vms[i]);
	return timers_init(&s->timers, engine_vm_timer(s, timed ? s->n_vms + sc->n_groups : 0));
}

static int add_vms(struct sim *s)
{
	const struct scenario *sc = s->scenario;
	uint32_t id = 0, first = 0;
	int err = 0;

	for (uint32_t i = 0; i < sc->n_vms; i++) {
		for (uint32_t k = 0; !err && k < sc->vms[i].most; k++) {
			err = add_vm(s, id, first, i, k);
			first += s->vms[id++].room;
		}
	}
	return err;
}

int sim_new(const struct scenario *scenario, uint64_t seed, uint32_t host, struct failure *f,
	    struct sim **ret)
{
	struct sim *s = calloc(1, sizeof(*s));
	int err = s ? 0 : -ENOMEM;

	if (s) {
		s->scenario = scenario;
		err = allocate(s);
	}
	if (!err)
		err = add_groups(s);
	if (!err)
		err = add_vms(s);
	if (!err)
		err = allocate_timers(s);
	if (err)
		failure_errno(f, err, "%s: cannot set up the host", scenario->path);
	else
		err = start(s, seed, host, f);
	if (!err)
		err = engine_change_start(s, f);
	if (!err && memory_start(s, seed, host))
		err = failure_errno(f, -ENOMEM, "%s: cannot set up its memory", scenario->path);
	if (err) {
		sim_free(s);
		return err;
	}
	*ret = s;
	return 0;
}

struct sim *sim_free(struct sim *s)
{
	if (!s)
		return NULL;
	for (uint32_t i = 0; s->core && s->vms && i < s->n_vms; i++) {
		free(s->vms[i].ticks);
		free(s->vms[i].pending);
		free(s->vms[i].requests);
	}
	memory_free(s);
	engine_change_end(s);
	core_free(s->core);
	timers_free(&s->timers);
	free(s->guests);
	free(s->vms);
	free(s->cpus);
	free(s->last_cpu);
	free(s);
	return NULL;
}
