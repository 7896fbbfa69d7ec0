/* SPDX-License-Identifier: MIT */
#include "host/measure.h"

#include "base/clock.h"
#include "base/units.h"
#include "host/choice.h"
#include "host/cpu_limit.h"
#include "host/find.h"
#include "host/find_monitor.h"
#include "host/peers.h"
#include "host/vm_name.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ENDED_KEPT    64		/* of the VMs that have ended, one by one */
#define ENDED_WAITING 1024		/* and of those whose end was not reported yet */
#define YOUNG_NS      NS_PER_SEC	/* a VM that grows at that age is still starting */
#define RETRY_NS      NS_PER_SEC	/* for pages that somebody else writes */
#define LOOKS_MAX     20		/* for pages, of VMs without, at a time */
#define LOOK_NS	      NS_PER_MS		/* of a step, for looking at processes */
#define CHECK_NS      (100 * NS_PER_MS) /* from one look whether VMs have ended to the next */
#define LIMIT_CHECKS  50		/* in so many of these every VM's limit is read again */

struct measure_parts {
	struct measure_setup setup;
	struct publisher *publisher;
	struct blame *blame;	   /* NULL: not recorded */
	struct host_runs_fns runs; /* for it */
	struct watch *watch;	   /* NULL: only processes were asked for */
	struct choice choice;
	uint64_t checked, retried; /* ns */
	size_t turn;		   /* whose page is looked for next */
	int listener;		   /* for streams; 0: none */
	bool full;		   /* it was said that there is no room for more */
	bool open;		   /* the VMs that were there have their names */
	bool room;		   /* one has ended since */
	pid_t *refused;		   /* [n_refused]: for these there was no room */
	size_t n_refused;
	struct measured **by_id; /* [n_ids]: of the ledger's; NULL: none */
	size_t n_ids;
	size_t limit_at; /* the next VM whose limit is read again */
};

static void note(const struct measurement *m, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

static void note(const struct measurement *m, const char *format, ...)
{
	const struct measure_setup *s = &m->parts->setup;
	char text[512];
	va_list ap;

	if (!s->note)
		return;
	va_start(ap, format);
	vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	s->note(text, s->data);
}

struct ledger measured_span(const struct measured_vcpu *c, enum measure_reading from)
{
	struct ledger d = {0};

	ledger_delta(&c->ledger[from], &c->ledger[MEASURE_NOW], &d);
	return d;
}

struct ledger measured_sum(const struct measured *x, enum measure_reading from)
{
	struct ledger sum = {0};

	for (uint32_t v = 0; v < x->vm.n_vcpus; v++) {
		struct ledger d = measured_span(&x->vcpus[v], from);

		ledger_merge(&sum, &d);
	}
	return sum;
}

/* ---- their names ---- */

struct taken {
	const struct measurement *m;
	const struct measured *but; /* not by this one */
};

static bool is_taken(const char *name, void *data)
{
	const struct taken *t = data;

	for (size_t i = 0; i < t->m->n; i++) {
		const struct measured *x = t->m->vms[i];

		if (x != t->but && x->id >= 0 && !strcmp(x->vm.name, name))
			return true;
	}
	return false;
}

static void settle_name(const struct measurement *m, struct measured *x)
{
	struct taken t = {m, x};

	vm_name_settle(&x->vm, is_taken, &t);
}

/* Of all that are there at the beginning, whichever was found first. */
static int settle_names(struct measurement *m)
{
	struct host_vm **vms = calloc(m->n + 1, sizeof(*vms));

	if (!vms)
		return -ENOMEM;
	for (size_t i = 0; i < m->n; i++)
		vms[i] = &m->vms[i]->vm;
	vm_name_settle_all(vms, m->n);
	free(vms);
	m->parts->open = true;
	return 0;
}

/* ---- a VM ---- */

static void measured_free(struct measurement *m, struct measured *x)
{
	blame_remove(m->parts->blame, x->blame);
	host_vm_done(&x->vm);
	free(x->vcpus);
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

/* Books all waits up to the readings just taken. */
static void settle_blame(const struct measurement *m)
{
	if (!m->parts->blame)
		return;
	host_ledger_runs(m->ledger, &m->parts->runs);
	blame_settle(m->parts->blame);
}

static void note_runaway(const struct measurement *m, const struct measured *x, uint32_t v)
{
	const struct busy *b = &x->vcpus[v].busy;
	uint32_t index = x->vm.vcpus[v].index;

	if (b->quiet)
		note(m,
		     "VM %s (pid %d): vCPU %u seems to loop: for %.0f s it has not halted, and "
		     "left its "
		     "guest for nothing but interrupts and timers",
		     x->vm.name, x->vm.pid, index, ns_to_s(busy_quiet_for(b)));
	else
		note(m,
		     "VM %s (pid %d): vCPU %u may loop: for %.0f s it has not halted; what it does "
		     "is "
		     "not known",
		     x->vm.name, x->vm.pid, index, ns_to_s(busy_for(b)));
}

static void read_busy(const struct measurement *m, struct measured *x, uint32_t v)
{
	struct measured_vcpu *c = &x->vcpus[v];
	struct vcpu_exits e;
	bool runaway;
	int err = host_ledger_exits(m->ledger, x->id, v, &e);

	busy_update(&c->busy, &c->ledger[MEASURE_NOW], err ? NULL : &e);
	runaway = busy_is_runaway(&c->busy, m->parts->setup.runaway);
	if (runaway && !c->runaway)
		note_runaway(m, x, v);
	c->runaway = runaway;
}

/* One that cannot be read keeps its last reading. */
static void read_vm(struct measurement *m, struct measured *x)
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
		c->ended = host_ledger_ended(m->ledger, x->id, v);
		host_ledger_interrupts(m->ledger, x->id, v, &c->interrupts);
		read_busy(m, x, v);
	}
	host_ledger_overhead(m->ledger, x->id, &x->overhead[MEASURE_NOW]);
}

