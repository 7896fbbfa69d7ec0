/* SPDX-License-Identifier: MIT */
#include "policy/tick.h"

#include <errno.h>
#include <string.h>

const struct tick_row tick_rows[TICK_POLICIES] = {
	[TICK_DELAY] = {"delay", "ticks at the normal rate; guest time lags", true, false, 0,
			false},
	[TICK_CATCHUP] = {"catchup", "ticks come faster until even", true, false, 4, false},
	[TICK_MERGE] = {"merge", "one tick for the whole backlog", false, true, 0, false},
	[TICK_DISCARD] = {"discard", "backlog is dropped", false, false, 0, false},
	[TICK_DESCHED] = {"desched", "backlog only while VMDesched runs", true, false, 0, true},
};

const char *tick_policy_name(size_t i)
{
	return i < TICK_POLICIES ? tick_rows[i].name : NULL;
}

int tick_find(const char *name)
{
	for (int i = 0; i < TICK_POLICIES; i++) {
		if (!strcmp(tick_rows[i].name, name))
			return i;
	}
	return -EINVAL;
}

void tick_start(struct tick *t, enum tick_policy policy, uint64_t period, uint64_t now)
{
	*t = (struct tick){.row = &tick_rows[policy],
			   .period = period,
			   .resync = TICK_RESYNC,
			   .next = now + period,
			   .last = now};
}

static void resynchronize(struct tick *t)
{
	t->lost += t->backlog;
	t->set += t->backlog;
	t->backlog = 0;
	t->resyncs++;
}

static void pile_up(struct tick *t, uint64_t ticks)
{
	t->due += ticks;
	t->backlog += ticks;
	if (t->backlog > t->worst)
		t->worst = t->backlog;
	if (t->backlog > t->resync / t->period)
		resynchronize(t);
}

void tick_advance(struct tick *t, uint64_t now)
{
	uint64_t ticks;

	if (now < t->next)
		return;
	ticks = (now - t->next) / t->period + 1;
	t->next += ticks * t->period;
	pile_up(t, ticks);
}

/* The policy on a backlog at the guest's return. */
static void drop(struct tick *t)
{
	uint64_t keep = t->row->one ? 1 : 0;

	if (t->row->keeps || t->backlog <= keep)
		return;
	t->lost += t->backlog - keep;
	t->backlog = keep;
}

void tick_away(struct tick *t, uint64_t ns)
{
	t->next += ns;
	t->away += ns;
	pile_up(t, t->away / t->period);
	t->away %= t->period;
	drop(t);
}

uint64_t tick_idle(struct tick *t, uint64_t now)
{
	uint64_t before = t->backlog, live, late;

	if (now < t->next)
		return 0;
	live = (now - t->next) / t->period + 1;
	t->next += live * t->period;
	late = t->row->speed > 1 ? live * (t->row->speed - 1) : 0;
	late = late < before ? late : before;
	t->due += live;
	t->backlog = before - late;
	t->delivered += live + late;
	t->last = t->next - t->period;
	return live + late;
}

void tick_resume(struct tick *t, uint64_t now)
{
	tick_advance(t, now);
	drop(t);
}

/* When the next tick of the backlog may go, or TICK_NEVER. */
static uint64_t backlog_at(const struct tick *t, uint64_t now, bool vmdesched)
{
	uint64_t at;

	if (!t->backlog)
		return TICK_NEVER;
	if (t->row->one || (t->row->desched && vmdesched))
		return now;
	if (!t->row->speed)
		return TICK_NEVER;
	at = t->last + t->period / t->row->speed;
	return at > now ? at : now;
}

uint64_t tick_next(const struct tick *t, uint64_t now, bool vmdesched)
{
	uint64_t late = backlog_at(t, now, vmdesched);
	uint64_t live = t->next > now ? t->next : now;

	return late < live ? late : live;
}

bool tick_fire(struct tick *t, uint64_t now, bool vmdesched)
{
	if (now >= t->next) {
		t->next += t->period;
		t->due++;
	} else if (backlog_at(t, now, vmdesched) <= now) {
		t->backlog--;
	} else {
		return false;
	}
	t->delivered++;
	t->last = now;
	return true;
}

bool tick_wants_vmdesched(const struct tick *t)
{
	return t->row->desched && t->backlog;
}

uint64_t tick_guest_time(const struct tick *t)
{
	return (t->delivered + t->set) * t->period;
}
