/* SPDX-License-Identifier: MIT */
#include "policy/core.h"

#include "policy/core_internal.h"

void core_changed_clear(struct core *c)
{
	for (uint32_t i = 0; i < c->n_dirty; i++)
		c->cpus[c->dirty[i]].dirty = false;
	for (uint32_t i = 0; i < c->n_dirty_vms; i++)
		c->dirty_bits[c->dirty_vms[i] >> 6] = 0;
	c->n_dirty = c->n_dirty_vms = 0;
}

/* Brings a vCPU that was idle back into the order. */
static void rejoin(struct core *c, struct core_vcpu *v, uint64_t now)
{
	struct core_vm *vm = &c->vms[v->vm];

	if (vm_row(vm)->skew && vm->n > 1)
		v->progress = cosched_rejoin(v->progress, core_slowest(c, vm, now),
					     c->config.skew_stop);
	core_place(c, v, now);
	v->wants = true;
	v->wanted = now;
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
		core_gang_wake(c, vcpu, now);
	} else {
		core_ready(c, vcpu, now, vm->realtime || c->config.wake_credit);
	}
}

void core_block(struct core *c, uint64_t now, uint32_t vcpu, enum ledger_state state)
{
	struct core_vcpu *v = &c->vcpus[vcpu];
	struct core_vm *vm = &c->vms[v->vm];
	bool ran = v->where == CORE_RUNNING;

	if (!v->wants)
		return;
	v->wants = false;
	if (ran && vm->n > 1)
		core_charge(c, v->cpu, now);
	core_active(c, v->vm, now, -1);
	if (vm_gang(vm)) {
		core_gang_block(c, vcpu, now, state);
		v->wanted = now;
		return;
	}
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

/* Puts the vCPU that runs at the end of its slice behind whoever is more behind than it. */
static void rotate(struct core *c, uint32_t cpu, uint64_t now)
{
	struct core_cpu *p = &c->cpus[cpu];
	const struct core_domain *d = domain_of(c, cpu);
	uint32_t current = p->current, next;
	struct core_vcpu *v = &c->vcpus[current];
	const struct core_vm *vm = &c->vms[v->vm];
	uint64_t rival;

	v->woken = 0;
	core_draw(c, v->vm, now);
	rival = core_vtime_now(c, cpu, now);

	if (d->gangs != CORE_NONE &&
	    (c->gang_links[d->gangs].key < rival || core_gang_owed(c, d->gangs, now))) {
		core_preempt(c, cpu, now);
		core_refill(c, cpu, now);
		return;
	}
	next = core_best(c, cpu, rival);
	if (next == CORE_NONE) {
		if (v->ordered)
			v->vtime = core_forgive(c, vm, v->vtime, vm->weight, now);
		p->until = core_deadline(c, c->vcpus[current].vm, now);
		core_mark_cpu(c, cpu);
		return;
	}
	core_exchange(c, cpu, next, now);
}

void core_expire(struct core *c, uint64_t now, uint32_t cpu)
{
	struct core_cpu *p = &c->cpus[cpu];
	uint32_t current = p->current;

	if (p->gang != CORE_NONE) {
		core_gang_expire(c, p->gang, now);
		return;
	}
	if (current == CORE_NONE)
		return;
	core_charge(c, cpu, now);
	core_limit_check(c, c->vcpus[current].vm, now);
	if (p->current == current && now >= p->until)
		rotate(c, cpu, now);
}

void core_vm_timer(struct core *c, uint64_t now, uint32_t vm)
{
	if (vm >= c->shape.vms) {
		core_limit_pool(c, vm - c->shape.vms, now);
		return;
	}
	if (c->vms[vm].skew_at <= now)
		core_skew_check(c, vm, now);
	if (c->vms[vm].limit_at <= now)
		core_limit_check(c, vm, now);
}

void core_settle(struct core *c, uint64_t now)
{
	for (uint32_t i = 0; i < c->shape.cpus; i++) {
		struct core_cpu *p = &c->cpus[i];

		core_charge(c, i, now);
		if (p->gang != CORE_NONE && p->current == CORE_NONE) {
			c->held[i].ns += now - c->held[i].at;
			c->held[i].at = now;
		}
	}
	for (uint32_t i = 0; i < c->n_vms; i++) {
		if (c->vms[i].gang_on)
			core_gang_charge(c, i, now);
		core_active(c, i, now, 0);
	}
	for (uint32_t i = 0; i < c->n_vcpus; i++) {
		const struct core_vcpu *v = &c->vcpus[i];

		ledger_advance(&c->vcpus[i].ledger, now);
		if (v->wants && v->where != CORE_RUNNING && now - v->wanted > v->worst)
			c->vcpus[i].worst = now - v->wanted;
	}
	for (uint32_t i = 0; i < c->n_domains; i++) {
		core_domain_settle(&c->domains[i], now);
	}
}

void core_restart_counters(struct core *c, uint64_t now)
{
	core_settle(c, now);
	for (uint32_t i = 0; i < c->n_vcpus; i++) {
		struct core_vcpu *v = &c->vcpus[i];

		ledger_start(&v->ledger, now, v->ledger.state);
		if (!vm_gang(&c->vms[v->vm]))
			c->uses[i].run = c->uses[i].idle = 0;
		v->worst = v->moves = 0;
	}
	for (uint32_t i = 0; i < c->n_vms; i++) {
		struct core_vm *vm = &c->vms[i];

		vm->skew_worst = vm->costops = vm->local_ns = vm->remote_ns = 0;
		vm->migrations = 0;
	}
	for (uint32_t i = 0; i < c->shape.cpus; i++) {
		c->cpus[i].switches = 0;
		if (core_smp(c))
			c->held[i].ns = 0;
	}
	for (uint32_t i = 0; i < c->n_domains; i++)
		c->domains[i].waste = 0;
}
