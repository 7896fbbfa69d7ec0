/* SPDX-License-Identifier: MIT */
/* Events of vCPUs, CPUs and timers. */
#include "policy/core.h"

#include "policy/core_balance.h"
#include "policy/core_cpu.h"
#include "policy/core_dispatch.h"
#include "policy/core_entitle.h"
#include "policy/core_gang.h"
#include "policy/core_limit.h"
#include "policy/core_marks.h"
#include "policy/core_skew.h"

/* Brings a vCPU that was idle back into the order. */
static void rejoin(struct core *c, struct core_vcpu *v, uint64_t now)
{
	struct core_vm *vm = &c->vms[v->vm];

	if (vm->n > 1 && vm_row(vm)->skew)
		v->progress = cosched_rejoin(v->progress, core_slowest(c, vm, now),
					     c->config.skew_stop);
	core_place(c, v, now);
	v->wants = true;
	v->wanted = now;
}

static void wake_in_gang(struct core *c, uint32_t vcpu, uint64_t now)
{
	struct core_vcpu *v = &c->vcpus[vcpu];
	struct core_vm *vm = &c->vms[v->vm];
	const struct core_domain *d = &c->domains[vm->domain];

	if (vm->gang_on) {
		core_gang_resume(c, vcpu, now);
		return;
	}
	v->where = CORE_GANG;
	core_state(c, v, now, LEDGER_READY);
	if (vm->active > 1)
		return;
	vm->gang_woken = !vm->realtime && c->config.wake_credit;
	core_gang_enter(c, v->vm, now);
	if (d->gangs == v->vm && (c->config.wake_credit || d->idle >= vm->n) &&
	    core_gang_start(c, vm->domain, UINT64_MAX, true, now))
		core_mark_domain(c, vm->domain);
}

void core_wake(struct core *c, uint64_t now, uint32_t vcpu)
{
	struct core_vcpu *v = &c->vcpus[vcpu];
	struct core_vm *vm = &c->vms[v->vm];

	if (v->wants)
		return;
	core_limit_check(c, v->vm, now);
	core_active(c, v->vm, now, 1);
	rejoin(c, v, now);
	if (vm->exhausted) {
		v->where = CORE_LIMITED;
		core_state(c, v, now, LEDGER_LIMITED);
	} else if (vm_gang(vm)) {
		wake_in_gang(c, vcpu, now);
	} else {
		core_ready(c, vcpu, now, vm->realtime || c->config.wake_credit);
	}
	core_end(c, now);
}

static void block_in_gang(struct core *c, uint32_t vcpu, uint64_t now, enum ledger_state state)
{
	struct core_vcpu *v = &c->vcpus[vcpu];
	struct core_vm *vm = &c->vms[v->vm];

	if (v->where == CORE_RUNNING)
		core_gang_pause(c, vcpu, now, state);
	else
		core_state(c, v, now, state);
	v->where = CORE_BLOCKED;
	if (vm->active)
		return;
	if (vm->gang_on) {
		core_gang_stop(c, v->vm, now, false);
		return;
	}
	if (!vm->exhausted)
		core_gang_dequeue(c, v->vm, now);
	core_gang_leave(c, v->vm);
}

/* The part of core_block() for a vCPU that is dispatched by itself. */
static void block_alone(struct core *c, uint32_t vcpu, uint64_t now, enum ledger_state state)
{
	struct core_vcpu *v = &c->vcpus[vcpu];
	struct core_vm *vm = &c->vms[v->vm];
	bool ran = v->where == CORE_RUNNING;

	if (ran) {
		v->where = CORE_BLOCKED;
		if (!vm->metered && !vm->costopped && core_hand_over(c, v->cpu, now, state))
			return;
		core_stop(c, v->cpu, now, state);
	} else if (v->where == CORE_QUEUED) {
		core_dequeue(c, vcpu, now);
		core_leave(c, v);
	} else if (v->where == CORE_COSTOPPED) {
		vm->costopped--;
	}
	core_state(c, v, now, state);
	v->where = CORE_BLOCKED;
	v->wanted = now;
	core_limit_check(c, v->vm, now);
	if (vm->costopped)
		core_skew_check(c, v->vm, now);
	if (ran && core_cpu_idle(&c->cpus[v->cpu]))
		core_refill(c, v->cpu, now);
}

void core_block(struct core *c, uint64_t now, uint32_t vcpu, enum ledger_state state)
{
	struct core_vcpu *v = &c->vcpus[vcpu];
	struct core_vm *vm = &c->vms[v->vm];

	if (!v->wants)
		return;
	v->wants = false;
	if (vm->n > 1 && v->where == CORE_RUNNING)
		core_charge(c, v->cpu, now);
	core_active(c, v->vm, now, -1);
	if (vm_gang(vm)) {
		block_in_gang(c, vcpu, now, state);
		v->wanted = now;
	} else {
		block_alone(c, vcpu, now, state);
	}
	core_end(c, now);
}

