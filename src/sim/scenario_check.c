/* SPDX-License-Identifier: MIT */
/* What is wrong with a scenario although each of its values alone is right. */
#include "sim/engine.h"
#include "sim/scenario_changes.h"
#include "sim/scenario_keys.h"
#include "sim/workload.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define VCPUS_MAX UINT64_C(4000000) /* on one host */

/* Refuses what two keys of [host] say: names the later line of the two, where the file has one. */
static int refuse_host(const struct scenario *s, const char *one, const char *other,
		       struct failure *f, const char *what)
{
	int a = s->host_lines[scenario_key_find(SECTION_HOST, one)],
	    b = s->host_lines[scenario_key_find(SECTION_HOST, other)], line = a > b ? a : b;

	if (!line)
		return failure_set(f, -EINVAL, "%s: [host] %s", s->path, what);
	return failure_set(f, -EINVAL, "%s:%d: [host] %s", s->path, line, what);
}

static int check_host(const struct scenario *s, struct failure *f)
{
	const struct host_spec *h = &s->host;
	uint32_t node = h->cpus / h->nodes;
	char what[96];

	if (h->cpus % h->nodes) {
		snprintf(what, sizeof(what), "nodes = %u does not divide cpus = %u", h->nodes,
			 h->cpus);
		return refuse_host(s, "nodes", "cpus", f, what);
	}
	if (h->cell && node % h->cell) {
		snprintf(what, sizeof(what), "cell = %u does not divide a node's %u CPUs", h->cell,
			 node);
		return refuse_host(s, "cell", h->nodes > 1 ? "nodes" : "cpus", f, what);
	}
	if (h->cells == CELLS_HARD && !h->cell)
		return refuse_host(s, "cells", "cell", f, "cells = hard needs cell = CPUS");
	if (h->smt == 2 && (node % 2 || h->cell % 2))
		return refuse_host(s, "smt", h->cell % 2 ? "cell" : "cpus", f,
				   "smt = 2 needs an even number of CPUs in nodes and cells");
	if (!scenario_cpus_valid(h->offline, h->cpus)) {
		snprintf(what, sizeof(what),
			 "offline: expected CPUs from 0 to %u such as 1,4-6, or none", h->cpus - 1);
		return refuse_host(s, "offline", "cpus", f, what);
	}
	if (h->core.skew_start > h->core.skew_stop)
		return refuse_host(s, "skew_start", "skew_stop", f,
				   "skew_start is above skew_stop");
	return 0;
}

