/* SPDX-License-Identifier: MIT */
#include "sim/engine.h"
#include "sim/engine_internal.h"

#include "base/units.h"
#include "sim/memory.h"
#include "sim/workload.h"

#include <string.h>

#define LARGE 8192 /* vCPUs */

/* Work done in `ns` of run time, and the run time that `work` takes: the inverse, rounded up. */
static uint64_t work_in(uint64_t ns, uint32_t speed, uint32_t pace)
{
	if (speed != CORE_FULL)
		ns = (ns * speed) >> 16;
	return pace == CORE_FULL ? ns : (ns * pace) >> 16;
}

static uint64_t time_for(uint64_t work, uint32_t speed, uint32_t pace)
{
	if (pace != CORE_FULL)
		work = ((work << 16) + pace - 1) / pace;
	if (speed != CORE_FULL)
		work = ((work << 16) + speed - 1) / speed;
	return work;
}

/* The guest's own pace; an idle tick is not slowed by ticks. */
static uint32_t pace_of(const struct guest *g)
{
	return g->ticking ? CORE_FULL : g->pace;
}

static void settle_cpu(struct sim *s, uint32_t cpu)
{
	struct sim_cpu *e = &s->cpus[cpu];
	uint64_t dt = s->now - e->from, work, burn;
	struct guest *g;

	e->from = s->now;
	if (e->running == CORE_NONE || !dt)
		return;
	g = &s->guests[e->running];
	work = work_in(dt, e->speed, pace_of(g));
	burn = work < g->debt ? work : g->debt;
	g->debt -= burn;
	if (burn)
		guest_vm(s, e->running)->overhead += burn;
	work -= burn;
	g->work += work;
	g->need -= work < g->need ? work : g->need;
}

static void arm_cpu(struct sim *s, uint32_t cpu)
{
	const struct sim_cpu *e = &s->cpus[cpu];
	uint64_t at = e->until, t;
	const struct guest *g;

	if (e->running != CORE_NONE) {
		g = &s->guests[e->running];
		t = g->need;
		if (s->memory)
			t = u64_min(t, memory_left(s, e->running));
		t += g->debt;
		if (t < GUEST_BUSY) {
			t = s->now + time_for(t, e->speed, pace_of(g));
			at = t < at ? t : at;
		}
		if (g->alarm < at)
			at = g->alarm > s->now ? g->alarm : s->now;
	}
	timer_set(&s->timers, engine_cpu_timer(s, cpu), at);
}

/* The overhead with which a vCPU begins to run on a CPU. */
static uint64_t entry_cost(const struct sim *s, uint32_t cpu, uint32_t vcpu)
{
	const struct host_spec *h = &s->scenario->host;
	uint32_t before = s->last_cpu[vcpu];
	uint64_t cost = s->cpus[cpu].last == vcpu ? 0 : h->switch_cost;

	if (before == cpu || before == CORE_NONE)
		return cost;
	return cost + (core_same_cache(s->core, before, cpu) ? h->refill_cost : h->refill_far);
}

/* Plays on the CPU what the core has put there. */
static void switch_guest(struct sim *s, const struct core_decision *d)
{
	struct sim_cpu *e = &s->cpus[d->cpu];
	uint32_t old = e->running, new = d->vcpu;

	settle_cpu(s, d->cpu);
	e->speed = d->speed;
	e->until = d->until;
	if (old == new)
		return;
	e->running = new;
	if (old != CORE_NONE)
		e->last = old;
	if (new == CORE_NONE)
		return;
	s->guests[new].debt += entry_cost(s, d->cpu, new);
	s->last_cpu[new] = d->cpu;
	if (s->guests[new].hooked)
		guest_vm(s, new)->row->started(s, new);
}

/* The host's timer lies before those of VMs and groups. */
static void set_alarm(struct sim *s, const struct core_alarm *a)
{
	bool host = a->timer == core_timers_host(core_shape(s->core));

	timer_set(&s->timers, host ? engine_host_timer(s) : engine_vm_timer(s, a->timer), a->at);
}

/* Carries out what the core has decided. A vCPU may be taken from one CPU and put on another by the
 * same event: all are settled first. */
void engine_sync(struct sim *s)
{
	const struct core_changes *c = core_changes(s->core);

	for (uint32_t i = 0; c->n_cpus > 1 && i < c->n_cpus; i++)
		settle_cpu(s, c->cpus[i].cpu);
	for (uint32_t i = 0; i < c->n_cpus; i++)
		switch_guest(s, &c->cpus[i]);
	for (uint32_t i = 0; i < c->n_cpus; i++)
		arm_cpu(s, c->cpus[i].cpu);
	for (uint32_t i = 0; i < c->n_alarms; i++)
		set_alarm(s, &c->alarms[i]);
}