static void keep(struct measured *x, enum measure_reading to)
{
	if (x->blame && to == MEASURE_FIRST)
		blame_start(x->blame);
	x->overhead[to] = x->overhead[MEASURE_NOW];
	for (uint32_t v = 0; v < x->vm.n_vcpus; v++)
		x->vcpus[v].ledger[to] = x->vcpus[v].ledger[MEASURE_NOW];
}

static bool has_ended(const struct measured *x)
{
	for (uint32_t v = 0; v < x->vm.n_vcpus; v++) {
		if (!x->vcpus[v].ended)
			return false;
	}
	return true;
}

/* Takes its last reading, and gives up what it has of ours. A gap that ended by then is handed out
 * before. */
static void end_vm(struct measurement *m, struct measured *x)
{
	if (x->id < 0)
		return;
	read_vm(m, x);
	publisher_tick(m->parts->publisher);
	settle_blame(m);
	blame_end(m->parts->blame, x->blame);
	publisher_remove(m->parts->publisher, x->id);
	m->parts->room = true;
	m->parts->by_id[x->id] = NULL;
	x->id = -1;
	for (uint32_t v = 0; v < x->vm.n_vcpus; v++)
		x->vcpus[v].ended = true;
}

static void note_page(const struct measurement *m, const struct measured *x, unsigned from)
{
	for (unsigned i = from; i < x->page.n; i++) {
		const struct page_verdict *v = &x->page.verdicts[i];

		if (v->why[0])
			note(m, "VM %s (pid %d): %s%s%s left alone: %s", x->vm.name, x->vm.pid,
			     v->device, v->file[0] ? ", " : "", v->file, v->why);
	}
	if (x->page.more && !from)
		note(m, "VM %s (pid %d): %u more devices left alone", x->vm.name, x->vm.pid,
		     x->page.more);
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

static void read_limit(struct measured *x)
{
	x->cpu_limit = cpu_limit_of("", x->vm.pid, x->vm.vcpus[0].tid, x->vm.n_vcpus);
}

static int start_vm(struct measurement *m, struct measured *x, struct failure *f)
{
	struct publisher *p = m->parts->publisher;
	int err;

	x->vcpus = calloc(x->vm.n_vcpus, sizeof(*x->vcpus));
	if (!x->vcpus)
		return failure_errno(f, -ENOMEM, "VM %s", x->vm.name);
	if (m->parts->setup.no_pages)
		err = host_ledger_add(m->ledger, &x->vm, f, &x->id);
	else
		err = publisher_adopt(p, &x->vm, f, &x->page, &x->id);
	if (err)
		return err;
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
	read_limit(x);
	read_vm(m, x);
	keep(x, MEASURE_FIRST);
	keep(x, MEASURE_LAST);
	note_page(m, x, 0);
	return 0;
}

/* Takes `vm` over in any case. */
static int add_vm(struct measurement *m, struct host_vm *vm, struct failure *f)
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
		settle_name(m, x);
	return 0;
}