static int check_cluster(const struct scenario *s, struct failure *f)
{
	const char *what = NULL;

	if (s->host.standby)
		what = "standby = yes in [host]: no host would be left; set it in a [host NAME]";
	else if (s->cluster.place && scenario_hosts(s) == 1)
		what = "place = yes needs more than one host";
	else if (s->cluster.rebalance && !s->cluster.place)
		what = "rebalance needs place = yes";
	if (what)
		return failure_set(f, -EINVAL, "%s:%d: [cluster] %s", s->path, s->cluster_line,
				   what);
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

static int check_places(const struct scenario *s, struct failure *f)
{
	for (uint32_t i = 0; i < s->n_vms; i++) {
		const struct vm_spec *vm = &s->vms[i];

		if (vm->host[0] && !scenario_find_host((struct scenario *)s, vm->host))
			return failure_set(f, -EINVAL, "%s:%d: vm %s: there is no host %s", s->path,
					   vm->line, vm->name, vm->host);
	}
	return 0;
}

/* The hosts that have a name, each as a whole. */
static int check_hosts(const struct scenario *s, struct failure *f)
{
	int err = 0;

	if (s->n_hosts && s->host.hosts != 1)
		return refuse_host(s, "hosts", "hosts", f,
				   "hosts counts hosts alike; there are [host NAME] sections");
	if (s->on_host[0]) /* it has one's keys already */
		return check_host(s, f);
	for (uint32_t i = 0; i < s->n_hosts && !err; i++) {
		struct scenario *own;

		err = scenario_on_host(s, i, f, &own);
		if (err)
			return err;
		err = check_host(own, f);
		if (!err && !s->moment && !scenario_vms_per_host(own))
			err = failure_set(f, -EINVAL, "%s:%d: host %s: no VM is there", s->path,
					  s->hosts[i].line, s->hosts[i].name);
		scenario_free(own);
	}
	return err || s->n_hosts ? err : check_host(s, f);
}

/* Demand that changes: by what, and whose. */
static int check_changes(const struct scenario *s, const struct vm_spec *vm, struct failure *f)
{
	const struct workload_row *row = workload_rows[vm->workload];
	const char *what = vm->trace[0] ? "trace" : "day";

	if (!vm->trace[0] && !vm->day.n)
		return 0;
	if (row != &workload_duty && row != &workload_requests)
		return failure_set(f, -EINVAL,
				   "%s:%d: vm %s: %s changes the demand of workload duty or "
				   "requests, not of %s",
				   s->path, vm->line, vm->name, what, row->name);
	if (vm->trace[0] && vm->day.n)
		return failure_set(f, -EINVAL,
				   "%s:%d: vm %s: trace and day both say its demand; take one out",
				   s->path, vm->line, vm->name);
	if (vm->trace[0] && vm->trace_unit == TRACE_UNITS)
		return failure_set(
			f, -EINVAL,
			"%s:%d: vm %s: a trace needs trace_unit: cpus (1 is one CPU), "
			"percent (100 is all vCPUs) or recorded (a file that desched data "
			"lists)",
			s->path, vm->line, vm->name);
	return 0;
}

static int check_memory(const struct scenario *s, const struct vm_spec *vm, struct failure *f)
{
	const char *what = vm->working_set > vm->memory	      ? "working_set"
			   : vm->memory_reserved > vm->memory ? "memory_reserved"
							      : NULL;

	if (what)
		return failure_set(f, -EINVAL, "%s:%d: vm %s: %s is more than its memory", s->path,
				   vm->line, vm->name, what);
	if (vm->device == DEVICE_HOST && workload_rows[vm->workload] != &workload_io)
		return failure_set(f, -EINVAL, "%s:%d: vm %s: device = host is of workload io",
				   s->path, vm->line, vm->name);
	return 0;
}

static int check_vm(const struct scenario *s, const struct vm_spec *vm, struct failure *f)
{
	int err;

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
	if (vm->demand > 0 && !(vm_spec_load(vm) >= 1e-4 && vm_spec_load(vm) <= 0.9999))
		return failure_set(f, -EINVAL,
				   "%s:%d: vm %s: demand = %g is %.4g of each vCPU that has work; "
				   "expected from 0.0001 to 0.9999",
				   s->path, vm->line, vm->name, vm->demand, vm_spec_load(vm));
	err = check_changes(s, vm, f);
	if (!err)
		err = check_memory(s, vm, f);
	return err ? err : check_ticks(s, vm, f);
}

static int check_sizes(const struct scenario *s, struct failure *f)
{
	uint64_t vcpus = 0;

	if (!s->moment && !scenario_vms_per_host(s))
		return failure_set(f, -EINVAL, "%s: no VM; a scenario has at least one [vm NAME]",
				   s->path);
	for (uint32_t i = 0; i < s->n_vms; i++) {
		vcpus += (uint64_t)s->vms[i].most * s->vms[i].room;
		if (vcpus > VCPUS_MAX)
			return failure_set(f, -E2BIG,
					   "%s:%d: vm %s: more than 4,000,000 vCPUs on one host",
					   s->path, s->vms[i].line, s->vms[i].name);
	}
	return 0;
}

int scenario_check(struct scenario *s, struct failure *f)
{
	int err = check_places(s, f);

	if (!err)
		err = check_cluster(s, f);
	if (!err)
		err = check_groups(s, f);
	for (uint32_t i = 0; !err && i < s->n_vms; i++)
		err = check_vm(s, &s->vms[i], f);
	if (!err)
		err = scenario_check_changes(s, f);
	if (!err)
		err = check_sizes(s, f);
	return err ? err : check_hosts(s, f);
}
