/* SPDX-License-Identifier: MIT */
#include "enforce/dispatch_plan.h"

#include "base/units.h"
#include "policy/core.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CPUS_MAX       1024
#define WORTH_TELLING  (20 * (int64_t)NS_PER_US) /* less is told the core later */
#define RESERVED_AHEAD (100 * NS_PER_MS) /* what a VM may have had of its reservation before */
#define WINDOW	       (100 * NS_PER_MS)
#define WINDOW_PART    0.2		/* what the last one counts */
#define OTHERS_SAVED   (10 * NS_PER_MS) /* for which their cap is saved up, or owed */
/* Periods are short, and a kernel may switch late: what a VM couldn't use of its limit it makes up
 * for. */
#define LIMIT_KEEP 2
#define ROUNDS	   64 /* of what is due at once: what still is comes next */

struct plan {
	struct core *core;
	uint32_t cpus;
	bool contended; /* some vCPU waits, or is held */
	uint32_t wanting;
	struct plan_vm vms[PLAN_VMS];
	struct plan_thread threads[PLAN_VCPUS];
	uint32_t n_groups;
	struct enforce_group groups[PLAN_GROUPS];
	struct core_decision decided[CPUS_MAX];
	uint64_t alarms[PLAN_VMS + PLAN_GROUPS + 1];
	uint64_t timers; /* of these */
	uint64_t settled, reserved, kept;
	/* What others on this host leave: looked at in windows in which some vCPU waited all the time. */
	uint64_t window, ran; /* ns: its beginning; run in it by VMs' threads */
	bool crowded;	      /* so far */
	double taken;	      /* CPUs */
};

/* ---- what the core asks for ---- */

static void carry_out(struct plan *p)
{
	const struct core_changes *ch = core_changes(p->core);

	for (uint32_t i = 0; i < ch->n_cpus; i++)
		p->decided[ch->cpus[i].cpu] = ch->cpus[i];
	for (uint32_t i = 0; i < ch->n_alarms; i++)
		p->alarms[ch->alarms[i].timer] = ch->alarms[i].at;
}

int plan_new(uint32_t cpus, uint64_t limit_period, uint64_t now, struct plan **ret)
{
	struct core_config config = core_defaults;
	struct core_site sites[CPUS_MAX];
	struct core_shape shape = {.cpus = cpus < CPUS_MAX ? cpus : CPUS_MAX,
				   .domains = 1,
				   .sites = sites,
				   .vms = PLAN_VMS,
				   .groups = PLAN_GROUPS,
				   .vcpus = PLAN_VCPUS};
	struct plan *p = calloc(1, sizeof(*p));
	int err;

	if (!p)
		return -ENOMEM;
	config.limit_period = limit_period;
	config.limit_keep = LIMIT_KEEP;
	config.limit_all = true;
	core_sites_regular(sites, shape.cpus, shape.cpus, shape.cpus, false);
	err = core_new(&config, &shape, &p->core);
	if (!err)
		err = core_start(p->core, now, NULL);
	if (err) {
		plan_free(p);
		return err;
	}
	p->cpus = shape.cpus;
	p->settled = now;
	p->timers = core_timers_host(&shape) + 1;
	for (uint32_t i = 0; i < p->cpus; i++)
		p->decided[i] = (struct core_decision){i, CORE_NONE, CORE_FULL, CORE_NEVER};
	for (size_t i = 0; i < p->timers; i++)
		p->alarms[i] = CORE_NEVER;
	carry_out(p);
	*ret = p;
	return 0;
}

struct plan *plan_free(struct plan *p)
{
	if (p)
		core_free(p->core);
	free(p);
	return NULL;
}

struct plan_vm *plan_vm(struct plan *p, uint32_t vm)
{
	return &p->vms[vm];
}

struct plan_thread *plan_thread(struct plan *p, uint32_t vcpu)
{
	return &p->threads[vcpu];
}

struct plan_vm *plan_find(struct plan *p, pid_t pid, uint64_t start_ns)
{
	for (uint32_t i = 0; i < PLAN_VMS; i++)
		if (p->vms[i].there && p->vms[i].pid == pid && p->vms[i].start_ns == start_ns)
			return &p->vms[i];
	return NULL;
}

/* ---- VMs and groups come, change and go ---- */

static double limit_of(double limit)
{
	return limit > 0 ? limit : ENTITLE_UNLIMITED;
}

