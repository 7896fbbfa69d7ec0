/* SPDX-License-Identifier: MIT */
#include "enforce/enforce_internal.h"

#include "base/cleanup.h"
#include "base/units.h"
#include "policy/entitle.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysinfo.h>

#define HELD	    0.98 /* of its limit: a VM that is entitled to so much is held by its quota */
#define HELD_WEIGHT 2
#define LEAST_PART  0.01 /* CPUs of a limited group's for any of its members */

static double cpus_of(const struct enforce_setup *setup)
{
	return setup->cpus > 0 ? setup->cpus : get_nprocs();
}

/* ---- VMs that are there ---- */

static struct enforced_vm *find(const struct enforce *e, pid_t pid, uint64_t since)
{
	for (size_t i = 0; i < e->n; i++)
		if (e->vms[i].vm.pid == pid && e->vms[i].since == since)
			return &e->vms[i];
	return NULL;
}

/* What its manager, or somebody by hand, has given the VM's own cgroup. */
static void read_own(const struct enforce *e, const struct measured *x, struct vm_given *own)
{
	char path[CGROUP_PATH];
	struct cgroup_values v;
	bool is_own;

	if (x->cpu_limit > 0) {
		own->limit = x->cpu_limit;
		own->named.given |= 1u << VM_KEY_LIMIT;
	}
	if (!e->has_cgroups || cgroup_of(&e->cgroups, x->vm.pid, path, &is_own) || !is_own ||
	    cgroup_read(&e->cgroups, path, &v) || v.weight == cgroup_weight(&e->cgroups, 1))
		return;
	own->shares = ENTITLE_SHARES_NORMAL * cgroup_weight_threads(&e->cgroups, v.weight);
	own->named.given |= 1u << VM_KEY_SHARES;
}

/* The same process, from before it was measured again: what it has now may be ours. */
static const struct enforced_vm *find_process(const struct enforce *e, const struct host_vm *vm)
{
	for (size_t i = 0; i < e->n; i++)
		if (e->vms[i].vm.pid == vm->pid && e->vms[i].vm.start_ns == vm->start_ns)
			return &e->vms[i];
	return NULL;
}

static struct enforced_vm *add(struct enforce *e, const struct measured *x)
{
	size_t room = e->room ? e->room * 2 : 16;
	const struct enforced_vm *earlier;
	struct enforced_vm *bigger, *new;

	if (e->n == e->room) {
		bigger = reallocarray(e->vms, room, sizeof(*bigger));
		if (!bigger)
			return NULL;
		e->vms = bigger;
		e->room = room;
	}
	earlier = find_process(e, &x->vm);
	new = &e->vms[e->n++];
	memset(new, 0, sizeof(*new));
	if (earlier)
		new->own = earlier->own;
	else
		read_own(e, x, &new->own);
	new->vm = x->vm;
	new->vm.vcpus = NULL;
	new->vm.n_vcpus = 0;
	new->n_vcpus = x->vm.n_vcpus;
	new->since = new->at = x->since;
	new->outcome.pid = x->vm.pid;
	rules_resolve(&e->rules, &new->vm, &new->own, &new->rules);
	return new;
}

/* What it ran and wanted to run since the last step, other threads of its process among it. */
static void read_demand(struct enforced_vm *vm, const struct measured *x, uint64_t now)
{
	struct ledger sum = measured_sum(x, MEASURE_FIRST);
	uint64_t overhead = u64_sub_floor(x->overhead[MEASURE_NOW], x->overhead[MEASURE_FIRST]);
	uint64_t used = sum.ns[LEDGER_RUN] + overhead;
	uint64_t wanted = used + sum.ns[LEDGER_READY] + sum.ns[LEDGER_COSTOP] +
			  sum.ns[LEDGER_LIMITED];
	double span = (double)u64_sub_floor(now, vm->at);

	if (!(span > 0))
		return;
	vm->wanted = (double)u64_sub_floor(wanted, vm->wanted_ns) / span;
	vm->used = (double)u64_sub_floor(used, vm->used_ns) / span;
	vm->wanted_ns = wanted;
	vm->used_ns = used;
	vm->at = now;
}

