/* SPDX-License-Identifier: MIT */
#include "vmm/ticker.h"

#include "base/units.h"

void ticker_start(struct ticker *k, uint64_t period, uint64_t mono, uint64_t cpu)
{
	*k = (struct ticker){.policy = k->policy,
			     .on = true,
			     .vmdesched = k->vmdesched,
			     .mono = mono,
			     .cpu = cpu,
			     .start = mono};
	tick_start(&k->tick, k->policy, period, mono);
}

void ticker_stop(struct ticker *k)
{
	k->on = k->asked = k->asking = false;
}

void ticker_set_policy(struct ticker *k, enum tick_policy policy)
{
	k->policy = policy;
	k->tick.row = &tick_rows[policy];
	if (k->on)
		tick_away(&k->tick, 0);
}

uint64_t ticker_lag(const struct ticker *k)
{
	return k->on ? u64_sub_floor(k->mono - k->start, tick_guest_time(&k->tick)) : 0;
}

/* Follows one backlog, from when it was largest to when it is gone. */
static void watch(struct ticker *k)
{
	uint64_t backlog = k->tick.backlog;

	k->lag_worst = u64_max(k->lag_worst, ticker_lag(k));
	if (backlog > k->late_most || k->tick.resyncs != k->late_resyncs)
		k->late_from = k->mono;
	k->late_most = u64_max(k->late_most, backlog);
	k->late_resyncs = k->tick.resyncs;
	if (backlog || !k->late_from)
		return;
	if (k->late_most >= k->worst_most) {
		k->worst_most = k->late_most;
		k->worst_ns = k->mono - k->late_from;
	}
	k->late_from = 0;
	k->late_most = 0;
}

/* The guest executed VMDesched for the last `ran` ns. One that asks for ticks is forgotten when it
 * does not come back: it may have been killed, or something more urgent runs. */
static bool executes(struct ticker *k, uint64_t ran)
{
	bool asking = k->asking;

	k->asking_ns += ran;
	if (k->asking_ns > k->tick.period)
		k->asking = false;
	return k->vmdesched || asking;
}

void ticker_reading(struct ticker *k, uint64_t mono, uint64_t cpu)
{
	uint64_t passed = u64_sub_floor(mono, k->mono), ran = u64_sub_floor(cpu, k->cpu), away;

	k->mono = u64_max(mono, k->mono);
	k->cpu = u64_max(cpu, k->cpu);
	if (!k->on)
		return;
	k->run_ns += ran;
	/* The two clocks are not read at one instant: what they disagree by is carried on. */
	away = u64_sub_floor(passed, ran + k->ahead);
	k->ahead = u64_sub_floor(ran + k->ahead, passed);
	k->away_ns += away;
	k->asked = false;
	if (executes(k, ran)) {
		k->vmdesched_ns += ran;
		away += ran;
	}
	tick_away(&k->tick, away);
	watch(k);
}

void ticker_idle(struct ticker *k, uint64_t until)
{
	uint64_t idle = u64_sub_floor(until, k->mono);

	k->mono += idle;
	if (k->on)
		k->idle_ns += idle;
}

void ticker_forget(struct ticker *k)
{
	k->worst_most = k->worst_ns = k->lag_worst = k->tick.worst = 0;
}

/* Ticks that the guest would not take for more than a period are its backlog. */
static void not_taken(struct ticker *k)
{
	if (k->mono >= k->tick.next + k->tick.period)
		tick_resume(&k->tick, k->mono - k->tick.period);
}

bool ticker_fire(struct ticker *k)
{
	bool fired;

	if (!k->on)
		return false;
	not_taken(k);
	fired = tick_fire(&k->tick, k->mono + TICKER_SLACK, k->vmdesched || k->asked);
	k->asked = false;
	watch(k);
	return fired;
}

bool ticker_wants_vmdesched(const struct ticker *k)
{
	return k->on && tick_wants_vmdesched(&k->tick);
}

bool ticker_ask(struct ticker *k)
{
	k->asked = k->asking = ticker_wants_vmdesched(k);
	k->asking_ns = 0;
	return k->asked;
}

uint64_t ticker_next(const struct ticker *k)
{
	return k->on ? tick_next(&k->tick, k->mono, k->vmdesched) : TICK_NEVER;
}
