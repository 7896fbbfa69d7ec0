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
	to->state = since.state;
	to->gaps_lost = x->vcpus[v].gaps_lost;
	to->busy = busy_for(&x->vcpus[v].busy);
	to->quiet = busy_quiet_for(&x->vcpus[v].busy);
	to->runaway = x->vcpus[v].runaway;
	memcpy(to->ns, since.ns, sizeof(to->ns));
	to->longest = u64_max(x->vcpus[v].longest, waits_for(m, x, v));
	snprintf(to->name, sizeof(to->name), "vCPU %u", to->index);
}

/* Of one vCPU, or (-1) all. */
static int copy_blames(const struct measurement *m, const struct measured *x, int vcpu,
		       struct host_frame_vm *to)
{
	struct host_frame_blame rows[BLAME_ROWS];
	size_t n = x->blame ? blame_copy(x->blame, vcpu, m->overlap, rows) : 0;

	if (!n)
		return 0;
	to->blames = malloc(n * sizeof(rows[0]));
	if (!to->blames)
		return -ENOMEM;
	memcpy(to->blames, rows, n * sizeof(rows[0]));
	to->n_blames = n;
	return 0;
}

static int copy_pages(const struct measured *x, struct host_frame_vm *to)
{
	unsigned n = x->page ? x->page->n : 0;

	to->pages = n ? calloc(n, sizeof(*to->pages)) : NULL;
	if (n && !to->pages)
		return -ENOMEM;
	for (; to->n_pages < n; to->n_pages++) {
		const struct page_verdict *from = &x->page->verdicts[to->n_pages];
		struct host_frame_page *page = &to->pages[to->n_pages];
		const char *lost = x->page_lost ? x->page_lost : "";

		memcpy(page->device, from->device, sizeof(page->device));
		memcpy(page->file, from->file, sizeof(page->file));
		snprintf(page->why, sizeof(page->why), "%s", from->why[0] ? from->why : lost);
	}
	return 0;
}

static void copy_stream(const struct measurement *m, const struct measured *x,
			struct host_frame_vm *to)
{
	struct stream_counters c;

	to->streamed = measured_stream(m, x, &c);
	if (to->streamed)
		to->stream = (struct host_frame_stream){c.frames, c.pings, c.lost_gaps, c.blocked,
							c.garbage};
}

/* What all its vCPUs waited for together. */
static int copy_interrupts(const struct measured *x, struct host_frame_interrupts *to)
{
	struct interrupt_delays sum = {0};

	for (uint32_t v = 0; v < x->vm.n_vcpus; v++)
		interrupt_delays_add(&sum, &x->vcpus[v].interrupts);
	to->recorded = true;
	to->taken = sum.n;
	to->ns = sum.ns;
	to->at_once = sum.at_once;
	to->merged = sum.merged;
	to->longest = sum.longest;
	to->delays = calloc(INTERRUPT_BUCKETS, sizeof(*to->delays));
	if (!to->delays)
		return -ENOMEM;
	for (unsigned i = 0; i < INTERRUPT_BUCKETS; i++) {
		if (sum.buckets[i])
			to->delays[to->n_delays++] = (struct host_frame_delay){
				u64_min(interrupt_bound(i), INT64_MAX), sum.buckets[i]};
	}
	return 0;
}

/* Whether there is anything to say of a class. */
static bool has_exits(const struct vcpu_exits *e, int class)
{
	return e->kernel[class].n || e->user[class].n;
}

static void copy_class(const struct measured *x, uint32_t v, int class, struct host_frame_vm *to)
{
	const struct exits_count *exits = &x->exits[v].kernel[class];
	const struct exits_count *trips = &x->exits[v].user[class];
	struct host_frame_exit *e = &to->exits[to->n_exits++];

	*e = (struct host_frame_exit){.vcpu = x->vm.vcpus[v].index,
				      .n = exits->n,
				      .ns = exits->ns,
				      .trips = trips->n,
				      .trips_ns = trips->ns};
	snprintf(e->class, sizeof(e->class), "%s", exit_class_name(class));
}

static int copy_exits(const struct measured *x, struct host_frame_vm *to)
{
	to->exits = calloc((size_t)x->vm.n_vcpus * EXIT_CLASSES, sizeof(*to->exits));
	if (!to->exits)
		return -ENOMEM;
	for (uint32_t v = 0; v < x->vm.n_vcpus; v++)
		for (int k = 0; k < EXIT_CLASSES; k++)
			if (has_exits(&x->exits[v], k))
				copy_class(x, v, k, to);
	return 0;
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
	copy_stream(m, x, to);
	if (!to->ended && !proc_read_stat(to->pid, 0, &stat))
		to->rss = stat.rss;
	memcpy(to->name, x->vm.name, sizeof(to->name));
	memcpy(to->uuid, x->vm.uuid, sizeof(to->uuid));
	snprintf(to->found_by, sizeof(to->found_by), "%s", x->vm.found_by);
	memcpy(to->called, x->vm.called, sizeof(to->called));
	memcpy(to->id, x->vm.id, sizeof(to->id));
	snprintf(to->manager, sizeof(to->manager), "%s", x->vm.manager);
	for (uint32_t v = 0; v < x->vm.n_vcpus; v++)
		copy_vcpu(m, x, v, &to->vcpus[v]);
	if (copy_blames(m, x, -1, to))
		return -ENOMEM;
	if (m->interrupts && copy_interrupts(x, &to->interrupts))
		return -ENOMEM;
	if (x->exits && copy_exits(x, to))
		return -ENOMEM;
	return copy_pages(x, to);
}

