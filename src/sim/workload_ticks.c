/* SPDX-License-Identifier: MIT */
/*
 * A guest that counts its ticks (policy/tick.h), as operating systems of 2006 did: each timer
 * interrupt advances its clock by one tick and charges one tick of CPU time to the process that it
 * finds running. One vCPU, some processes: each dispatch picks process k with probability load[k],
 * or the idle loop with what is left, and lasts `burst`. With the policy `desched` the guest runs
 * one more process, VMDesched, as soon as there is a backlog; it acknowledges one tick in
 * `tick_ack`.
 *
 * With tick_by_run it is `desched vm` to the letter: what passed and was not executed counts as
 * away, so does VMDesched's time, and the guest is told of a backlog by its next tick, not before.
 *
 * A halted guest's ticks are taken as delivered on time, to the idle loop.
 */
#include "sim/workload_internal.h"

#include "base/units.h"

static struct tick_guest *ticks_of(struct sim *s, uint32_t vcpu)
{
	return guest_vm(s, vcpu)->ticks;
}

/* Numbers of what is no process of the scenario. */
static uint32_t idle_loop(const struct sim *s, uint32_t vcpu)
{
	return guest_spec(s, vcpu)->n_processes;
}

static uint32_t vmdesched(const struct sim *s, uint32_t vcpu)
{
	return guest_spec(s, vcpu)->n_processes + 1;
}

static void ticks_begin(struct sim *s, uint32_t vcpu)
{
	const struct vm_spec *spec = guest_spec(s, vcpu);
	struct tick_guest *t = ticks_of(s, vcpu);
	uint64_t period = NS_PER_SEC / spec->tick_hz;

	/* Guests do not tick in step with the host or with each other, but by their own run
	 * time. */
	tick_start(&t->tick, spec->tick_policy, period,
		   spec->tick_by_run ? 0 : random_next(&s->guests[vcpu].random) % period);
	t->lag_base = 0;
	t->process = idle_loop(s, vcpu);
	t->late_from = TIMER_NEVER;
	workload_first(s, vcpu, workload_start(s, vcpu));
}

/* Counts what the present process has executed so far. */
static void count(struct sim *s, uint32_t vcpu)
{
	struct tick_guest *t = ticks_of(s, vcpu);

	guest_settle(s, vcpu);
	t->truth[t->process] += s->guests[vcpu].work - t->entered;
	t->entered = s->guests[vcpu].work;
}

/* What passed since the last look and was not executed, the guest was away: vmm/ticker.h. */
static void tell_away(struct sim *s, uint32_t vcpu)
{
	struct tick_guest *t = ticks_of(s, vcpu);
	uint64_t passed = s->now - t->seen, ran, away;

	guest_settle(s, vcpu);
	ran = s->guests[vcpu].work - t->seen_work;
	away = u64_sub_floor(passed, ran);
	if (t->process == vmdesched(s, vcpu))
		away += ran;
	t->seen = s->now;
	t->seen_work = s->guests[vcpu].work;
	tick_away(&t->tick, away);
}

/* Before any decision about ticks. */
static void look(struct sim *s, uint32_t vcpu)
{
	struct tick_guest *t = ticks_of(s, vcpu);
	uint64_t lag;

	if (guest_spec(s, vcpu)->tick_by_run)
		tell_away(s, vcpu);
	lag = u64_sub_floor(s->now - t->lag_base, tick_guest_time(&t->tick));
	t->behind = u64_max(t->behind, lag);
}

static void enter(struct sim *s, uint32_t vcpu, uint32_t process)
{
	count(s, vcpu);
	ticks_of(s, vcpu)->process = process;
}

/* Notes since when there is a backlog, and how long it stood. */
static void watch_backlog(struct sim *s, struct tick_guest *t)
{
	if (t->tick.backlog && t->late_from == TIMER_NEVER) {
		t->late_from = s->now;
	} else if (!t->tick.backlog && t->late_from != TIMER_NEVER) {
		t->late_worst = u64_max(t->late_worst, s->now - t->late_from);
		t->late_from = TIMER_NEVER;
	}
}

static void set_alarm(struct sim *s, uint32_t vcpu)
{
	struct tick_guest *t = ticks_of(s, vcpu);

	watch_backlog(s, t);
	s->guests[vcpu].alarm = tick_next(&t->tick, s->now, false);
	guest_changed(s, vcpu);
}