void guest_settle(struct sim *s, uint32_t vcpu)
{
	uint32_t cpu = s->last_cpu[vcpu];

	if (cpu != CORE_NONE && s->cpus[cpu].running == vcpu)
		settle_cpu(s, cpu);
}

void guest_changed(struct sim *s, uint32_t vcpu)
{
	uint32_t cpu = s->last_cpu[vcpu];

	if (cpu != CORE_NONE && s->cpus[cpu].running == vcpu)
		arm_cpu(s, cpu);
}

void guest_work(struct sim *s, uint32_t vcpu, uint64_t ns)
{
	guest_settle(s, vcpu);
	s->guests[vcpu].need = ns;
	guest_changed(s, vcpu);
}

/* The next idle tick of a sleeping vCPU; vCPUs tick out of step. */
static uint64_t next_tick(const struct sim *s, uint32_t vcpu)
{
	uint64_t period = guest_vm((struct sim *)s, vcpu)->tick_period, phase;

	if (!period)
		return TIMER_NEVER;
	phase = (vcpu * UINT64_C(2654435761)) % period;
	return s->now + period - (s->now + phase) % period;
}

static void arm_sleep(struct sim *s, uint32_t vcpu)
{
	uint64_t tick = next_tick(s, vcpu), until = s->guests[vcpu].until;

	if (until < s->now) /* it passed while an idle tick was served */
		until = s->now;
	timer_set(&s->timers, vcpu, tick < until ? tick : until);
}

void guest_rest(struct sim *s, uint32_t vcpu, uint64_t until)
{
	s->guests[vcpu].until = until;
	arm_sleep(s, vcpu);
}

void guest_sleep(struct sim *s, uint32_t vcpu, uint64_t until, enum ledger_state state)
{
	guest_settle(s, vcpu);
	core_block(s->core, s->now, vcpu, state);
	s->guests[vcpu].need = 0;
	s->guests[vcpu].until = until > s->now ? until : s->now;
	arm_sleep(s, vcpu);
}

void guest_wake(struct sim *s, uint32_t vcpu, uint64_t ns)
{
	struct guest *g = &s->guests[vcpu];

	if (g->ticking) { /* awake already: the work comes behind the tick's */
		guest_settle(s, vcpu);
		g->ticking = 0;
		g->need += ns;
		guest_changed(s, vcpu);
		return;
	}
	g->need = ns;
	g->until = TIMER_NEVER;
	g->debt += s->scenario->host.exit_cost;
	timer_set(&s->timers, vcpu, TIMER_NEVER);
	core_wake(s->core, s->now, vcpu);
}

static void tick_done(struct sim *s, uint32_t vcpu)
{
	struct guest *g = &s->guests[vcpu];

	g->ticking = 0;
	core_block(s->core, s->now, vcpu, LEDGER_HALT);
	arm_sleep(s, vcpu);
}

static void on_vcpu(struct sim *s, uint32_t vcpu)
{
	struct guest *g = &s->guests[vcpu];
	uint64_t until = g->until;

	if (memory_waits(s, vcpu)) {
		memory_resume(s, vcpu);
		return;
	}
	timer_set(&s->timers, vcpu, TIMER_NEVER);
	if (s->now >= until) {
		g->until = TIMER_NEVER;
		guest_vm(s, vcpu)->row->timer(s, vcpu);
		return;
	}
	guest_wake(s, vcpu, guest_vm(s, vcpu)->tick_cost);
	g->until = until;
	g->ticking = 1;
}

static void on_cpu(struct sim *s, uint32_t cpu)
{
	uint32_t v = s->cpus[cpu].running;
	struct guest *g;

	settle_cpu(s, cpu);
	if (v == CORE_NONE) {
		core_expire(s->core, s->now, cpu);
		return;
	}
	g = &s->guests[v];
	if (!g->need && !g->debt) {
		if (g->ticking)
			tick_done(s, v);
		else
			guest_vm(s, v)->row->done(s, v);
	} else if (g->alarm <= s->now) {
		guest_vm(s, v)->row->alarm(s, v);
	} else if (s->memory && !g->debt && !memory_left(s, v)) {
		memory_fault(s, v);
	} else {
		core_expire(s->core, s->now, cpu);
	}
}

