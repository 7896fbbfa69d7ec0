/* SPDX-License-Identifier: MIT */
/* What is wrong with a scenario although each of its values alone is right. */
#include "sim/engine.h"
#include "sim/scenario.h"

#include <errno.h>
#include <string.h>

#define VCPUS_MAX UINT64_C(4000000) /* on one host */

static int check_host(const struct scenario *s, struct failure *f)
{
	const struct host_spec *h = &s->host;
	uint32_t node = h->cpus / h->nodes;

	if (h->cpus % h->nodes)
		return failure_set(f, -EINVAL, "%s: [host] nodes = %u does not divide cpus = %u",
				   s->path, h->nodes, h->cpus);
	if (h->cell && node % h->cell)
		return failure_set(f, -EINVAL,
				   "%s: [host] cell = %u does not divide a node's %u CPUs", s->path,
				   h->cell, node);
	if (h->cells == CELLS_HARD && !h->cell)
		return failure_set(f, -EINVAL, "%s: [host] cells = hard needs cell = CPUS",
				   s->path);
	if (h->smt == 2 && (node % 2 || h->cell % 2))
		return failure_set(
			f, -EINVAL,
			"%s: [host] smt = 2 needs an even number of CPUs in nodes and cells",
			s->path);
	if (h->core.skew_start > h->core.skew_stop)
		return failure_set(f, -EINVAL, "%s: [host] skew_start is above skew_stop", s->path);
	return 0;
}

static const struct group_spec *group_named(const struct scenario *s, const char *name, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		if (!strcmp(s->groups[i].name, name))
			return &s->groups[i];
	}
	return NULL;
}

static int check_groups(const struct scenario *s, struct failure *f)
{
	for (uint32_t i = 0; i < s->n_groups; i++) {
		const struct group_spec *g = &s->groups[i];

		if (g->parent[0] && !group_named(s, g->parent, i))
			return failure_set(f, -EINVAL,
					   "%s:%d: group %s: parent %s is no group further up",
					   s->path, g->line, g->name, g->parent);
		if (g->limit < g->reservation)
			return failure_set(f, -EINVAL,
					   "%s:%d: group %s: limit %g is below reservation %g",
					   s->path, g->line, g->name, g->limit, g->reservation);
	}
	return 0;
}

static int check_ticks(const struct scenario *s, const struct vm_spec *vm, struct failure *f)
{
	if (workload_rows[vm->workload] == &workload_ticks) {
		if (!vm->tick_hz || !vm->n_processes || vm->vcpus != 1)
			return failure_set(
				f, -EINVAL,
				"%s:%d: vm %s: workload ticks needs tick_hz, processes and one "
				"vCPU",
				s->path, vm->line, vm->name);
	} else if (vm->n_processes) {
		return failure_set(f, -EINVAL, "%s:%d: vm %s: only workload ticks has processes",
				   s->path, vm->line, vm->name);
	}
	if ((double)vm->tick_hz * (double)vm->tick_cost * (vm->tick_broadcast ? vm->vcpus : 1) >
	    0.9e9)
		return failure_set(
			f, -EINVAL,
			"%s:%d: vm %s: its ticks alone would take more than 90 %% of a CPU",
			s->path, vm->line, vm->name);
	return 0;
}

static int check_vm(const struct scenario *s, const struct vm_spec *vm, struct failure *f)
{
	if (vm->group[0] && !group_named(s, vm->group, s->n_groups))
		return failure_set(f, -EINVAL, "%s:%d: vm %s: there is no group %s", s->path,
				   vm->line, vm->name, vm->group);
	if (vm->limit < vm->reservation)
		return failure_set(f, -EINVAL, "%s:%d: vm %s: limit %g is below reservation %g",
				   s->path, vm->line, vm->name, vm->limit, vm->reservation);
	if (vm->reservation > vm->vcpus)
		return failure_set(f, -EINVAL,
				   "%s:%d: vm %s: reservation %g is more than its %u vCPUs can use",
				   s->path, vm->line, vm->name, vm->reservation, vm->vcpus);
	if (vm->period && (vm->reservation > 0 || vm->limit < ENTITLE_UNLIMITED))
		return failure_set(
			f, -EINVAL,
			"%s:%d: vm %s: a budget is reservation and limit in one; take one out",
			s->path, vm->line, vm->name);
	if (vm->active > vm->vcpus)
		return failure_set(f, -EINVAL, "%s:%d: vm %s: active = %u of %u vCPUs", s->path,
				   vm->line, vm->name, vm->active, vm->vcpus);
	return check_ticks(s, vm, f);
}

int scenario_check(const struct scenario *s, struct failure *f)
{
	uint64_t vms = 0;
	int err;

	for (uint32_t i = 0; i < s->n_vms; i++)
		vms += s->vms[i].count;
	if (!vms)
		return failure_set(f, -EINVAL, "%s: no VM; a scenario has at least one [vm NAME]",
				   s->path);
	if (vms > VCPUS_MAX || scenario_vcpus_per_host(s) > VCPUS_MAX)
		return failure_set(f, -E2BIG, "%s: more than 4,000,000 vCPUs on one host", s->path);
	err = check_host(s, f);
	if (!err)
		err = check_groups(s, f);
	for (uint32_t i = 0; !err && i < s->n_vms; i++)
		err = check_vm(s, &s->vms[i], f);
	return err;
}