static uint32_t pick_process(struct sim *s, uint32_t vcpu)
{
	const struct vm_spec *spec = guest_spec(s, vcpu);
	double u = random_unit(&s->guests[vcpu].random);

	for (uint32_t i = 0; i < spec->n_processes; i++) {
		u -= spec->processes[i].load;
		if (u < 0)
			return i;
	}
	return idle_loop(s, vcpu);
}

/* The guest's own scheduler: VMDesched if there is something for it, else any process. */
static void schedule(struct sim *s, uint32_t vcpu)
{
	struct tick_guest *t = ticks_of(s, vcpu);
	uint64_t length = workload_draw(s, vcpu, guest_spec(s, vcpu)->burst);
	uint32_t next = pick_process(s, vcpu);

	enter(s, vcpu, next);
	if (next == idle_loop(s, vcpu)) {
		s->guests[vcpu].alarm = TIMER_NEVER;
		t->halted = s->now;
		guest_sleep(s, vcpu, s->now + length, LEDGER_HALT);
		return;
	}
	guest_work(s, vcpu, length);
	set_alarm(s, vcpu);
}

static void run_vmdesched(struct sim *s, uint32_t vcpu)
{
	struct tick_guest *t = ticks_of(s, vcpu);

	if (t->process == vmdesched(s, vcpu))
		return;
	guest_settle(s, vcpu);
	t->resumes = t->process;
	t->kept = s->guests[vcpu].need;
	enter(s, vcpu, vmdesched(s, vcpu));
	guest_work(s, vcpu, guest_spec(s, vcpu)->tick_ack);
}

/* VMDesched has acknowledged one tick. */
static void acknowledge(struct sim *s, uint32_t vcpu)
{
	struct tick_guest *t = ticks_of(s, vcpu);

	look(s, vcpu);
	if (tick_fire(&t->tick, s->now, true))
		t->charged[t->process]++;
	if (tick_wants_vmdesched(&t->tick)) {
		guest_work(s, vcpu, guest_spec(s, vcpu)->tick_ack);
	} else {
		enter(s, vcpu, t->resumes);
		guest_work(s, vcpu, t->kept ? t->kept : 1);
	}
	set_alarm(s, vcpu);
}

static void ticks_done(struct sim *s, uint32_t vcpu)
{
	if (ticks_of(s, vcpu)->process == vmdesched(s, vcpu))
		acknowledge(s, vcpu);
	else
		schedule(s, vcpu);
}

/* The idle time is over. */
static void ticks_timer(struct sim *s, uint32_t vcpu)
{
	struct tick_guest *t = ticks_of(s, vcpu);

	t->charged[idle_loop(s, vcpu)] += tick_idle(&t->tick, s->now);
	t->seen = s->now;
	watch_backlog(s, t);
	t->process = pick_process(s, vcpu);
	if (t->process == idle_loop(s, vcpu)) {
		guest_rest(s, vcpu, s->now + workload_draw(s, vcpu, guest_spec(s, vcpu)->burst));
		return;
	}
	guest_wake(s, vcpu, workload_draw(s, vcpu, guest_spec(s, vcpu)->burst));
}

static void ticks_started(struct sim *s, uint32_t vcpu)
{
	struct tick_guest *t = ticks_of(s, vcpu);
	bool by_run = guest_spec(s, vcpu)->tick_by_run;

	look(s, vcpu);
	if (!by_run)
		tick_resume(&t->tick, s->now);
	if (!by_run && tick_wants_vmdesched(&t->tick))
		run_vmdesched(s, vcpu);
	set_alarm(s, vcpu);
}

static void ticks_alarm(struct sim *s, uint32_t vcpu)
{
	struct tick_guest *t = ticks_of(s, vcpu);

	count(s, vcpu);
	look(s, vcpu);
	if (tick_fire(&t->tick, s->now, false))
		t->charged[t->process]++;
	if (guest_spec(s, vcpu)->tick_by_run && tick_wants_vmdesched(&t->tick))
		run_vmdesched(s, vcpu);
	set_alarm(s, vcpu);
}

const struct workload_row workload_ticks = {
	.name = "ticks",
	.summary = "processes charged by timer interrupts",
	.begin = ticks_begin,
	.done = ticks_done,
	.timer = ticks_timer,
	.started = ticks_started,
	.alarm = ticks_alarm,
};