static void dispatch_event(struct sim *s, uint32_t timer)
{
	if (timer < s->n_vcpus)
		on_vcpu(s, timer);
	else if (timer < engine_host_timer(s))
		on_cpu(s, timer - s->n_vcpus);
	else if (timer > engine_change_timer(s))
		core_timer(s->core, s->now, timer - engine_vm_timer(s, 0));
	else if (timer == engine_change_timer(s))
		engine_change(s);
	else
		core_timer(s->core, s->now, core_timers_host(core_shape(s->core)));
}

/* Carries out what was decided. A CPU's timer is still where it was if nothing was decided about
 * that CPU; a VM's likewise, with nothing more to wait for. */
static void leave_event(struct sim *s, uint32_t timer, uint64_t at)
{
	engine_sync(s);
	if (timer < s->n_vcpus || timer_at(&s->timers, timer) != at)
		return;
	if (timer < engine_host_timer(s))
		arm_cpu(s, timer - s->n_vcpus);
	else if (timer > engine_change_timer(s))
		timer_set(&s->timers, timer, TIMER_NEVER);
}

/* Asks for the memory of an event to come: first what the timer's number leads to, later (`deep`),
 * when that is there, what this leads to. */
static void prefetch_vcpu(const struct sim *s, uint32_t v, bool deep)
{
	__builtin_prefetch(&s->guests[v]);
	__builtin_prefetch(&s->last_cpu[v]);
	timers_expect(&s->timers, v);
	core_expect_vcpu(s->core, v, deep);
	if (deep)
		__builtin_prefetch(guest_vm(s, v));
}

static void prefetch(const struct sim *s, uint32_t timer, bool deep)
{
	uint32_t cpu = timer - s->n_vcpus;

	if (timer < s->n_vcpus) {
		prefetch_vcpu(s, timer, deep);
	} else if (timer < engine_host_timer(s) && !deep) {
		core_expect_cpu(s->core, cpu);
		__builtin_prefetch(&s->cpus[cpu]);
		timers_expect(&s->timers, timer);
	} else if (timer < engine_host_timer(s) && s->cpus[cpu].running != CORE_NONE) {
		prefetch_vcpu(s, s->cpus[cpu].running, true);
	}
}

/* On hosts too large for the caches the next events' memory is fetched while this one is dealt
 * with: they are among those who won all but the last rounds of the tournament. What a node's winner
 * needs is asked for when it has won there, not at each event. */
static void look_ahead(struct sim *s)
{
	const uint32_t *winner = s->timers.queue.id;
	uint32_t second;

	if (s->n_vcpus < LARGE)
		return;
	for (uint32_t i = 16; i < 32; i++) {
		if (s->ahead[i] != winner[i])
			prefetch(s, s->ahead[i] = winner[i], false);
	}
	for (uint32_t i = 4; i < 8; i++) {
		if (s->ahead[i] != winner[i])
			prefetch(s, s->ahead[i] = winner[i], true);
	}
	second = winner[winner[2] == winner[1] ? 3 : 2];
	if (second < s->n_vcpus) /* a vCPU that wakes looks whom others run */
		core_expect_rivals(s->core, second);
}

void sim_run(struct sim *s, uint64_t end)
{
	uint32_t timer = 0;
	uint64_t at;

	while ((at = timers_next(&s->timers, &timer)) < end) {
		s->now = at;
		s->events++;
		look_ahead(s);
		dispatch_event(s, timer);
		leave_event(s, timer, at);
	}
	s->now = end;
}

void sim_settle(struct sim *s)
{
	for (uint32_t i = 0; i < s->n_cpus; i++)
		settle_cpu(s, i);
	core_settle(s->core, s->now);
}

void sim_restart_counters(struct sim *s)
{
	sim_settle(s);
	memory_restart(s);
	core_restart_counters(s->core, s->now);
	s->start = s->now;
	for (uint32_t i = 0; i < s->n_vcpus; i++)
		s->guests[i].ops = s->guests[i].work = 0;
	for (uint32_t i = 0; i < s->n_vms; i++) {
		struct tick_guest *t = s->vms[i].ticks;

		s->vms[i].overhead = s->vms[i].wasted = 0;
		if (s->vms[i].requests)
			memset(&s->vms[i].requests->response, 0, sizeof(struct quantiles));
		if (!t)
			continue;
		for (uint32_t k = 0; k < SCENARIO_PROCESSES + 2; k++)
			t->truth[k] = t->charged[k] = 0;
		t->entered = t->seen_work = t->behind = 0;
		t->lag_base = s->now - tick_guest_time(&t->tick);
	}
}
