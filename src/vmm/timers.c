/* SPDX-License-Identifier: MIT */
#include "vmm/timers.h"

#include "base/clock.h"
#include "base/units.h"

void timers_set_policy(struct board *b, enum tick_policy policy)
{
	ticker_set_policy(&b->ticker, policy);
	ticker_set_policy(&b->clock_ticker, policy);
}

void timers_forget(struct board *b)
{
	ticker_forget(&b->ticker);
	ticker_forget(&b->clock_ticker);
}

void timers_reading(struct board *b, uint64_t mono, uint64_t cpu)
{
	ticker_reading(&b->ticker, mono, cpu);
	ticker_reading(&b->clock_ticker, mono, cpu);
}

void timers_idle(struct board *b, uint64_t until)
{
	ticker_idle(&b->ticker, until);
	ticker_idle(&b->clock_ticker, until);
}

static void program(struct ticker *k, uint64_t period, const struct ticker *now)
{
	uint64_t mono = now->mono, cpu = now->cpu;

	if (period)
		ticker_start(k, period, mono, cpu);
	else
		ticker_stop(k);
}

static bool clock_busy(const struct board *b)
{
	return rtc_pending(&b->rtc) || pic_busy(&b->pic, RTC_LINE);
}

static bool fire_timer(struct board *b)
{
	bool once = false;

	if (b->pit.changed)
		program(&b->ticker, pit_period(&b->pit, &once), &b->ticker);
	b->pit.changed = false;
	if (pic_busy(&b->pic, PIT_LINE) || !ticker_fire(&b->ticker))
		return false;
	pic_raise(&b->pic, PIT_LINE);
	if (pit_period(&b->pit, &once) && once)
		ticker_stop(&b->ticker);
	return true;
}

static bool fire_clock(struct board *b)
{
	if (b->rtc.changed)
		program(&b->clock_ticker, rtc_period(&b->rtc), &b->ticker);
	b->rtc.changed = false;
	if (clock_busy(b) || !ticker_fire(&b->clock_ticker))
		return false;
	rtc_tick(&b->rtc);
	return true;
}

/* Seconds come by the time of day, which may be set: it is looked at again for each. */
static void fire_second(struct board *b)
{
	uint64_t real;

	if (!rtc_wants_seconds(&b->rtc)) {
		b->second_at = 0;
		return;
	}
	if (b->ticker.mono < b->second_at)
		return;
	real = clock_real();
	rtc_advance(&b->rtc, real);
	b->second_at = b->ticker.mono + NS_PER_SEC - real % NS_PER_SEC;
}

bool timers_fire(struct board *b)
{
	bool timer = fire_timer(b), clock = fire_clock(b);

	fire_second(b);
	if (b->rtc.edge)
		pic_raise(&b->pic, RTC_LINE);
	b->rtc.edge = false;
	return timer || clock;
}

uint64_t timers_next(const struct board *b)
{
	uint64_t timer = pic_busy(&b->pic, PIT_LINE) ? TICK_NEVER : ticker_next(&b->ticker);
	uint64_t clock = clock_busy(b) ? TICK_NEVER : ticker_next(&b->clock_ticker);

	return u64_min(u64_min(timer, clock), b->second_at ? b->second_at : TICK_NEVER);
}

bool timers_raised(const struct board *b)
{
	return pic_raised(&b->pic, PIT_LINE) || pic_raised(&b->pic, RTC_LINE);
}

bool timers_ask(const struct board *b)
{
	return b->pit.changed || b->rtc.changed || b->rtc.edge;
}