static void order_groups(struct plan *p, uint64_t now, const struct enforce_orders *o)
{
	for (uint32_t i = 0; i < o->n_groups && i < PLAN_GROUPS; i++) {
		const struct enforce_group *g = &o->groups[i];
		struct core_group_spec spec = {g->parent, g->shares, g->reservation,
					       limit_of(g->limit)};
		bool is_new = i >= p->n_groups;

		if (!is_new && !memcmp(g, &p->groups[i], sizeof(*g)))
			continue;
		for (int tries = 0; tries < 2; tries++, spec.reservation = 0)
			if (!(is_new ? core_group_add(p->core, now, i + 1, &spec, NULL)
				     : core_group_change(p->core, now, i + 1, &spec, NULL)))
				break;
		p->groups[i] = *g;
	}
}

static void drop_groups(struct plan *p, uint64_t now, const struct enforce_orders *o)
{
	while (p->n_groups > o->n_groups)
		core_group_remove(p->core, now, p->n_groups--);
	p->n_groups = (uint32_t)u64_min(o->n_groups, PLAN_GROUPS);
}

/* Tries less and less of what is set, until the core takes it. */
static int admit(struct plan *p, uint64_t now, uint32_t id, bool is_new)
{
	static const char *const whys[] = {
		"", "its reservation can't be kept beside others'",
		"it has more vCPUs than there are CPUs: it isn't co-scheduled",
		"its group isn't there"};
	struct plan_vm *vm = &p->vms[id];
	const struct enforce_order *o = &vm->order;
	struct core_vm_spec spec = {
		.vcpus = vm->n,
		.group = o->group,
		.cosched = (enum cosched)(o->cosched < COSCHED_ROWS ? o->cosched : 0),
		.shares = o->shares > 0 ? o->shares : 1,
		.reservation = o->reservation,
		.limit = limit_of(o->own_limit)};
	int err = -EINVAL;

	for (size_t i = 0; i < ARRAY_SIZE(whys) && err; i++) {
		if (i == 1)
			spec.reservation = 0;
		if (i == 2)
			spec.cosched = COSCHED_NONE;
		if (i == 3)
			spec.group = 0;
		err = is_new ? core_vm_add(p->core, now, id, vm->first, vm->n, &spec, NULL)
			     : core_vm_change(p->core, now, id, &spec, NULL);
		snprintf(vm->why, sizeof(vm->why), "%s", whys[i]);
	}
	return err;
}

/* Threads in a row that are nobody's; PLAN_VCPUS: there are none. */
static uint32_t find_room(const struct plan *p, uint32_t n)
{
	for (uint32_t i = 0, run = 0; i < PLAN_VCPUS; i++) {
		run = p->threads[i].there ? 0 : run + 1;
		if (run == n)
			return i + 1 - n;
	}
	return PLAN_VCPUS;
}

static void remove_vm(struct plan *p, uint64_t now, uint32_t id)
{
	struct plan_vm *vm = &p->vms[id];

	core_vm_remove(p->core, now, id);
	memset(&p->threads[vm->first], 0, vm->n * sizeof(p->threads[0]));
	memset(vm, 0, sizeof(*vm));
}

static void fill_threads(struct plan *p, uint32_t id, const struct host_vcpu *vcpus)
{
	const struct plan_vm *vm = &p->vms[id];
	struct core_vcpu_figures f;

	for (uint32_t i = 0; i < vm->n; i++) {
		core_read_vcpu(p->core, vm->first + i, &f);
		p->threads[vm->first + i] = (struct plan_thread){
			.there = true,
			.pid = vm->pid,
			.tid = vcpus[i].tid,
			.vm = id,
			.first = true,
			.core_run = f.ledger->ns[LEDGER_RUN]};
	}
}

static void add_vm(struct plan *p, uint64_t now, const struct enforce_order *o,
		   const struct host_vcpu *vcpus)
{
	uint32_t id = 0, first = find_room(p, o->n_vcpus);

	while (id < PLAN_VMS && p->vms[id].there)
		id++;
	if (id == PLAN_VMS || first == PLAN_VCPUS || !o->n_vcpus)
		return;
	p->vms[id] = (struct plan_vm){.there = true,
				      .wanted = true,
				      .pid = o->pid,
				      .start_ns = o->start_ns,
				      .first = first,
				      .n = o->n_vcpus,
				      .left_at = now,
				      .order = *o};
	if (admit(p, now, id, true)) {
		memset(&p->vms[id], 0, sizeof(p->vms[id]));
		return;
	}
	fill_threads(p, id, vcpus);
}

static bool is_same_spec(const struct enforce_order *a, const struct enforce_order *b)
{
	return a->shares == b->shares && a->reservation == b->reservation &&
	       a->own_limit == b->own_limit && a->group == b->group && a->cosched == b->cosched;
}

