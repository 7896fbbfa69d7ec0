/* SPDX-License-Identifier: MIT */
/*
 * What concerns a VM as a whole: the skew between its vCPUs (relaxed co-scheduling) and its
 * budget. Skew can only grow while one vCPU runs and a busy sibling does not, and then no faster
 * than time: the timer is set to the earliest instant at which a bound can be crossed, but not
 * sooner than one poll.
 */
#include "policy/core_internal.h"

static uint64_t progress_now(const struct core *c, const struct core_vcpu *v, uint64_t now)
{
	if (v->where != CORE_RUNNING)
		return v->progress;
	return v->progress + (now - c->cpus[v->cpu].since);
}

/* The least progress among the busy vCPUs of a VM; UINT64_MAX if none is busy. */
uint64_t core_slowest(const struct core *c, const struct core_vm *vm, uint64_t now)
{
	uint64_t slowest = UINT64_MAX;

	for (uint32_t i = vm->first; i < vm->first + vm->n; i++) {
		const struct core_vcpu *v = &c->vcpus[i];
		uint64_t p = v->wants ? progress_now(c, v, now) : UINT64_MAX;

		if (p < slowest)
			slowest = p;
	}
	return slowest;
}

static void set_skew_timer(struct core *c, uint32_t id, uint64_t at)
{
	struct core_vm *vm = &c->vms[id];

	if (vm->skew_at == at)
		return;
	vm->skew_at = at;
	core_mark_vm(c, id);
}

/* When skew has to be looked at again; both bounds in one pass. */
static uint64_t next_look(const struct core *c, const struct core_vm *vm, uint64_t slowest,
			  uint64_t now)
{
	const struct core_config *k = &c->config;
	uint64_t wait = UINT64_MAX;

	if (!vm->running || vm->active == vm->running)
		return CORE_NEVER;
	for (uint32_t i = vm->first; i < vm->first + vm->n; i++) {
		const struct core_vcpu *v = &c->vcpus[i];
		uint64_t skew = v->wants ? cosched_skew(progress_now(c, v, now), slowest) : 0, w;

		if (v->where == CORE_RUNNING)
			w = skew < k->skew_stop ? k->skew_stop - skew : 0;
		else if (v->where == CORE_COSTOPPED)
			w = skew > k->skew_start ? skew - k->skew_start : 0;
		else
			continue;
		if (w < wait)
			wait = w;
	}
	return now + (wait < k->skew_poll ? k->skew_poll : wait);
}

void core_skew_look(struct core *c, uint32_t id, uint64_t now)
{
	const struct core_vm *vm = &c->vms[id];
	uint64_t at;

	if (!vm_row(vm)->skew || !vm->running || vm->active == vm->running)
		return;
	at = next_look(c, vm, core_slowest(c, vm, now), now);
	if (at < vm->skew_at)
		set_skew_timer(c, id, at);
}

/* Stops a leader. Returns the CPU that is idle now, or CORE_NONE. */
static uint32_t costop(struct core *c, uint32_t vcpu, uint64_t now)
{
	struct core_vcpu *v = &c->vcpus[vcpu];
	struct core_vm *vm = &c->vms[v->vm];
	uint32_t freed = CORE_NONE;

	if (v->where == CORE_RUNNING) {
		freed = v->cpu;
		core_stop(c, freed, now, LEDGER_COSTOP);
	} else {
		core_dequeue(c, vcpu, now);
		core_state(c, v, now, LEDGER_COSTOP);
	}
	v->where = CORE_COSTOPPED;
	vm->costopped++;
	vm->costops++;
	return freed;
}

/* Lets a co-stopped vCPU go on; what it is owed is bounded. */
static void costart(struct core *c, uint32_t vcpu, uint64_t now)
{
	struct core_vcpu *v = &c->vcpus[vcpu];
	struct core_vm *vm = &c->vms[v->vm];

	vm->costopped--;
	v->where = CORE_BLOCKED;
	if (!vm->realtime)
		v->vtime = dispatch_wake(v->vtime, c->domains[vm->domain].clock,
					 c->config.lag_bound, vm->stretch);
	core_ready(c, vcpu, now, true);
}

/* The slowest sibling that waits for a CPU takes the leader's place in the order if that is the
 * better one: the VM as a whole is served as before, and its vCPUs come together. Without it their
 * virtual times drift apart from their progress, as rates change, and leaders wait in vain. */
static void change_places(struct core *c, uint32_t leader, uint64_t now)
{
	struct core_vcpu *l = &c->vcpus[leader], *s;
	const struct core_vm *vm = &c->vms[l->vm];
	uint32_t slowest = CORE_NONE;
	uint64_t vtime = l->vtime;

	for (uint32_t i = vm->first; i < vm->first + vm->n; i++) {
		const struct core_vcpu *v = &c->vcpus[i];

		if (v->where == CORE_QUEUED &&
		    (slowest == CORE_NONE || v->progress < c->vcpus[slowest].progress))
			slowest = i;
	}
	if (slowest == CORE_NONE || c->vcpus[slowest].vtime <= vtime)
		return;
	s = &c->vcpus[slowest];
	core_dequeue(c, slowest, now);
	l->vtime = s->vtime;
	s->vtime = vtime;
	core_enqueue(c, s->cpu, slowest, now);
}

