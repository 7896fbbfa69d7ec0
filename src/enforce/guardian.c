/* SPDX-License-Identifier: MIT */
/*
 * The guardian's side of guard.h: a small program in itself, which says what went wrong on standard
 * error. Each set of orders is worked off in three steps: which cgroup and which values each VM is to
 * have; the record of all of that; the changes. So the record knows more than was done, never less.
 */
#include "enforce/guardian.h"

#include "base/proc.h"
#include "base/units.h"
#include "enforce/guard.h"
#include "enforce/guard_process.h"
#include "enforce/guard_wire.h"
#include "enforce/record.h"

#include <cap-ng.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define VMS_MAX	    GUARD_VMS
#define WORTH_WHILE 0.005 /* a smaller change of a weight is left alone */
#define RESET_SETS                                                                                 \
	3 /* in one of so many sets of orders it is looked whether values are still there */

struct guarded {
	struct enforce_order order;
	struct record_entry entry; /* path "": none yet, or nothing can be done */
	struct guard_told told;
	bool ordered; /* in the last set */
};

struct keeper {
	const struct cgroup_host *h;
	const char *file;
	int fd;
	struct guard_inbox inbox;
	struct guarded *vms; /* [n] of VMS_MAX */
	size_t n;
	struct record_entry *record; /* [VMS_MAX], to write it from */
	size_t recorded;	     /* in the file */
	uint64_t sets;		     /* of orders, so far */
};

/* ---- outcomes ---- */

static void conclude(struct guarded *vm, bool enforced, const char *why)
{
	struct enforce_outcome o = {.pid = vm->order.pid, .enforced = enforced};
	const struct cgroup_values *v = &vm->entry.now;
	char limit[48] = "no quota";

	snprintf(o.why, sizeof(o.why), "%.190s", why);
	if (vm->entry.path[0]) {
		snprintf(o.where, sizeof(o.where), "%.254s", vm->entry.path);
		if (v->quota_us >= 0)
			snprintf(limit, sizeof(limit), "quota %lld of %lld us",
				 (long long)v->quota_us, (long long)v->period_us);
		snprintf(o.how, sizeof(o.how), "weight %lld, %s", (long long)v->weight, limit);
	}
	guard_conclude(&vm->told, &o);
}

static struct guard_told *told_at(void *data, size_t i)
{
	return &((struct keeper *)data)->vms[i].told;
}

/* ---- the record ---- */

static int record(struct keeper *k)
{
	size_t n = 0;
	int err;

	for (size_t i = 0; i < k->n; i++)
		if (k->vms[i].entry.path[0])
			k->record[n++] = k->vms[i].entry;
	if (!n && !k->recorded)
		return 0;
	err = record_write(k->file, k->record, n);
	k->recorded = err ? k->recorded : n;
	return err;
}

/* ---- what a VM is to have ---- */

static bool is_same_process(const struct guarded *vm)
{
	struct proc_stat stat;

	return !proc_read_stat(vm->order.pid, 0, &stat) && stat.start_ns == vm->order.start_ns;
}

/* Its own cgroup, or one that is to be made for it. */
static int find_place(const struct keeper *k, struct guarded *vm, struct failure *why)
{
	struct record_entry e = {.pid = vm->order.pid, .start_ns = vm->order.start_ns};
	bool own;
	int err = cgroup_of(k->h, e.pid, e.from, &own);

	if (err)
		return failure_errno(why, err, "its cgroup");
	if (own) {
		strcpy(e.path, e.from);
		err = cgroup_read(k->h, e.path, &e.old);
		if (err)
			return failure_errno(why, err, "its cgroup");
	} else {
		err = cgroup_path_for(k->h, e.from, e.pid, e.start_ns, why, e.path);
		if (err)
			return err;
		e.made = true;
		e.old = (struct cgroup_values){cgroup_weight(k->h, 1), -1, 100000, 0};
	}
	e.now = e.before = e.old;
	vm->entry = e;
	return 0;
}

static bool is_near(int64_t a, int64_t b)
{
	double off = (double)(a - b);

	return (off < 0 ? -off : off) <= WORTH_WHILE * (double)b;
}