static bool is_same_vcpus(const struct plan *p, const struct plan_vm *vm,
			  const struct enforce_order *o, const struct host_vcpu *vcpus)
{
	if (vm->n != o->n_vcpus)
		return false;
	for (uint32_t i = 0; i < vm->n; i++)
		if (p->threads[vm->first + i].tid != vcpus[i].tid)
			return false;
	return true;
}

void plan_orders(struct plan *p, uint64_t now, const struct enforce_orders *o)
{
	for (uint32_t i = 0; i < PLAN_VMS; i++)
		p->vms[i].wanted = false;
	for (size_t i = 0; i < o->n; i++) {
		const struct enforce_order *of = &o->vms[i];
		struct plan_vm *vm = plan_find(p, of->pid, of->start_ns);

		if (vm)
			vm->wanted = is_same_vcpus(p, vm, of, o->vcpus + of->first_vcpu);
	}
	for (uint32_t i = 0; i < PLAN_VMS; i++)
		if (p->vms[i].there && !p->vms[i].wanted)
			remove_vm(p, now, i);
	order_groups(p, now, o);
	for (size_t i = 0; i < o->n; i++) {
		const struct enforce_order *of = &o->vms[i];
		struct plan_vm *vm = plan_find(p, of->pid, of->start_ns);
		bool same = vm && is_same_spec(&vm->order, of);

		if (!vm) {
			add_vm(p, now, of, o->vcpus + of->first_vcpu);
			continue;
		}
		vm->order = *of;
		if (!same)
			admit(p, now, (uint32_t)(vm - p->vms), false);
	}
	drop_groups(p, now, o);
	carry_out(p);
}

/* ---- what was seen ---- */

static uint32_t count_wanting(const struct plan *p, const struct plan_vm *vm)
{
	uint32_t n = 0;

	for (uint32_t i = vm->first; i < vm->first + vm->n; i++)
		n += p->threads[i].wants;
	return n;
}

/* A VM that ran more than it reserves had no more of its reservation than that. What it wanted is
 * judged by those of its vCPUs that want now. */
static void count_reserved(struct plan *p, struct plan_vm *vm, uint64_t span)
{
	double cpus = fmin(vm->order.reservation, count_wanting(p, vm));
	uint64_t wanted = (uint64_t)(cpus * (double)span);

	p->reserved += wanted;
	p->kept += u64_min(vm->run, wanted);
	vm->run = u64_sub_floor(vm->run, wanted);
	vm->run = u64_min(vm->run, RESERVED_AHEAD);
}

/* The end of a window. */
static void look_at_others(struct plan *p, uint64_t now)
{
	double got = (double)p->ran / (double)(now - p->window), taken;

	taken = p->crowded ? fmax(p->cpus - got, 0) : 0;
	p->taken += (taken - p->taken) * WINDOW_PART;
	core_taken(p->core, p->taken);
	p->window = now;
	p->ran = 0;
	p->crowded = true;
}

void plan_settle(struct plan *p, uint64_t now)
{
	uint64_t span = u64_sub_floor(now, p->settled);

	p->crowded &= p->contended;
	if (now >= p->window + WINDOW)
		look_at_others(p, now);

	for (uint32_t i = 0; i < PLAN_VMS; i++)
		if (p->vms[i].there && p->vms[i].order.reservation > 0)
			count_reserved(p, &p->vms[i], span);
	p->settled = now;
	core_settle(p->core, now);
}

void plan_reserved(const struct plan *p, uint64_t *ret_wanted, uint64_t *ret_kept)
{
	*ret_wanted = p->reserved;
	*ret_kept = p->kept;
}

static void tell_service(struct plan *p, uint64_t now, uint32_t vcpu)
{
	struct plan_thread *t = &p->threads[vcpu];

	if (llabs(t->owed) < WORTH_TELLING)
		return;
	core_serve(p->core, now, vcpu, t->owed);
	t->owed = 0;
}

static bool is_wanting(enum ledger_state state)
{
	return state == LEDGER_RUN || state == LEDGER_READY;
}

void plan_see(struct plan *p, uint64_t now, uint32_t vcpu, enum ledger_state state, uint64_t run)
{
	struct plan_thread *t = &p->threads[vcpu];
	bool wants = t->wish == PLAN_HOLD ? t->wants : is_wanting(state);
	struct core_vcpu_figures f;

	core_read_vcpu(p->core, vcpu, &f);
	if (!t->first)
		t->owed += (int64_t)u64_sub_floor(run, t->run) -
			   (int64_t)(f.ledger->ns[LEDGER_RUN] - t->core_run);
	if (!t->first) {
		p->vms[t->vm].run += u64_sub_floor(run, t->run);
		p->ran += u64_sub_floor(run, t->run);
	}
	t->first = false;
	t->run = run;
	t->core_run = f.ledger->ns[LEDGER_RUN];
	tell_service(p, now, vcpu);
	if (wants && !t->wants)
		core_wake(p->core, now, vcpu);
	else if (!wants && t->wants)
		core_block(p->core, now, vcpu, state);
	t->wants = wants;
}

