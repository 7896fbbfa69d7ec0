/* SPDX-License-Identifier: MIT */
#include "host/measure_vms.h"

#include "base/clock.h"
#include "base/units.h"
#include "host/cpu_limit.h"
#include "host/measure_names.h"
#include "host/measure_pages.h"
#include "host/measure_parts.h"
#include "host/thread.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define STILL_NS                                                                                   \
	NS_PER_SEC /* without a switch: then whether there still is a thread is looked up */

static void measured_free(struct measurement *m, struct measured *x)
{
	blame_remove(m->parts->blame, x->blame);
	host_vm_done(&x->vm);
	free(x->vcpus);
	free(x->exits);
	free(x->page);
	free(x);
}

/* Tells the reading just taken to who books the waits. */
static void read_blame(const struct measurement *m, const struct measured *x, uint32_t v)
{
	const struct ledger *l = &x->vcpus[v].ledger[MEASURE_NOW];
	struct host_wait wait;
	bool waiting = host_ledger_waiting(m->ledger, x->id, v, &wait);

	blame_reading(x->blame, v, l->at, l->ns[LEDGER_READY], waiting ? &wait : NULL);
}

void measure_vms_settle(const struct measurement *m)
{
	if (!m->parts->blame)
		return;
	host_ledger_runs(m->ledger, &m->parts->runs);
	blame_settle(m->parts->blame);
}

static void note_runaway(const struct measurement *m, const struct measured *x, uint32_t v)
{
	const struct busy *b = &x->vcpus[v].busy;
	double seconds = ns_to_s(b->quiet ? busy_quiet_for(b) : busy_for(b));
	const char *how = b->quiet ? "seems to" : "may";
	const char *what = b->quiet ? "and left its guest for nothing but interrupts and timers"
				    : "and what it does is not known";

	measure_note(m, "VM %s (pid %d): vCPU %u %s loop: for %.0f s it has not halted, %s",
		     x->vm.name, x->vm.pid, x->vm.vcpus[v].index, how, seconds, what);
}

static void read_busy(const struct measurement *m, struct measured *x, uint32_t v)
{
	struct measured_vcpu *c = &x->vcpus[v];
	struct vcpu_exits e;
	bool runaway;
	int err = host_ledger_exits(m->ledger, x->id, v, &e);

	if (!err && x->exits)
		x->exits[v] = e;
	busy_update(&c->busy, &c->ledger[MEASURE_NOW], err ? NULL : &e);
	runaway = busy_is_runaway(&c->busy, m->parts->setup.runaway);
	if (runaway && !c->runaway)
		note_runaway(m, x, v);
	c->runaway = runaway;
}

static void read_end(const struct measurement *m, struct measured *x, uint32_t v)
{
	bool ended = host_ledger_ended(m->ledger, x->id, v);

	if (ended && !x->vcpus[v].ended && m->parts->watch)
		watch_thread_ended(m->parts->watch, x->vm.pid);
	x->vcpus[v].ended = ended;
}

void measure_vms_read(struct measurement *m, struct measured *x)
{
	int err;

	if (x->id < 0)
		return;
	for (uint32_t v = 0; v < x->vm.n_vcpus; v++) {
		struct measured_vcpu *c = &x->vcpus[v];

		err = host_ledger_read(m->ledger, x->id, v, &c->ledger[MEASURE_NOW]);
		if (x->blame && (!err || err == -ESRCH))
			read_blame(m, x, v);
		c->gaps_lost = host_ledger_gaps_lost(m->ledger, x->id, v);
		read_end(m, x, v);
		host_ledger_interrupts(m->ledger, x->id, v, &c->interrupts);
		read_busy(m, x, v);
	}
	host_ledger_overhead(m->ledger, x->id, &x->overhead[MEASURE_NOW]);
}

void measure_vms_keep(struct measured *x, enum measure_reading to)
{
	if (x->blame && to == MEASURE_FIRST)
		blame_start(x->blame);
	x->overhead[to] = x->overhead[MEASURE_NOW];
	for (uint32_t v = 0; v < x->vm.n_vcpus; v++)
		x->vcpus[v].ledger[to] = x->vcpus[v].ledger[MEASURE_NOW];
}

void measure_vms_end(struct measurement *m, struct measured *x)
{
	if (x->id < 0)
		return;
	measure_vms_read(m, x);
	publisher_tick(m->parts->publisher);
	measure_vms_settle(m);
	blame_end(m->parts->blame, x->blame);
	publisher_remove(m->parts->publisher, x->id);
	m->parts->room = true;
	m->parts->by_id[x->id] = NULL;
	x->id = -1;
	for (uint32_t v = 0; v < x->vm.n_vcpus; v++)
		x->vcpus[v].ended = true;
}