/* Each vCPU as a VM. */
static int copy_vcpus(const struct measurement *m, const struct measured *x, struct host_frame *f)
{
	for (uint32_t v = 0; v < x->vm.n_vcpus; v++) {
		struct host_frame_vm *to = host_frame_add(f, 1);

		if (!to)
			return -ENOMEM;
		copy_vcpu(m, x, v, &to->vcpus[0]);
		to->pid = to->vcpus[0].tid;
		to->process = x->vm.pid;
		to->since = x->since;
		to->ended = x->id < 0;
		snprintf(to->name, sizeof(to->name), "%.50s/%u", x->vm.name, to->vcpus[0].index);
		memcpy(to->called, x->vm.name, sizeof(to->called));
		memcpy(to->uuid, x->vm.uuid, sizeof(to->uuid));
		memcpy(to->id, x->vm.id, sizeof(to->id));
		if (copy_blames(m, x, (int)v, to))
			return -ENOMEM;
	}
	return 0;
}

static int copy_unseen(const struct measurement *m, struct host_frame *f)
{
	size_t refused = measure_refused(m);

	f->n_unseen = m->n_unseen + m->more_unseen + refused;
	if (refused) {
		snprintf(f->unseen, sizeof(f->unseen), "%zu of them", refused);
		snprintf(f->why, sizeof(f->why), "%s", measure_refused_why(m));
	}
	if (!m->n_unseen)
		return 0;
	snprintf(f->unseen, sizeof(f->unseen), "%s", m->unseen[0].name);
	snprintf(f->why, sizeof(f->why), "%s", m->unseen[0].why);
	f->unmeasured = calloc(m->n_unseen, sizeof(*f->unmeasured));
	if (!f->unmeasured)
		return -ENOMEM;
	for (; f->n_unmeasured < m->n_unseen; f->n_unmeasured++) {
		const struct measure_unseen *from = &m->unseen[f->n_unmeasured];
		struct host_frame_unseen *to = &f->unmeasured[f->n_unmeasured];

		to->pid = from->pid;
		memcpy(to->name, from->name, sizeof(to->name));
		memcpy(to->why, from->why, sizeof(to->why));
	}
	return 0;
}

static void copy_counters(const struct measurement *m, struct host_frame *f)
{
	struct host_ledger_counters c;

	host_ledger_counters(m->ledger, &c);
	f->gaps_lost = c.gaps_lost;
	f->counters = (struct host_frame_counters){.came = m->came,
						   .gaps = c.gaps,
						   .kvm_exits = c.kvm_exits,
						   .runs_lost = c.runs_lost,
						   .missed = c.bpf_missed,
						   .bpf_runs = c.bpf_runs,
						   .bpf = c.bpf_ns,
						   .no_memory = measure_failures(m),
						   .not_entered = m->not_entered,
						   .beyond = m->beyond};
}

static size_t count_vcpus(const struct measurement *m)
{
	size_t n = 0;

	for (size_t i = 0; i < m->n; i++)
		n += m->vms[i]->vm.n_vcpus;
	return n;
}

static int copy(const struct measurement *m, bool vcpus, struct host_frame *f)
{
	int err;

	*f = (struct host_frame){
		.time = m->real,
		.elapsed = m->at[MEASURE_NOW] - m->at[MEASURE_FIRST],
		.cpus = (unsigned)get_nprocs(),
		.has_gaps = host_ledger_has_gaps(m->ledger),
		.has_exits = m->exits,
		.vms = calloc((vcpus ? count_vcpus(m) : m->n) + 1, sizeof(*f->vms))};
	if (!f->vms)
		return -ENOMEM;
	snprintf(f->source, sizeof(f->source), "%s", host_ledger_source(m->ledger));
	copy_counters(m, f);
	err = copy_unseen(m, f);
	for (size_t i = 0; i < m->n && !err; i++)
		if (!m->vms[i]->over)
			err = vcpus ? copy_vcpus(m, m->vms[i], f) : copy_vm(m, m->vms[i], f);
	return err;
}

static int take(const struct measurement *m, bool vcpus, struct host_frame *ret)
{
	struct host_frame frame;
	int err = copy(m, vcpus, &frame);

	if (err)
		host_frame_done(&frame);
	else
		*ret = frame;
	return err;
}

int host_frame_take(const struct measurement *m, struct host_frame *ret)
{
	return take(m, false, ret);
}

int host_frame_take_vcpus(const struct measurement *m, struct host_frame *ret)
{
	return take(m, true, ret);
}

static int copy_ended(const struct measurement *m, struct host_frame *f)
{
	size_t ended = 0;
	int err = 0;

	for (size_t i = 0; i < m->n; i++)
		ended += m->vms[i]->id < 0 && !m->vms[i]->over;
	f->vms = calloc(ended + 1, sizeof(*f->vms));
	if (!f->vms)
		return -ENOMEM;
	for (size_t i = 0; i < m->n && !err; i++)
		if (m->vms[i]->id < 0 && !m->vms[i]->over)
			err = copy_vm(m, m->vms[i], f);
	return err;
}

int host_frame_take_ended(const struct measurement *m, struct host_frame *ret)
{
	struct host_frame frame = {.time = m->real,
				   .elapsed = m->at[MEASURE_NOW] - m->at[MEASURE_FIRST]};
	int err = copy_ended(m, &frame);

	if (err)
		host_frame_done(&frame);
	else
		*ret = frame;
	return err;
}

bool host_frame_wanted(const struct host_frame_vm *vm, struct choice *c)
{
	struct host_vm named = {.pid = vm->process ? vm->process : vm->pid};

	memcpy(named.name, vm->name, sizeof(named.name));
	memcpy(named.called, vm->called, sizeof(named.called));
	memcpy(named.uuid, vm->uuid, sizeof(named.uuid));
	memcpy(named.id, vm->id, sizeof(named.id));
	return choice_takes(c, &named);
}
