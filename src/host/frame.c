/* SPDX-License-Identifier: MIT */
#include "host/frame.h"

#include "base/proc.h"
#include "base/units.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysinfo.h>

/* For how long it has wanted to run up to the reading. */
static uint64_t waits_for(const struct measurement *m, const struct measured *x, uint32_t v)
{
	const struct ledger *now = &x->vcpus[v].ledger[MEASURE_NOW];
	uint64_t since = host_ledger_since(m->ledger, x->id, v);

	if (!since || x->vcpus[v].ended || !ledger_state_descheduled(now->state))
		return 0;
	return u64_sub_floor(now->at, since);
}

static void copy_vcpu(const struct measurement *m, const struct measured *x, uint32_t v,
		      struct host_frame_vcpu *to)
{
	struct ledger since = measured_span(&x->vcpus[v], MEASURE_FIRST);

	to->index = x->vm.vcpus[v].index;
	to->tid = x->vm.vcpus[v].tid;
	to->ended = x->vcpus[v].ended;
	memcpy(to->ns, since.ns, sizeof(to->ns));
	to->longest = u64_max(x->vcpus[v].longest, waits_for(m, x, v));
	snprintf(to->name, sizeof(to->name), "vCPU %u", to->index);
}

static int copy_vm(const struct measurement *m, const struct measured *x, struct host_frame *f)
{
	struct host_frame_vm *to = host_frame_add(f, x->vm.n_vcpus);
	struct proc_stat stat;

	if (!to)
		return -ENOMEM;
	to->pid = x->vm.pid;
	to->since = x->since;
	to->ended = x->id < 0;
	to->overhead = x->overhead[MEASURE_NOW] - x->overhead[MEASURE_FIRST];
	to->cpu_limit = x->cpu_limit;
	if (!to->ended && !proc_read_stat(to->pid, 0, &stat))
		to->rss = stat.rss;
	memcpy(to->name, x->vm.name, sizeof(to->name));
	memcpy(to->uuid, x->vm.uuid, sizeof(to->uuid));
	for (uint32_t v = 0; v < x->vm.n_vcpus; v++)
		copy_vcpu(m, x, v, &to->vcpus[v]);
	return 0;
}

static void copy_unseen(const struct measurement *m, struct host_frame *f)
{
	f->n_unseen = m->n_unseen + m->more_unseen;
	if (!m->n_unseen)
		return;
	snprintf(f->unseen, sizeof(f->unseen), "%s", m->unseen[0].name);
	snprintf(f->why, sizeof(f->why), "%s", m->unseen[0].why);
}

static int copy(const struct measurement *m, struct host_frame *f)
{
	struct host_ledger_counters c;
	int err = 0;

	host_ledger_counters(m->ledger, &c);
	*f = (struct host_frame){.time = m->real,
				 .elapsed = m->at[MEASURE_NOW] - m->at[MEASURE_FIRST],
				 .source = host_ledger_source(m->ledger),
				 .gaps_lost = c.gaps_lost,
				 .cpus = (unsigned)get_nprocs(),
				 .has_gaps = host_ledger_has_gaps(m->ledger),
				 .vms = calloc(m->n + 1, sizeof(*f->vms))};
	if (!f->vms)
		return -ENOMEM;
	copy_unseen(m, f);
	for (size_t i = 0; i < m->n && !err; i++)
		if (!m->vms[i]->over)
			err = copy_vm(m, m->vms[i], f);
	return err;
}

int host_frame_take(const struct measurement *m, struct host_frame *ret)
{
	struct host_frame frame;
	int err = copy(m, &frame);

	if (err)
		host_frame_done(&frame);
	else
		*ret = frame;
	return err;
}
