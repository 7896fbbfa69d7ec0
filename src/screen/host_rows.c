/* SPDX-License-Identifier: MIT */
/* VMs and their vCPUs as rows of the model. */
#include "screen/host.h"

#include "base/units.h"
#include "host/entitlement.h"
#include "screen/model_arrange.h"
#include "screen/trails.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

/* ns of the VM's ready time in the interval that this one had. */
static uint64_t blame_delta(const struct host_frame_vm *before, const struct host_frame_blame *now)
{
	for (size_t i = 0; before && i < before->n_blames; i++) {
		const struct host_frame_blame *b = &before->blames[i];

		if (b->kind == now->kind && b->pid == now->pid && !strcmp(b->name, now->name))
			return u64_sub_floor(now->ns, b->ns);
	}
	return now->ns;
}

static const char *name_of_culprit(const struct host_frame_blame *b)
{
	static const char *const names[CULPRITS] = {
		[CULPRIT_VM] = "a VM",
		[CULPRIT_PROCESS] = "a process",
		[CULPRIT_KERNEL] = "the kernel",
		[CULPRIT_INTERRUPT] = "interrupts",
		[CULPRIT_IDLE] = "nobody (idle)",
		[CULPRIT_UNKNOWN] = "not recorded",
	};

	return b->name[0] || b->kind >= CULPRITS ? b->name : names[b->kind];
}

/* Who ran most while it waited. */
static void find_culprit(const struct host_frame_vm *before, const struct host_frame_vm *vm,
			 struct model_row *row)
{
	for (size_t i = 0; i < vm->n_blames; i++) {
		uint64_t ns = blame_delta(before, &vm->blames[i]);

		if (ns <= row->host.by_ns)
			continue;
		row->host.by_ns = ns;
		row->host.by = name_of_culprit(&vm->blames[i]);
	}
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

	row.host.since = vm->since;
	row.host.limit = vm->cpu_limit;
	for (size_t v = 0; v < vm->n_vcpus; v++) {
		vcpu_delta(before, vm, v, ns);
		add_states(row.host.ns, ns);
		row.host.longest = u64_max(row.host.longest, vm->vcpus[v].longest);
		row.host.ready_most = u64_max(row.host.ready_most, ns[LEDGER_READY]);
	}
	row.host.overhead = u64_sub_floor(vm->overhead, before ? before->overhead : 0);
	find_culprit(before, vm, &row);
	return row;
}

static bool is_idle(const uint64_t ns[LEDGER_STATES], uint64_t overhead)
{
	return !ns[LEDGER_RUN] && !overhead;
}

static void add_vcpu(struct model *m, const struct host_frame_vm *before,
		     const struct host_frame_vm *vm, size_t v, size_t parent)
{
	const struct host_frame_vcpu *vcpu = &vm->vcpus[v];
	uint64_t ns[LEDGER_STATES];
	struct model_row *row;

	vcpu_delta(before, vm, v, ns);
	if (m->view.busy_only && is_idle(ns, 0))
		return;
	row = model_add_row(m, &row_vcpu, vcpu->name);
	row->pid = vm->pid;
	row->tid = vcpu->tid;
	row->members = vcpu->index;
	row->ended = vcpu->ended;
	row->parent = parent;
	add_states(row->host.ns, ns);
	row->host.longest = vcpu->longest;
	row->host.ready_most = ns[LEDGER_READY];
}

/* One that is marked is the other way round than the rest. */
static void add_vcpus(struct model *m, const struct host_frame_vm *before,
		      const struct host_frame_vm *vm)
{
	size_t parent = m->n_rows - 1;
	struct model_row *row = &m->rows[parent];

	if (m->view.threads == model_is_folded(m, row)) {
		row->hidden = vm->n_vcpus;
		return;
	}
	for (size_t v = 0; v < vm->n_vcpus; v++)
		add_vcpu(m, before, vm, v, parent);
}

/* What all VMs had, whatever is shown. */
struct seen {
	const struct host_frame_vm **before;
	struct model_row *rows;
	struct entitlement *entitlements;
};

static void seen_done(struct seen *s)
{
	free(s->before);
	free(s->rows);
	free(s->entitlements);
}

static double cpus_of(const struct model *m, uint64_t ns)
{
	return m->elapsed ? (double)ns / (double)m->elapsed : 0;
}