static void remove_at(struct measurement *m, size_t i)
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
	remove_at(m, i);
}

/* Folds the oldest of those that are `over` or not, if there are more than `most`. */
static void fold_surplus(struct measurement *m, bool over, size_t most)
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

/* ---- what the watch says ---- */

static struct measured *find_live(const struct measurement *m, pid_t pid)
{
	for (size_t i = 0; i < m->n; i++) {
		if (m->vms[i]->id >= 0 && m->vms[i]->vm.pid == pid)
			return m->vms[i];
	}
	return NULL;
}

static bool has_thread(const struct measured *x, const struct host_vcpu *vcpu)
{
	for (uint32_t v = 0; v < x->vm.n_vcpus; v++) {
		if (x->vm.vcpus[v].tid == vcpu->tid && x->vm.vcpus[v].index == vcpu->index)
			return true;
	}
	return false;
}

static bool is_known(const struct measured *x, const struct host_vm *vm)
{
	if (x->vm.start_ns != vm->start_ns)
		return false;
	for (uint32_t v = 0; v < vm->n_vcpus; v++) {
		if (!has_thread(x, &vm->vcpus[v]))
			return false;
	}
	return true;
}

/* A VM with more vCPUs than before begins a new ledger, and a new session of its page: what was
 * measured of it until now is reported as that of one which has ended. */
static void supersede(struct measurement *m, struct measured *x)
{
	bool young = clock_mono() - x->since < YOUNG_NS;

	end_vm(m, x);
	for (size_t i = 0; young && i < m->n; i++) {
		if (m->vms[i] != x)
			continue;
		remove_at(m, i);
		m->came--;
		return;
	}
	note(m, "VM %s (pid %d): it has other vCPUs now; its ledger begins again", x->vm.name,
	     x->vm.pid);
}

/* ---- VMs for which there was no room ---- */

static void forget_refused(const struct measurement *m, pid_t pid)
{
	struct measure_parts *p = m->parts;

	for (size_t i = 0; i < p->n_refused; i++)
		if (p->refused[i] == pid)
			p->refused[i--] = p->refused[--p->n_refused];
}

static void refuse(struct measurement *m, pid_t pid, const struct failure *f)
{
	struct measure_parts *p = m->parts;
	pid_t *refused = reallocarray(p->refused, p->n_refused + 1, sizeof(*refused));

	if (!p->full)
		note(m, "not measured: %s; further ones are counted", f->text);
	p->full = true;
	m->not_entered++;
	if (!refused)
		return;
	p->refused = refused;
	p->refused[p->n_refused++] = pid;
}

/* What ended may have left room enough: they come again. */
static void try_refused(struct measurement *m)
{
	struct measure_parts *p = m->parts;
	size_t n = p->room ? p->n_refused : 0;

	p->room = false;
	if (n)
		p->n_refused = 0;
	for (size_t i = 0; i < n; i++)
		watch_again(p->watch, p->refused[i]);
}

size_t measure_refused(const struct measurement *m)
{
	return m->parts->n_refused;
}

static void on_came(struct host_vm *vm, void *data)
{
	struct measurement *m = data;
	struct measured *x = find_live(m, vm->pid);
	struct failure f = {""};
	pid_t pid = vm->pid;
	int err;

	if (!choice_wants(&m->parts->choice, vm) || (x && is_known(x, vm))) {
		host_vm_done(vm);
		return;
	}
	if (x)
		supersede(m, x);
	forget_refused(m, pid);
	err = add_vm(m, vm, &f);
	if (err == -ESRCH)
		watch_again(m->parts->watch, pid); /* it is on its way, up or down */
	else if (err == -ENOSPC)
		refuse(m, pid, &f);
	else if (err)
		note(m, "not measured: %s", f.text);
	else
		m->parts->full = false;
}