/* Its vCPUs' threads as they are now: what is measured may be gone when orders are given. */
static int copy_vcpus(struct enforced_vm *vm, const struct measured *x)
{
	size_t size = x->vm.n_vcpus * sizeof(*x->vm.vcpus);
	struct host_vcpu *copy;

	if (vm->vm.n_vcpus != x->vm.n_vcpus) {
		copy = realloc(vm->vm.vcpus, size + 1);
		if (!copy)
			return -ENOMEM;
		vm->vm.vcpus = copy;
	}
	vm->vm.n_vcpus = x->vm.n_vcpus;
	if (size)
		memcpy(vm->vm.vcpus, x->vm.vcpus, size);
	return 0;
}

static void forget_those_gone(struct enforce *e)
{
	size_t kept = 0;

	for (size_t i = 0; i < e->n; i++) {
		if (e->vms[i].there)
			e->vms[kept++] = e->vms[i];
		else
			free(e->vms[i].vm.vcpus);
	}
	e->n = kept;
}

static int look(struct enforce *e, const struct measurement *m)
{
	int err = 0;

	for (size_t i = 0; i < e->n; i++)
		e->vms[i].there = false;
	for (size_t i = 0; i < m->n; i++) {
		const struct measured *x = m->vms[i];
		struct enforced_vm *vm;

		if (x->id < 0)
			continue;
		vm = find(e, x->vm.pid, x->since);
		vm = vm ? vm : add(e, x);
		if (!vm) {
			err = -ENOMEM;
			continue;
		}
		vm->there = true;
		err = copy_vcpus(vm, x) ? -ENOMEM : err;
		read_demand(vm, x, m->at[MEASURE_NOW]);
	}
	forget_those_gone(e);
	return err;
}

/* ---- the division ---- */

static double limit_of(double limit)
{
	return limit < ENTITLE_UNLIMITED ? limit : 0;
}

static void add_groups(const struct enforce_settings *s, struct enforce_tree *t)
{
	for (size_t i = 0; i < s->n_groups; i++) {
		const struct group_given *g = &s->groups[i];

		t->groups[i] = (struct entitlement_group){(uint32_t)enforce_group(s, g->parent),
							  g->shares, g->reservation,
							  limit_of(g->limit)};
	}
}

int enforce_tree(const struct enforce *e, const struct rules *rules, struct enforce_tree *ret)
{
	const struct enforce_settings *s = e->setup.settings;

	ret->vms = calloc(e->n + 1, sizeof(*ret->vms));
	if (!ret->vms)
		return -ENOMEM;
	add_groups(s, ret);
	ret->host = (struct entitlement_host){e->cpus, ret->groups, s->n_groups};
	for (size_t i = 0; i < e->n; i++) {
		const struct enforced_vm *vm = &e->vms[i];
		struct resolved r;
		int group;

		rules_resolve(rules, &vm->vm, &vm->own, &r);
		group = enforce_group(s, r.to.group);
		ret->vms[i] = (struct entitlement){
			.n_vcpus = vm->n_vcpus,
			.group = group > 0 ? (uint32_t)group : 0,
			.shares = amount_shares(r.to.shares, (double)vm->n_vcpus),
			.reservation = r.to.reservation,
			.limit = limit_of(r.to.limit),
			.wanted = vm->wanted,
		};
	}
	return 0;
}

void enforce_tree_done(struct enforce_tree *t)
{
	free(t->vms);
	t->vms = NULL;
}

static int divide(struct enforce *e)
{
	_cleanup_(enforce_tree_done) struct enforce_tree t = {.vms = NULL};
	int err = enforce_tree(e, &e->rules, &t);

	if (!err)
		err = entitlement_divide(t.vms, e->n, &t.host);
	for (size_t i = 0; i < e->n && !err; i++) {
		e->vms[i].entitled = t.vms[i].entitled;
		e->vms[i].rate = t.vms[i].rate;
	}
	return err;
}

/* ---- orders ---- */

/* By how much VMs want more than there is: all of them together weigh as much as threads would that
 * want the same, so that the host's other work has the part that it would have without weights. What
 * is above a limit nobody gets. */
static double crowding(const struct enforce *e)
{
	double wanted = 0, entitled = 0;

	for (size_t i = 0; i < e->n; i++) {
		wanted += fmin(e->vms[i].wanted, e->vms[i].rules.to.limit);
		entitled += e->vms[i].entitled;
	}
	return entitled > 0 && wanted > entitled ? wanted / entitled : 1;
}