static void stop_leaders(struct core *c, uint32_t id, uint64_t slowest, uint64_t now)
{
	struct core_vm *vm = &c->vms[id];
	uint32_t n = 0;

	for (uint32_t i = vm->first; i < vm->first + vm->n; i++) {
		struct core_vcpu *v = &c->vcpus[i];
		uint64_t skew = v->wants ? cosched_skew(progress_now(c, v, now), slowest) : 0;
		uint32_t cpu;

		if (v->where == CORE_RUNNING && skew > vm->skew_worst)
			vm->skew_worst = skew;
		if (skew <= c->config.skew_stop ||
		    (v->where != CORE_RUNNING && v->where != CORE_QUEUED))
			continue;
		cpu = costop(c, i, now);
		change_places(c, i, now);
		if (cpu != CORE_NONE)
			c->freed[n++] = cpu;
	}
	for (uint32_t i = 0; i < n; i++) {
		if (core_cpu_idle(&c->cpus[c->freed[i]]))
			core_refill(c, c->freed[i], now);
	}
}

/* Co-stops those who lead by too much, and lets those go on who no longer do. */
void core_skew_check(struct core *c, uint32_t id, uint64_t now)
{
	struct core_vm *vm = &c->vms[id];
	uint64_t slowest = core_slowest(c, vm, now);

	stop_leaders(c, id, slowest, now);
	for (uint32_t i = vm->first; vm->costopped && i < vm->first + vm->n; i++) {
		struct core_vcpu *v = &c->vcpus[i];

		if (v->where == CORE_COSTOPPED &&
		    cosched_skew(v->progress, slowest) < c->config.skew_start)
			costart(c, i, now);
	}
	set_skew_timer(c, id, next_look(c, vm, slowest, now));
}

/* Begins the budget's period that `now` is in. What runs is charged to the old one first. */
void core_limit_refill(struct core *c, uint32_t id, uint64_t now)
{
	struct core_vm *vm = &c->vms[id];

	if (!vm->budget.period || now < vm->budget.began + vm->budget.period)
		return;
	for (uint32_t i = vm->first; i < vm->first + vm->n; i++) {
		if (c->vcpus[i].where == CORE_RUNNING)
			core_charge(c, c->vcpus[i].cpu, now);
	}
	budget_refresh(&vm->budget, now);
}

/* Moves one vCPU out of the way of an exhausted budget. Returns the CPU that is idle now. */
static uint32_t hold_back(struct core *c, uint32_t vcpu, uint64_t now)
{
	struct core_vcpu *v = &c->vcpus[vcpu];
	uint32_t freed = CORE_NONE;

	if (!v->wants || v->where == CORE_LIMITED)
		return CORE_NONE;
	if (v->where == CORE_RUNNING) {
		freed = v->cpu;
		core_stop(c, freed, now, LEDGER_LIMITED);
	} else if (v->where == CORE_QUEUED) {
		core_dequeue(c, vcpu, now);
	} else if (v->where == CORE_COSTOPPED) {
		c->vms[v->vm].costopped--;
	}
	core_state(c, v, now, LEDGER_LIMITED);
	v->where = CORE_LIMITED;
	return freed;
}

static void exhaust(struct core *c, uint32_t id, uint64_t now)
{
	struct core_vm *vm = &c->vms[id];
	bool gang = vm_gang(vm);
	uint32_t n = 0;

	vm->exhausted = true;
	vm->limit_at = budget_ready_at(&vm->budget);
	core_mark_vm(c, id);
	if (vm->gang_on)
		core_gang_stop(c, id, now, false);
	else if (gang && vm->active)
		core_gang_dequeue(c, id);
	for (uint32_t i = vm->first; i < vm->first + vm->n; i++) {
		uint32_t cpu = hold_back(c, i, now);

		if (cpu != CORE_NONE)
			c->freed[n++] = cpu;
	}
	for (uint32_t i = 0; i < n; i++) {
		if (core_cpu_idle(&c->cpus[c->freed[i]]))
			core_refill(c, c->freed[i], now);
	}
	if (gang)
		core_refill_domain(c, vm->domain, now);
}

static void replenish(struct core *c, uint32_t id, uint64_t now)
{
	struct core_vm *vm = &c->vms[id];
	bool gang = vm_gang(vm);

	vm->exhausted = false;
	vm->limit_at = CORE_NEVER;
	core_mark_vm(c, id);
	if (vm->realtime)
		vm->gang_vtime = vm->budget.began + vm->budget.period;
	if (gang && vm->active)
		core_gang_enqueue(c, id);
	for (uint32_t i = vm->first; i < vm->first + vm->n; i++) {
		struct core_vcpu *v = &c->vcpus[i];

		if (v->where != CORE_LIMITED)
			continue;
		v->where = gang ? CORE_GANG : CORE_BLOCKED;
		core_state(c, v, now, LEDGER_READY);
		if (gang)
			continue;
		if (vm->realtime)
			v->vtime = vm->budget.began + vm->budget.period;
		else
			v->vtime = dispatch_wake(v->vtime, c->domains[vm->domain].clock,
						 c->config.wake_credit, vm->stretch);
		core_ready(c, i, now, vm->realtime || c->config.wake_credit);
	}
	if (gang && vm->active && core_gang_try(c, vm->domain, UINT64_MAX, now))
		core_refill_domain(c, vm->domain, now);
}

void core_limit_look(struct core *c, uint32_t id, uint64_t now)
{
	struct core_vm *vm = &c->vms[id];

	core_limit_refill(c, id, now);
	if (!vm->exhausted && budget_exhausted(&vm->budget)) {
		exhaust(c, id, now);
	} else if (vm->exhausted && !budget_exhausted(&vm->budget)) {
		replenish(c, id, now);
	} else if (vm->exhausted && vm->limit_at != budget_ready_at(&vm->budget)) {
		vm->limit_at = budget_ready_at(&vm->budget);
		core_mark_vm(c, id);
	}
}