static void on_went(pid_t pid, void *data)
{
	struct measurement *m = data;
	struct measured *x = find_live(m, pid);

	if (x)
		end_vm(m, x);
	forget_refused(m, pid);
	for (unsigned i = 0; i < m->n_unseen; i++) {
		if (m->unseen[i].pid == pid)
			m->unseen[i--] = m->unseen[--m->n_unseen];
	}
}

static void on_unseen(const struct host_vm *vm, const char *why, void *data)
{
	struct measurement *m = data;
	struct measure_unseen *u;

	if (!choice_wants(&m->parts->choice, vm))
		return;
	note(m, "not measured: VM %s (pid %d): %s", vm->name, vm->pid, why);
	if (m->n_unseen == MEASURE_UNSEEN_MAX) {
		m->more_unseen++;
		return;
	}
	u = &m->unseen[m->n_unseen++];
	u->pid = vm->pid;
	snprintf(u->name, sizeof(u->name), "%s", vm->name);
	snprintf(u->why, sizeof(u->why), "%s", why);
}

static void on_gap(int id, const struct gap *gap, void *data)
{
	const struct measurement *m = data;
	const struct measure_setup *s = &m->parts->setup;
	struct measured *x = (size_t)id < m->parts->n_ids ? m->parts->by_id[id] : NULL;
	struct measured_vcpu *c = x ? &x->vcpus[gap->vcpu] : NULL;

	if (!x)
		return;
	if (ledger_state_descheduled(gap->state))
		c->longest = u64_max(c->longest, gap->end - gap->start);
	if (s->gap)
		s->gap(m, x, gap, s->data);
}

/* ---- opening ---- */

static int add_process(struct measurement *m, pid_t pid, struct failure *f)
{
	struct host_vm vm;
	int err;

	if (find_live(m, pid))
		return 0; /* given twice, or found by its name */
	err = host_find_pid(pid, f, &vm);
	if (err == -ENOENT && !host_find_monitor(pid, NULL, &vm))
		err = 0;
	return err ? err : add_vm(m, &vm, f);
}

/* The VMs that there are, for somebody who asked for another one. */
static void list_names(struct failure *f, const char *pattern)
{
	struct host_vm *vms = NULL;
	size_t n = 0, used;

	failure_set(f, -ENOENT, "no VM is called '%s'", pattern);
	if (host_find_all(&vms, &n))
		return;
	for (size_t i = 0; i < n; i++) {
		used = strlen(f->text);
		snprintf(f->text + used, sizeof(f->text) - used, "%s%s",
			 i ? ", " : "; there are: ", vms[i].name);
	}
	if (!n)
		failure_set(f, -ENOENT, "no VM is called '%s': no VM is running", pattern);
	host_vms_free(vms, n);
}

static int look_for_all(struct measurement *m, struct failure *f)
{
	const struct watch_events events = {on_came, on_went, on_unseen, m};
	const char *missing;
	int err = watch_new(&events, &m->parts->watch);

	if (!err)
		err = watch_look(m->parts->watch, 0);
	if (err < 0)
		return failure_errno(f, err, "looking for VMs in /proc");
	missing = choice_missing(&m->parts->choice);
	if (!missing)
		return 0;
	list_names(f, missing);
	return -ENOENT;
}

static int find_vms(struct measurement *m, struct failure *f)
{
	const struct choice *c = &m->parts->choice;
	int err = 0;

	for (int i = 0; i < c->n && !err; i++) {
		if (c->wishes[i].pid)
			err = add_process(m, c->wishes[i].pid, f);
	}
	if (!err && choice_is_open(c))
		err = look_for_all(m, f);
	if (!err && settle_names(m))
		err = failure_errno(f, -ENOMEM, "the list of VMs");
	return err;
}

/* Where there is no BPF, that was said already. */
static int open_blame(struct measurement *m, struct failure *f)
{
	struct measure_parts *p = m->parts;
	int err;

	if (p->setup.no_blame || !host_ledger_has_gaps(m->ledger))
		return 0;
	err = host_ledger_record(m->ledger, HOST_RECORD_WAITS, f);
	if (err)
		return err;
	err = blame_new(host_ledger_cpus(m->ledger), &p->blame);
	if (err)
		return failure_errno(f, err, "recording who runs");
	p->runs = blame_fns;
	p->runs.data = p->blame;
	return 0;
}