/* Swap waits are none: no CPU helps. */
static struct entitlement wants_of(const struct model *m, const struct host_frame_vm *vm,
				   const uint64_t ns[LEDGER_STATES])
{
	uint64_t wanted = ns[LEDGER_RUN] + ns[LEDGER_READY] + ns[LEDGER_COSTOP] +
			  ns[LEDGER_LIMITED];

	return (struct entitlement){
		.n_vcpus = vm->n_vcpus, .wanted = cpus_of(m, wanted), .limit = vm->cpu_limit};
}

static uint64_t ns_of(double ns)
{
	return ns < (double)UINT64_MAX ? (uint64_t)ns : UINT64_MAX;
}

/* By settings where deschedd knows them, else by equal shares. */
static int entitle(struct model *m, struct seen *s)
{
	const struct entitlement_host host = {.cpus = m->host->cpus};
	int err = entitlement_divide(s->entitlements, m->n_all, &host);

	for (size_t i = 0; i < m->n_all && !err; i++) {
		const struct host_frame_vm *vm = &m->host->vms[i];
		double cpus = vm->has_entitled ? vm->entitled : s->entitlements[i].entitled;

		s->rows[i].host.entitled = ns_of(cpus * (double)m->elapsed);
	}
	return err;
}

static int look(struct model *m, const struct host_frame *from, struct seen *s)
{
	size_t hint = 0;

	s->before = calloc(m->n_all + 1, sizeof(*s->before));
	s->rows = calloc(m->n_all + 1, sizeof(*s->rows));
	s->entitlements = calloc(m->n_all + 1, sizeof(*s->entitlements));
	if (!s->before || !s->rows || !s->entitlements)
		return -ENOMEM;
	for (size_t i = 0; i < m->n_all; i++) {
		const struct host_frame_vm *vm = &m->host->vms[i];

		s->before[i] = host_frame_find(from, vm, &hint);
		s->rows[i] = row_of(s->before[i], vm);
		s->entitlements[i] = wants_of(m, vm, s->rows[i].host.ns);
		m->has_blames |= vm->n_blames > 0;
	}
	return m->host->cpus ? entitle(m, s) : 0;
}

static void add_vm(struct model *m, const struct host_frame_vm *before,
		   const struct host_frame_vm *vm, const struct model_row *row)
{
	add_states(m->ns, row->host.ns);
	m->overhead += row->host.overhead;
	m->n_vcpus += vm->n_vcpus;
	if (!model_matches(row, &m->view))
		return;
	m->n_matching++;
	if (m->view.busy_only && is_idle(row->host.ns, row->host.overhead))
		return;
	m->rows[m->n_rows++] = *row;
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

static int make_rows(struct model *m, const struct host_frame *from)
{
	struct seen seen = {.rows = NULL};
	int err = look(m, from, &seen);

	for (size_t i = 0; i < m->n_all && !err; i++)
		add_vm(m, seen.before[i], &m->host->vms[i], &seen.rows[i]);
	seen_done(&seen);
	return err;
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
	if (m.bars && m.rows)
		err = make_rows(&m, from);
	if (!err) {
		make_bar(&m);
		err = model_arrange(&m, m.rows, m.n_rows);
	}
	if (err)
		model_done(&m);
	else
		*ret = m;
	return err;
}

/* ---- trails ---- */

static uint64_t descheduled(const struct host_frame_vcpu *vcpu)
{
	uint64_t sum = 0;

	for (uint32_t s = 0; s < LEDGER_STATES; s++)
		sum += ledger_state_descheduled(s) ? vcpu->ns[s] : 0;
	return sum;
}

void host_leave_trails(const struct host_frame *from, const struct host_frame *to, struct trails *t)
{
	double elapsed = (double)u64_sub_floor(to->elapsed, from->elapsed);
	size_t hint = 0;

	for (size_t i = 0; i < to->n_vms && elapsed > 0; i++) {
		const struct host_frame_vm *vm = &to->vms[i];
		const struct host_frame_vm *before = host_frame_find(from, vm, &hint);
		uint64_t away = 0;

		for (size_t v = 0; v < vm->n_vcpus; v++)
			away += u64_sub_floor(
				descheduled(&vm->vcpus[v]),
				before && v < before->n_vcpus ? descheduled(&before->vcpus[v]) : 0);
		if (vm->n_vcpus)
			trails_add(t, vm->pid, vm->since, from->elapsed, to->elapsed,
				   (double)away / elapsed / (double)vm->n_vcpus);
	}
	trails_forget(t, to->elapsed);
}