/* The end of a slice: a vCPU that is more behind takes over, or what runs goes on. */
static void rotate(struct core *c, uint32_t cpu, uint64_t now)
{
	struct core_vcpu *v = &c->vcpus[c->cpus[cpu].current];
	const struct core_vm *vm = &c->vms[v->vm];

	v->woken = 0;
	core_draw(c, v->vm, now);
	if (core_rotate(c, cpu, now))
		return;
	if (v->ordered)
		v->vtime = core_forgive(c, vm, v->vtime, vm->weight, now);
	core_prolong(c, cpu, now);
}

/* The end of a gang's slice, likewise. */
static void expire_gang(struct core *c, uint32_t id, uint64_t now)
{
	struct core_vm *vm = &c->vms[id];
	const struct core_domain *d = &c->domains[vm->domain];
	uint64_t rival;

	core_gang_charge(c, id, now);
	core_limit_check(c, id, now);
	if (!vm->gang_on || now < gang_of(c, vm)->until)
		return;
	vm->gang_woken = false;
	core_gang_forgive(c, id, now);
	rival = tournament_least(&d->queues);
	if (d->gangs != CORE_NONE && c->gang_links[d->gangs].key < rival)
		rival = c->gang_links[d->gangs].key;
	if (rival < core_gang_key(c, vm))
		core_gang_stop(c, id, now, true);
	else
		core_gang_prolong(c, id, now);
}

void core_expire(struct core *c, uint64_t now, uint32_t cpu)
{
	struct core_cpu *p = &c->cpus[cpu];
	uint32_t current = p->current;

	if (p->gang != CORE_NONE) {
		expire_gang(c, p->gang, now);
	} else if (current != CORE_NONE) {
		core_charge(c, cpu, now);
		core_limit_check(c, c->vcpus[current].vm, now);
		if (p->current == current && now >= p->until)
			rotate(c, cpu, now);
	}
	core_end(c, now);
}

void core_serve(struct core *c, uint64_t now, uint32_t vcpu, int64_t ns)
{
	struct core_vcpu *v = &c->vcpus[vcpu];
	struct core_vm *vm = &c->vms[v->vm];

	if (vm->gang_on)
		core_gang_charge(c, v->vm, now);
	else if (v->where == CORE_RUNNING)
		core_charge(c, v->cpu, now);
	core_correct(c, vcpu, ns);
	if (vm_gang(vm))
		core_gang_correct(c, v->vm, ns);
	if (vm->metered)
		core_limit_check(c, v->vm, now);
	core_end(c, now);
}

void core_taken(struct core *c, double cpus)
{
	c->taken = cpus;
}

static void period(struct core *c, uint64_t now)
{
	if (now >= c->next_balance) {
		c->next_balance += c->config.balance_period;
		core_balance(c, now);
	}
	core_divide(c, now);
	c->next_period = c->uniform ? c->next_balance : now + c->config.entitle_period;
	if (c->next_balance < c->next_period)
		c->next_period = c->next_balance;
	core_mark_timer(c, core_timers_host(&c->shape));
}

void core_timer(struct core *c, uint64_t now, uint32_t timer)
{
	if (timer < c->shape.vms) {
		if (c->vms[timer].skew_at <= now)
			core_skew_check(c, timer, now);
		if (c->vms[timer].limit_at <= now)
			core_limit_check(c, timer, now);
	} else if (timer < core_timers_host(&c->shape)) {
		core_limit_pool(c, timer - c->shape.vms, now);
	} else if (now >= c->next_period) {
		period(c, now);
	}
	core_end(c, now);
}

static uint64_t timer_at(const struct core *c, uint32_t timer)
{
	const struct core_vm *vm = &c->vms[timer];

	if (timer == core_timers_host(&c->shape))
		return c->next_period;
	if (timer >= c->shape.vms)
		return c->pools[timer - c->shape.vms].limit_at;
	return vm->skew_at < vm->limit_at ? vm->skew_at : vm->limit_at;
}

const struct core_changes *core_changes(struct core *c)
{
	for (uint32_t i = 0; i < c->n_dirty; i++) {
		struct core_cpu *p = &c->cpus[c->dirty[i]];

		p->dirty = false;
		c->decisions[i] = (struct core_decision){
			.cpu = c->dirty[i],
			.vcpu = p->current,
			.speed = p->speed,
			.until = core_cpu_idle(p) || p->off ? CORE_NEVER : p->until,
		};
	}
	for (uint32_t i = 0; i < c->n_dirty_timers; i++) {
		uint32_t timer = c->dirty_timers[i];

		c->dirty_bits[timer >> 6] = 0;
		c->alarms[i] = (struct core_alarm){timer, timer_at(c, timer)};
	}
	c->changes.n_cpus = c->n_dirty;
	c->changes.n_alarms = c->n_dirty_timers;
	c->n_dirty = c->n_dirty_timers = 0;
	return &c->changes;
}