/* Where this source or kernel can't, the rest is measured all the same. */
static int unless_unsupported(struct measurement *m, int err, const char *what, struct failure *f)
{
	if (err != -EOPNOTSUPP)
		return err;
	note(m, "%s: %s", what, f->text);
	f->text[0] = '\0';
	return 0;
}

static int open_extras(struct measurement *m, struct failure *f)
{
	const struct measure_setup *s = &m->parts->setup;
	int err = host_ledger_record_interrupts(m->ledger, s->interrupts, f);

	m->interrupts = !err && s->interrupts != INTERRUPTS_OF_NONE;
	err = unless_unsupported(m, err, "interrupts are not recorded", f);
	if (err || !s->exits)
		return err;
	return unless_unsupported(m, host_ledger_count_exits(m->ledger, f), "exits are not counted",
				  f);
}

static int open_parts(struct measurement *m, const struct measure_setup *setup, struct failure *f)
{
	int err;

	m->parts = calloc(1, sizeof(*m->parts));
	if (!m->parts)
		return failure_errno(f, -ENOMEM, "measuring");
	m->parts->setup = *setup;
	err = choice_open(setup->operands, setup->n_operands, f, &m->parts->choice);
	if (err)
		return err;
	err = host_ledger_open(setup->source, f, &m->ledger);
	if (err)
		return err;
	if (f->text[0])
		note(m, "no gaps, only run and ready: %s", f->text);
	f->text[0] = '\0';
	err = open_extras(m, f);
	if (err)
		return err;
	err = publisher_new(m->ledger, &m->parts->publisher);
	if (err)
		return failure_errno(f, err, "publishing pages");
	publisher_on_gap(m->parts->publisher, on_gap, m);
	err = open_blame(m, f);
	return err ? err : find_vms(m, f);
}

int measure_open(const struct measure_setup *setup, struct failure *f, struct measurement **ret)
{
	struct measurement *m = calloc(1, sizeof(*m));
	int err;

	if (!m)
		return failure_errno(f, -ENOMEM, "measuring");
	err = open_parts(m, setup, f);
	if (err) {
		measure_close(m);
		return err;
	}
	measure_read(m);
	m->at[MEASURE_FIRST] = m->at[MEASURE_LAST] = m->at[MEASURE_NOW];
	for (size_t i = 0; i < m->n; i++) {
		keep(m->vms[i], MEASURE_FIRST);
		keep(m->vms[i], MEASURE_LAST);
	}
	*ret = m;
	return 0;
}

struct measurement *measure_close(struct measurement *m)
{
	if (!m)
		return NULL;
	while (m->n)
		remove_at(m, m->n - 1);
	if (m->parts) {
		watch_free(m->parts->watch);
		publisher_free(m->parts->publisher);
		blame_free(m->parts->blame);
		choice_close(&m->parts->choice);
		free(m->parts->refused);
		free(m->parts->by_id);
	}
	host_ledger_close(m->ledger);
	free(m->vms);
	free(m->parts);
	free(m);
	return NULL;
}

/* ---- going on ---- */

/* Whether it is time again; *last is moved. */
static bool is_due(uint64_t *last, uint64_t interval)
{
	uint64_t now = clock_mono();

	if (now - *last < interval)
		return false;
	*last = now;
	return true;
}

static bool has_page(const struct measured *x)
{
	for (unsigned i = 0; i < x->page.n; i++) {
		if (!x->page.verdicts[i].why[0])
			return true;
	}
	return false;
}

/* Somebody else may have ended, or a device may have been plugged in. */
static void retry_page(struct measurement *m, struct measured *x)
{
	unsigned known = x->page.n;

	if (x->page.again) {
		publisher_adopt_page(m->parts->publisher, &x->vm, x->id, &x->page);
		return;
	}
	publisher_adopt_plugged(m->parts->publisher, &x->vm, x->id, &x->page);
	note_page(m, x, known);
}