/* There are ids up to those of VMs that are there at once. */
static int find_by_id(struct measurement *m, struct measured *x)
{
	struct measure_parts *p = m->parts;
	size_t n = u64_max(p->n_ids, (size_t)x->id + 1);
	struct measured **by_id = reallocarray(p->by_id, n, sizeof(struct measured *));

	if (!by_id)
		return -ENOMEM;
	for (; p->n_ids < n; p->n_ids++)
		by_id[p->n_ids] = NULL;
	p->by_id = by_id;
	by_id[x->id] = x;
	return 0;
}

void measure_vms_limit(struct measured *x)
{
	x->cpu_limit = cpu_limit_of("", x->vm.pid, x->vm.vcpus[0].tid, x->vm.n_vcpus);
}

void measure_vms_threads(struct measurement *m, struct measured *x)
{
	for (uint32_t v = 0; v < x->vm.n_vcpus; v++) {
		const struct measured_vcpu *c = &x->vcpus[v];
		uint64_t since = host_ledger_since(m->ledger, x->id, v);

		if (c->ended || !since || c->ledger[MEASURE_NOW].at < since + STILL_NS)
			continue;
		if (thread_is_gone(x->vm.pid, x->vm.vcpus[v].tid))
			host_ledger_end(m->ledger, x->id, v);
	}
}

static int start_vm(struct measurement *m, struct measured *x, struct failure *f)
{
	struct publisher *p = m->parts->publisher;
	struct page_choice choice = {.n = 0};
	int err;

	x->vcpus = calloc(x->vm.n_vcpus, sizeof(*x->vcpus));
	x->exits = m->exits ? calloc(x->vm.n_vcpus, sizeof(*x->exits)) : NULL;
	if (!x->vcpus || (m->exits && !x->exits))
		return failure_errno(f, -ENOMEM, "VM %s", x->vm.name);
	if (m->parts->setup.no_pages)
		err = host_ledger_add(m->ledger, &x->vm, f, &x->id);
	else
		err = publisher_adopt(p, &x->vm, f, &choice, &x->id);
	if (err)
		return err;
	err = measure_pages_keep(x, &choice);
	if (!err)
		err = find_by_id(m, x);
	if (!err && m->parts->blame)
		err = blame_add(m->parts->blame, x->id, x->vm.pid, x->vm.name, x->vm.n_vcpus,
				&x->blame);
	if (err) {
		publisher_remove(p, x->id);
		if ((size_t)x->id < m->parts->n_ids)
			m->parts->by_id[x->id] = NULL;
		return failure_errno(f, err, "VM %s", x->vm.name);
	}
	if (m->parts->blame) /* where many are added, logs fill up */
		host_ledger_runs(m->ledger, &m->parts->runs);
	x->since = clock_mono();
	measure_vms_limit(x);
	measure_vms_read(m, x);
	measure_vms_keep(x, MEASURE_FIRST);
	measure_vms_keep(x, MEASURE_LAST);
	measure_pages_note(m, x, 0);
	return 0;
}

int measure_vms_add(struct measurement *m, struct host_vm *vm, struct failure *f)
{
	struct measured **vms = realloc(m->vms, (m->n + 1) * sizeof(struct measured *));
	struct measured *x = vms ? calloc(1, sizeof(*x)) : NULL;
	int err;

	m->vms = vms ? vms : m->vms;
	if (!x) {
		host_vm_done(vm);
		return failure_errno(f, -ENOMEM, "the list of VMs");
	}
	x->vm = *vm;
	x->id = -1;
	err = start_vm(m, x, f);
	if (err) {
		measured_free(m, x);
		return err;
	}
	m->vms[m->n++] = x;
	m->came++;
	if (m->parts->open)
		measure_names_settle(m, x);
	return 0;
}

void measure_vms_remove(struct measurement *m, size_t i)
{
	measured_free(m, m->vms[i]);
	memmove(&m->vms[i], &m->vms[i + 1], (--m->n - i) * sizeof(struct measured *));
}

/* Into the sum of those that ended. */
static void fold_at(struct measurement *m, size_t i)
{
	struct ledger sum = measured_sum(m->vms[i], MEASURE_FIRST);

	ledger_merge(&m->ended.ledger, &sum);
	m->ended.overhead += m->vms[i]->overhead[MEASURE_NOW] - m->vms[i]->overhead[MEASURE_FIRST];
	m->ended.vms++;
	m->ended.vcpus += m->vms[i]->vm.n_vcpus;
	measure_vms_remove(m, i);
}

void measure_vms_fold(struct measurement *m, bool over, size_t most)
{
	size_t count = 0;

	for (size_t i = 0; i < m->n; i++)
		count += m->vms[i]->id < 0 && m->vms[i]->over == over;
	for (size_t i = 0; i < m->n && count > most;) {
		if (m->vms[i]->id < 0 && m->vms[i]->over == over) {
			fold_at(m, i);
			count--;
		} else {
			i++;
		}
	}
}

struct measured *measure_vms_live(const struct measurement *m, pid_t pid)
{
	for (size_t i = 0; i < m->n; i++) {
		if (m->vms[i]->id >= 0 && m->vms[i]->vm.pid == pid)
			return m->vms[i];
	}
	return NULL;
}