/* Whether the VM is in a group that has a limit, or is below one. */
static bool is_pooled(const struct enforce *e, const struct enforced_vm *vm)
{
	const struct enforce_settings *s = e->setup.settings;
	int group = enforce_group(s, vm->rules.to.group);

	while (group > 0 && s->groups[group - 1].limit >= ENTITLE_UNLIMITED)
		group = enforce_group(s, s->groups[group - 1].parent);
	return group > 0;
}

/* CPUs; 0: none. A manager's own quota stays what it is. What a limited group has is given to its
 * members in parts, by what they wanted in the last second. */
static double limit_for(const struct enforce *e, const struct enforced_vm *vm)
{
	double own = vm->rules.from[VM_KEY_LIMIT] == ORIGIN_CGROUP ? 0
								   : limit_of(vm->rules.to.limit);
	double part = is_pooled(e, vm) ? fmax(vm->rate, LEAST_PART) : 0;

	return own > 0 && part > 0 ? fmin(own, part) : fmax(own, part);
}

/* What a VM weighs: by its rate, but no more than it can use, since the kernel balances CPUs by
 * weight. One whose quota holds it is there for a part of the time only, and gets what it is entitled
 * to in that part: it takes from nobody what is above its limit. */
static double weight_of(const struct enforce *e, const struct enforced_vm *vm)
{
	double limit = limit_for(e, vm);
	double most = fmax((double)vm->n_vcpus, vm->wanted);
	bool held = limit > 0 && vm->entitled >= HELD * limit;

	return fmin(vm->rate, most) * (held ? HELD_WEIGHT : 1);
}

static struct enforce_order order_of(const struct enforce *e, const struct enforced_vm *vm,
				     double crowded)
{
	const struct vm_given *to = &vm->rules.to;
	int group = enforce_group(e->setup.settings, to->group);

	return (struct enforce_order){
		.pid = vm->vm.pid,
		.start_ns = vm->vm.start_ns,
		.rate = weight_of(e, vm) * crowded,
		.limit = limit_for(e, vm),
		.period = e->setup.settings->limit_period,
		.credit = to->burst_credit,
		.shares = amount_shares(to->shares, (double)vm->n_vcpus),
		.reservation = to->reservation,
		.own_limit = limit_of(to->limit),
		.group = group > 0 ? (uint32_t)group : 0,
		.cosched = to->cosched,
		.n_vcpus = vm->vm.n_vcpus,
	};
}

struct order_set {
	struct enforce_order *vms;
	struct host_vcpu *vcpus;
	struct enforce_group groups[ENFORCE_GROUPS_MAX];
};

static void order_set_done(struct order_set *s)
{
	free(s->vms);
	free(s->vcpus);
}

static size_t count_vcpus(const struct enforce *e)
{
	size_t n = 0;

	for (size_t i = 0; i < e->n; i++)
		n += e->vms[i].vm.n_vcpus;
	return n;
}

static size_t order_groups(const struct enforce_settings *s, struct enforce_group *ret)
{
	for (size_t i = 0; i < s->n_groups; i++) {
		const struct group_given *g = &s->groups[i];

		ret[i] = (struct enforce_group){(uint32_t)enforce_group(s, g->parent), g->shares,
						g->reservation, limit_of(g->limit)};
	}
	return s->n_groups;
}

static int tell(struct enforce *e)
{
	_cleanup_(order_set_done) struct order_set set = {
		.vms = calloc(e->n + 1, sizeof(*set.vms)),
		.vcpus = calloc(count_vcpus(e) + 1, sizeof(*set.vcpus)),
	};
	struct enforce_orders orders = {set.vms, set.vcpus, set.groups, e->n, 0, 0};
	double crowded = crowding(e);
	int err;

	if (!set.vms || !set.vcpus)
		return -ENOMEM;
	for (size_t i = 0; i < e->n; i++) {
		const struct host_vm *vm = &e->vms[i].vm;

		set.vms[i] = order_of(e, &e->vms[i], crowded);
		set.vms[i].first_vcpu = (uint32_t)orders.n_vcpus;
		if (vm->n_vcpus)
			memcpy(set.vcpus + orders.n_vcpus, vm->vcpus,
			       vm->n_vcpus * sizeof(*vm->vcpus));
		orders.n_vcpus += vm->n_vcpus;
	}
	orders.n_groups = order_groups(e->setup.settings, set.groups);
	err = e->row->apply(e->state, &orders);
	e->busy += err == -EAGAIN;
	return err == -EAGAIN ? 0 : err;
}

