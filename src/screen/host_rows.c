/* SPDX-License-Identifier: MIT */
/* VMs and their vCPUs as rows of the model. */
#include "screen/host.h"

#include "base/units.h"
#include "screen/model_arrange.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

static const struct host_frame_vm *past_vm(const struct host_frame *from,
					   const struct host_frame_vm *now)
{
	for (size_t i = 0; from && i < from->n_vms; i++) {
		const struct host_frame_vm *before = &from->vms[i];

		if (before->pid == now->pid && before->since == now->since)
			return before;
	}
	return NULL;
}

/* Of a vCPU, what it had since the first frame, or since it was first seen. */
static void vcpu_delta(const struct host_frame_vm *before, const struct host_frame_vm *now,
		       size_t v, uint64_t ret_ns[LEDGER_STATES])
{
	bool was = before && v < before->n_vcpus;

	for (int s = 0; s < LEDGER_STATES; s++)
		ret_ns[s] = u64_sub_floor(now->vcpus[v].ns[s], was ? before->vcpus[v].ns[s] : 0);
}

static void add_states(uint64_t into[LEDGER_STATES], const uint64_t ns[LEDGER_STATES])
{
	for (int s = 0; s < LEDGER_STATES; s++)
		into[s] += ns[s];
}

static struct model_row row_of(const struct host_frame_vm *before, const struct host_frame_vm *vm)
{
	struct model_row row = {
		.kind = &row_vm,
		.pid = vm->pid,
		.name = vm->name,
		.uuid = vm->uuid[0] ? vm->uuid : NULL,
		.rss = vm->rss,
		.ended = vm->ended,
		.members = vm->n_vcpus,
		.parent = SIZE_MAX,
	};
	uint64_t ns[LEDGER_STATES];

	for (size_t v = 0; v < vm->n_vcpus; v++) {
		vcpu_delta(before, vm, v, ns);
		add_states(row.host.ns, ns);
	}
	row.host.overhead = u64_sub_floor(vm->overhead, before ? before->overhead : 0);
	return row;
}

static bool is_idle(const uint64_t ns[LEDGER_STATES], uint64_t overhead)
{
	return !ns[LEDGER_RUN] && !overhead;
}

static void add_vcpus(struct model *m, const struct host_frame_vm *before,
		      const struct host_frame_vm *vm)
{
	size_t parent = m->n_rows - 1;

	for (size_t v = 0; v < vm->n_vcpus; v++) {
		uint64_t ns[LEDGER_STATES];
		struct model_row *row;

		vcpu_delta(before, vm, v, ns);
		if (m->view.busy_only && is_idle(ns, 0))
			continue;
		row = model_add_row(m, &row_vcpu, vm->vcpus[v].name);
		row->pid = vm->pid;
		row->tid = vm->vcpus[v].tid;
		row->members = vm->vcpus[v].index;
		row->ended = vm->vcpus[v].ended;
		row->parent = parent;
		add_states(row->host.ns, ns);
	}
}

static void add_vm(struct model *m, const struct host_frame *from, const struct host_frame_vm *vm)
{
	const struct host_frame_vm *before = past_vm(from, vm);
	struct model_row row = row_of(before, vm);

	add_states(m->ns, row.host.ns);
	m->overhead += row.host.overhead;
	m->n_vcpus += vm->n_vcpus;
	if (!model_matches(&row, &m->view))
		return;
	m->n_matching++;
	if (m->view.busy_only && is_idle(row.host.ns, row.host.overhead))
		return;
	m->rows[m->n_rows++] = row;
	if (m->view.threads)
		add_vcpus(m, before, vm);
}

static size_t count_rows(const struct host_frame *f)
{
	size_t n = f->n_vms;

	for (size_t i = 0; i < f->n_vms; i++)
		n += f->vms[i].n_vcpus;
	return n;
}

/* One bar for all: the VMs have theirs in the table. */
static void make_bar(struct model *m)
{
	struct model_bar *b = m->bars;

	if (!m->n_vcpus)
		return;
	m->n_bars = 1;
	snprintf(b->name, sizeof(b->name), "%zu vCPU%s", m->n_vcpus % 10000,
		 m->n_vcpus == 1 ? "" : "s");
	for (int s = 0; s < LEDGER_STATES; s++)
		b->whole += b->ns[s] = m->ns[s];
}

int host_model(const struct host_frame *from, const struct host_frame *to,
	       const struct model_view *view, struct model *ret)
{
	struct model m = {.subject = &subject_host, .view = *view, .time = to->time};
	int err = -ENOMEM;

	if (from && from->session != to->session)
		return -ESTALE; /* another deschedd, whose VMs began anew */
	m.elapsed = u64_sub_floor(to->elapsed, from ? from->elapsed : 0);
	m.host = to;
	m.n_all = to->n_vms;
	m.bars = calloc(1, sizeof(*m.bars));
	m.rows = calloc(count_rows(to) + 1, sizeof(*m.rows));
	if (m.bars && m.rows) {
		for (size_t i = 0; i < to->n_vms; i++)
			add_vm(&m, from, &to->vms[i]);
		make_bar(&m);
		err = model_arrange(&m, m.rows, m.n_rows);
	}
	if (!err)
		err = model_fold(&m);
	if (err)
		model_done(&m);
	else
		*ret = m;
	return err;
}