/* All of a few VMs, a part of many. */
static void retry_pages(struct measurement *m)
{
	size_t looked = 0;

	for (size_t i = 0; i < m->n && looked < LOOKS_MAX; i++) {
		struct measured *x = m->vms[m->parts->turn++ % m->n];

		if (x->id < 0 || has_page(x))
			continue;
		retry_page(m, x);
		looked++;
	}
}

static void check_vm(struct measurement *m, struct measured *x)
{
	const char *lost = publisher_page_lost(m->parts->publisher, x->id);

	if (lost && !x->page_lost)
		note(m, "VM %s (pid %d): its page is no more written: %s", x->vm.name, x->vm.pid,
		     lost);
	x->page_lost = lost;
	read_vm(m, x);
	if (!has_ended(x))
		return;
	end_vm(m, x);
	if (m->parts->watch)
		watch_again(m->parts->watch, x->vm.pid);
}

/* A part of them each time: it is several files a VM. */
static void check_limits(struct measurement *m)
{
	size_t n = (m->n + LIMIT_CHECKS - 1) / LIMIT_CHECKS;

	for (size_t at = m->parts->limit_at; n; n--, at++) {
		struct measured *x = m->vms[at % m->n];

		if (x->id >= 0)
			read_limit(x);
		m->parts->limit_at = at % m->n + 1;
	}
}

static void check_vms(struct measurement *m)
{
	for (size_t i = 0; i < m->n; i++) {
		if (m->vms[i]->id >= 0)
			check_vm(m, m->vms[i]);
	}
	settle_blame(m);
	check_limits(m);
}

/* Whoever connects is asked for nothing: the kernel says which process it is. A VM that isn't known
 * yet will connect again. */
static bool take_stream(pid_t pid, int fd, void *data)
{
	const struct measurement *m = data;
	const struct measured *x = find_live(m, pid);

	if (!x)
		return false;
	publisher_stream(m->parts->publisher, &x->vm, x->id, fd);
	return true;
}

bool measured_stream(const struct measurement *m, const struct measured *x,
		     struct stream_counters *ret)
{
	return publisher_stream_counters(m->parts->publisher, x->id, ret);
}

void measure_listen(struct measurement *m, int listener)
{
	m->parts->listener = listener;
}

void measure_step(struct measurement *m)
{
	if (m->parts->listener > 0)
		peers_accept(m->parts->listener, take_stream, m);
	publisher_tick(m->parts->publisher);
	if (m->parts->blame)
		host_ledger_runs(m->ledger, &m->parts->runs);
	if (m->parts->watch)
		watch_look(m->parts->watch, LOOK_NS);
	if (is_due(&m->parts->checked, CHECK_NS))
		check_vms(m);
	fold_surplus(m, false, ENDED_WAITING);
	if (is_due(&m->parts->retried, RETRY_NS)) {
		if (!m->parts->setup.no_pages)
			retry_pages(m);
		try_refused(m);
	}
}

uint64_t measure_failures(const struct measurement *m)
{
	return m->parts->watch ? watch_failures(m->parts->watch) : 0;
}

uint64_t measure_interval(const struct measurement *m)
{
	return publisher_interval(m->parts->publisher);
}

void measure_read(struct measurement *m)
{
	m->at[MEASURE_NOW] = clock_mono();
	m->real = clock_real();
	for (size_t i = 0; i < m->n; i++)
		read_vm(m, m->vms[i]);
	publisher_tick(m->parts->publisher); /* gaps that ended by then */
	settle_blame(m);
}

void measure_reported(struct measurement *m)
{
	m->at[MEASURE_LAST] = m->at[MEASURE_NOW];
	for (size_t i = 0; i < m->n; i++) {
		keep(m->vms[i], MEASURE_LAST);
		if (m->vms[i]->blame)
			blame_reported(m->vms[i]->blame);
		for (uint32_t v = 0; v < m->vms[i]->vm.n_vcpus; v++)
			m->vms[i]->vcpus[v].longest = 0;
		m->vms[i]->over = m->vms[i]->id < 0;
	}
	fold_surplus(m, true, ENDED_KEPT);
}

bool measure_is_over(const struct measurement *m)
{
	for (size_t i = 0; i < m->n; i++) {
		if (m->vms[i]->id >= 0)
			return false;
	}
	return !m->parts->watch;
}