static struct cgroup_values wanted(const struct keeper *k, const struct guarded *vm)
{
	const struct enforce_order *o = &vm->order;
	struct cgroup_values to = vm->entry.old;

	to.weight = cgroup_weight(k->h, o->rate);
	if (is_near(to.weight, vm->entry.now.weight))
		to.weight = vm->entry.now.weight;
	if (o->limit > 0)
		cgroup_limit(o->limit, o->period, o->credit, &to);
	return to;
}

static bool same(const struct cgroup_values *a, const struct cgroup_values *b)
{
	return !memcmp(a, b, sizeof(*a));
}

/* systemd writes a unit's own values again whenever it reads its units again (daemon-reload). What is
 * there as it was before we came is nobody's new wish. */
static bool was_reset(const struct keeper *k, const struct record_entry *e,
		      struct cgroup_values *ret)
{
	const struct cgroup_values *old = &e->old, *now = &e->now;
	bool quota_is_old, quota_is_ours;
	struct cgroup_values is;

	if (cgroup_read(k->h, e->path, &is))
		return false;
	quota_is_old = is.quota_us == old->quota_us && is.period_us == old->period_us;
	quota_is_ours = is.quota_us == now->quota_us && is.period_us == now->period_us;
	*ret = is;
	return (is.weight != now->weight || !quota_is_ours) &&
	       (is.weight == old->weight || is.weight == now->weight) &&
	       (quota_is_old || quota_is_ours);
}

/* Decides; nothing is touched yet. Whether something is to be done. */
static bool plan(struct keeper *k, struct guarded *vm)
{
	bool fresh = !vm->entry.path[0], reset;
	struct failure why = {""};
	struct cgroup_values to, is;

	if (fresh && (!is_same_process(vm) || find_place(k, vm, &why))) {
		conclude(vm, false, why.text);
		return false;
	}
	to = wanted(k, vm);
	reset = !fresh && k->sets % RESET_SETS == 0 && was_reset(k, &vm->entry, &is);
	if (!fresh && !reset && same(&to, &vm->entry.now))
		return false;
	vm->entry.before = reset ? is : vm->entry.now;
	vm->entry.now = to;
	return true;
}

/* ---- doing it ---- */

static int settle_in(const struct keeper *k, const struct record_entry *e, struct failure *why)
{
	int err = cgroup_make(k->h, e->path);

	if (err)
		return failure_errno(why, err, "a cgroup for it can't be made");
	err = cgroup_move(k->h, e->pid, e->path);
	return err ? failure_errno(why, err, "it can't be moved into a cgroup of its own") : 0;
}

/* Somebody else's values are left alone: enforcing against an administrator helps nobody. */
static bool is_ours(const struct record_entry *e, const struct cgroup_values *is)
{
	return is->weight == e->before.weight && is->quota_us == e->before.quota_us &&
	       is->period_us == e->before.period_us;
}

static void carry_out(const struct keeper *k, struct guarded *vm, bool fresh)
{
	struct record_entry *e = &vm->entry;
	struct failure why = {""};
	struct cgroup_values is;
	int err = fresh && e->made ? settle_in(k, e, &why) : 0;

	if (!err)
		err = cgroup_read(k->h, e->path, &is);
	if (err) {
		conclude(vm, false, why.text[0] ? why.text : "its cgroup is gone");
		return;
	}
	if (e->made && fresh)
		e->old = e->before = is;
	e->now.burst_us = is.burst_us < 0 ? -1 : e->now.burst_us;
	if (!is_ours(e, &is)) {
		e->now = e->before;
		conclude(vm, false,
			 "somebody else has changed its cgroup's values: left as they are");
		return;
	}
	if (cgroup_write(k->h, e->path, &is, &e->now, &why)) {
		cgroup_read(k->h, e->path, &e->now);
		conclude(vm, false, why.text);
		return;
	}
	conclude(vm, true, "");
}

/* ---- sets of orders ---- */

