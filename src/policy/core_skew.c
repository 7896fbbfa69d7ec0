/* SPDX-License-Identifier: MIT */
#include "policy/core_skew.h"

#include "policy/core_cpu.h"
#include "policy/core_dispatch.h"

static uint64_t progress_now(const struct core *c, const struct core_vcpu *v, uint64_t now)
{
	if (v->where != CORE_RUNNING)
		return v->progress;
	return v->progress + (now - c->cpus[v->cpu].since);
}

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
	core_mark_timer(c, id);
}

/* The lead of a running vCPU over one that waits at which this takes over: a look before its leaders
 * would have to stop. */
static uint64_t turn_lead(const struct core_config *k)
{
	return k->skew_stop > k->skew_poll ? k->skew_stop - k->skew_poll : k->skew_stop / 2;
}

/* When skew has to be looked at again; all bounds in one pass. */
static uint64_t next_look(const struct core *c, const struct core_vm *vm, uint64_t slowest,
			  uint64_t now)
{
	const struct core_config *k = &c->config;
	uint64_t wait = UINT64_MAX, turn = turn_lead(k);

	if (!vm->running || vm->active == vm->running)
		return CORE_NEVER;
	for (uint32_t i = vm->first; i < vm->first + vm->n; i++) {
		const struct core_vcpu *v = &c->vcpus[i];
		uint64_t skew = v->wants ? cosched_skew(progress_now(c, v, now), slowest) : 0, w;

		if (v->where == CORE_RUNNING)
			w = skew < turn ? turn - skew + 1 : 0;
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
		core_leave(c, v);
		core_state(c, v, now, LEDGER_COSTOP);
	}
	v->where = CORE_COSTOPPED;
	vm->costopped++;
	vm->costops++;
	return freed;
}

/* Lets a co-stopped vCPU go on. What it is owed is bounded when it runs. */
static void costart(struct core *c, uint32_t vcpu, uint64_t now)
{
	struct core_vcpu *v = &c->vcpus[vcpu];

	c->vms[v->vm].costopped--;
	v->where = CORE_BLOCKED;
	core_ready(c, vcpu, now, true);
}

/* The vCPU in this state that has progressed furthest (`ahead`), or least; CORE_NONE if there is none. */
static uint32_t furthest(const struct core *c, const struct core_vm *vm, enum core_where where,
			 bool ahead, uint64_t now)
{
	uint32_t found = CORE_NONE;
	uint64_t best = 0;

	for (uint32_t i = vm->first; i < vm->first + vm->n; i++) {
		const struct core_vcpu *v = &c->vcpus[i];
		uint64_t p = progress_now(c, v, now);

		if (v->where != where || (found != CORE_NONE && (p > best) != ahead))
			continue;
		found = i;
		best = p;
	}
	return found;
}

/* The sibling runs in place of the other one, for the rest of its slice: to others nothing changes. */
static void hand_on(struct core *c, uint32_t from, uint32_t to, uint64_t now)
{
	uint32_t cpu = c->vcpus[from].cpu;
	uint64_t until = c->cpus[cpu].until;

	core_exchange(c, cpu, to, c->vcpus[to].cpu, now);
	c->cpus[cpu].until = until;
}

/* Siblings take turns on the CPUs that their VM has: one that waits takes over from the one that leads
 * it most, before all who do would have to stop for it. What they leave then is lost to the VM, however
 * much it is owed; and once they have stopped and gone on together they wait for each other again and
 * again. */
static void take_turns(struct core *c, const struct core_vm *vm, uint64_t now)
{
	uint64_t most = turn_lead(&c->config);

	for (;;) {
		uint32_t slow = furthest(c, vm, CORE_QUEUED, false, now);
		uint32_t lead = furthest(c, vm, CORE_RUNNING, true, now);

		if (slow == CORE_NONE || lead == CORE_NONE ||
		    cosched_skew(progress_now(c, &c->vcpus[lead], now), c->vcpus[slow].progress) <=
			    most)
			return;
		hand_on(c, lead, slow, now);
	}
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
		if (cpu != CORE_NONE)
			c->freed[n++] = cpu;
	}
	for (uint32_t i = 0; i < n; i++) {
		if (core_cpu_idle(&c->cpus[c->freed[i]]))
			core_refill(c, c->freed[i], now);
	}
}

void core_skew_check(struct core *c, uint32_t id, uint64_t now)
{
	struct core_vm *vm = &c->vms[id];
	uint64_t slowest;

	if (!vm_row(vm)->skew || vm->n <= 1) {
		set_skew_timer(c, id, CORE_NEVER);
		return;
	}
	take_turns(c, vm, now);
	slowest = core_slowest(c, vm, now);
	stop_leaders(c, id, slowest, now);
	for (uint32_t i = vm->first; vm->costopped && i < vm->first + vm->n; i++) {
		struct core_vcpu *v = &c->vcpus[i];

		if (v->where == CORE_COSTOPPED &&
		    cosched_skew(v->progress, slowest) <= c->config.skew_start)
			costart(c, i, now);
	}
	set_skew_timer(c, id, next_look(c, vm, slowest, now));
}
