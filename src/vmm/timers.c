/* SPDX-License-Identifier: MIT */
/*
 * The two timers of the board that can tick: the 8254's channel 0 and the CMOS clock. Each has a
 * ticker, and so a backlog, of its own; what vCPU 0 did meanwhile is the same for both.
 */
#include "vmm/board.h"

#include "base/clock.h"
#include "base/units.h"

#define TIMER_LINE 0
#define CLOCK_LINE 8

void board_set_policy(struct board *m, enum tick_policy policy)
{
	ticker_set_policy(&m->ticker, policy);
	ticker_set_policy(&m->clock_ticker, policy);
	for (unsigned i = 0; i < m->cpus; i++)
		ticker_set_policy(&m->cpu[i].ticker, policy);
}

void timers_reading(struct board *m, uint64_t mono, uint64_t cpu)
{
	ticker_reading(&m->ticker, mono, cpu);
	ticker_reading(&m->clock_ticker, mono, cpu);
}

void timers_idle(struct board *m, uint64_t until)
{
	ticker_idle(&m->ticker, until);
	ticker_idle(&m->clock_ticker, until);
}

static void program(struct ticker *k, uint64_t period, const struct ticker *now)
{
	uint64_t mono = now->mono, cpu = now->cpu;

	if (period)
		ticker_start(k, period, mono, cpu);
	else
		ticker_stop(k);
}

static bool clock_busy(const struct board *m)
{
	return rtc_pending(&m->rtc) || pic_busy(&m->pic, CLOCK_LINE);
}

static bool fire_timer(struct board *m)
{
	bool once = false;

	if (m->pit.changed)
		program(&m->ticker, pit_period(&m->pit, &once), &m->ticker);
	m->pit.changed = false;
	if (pic_busy(&m->pic, TIMER_LINE) || !ticker_fire(&m->ticker))
		return false;
	pic_raise(&m->pic, TIMER_LINE);
	if (pit_period(&m->pit, &once) && once)
		ticker_stop(&m->ticker);
	return true;
}

static bool fire_clock(struct board *m)
{
	if (m->rtc.changed)
		program(&m->clock_ticker, rtc_period(&m->rtc), &m->ticker);
	m->rtc.changed = false;
	if (clock_busy(m) || !ticker_fire(&m->clock_ticker))
		return false;
	rtc_tick(&m->rtc);
	return true;
}

/* Seconds come by the time of day, which may be set: it is looked at anew for each. */
static void fire_second(struct board *m)
{
	uint64_t real;

	if (!rtc_wants_seconds(&m->rtc)) {
		m->second_at = 0;
		return;
	}
	if (m->ticker.mono < m->second_at)
		return;
	real = clock_real();
	rtc_advance(&m->rtc, real);
	m->second_at = m->ticker.mono + NS_PER_SEC - real % NS_PER_SEC;
}

bool timers_fire(struct board *m)
{
	bool timer = fire_timer(m), clock = fire_clock(m);

	fire_second(m);
	if (m->rtc.edge)
		pic_raise(&m->pic, CLOCK_LINE);
	m->rtc.edge = false;
	return timer || clock;
}

uint64_t timers_next(const struct board *m)
{
	uint64_t timer = pic_busy(&m->pic, TIMER_LINE) ? TICK_NEVER : ticker_next(&m->ticker);
	uint64_t clock = clock_busy(m) ? TICK_NEVER : ticker_next(&m->clock_ticker);

	return u64_min(u64_min(timer, clock), m->second_at ? m->second_at : TICK_NEVER);
}

bool timers_raised(const struct board *m)
{
	return pic_raised(&m->pic, TIMER_LINE) || pic_raised(&m->pic, CLOCK_LINE);
}