static struct guarded *find(struct keeper *k, const struct enforce_order *o)
{
	for (size_t i = 0; i < k->n; i++)
		if (k->vms[i].order.pid == o->pid && k->vms[i].order.start_ns == o->start_ns)
			return &k->vms[i];
	if (k->n == VMS_MAX)
		return NULL;
	k->vms[k->n] = (struct guarded){.told.told = true};
	return &k->vms[k->n++];
}

static void undo(const struct keeper *k, struct guarded *vm)
{
	struct failure left;

	if (!vm->entry.path[0])
		return;
	record_undo(k->h, &vm->entry, &left);
	if (left.text[0])
		guard_say(left.text, NULL);
}

/* VMs that nobody orders anything for any more. */
static void drop_others(struct keeper *k)
{
	size_t kept = 0;

	for (size_t i = 0; i < k->n; i++) {
		if (!k->vms[i].ordered)
			undo(k, &k->vms[i]);
		else if (kept++ != i)
			k->vms[kept - 1] = k->vms[i];
	}
	k->n = kept;
}

static void work_off(struct keeper *k)
{
	static bool changes[VMS_MAX], fresh[VMS_MAX];
	size_t placed = 0;
	bool any = false;

	k->sets++;
	drop_others(k);
	for (size_t i = 0; i < k->n; i++) {
		fresh[i] = !k->vms[i].entry.path[0];
		changes[i] = plan(k, &k->vms[i]);
		any |= changes[i];
		placed += k->vms[i].entry.path[0] != '\0';
	}
	if ((any || k->recorded != placed) && record(k)) {
		guard_say("what is changed can't be recorded in /run: nothing is changed", NULL);
		return;
	}
	for (size_t i = 0; i < k->n; i++)
		if (changes[i])
			carry_out(k, &k->vms[i], fresh[i]);
	guard_tell(k->fd, told_at, k, k->n);
}

static void undo_all(struct keeper *k)
{
	while (k->n)
		undo(k, &k->vms[--k->n]);
	if (k->recorded)
		record_write(k->file, NULL, 0);
	k->recorded = 0;
}

static void take(struct keeper *k, const struct enforce_orders *o)
{
	for (size_t i = 0; i < k->n; i++)
		k->vms[i].ordered = false;
	for (size_t i = 0; i < o->n; i++) {
		struct guarded *vm = find(k, &o->vms[i]);

		if (!vm)
			continue;
		vm->order = o->vms[i];
		vm->ordered = true;
	}
	work_off(k);
}

static void serve(struct keeper *k)
{
	struct pollfd p = {.fd = k->fd, .events = POLLIN};
	struct enforce_orders orders;
	int got = 0;

	while (got != -EPIPE) {
		int ready = poll(&p, 1, (int)(GUARD_PATIENCE / NS_PER_MS));

		if (ready < 0 && errno == EINTR)
			continue;
		if (!ready && k->n) {
			guard_say("nothing was ordered for 10 s: VMs are as they were until it is",
				  NULL);
			undo_all(k);
		}
		if (!ready)
			continue;
		got = guard_receive(&k->inbox, k->fd, &orders);
		if (got == -EBADMSG)
			guard_say("orders that make no sense came, and aren't followed", NULL);
		if (got == 1)
			take(k, &orders);
	}
}

/* ---- the process ---- */

_Noreturn void guardian(const void *work, int fd)
{
	/* directories of the first cgroup may be written by nobody, those of rootless VMs are their
	 * users' */
	static const struct confine_capability keep = {CAP_DAC_OVERRIDE,
						       "CAP_DAC_OVERRIDE is gone"};
	static struct cgroup_host host;
	const struct guardian_work *w = work;
	struct keeper k = {.h = &host, .file = w->file, .fd = fd};

	host = *w->h;
	guard_alone("deschedd-guard", fd);
	k.vms = calloc(VMS_MAX, sizeof(*k.vms));
	k.record = calloc(VMS_MAX, sizeof(*k.record));
	if (!k.vms || !k.record || guard_inbox_new(&k.inbox))
		_exit(1);
	guard_confine(&keep, 1, NULL);
	serve(&k);
	undo_all(&k);
	_exit(0);
}