static void got(const struct enforce_outcome *o, void *data)
{
	struct enforce *e = data;

	if (!o->pid)
		snprintf(e->ended, sizeof(e->ended), "%s", o->why);
	for (size_t i = 0; i < e->n; i++)
		if (e->vms[i].vm.pid == o->pid)
			e->vms[i].outcome = *o;
}

/* It has broken down: what it did it undoes, or the next start does. */
static int give_up(struct enforce *e, int err)
{
	char line[320];

	snprintf(line, sizeof(line), "the enforcer has ended%s%s: nothing is enforced any more",
		 e->ended[0] ? ": " : "", e->ended);
	if (err == -EPIPE && !e->broken)
		e->setup.say(line, e->setup.data);
	e->broken |= err == -EPIPE;
	return err;
}

/* `none` after another one: that puts back what it changed. Another one after `none` would want
 * privileges that are gone. */
static void follow_settings(struct enforce *e)
{
	const struct enforcer *wanted = enforcers[e->setup.settings->enforcer];
	char line[160];

	if (wanted == e->row)
		return;
	if (wanted != &enforcer_none) {
		snprintf(line, sizeof(line),
			 "enforcer = %s waits for a restart; it is %s until then", wanted->name,
			 e->row->name);
		e->setup.say(line, e->setup.data);
		return;
	}
	e->row->close(e->state);
	e->row = wanted;
	e->state = NULL;
	for (size_t i = 0; i < e->n; i++)
		e->vms[i].outcome = (struct enforce_outcome){.pid = e->vms[i].vm.pid};
	e->setup.say("enforcer = none: everything is as it was", e->setup.data);
}

int enforce_decide(struct enforce *e)
{
	int err;

	if (e->changed)
		for (size_t i = 0; i < e->n; i++)
			rules_resolve(&e->rules, &e->vms[i].vm, &e->vms[i].own, &e->vms[i].rules);
	e->changed = false;
	err = divide(e);
	if (!err && !e->broken)
		err = tell(e);
	e->no_memory += err == -ENOMEM;
	return give_up(e, err);
}

int enforce_step(struct enforce *e, const struct measurement *m)
{
	int err = e->broken ? 0 : e->row->take(e->state, got, e);

	e->steps++;
	e->cpus = cpus_of(&e->setup);
	give_up(e, err);
	e->no_memory += look(e, m) != 0;
	err = enforce_decide(e);
	return e->broken ? -EPIPE : err;
}

void enforce_changed(struct enforce *e)
{
	e->changed = true;
	follow_settings(e);
	enforce_decide(e);
}

double enforce_entitled(const struct enforce *e, pid_t pid, uint64_t since)
{
	const struct enforced_vm *vm = find(e, pid, since);

	return vm && e->steps ? vm->entitled : -1;
}

/* ---- beginning and end ---- */

int enforce_open(const struct enforce_setup *setup, struct failure *f, struct enforce **ret)
{
	struct enforce *e = calloc(1, sizeof(*e));
	struct failure why = {""};
	int err;

	if (!e)
		return failure_errno(f, -ENOMEM, "enforcing");
	e->setup = *setup;
	e->rules.file = setup->settings;
	e->row = enforcers[setup->settings->enforcer];
	e->cpus = cpus_of(setup);
	e->has_cgroups = !cgroup_host("", NULL, &e->cgroups);
	err = e->row->probe("", &why);
	if (!err)
		err = e->row->open(&why, &e->state);
	if (err) {
		failure_set(f, err, "enforcer = %s: %s", e->row->name, why.text);
		free(e);
		return err;
	}
	*ret = e;
	return 0;
}

struct enforce *enforce_close(struct enforce *e)
{
	if (!e)
		return NULL;
	e->row->close(e->state);
	rules_done(&e->rules);
	for (size_t i = 0; i < e->n; i++)
		free(e->vms[i].vm.vcpus);
	free(e->vms);
	free(e);
	return NULL;
}