/* Where all VMs are alike, the core divides nothing: they have the same. */
static double entitled(const struct plan *p, const struct plan_vm *vm)
{
	struct core_vm_figures f;
	uint32_t rivals = 0;

	core_read_vm(p->core, (uint32_t)(vm - p->vms), &f);
	if (f.entitled > 0)
		return f.entitled;
	for (uint32_t i = 0; i < PLAN_VMS; i++)
		rivals += p->vms[i].there && (&p->vms[i] == vm || count_wanting(p, &p->vms[i]));
	return (double)p->cpus / rivals;
}

/* CPUs that the VM's other threads may use; negative: as many as they like. */
static double cap_of(const struct plan *p, const struct plan_vm *vm, uint32_t wanting)
{
	double cap;

	if (!p->contended && !(vm->order.own_limit > 0))
		return -1;
	cap = entitled(p, vm);
	if (vm->order.own_limit > 0)
		cap = fmin(cap, vm->order.own_limit);
	return wanting ? cap / 2 : cap;
}

static void refill_cap(struct plan_vm *vm, uint64_t now, double cap)
{
	int64_t most = (int64_t)(cap * (double)OTHERS_SAVED);

	vm->left += (int64_t)(cap * (double)u64_sub_floor(now, vm->left_at));
	if (vm->left > most)
		vm->left = most;
	if (vm->left < -(int64_t)NS_PER_SEC)
		vm->left = -(int64_t)NS_PER_SEC;
}

void plan_charge(struct plan *p, uint64_t now, uint32_t id, uint64_t ns)
{
	struct plan_vm *vm = &p->vms[id];
	uint32_t wanting = count_wanting(p, vm), n = wanting ? wanting : vm->n;
	uint64_t used = vm->others ? u64_sub_floor(ns, vm->others) : 0;
	double cap = cap_of(p, vm, wanting);

	vm->others = ns;
	p->ran += used;
	for (uint32_t i = vm->first; i < vm->first + vm->n; i++)
		if (!wanting || p->threads[i].wants)
			p->threads[i].owed += (int64_t)(used / n);
	if (cap < 0) {
		vm->left = 0;
	} else {
		refill_cap(vm, now, cap);
		vm->left -= (int64_t)used;
	}
	vm->left_at = now;
	vm->hold_others = cap >= 0 && vm->left < 0;
}

/* ---- what is to be done ---- */

static bool play_due(struct plan *p, uint64_t now)
{
	bool any = false;

	for (uint32_t i = 0; i < p->cpus; i++)
		if (p->decided[i].until <= now) {
			p->decided[i].until = CORE_NEVER;
			core_expire(p->core, now, i);
			any = true;
			carry_out(p);
		}
	for (uint32_t i = 0; i < p->timers; i++)
		if (p->alarms[i] <= now) {
			p->alarms[i] = CORE_NEVER;
			core_timer(p->core, now, i);
			any = true;
			carry_out(p);
		}
	return any;
}

static enum plan_wish wish_of(enum ledger_state state)
{
	switch (state) {
	case LEDGER_RUN:
		return PLAN_RUN;
	case LEDGER_READY:
		return PLAN_WAIT;
	case LEDGER_COSTOP:
	case LEDGER_LIMITED:
		return PLAN_HOLD;
	default:
		return PLAN_FREE;
	}
}

static uint64_t next_due(const struct plan *p)
{
	uint64_t at = CORE_NEVER;

	for (uint32_t i = 0; i < p->cpus; i++)
		at = u64_min(at, p->decided[i].until);
	for (size_t i = 0; i < p->timers; i++)
		at = u64_min(at, p->alarms[i]);
	return at;
}

uint64_t plan_decide(struct plan *p, uint64_t now)
{
	carry_out(p);
	for (int i = 0; i < ROUNDS && play_due(p, now); i++)
		;
	p->contended = false;
	p->wanting = 0;
	for (uint32_t i = 0; i < PLAN_VCPUS; i++) {
		struct plan_thread *t = &p->threads[i];

		if (!t->there)
			continue;
		t->wish = wish_of(core_state_of(p->core, i));
		p->contended |= t->wish == PLAN_WAIT;
		p->wanting += t->wants;
	}
	for (uint32_t i = 0; i < p->cpus; i++)
		if (p->decided[i].vcpu != CORE_NONE)
			p->threads[p->decided[i].vcpu].cpu = i;
	return next_due(p);
}

uint32_t plan_wanting(const struct plan *p)
{
	return p->wanting;
}
