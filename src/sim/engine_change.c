/* SPDX-License-Identifier: MIT */
/*
 * A host changes while it runs. Each change of the scenario leaves a whole scenario: when its time
 * comes, what the host has is compared with what that says, and the difference is reported to the
 * core. Some of it may only be admitted after something else has gone: it is tried until nothing
 * more can be done. What is refused then stays as it was, is counted, and tried again with the next
 * change.
 */
#include "sim/engine.h"
#include "sim/engine_internal.h"

#include "sim/memory.h"
#include "sim/scenario_changes.h"
#include "sim/workload.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct life {
	struct scenario **after; /* what each change leaves */
	uint64_t *at;		 /* ns: when */
	uint32_t n, done;
	const struct group_spec **groups; /* as the core has them */
	uint64_t refusals;
};

/* Tries what still differs; how much was done, and how much was refused. */
struct pass {
	uint32_t done, refused;
};

static void count(struct pass *p, int err)
{
	p->done += !err;
	p->refused += err != 0;
}

static void reset_guest(struct sim *s, uint32_t vcpu)
{
	struct guest *g = &s->guests[vcpu];

	guest_settle(s, vcpu);
	g->need = g->debt = 0;
	g->alarm = g->until = TIMER_NEVER;
	g->phase = 0;
	g->ticking = 0;
	memory_forget(s, vcpu);
	timer_set(&s->timers, vcpu, TIMER_NEVER);
}

static void settle_vm(struct sim *s, const struct sim_vm *vm)
{
	for (uint32_t i = vm->first; i < vm->first + vm->room; i++)
		guest_settle(s, i);
}

/* The VM has vCPUs up to `n` now: those beyond are gone, new ones begin. One that is on another host
 * does so there. */
static void follow(struct sim *s, struct sim_vm *vm, const struct vm_spec *spec, uint32_t n)
{
	uint32_t before = vm->n;

	if (vm->absent) {
		vm->n = n;
		if (n)
			engine_set_guest(s, vm, spec);
		return;
	}
	for (uint32_t i = vm->first + n; i < vm->first + before; i++)
		reset_guest(s, i);
	engine_sync(s);
	vm->n = n;
	if (!n)
		return;
	settle_vm(s, vm);
	engine_set_guest(s, vm, spec);
	for (uint32_t i = vm->first + before; i < vm->first + n; i++) {
		reset_guest(s, i);
		vm->row->begin(s, i);
	}
}

static int come(struct sim *s, uint32_t id, const struct vm_spec *want)
{
	struct core_vm_spec spec = engine_vm_spec(s, want);
	struct sim_vm *vm = &s->vms[id];
	int err = vm->homeless ? -ENOSPC : 0;

	if (!err && !vm->absent)
		err = core_vm_add(s->core, s->now, id, vm->first, vm->room, &spec, NULL);
	if (err)
		return err;
	vm->owner = CORE_NONE;
	vm->arrived = 0;
	follow(s, vm, want, want->vcpus);
	return 0;
}

static int go(struct sim *s, uint32_t id)
{
	int err = s->vms[id].absent ? 0 : core_vm_remove(s->core, s->now, id);

	if (!err)
		follow(s, &s->vms[id], NULL, 0);
	return err;
}

static bool same_vm(const struct core_vm_spec *a, const struct core_vm_spec *b)
{
	return a->vcpus == b->vcpus && a->group == b->group && a->cosched == b->cosched &&
	       a->shares == b->shares && a->reservation == b->reservation && a->limit == b->limit &&
	       a->quota == b->quota && a->period == b->period;
}

static void change_vm(struct sim *s, uint32_t id, const struct vm_spec *want, struct pass *p)
{
	struct core_vm_spec is = engine_vm_spec(s, s->vms[id].spec), to = engine_vm_spec(s, want);
	int err;

	if (!same_vm(&is, &to)) {
		err = core_vm_change(s->core, s->now, id, &to, NULL);
		if (err == -ENOENT && s->vms[id].absent) /* it will come as it is then */
			err = 0;
		count(p, err);
		if (err)
			return;
	}
	follow(s, &s->vms[id], want, want->vcpus);
}

/* VMs of one kind of change: those that go, that stay, that come. */
enum kind { GOES, STAYS, COMES };

static void try_vms(struct sim *s, enum kind kind, struct pass *p)
{
	const struct scenario *sc = s->scenario;
	uint32_t id = 0;

	for (uint32_t i = 0; i < sc->n_vms; i++) {
		for (uint32_t k = 0; k < sc->vms[i].most; k++, id++) {
			bool wanted = k < sc->vms[i].count, there = s->vms[id].n;

			if (kind == GOES && there && !wanted)
				count(p, go(s, id));
			else if (kind == STAYS && there && wanted)
				change_vm(s, id, &sc->vms[i], p);
			else if (kind == COMES && !there && wanted)
				count(p, come(s, id, &sc->vms[i]));
		}
	}
}

static void try_groups(struct sim *s, struct pass *p)
{
	const struct scenario *sc = s->scenario;

	for (uint32_t i = 0; i < sc->n_groups; i++) {
		const struct group_spec **have = &s->life->groups[i];
		struct core_group_spec is = engine_group_spec(sc, *have),
				       to = engine_group_spec(sc, &sc->groups[i]);
		int err;

		if (is.parent == to.parent && is.shares == to.shares &&
		    is.reservation == to.reservation && is.limit == to.limit)
			continue;
		err = core_group_change(s->core, s->now, i + 1, &to, NULL);
		engine_sync(s);
		count(p, err);
		if (!err)
			*have = &sc->groups[i];
	}
}

static void try_cpus(struct sim *s, bool on, struct pass *p)
{
	for (uint32_t i = 0; i < s->n_cpus; i++) {
		bool off = scenario_cpu_in(s->scenario->host.offline, i);
		int err;

		if (off == s->cpus[i].off || off == on)
			continue;
		err = core_cpu_set(s->core, s->now, i, on, NULL);
		engine_sync(s);
		count(p, err);
		if (!err)
			s->cpus[i].off = off;
	}
}

static struct pass try_all(struct sim *s)
{
	struct pass p = {0};

	try_cpus(s, true, &p);
	try_vms(s, GOES, &p);
	try_vms(s, STAYS, &p);
	try_groups(s, &p);
	try_vms(s, COMES, &p);
	try_cpus(s, false, &p);
	return p;
}

void engine_change(struct sim *s)
{
	struct life *l = s->life;
	struct pass p;

	s->scenario = l->after[l->done++];
	do {
		p = try_all(s);
	} while (p.done && p.refused);
	l->refusals += p.refused;
	memory_divide(s);
	timer_set(&s->timers, engine_change_timer(s),
		  l->done < l->n ? l->at[l->done] : TIMER_NEVER);
}

int engine_change_start(struct sim *s, struct failure *f)
{
	const struct scenario *sc = s->scenario;
	struct life *l = sc->n_changes ? calloc(1, sizeof(*l)) : NULL;
	struct scenario *first = NULL;
	int err = 0;

	if (!sc->n_changes)
		return 0;
	s->life = l;
	if (!l)
		return -ENOMEM;
	l->after = calloc(sc->n_changes, sizeof(struct scenario *));
	l->at = calloc(sc->n_changes, sizeof(*l->at));
	l->groups = calloc(sc->n_groups + 1, sizeof(struct group_spec *));
	if (!l->after || !l->at || !l->groups)
		return -ENOMEM;
	for (uint32_t i = 0; i < sc->n_groups; i++)
		l->groups[i] = &sc->groups[i];
	err = scenario_before(sc, &first);
	for (; l->n < sc->n_changes && !err; l->n += !err) {
		err = scenario_after(l->n ? l->after[l->n - 1] : first, &sc->changes[l->n], f,
				     &l->after[l->n]);
		l->at[l->n] = sc->changes[l->n].at;
	}
	scenario_free(first);
	if (!err)
		timer_set(&s->timers, engine_change_timer(s), l->at[0]);
	return err;
}

size_t engine_change_bytes(const struct scenario *sc)
{
	return sc->n_changes *
	       (sizeof(*sc) + sc->n_vms * sizeof(*sc->vms) + sc->n_groups * sizeof(*sc->groups) +
		sc->n_hosts * sizeof(*sc->hosts));
}

void engine_change_end(struct sim *s)
{
	struct life *l = s->life;

	if (!l)
		return;
	for (uint32_t i = 0; l->after && i < l->n; i++)
		scenario_free(l->after[i]);
	free(l->after);
	free(l->at);
	free(l->groups);
	free(l);
	s->life = NULL;
}

uint64_t sim_refusals(const struct sim *s)
{
	return s->life ? s->life->refusals : 0;
}
