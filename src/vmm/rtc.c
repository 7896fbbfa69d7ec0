/* SPDX-License-Identifier: MIT */
#include "vmm/rtc.h"

#include "base/clock.h"
#include "base/units.h"
#include "vmm/pit.h"

#include <time.h>

#define INDEX	   0x70
#define DATA	   0x71
#define NO_NMI	   0x80 /* of the index: not a part of it */
#define UPDATING   0x80 /* A */
#define DIVIDER	   0x70
#define DIVIDER_ON 0x20 /* of 32768 Hz */
#define RATE	   0x0f
#define RATE_1024  0x06
#define SET	   0x80 /* B: no updates */
#define BINARY	   0x04
#define HOURS_24   0x02
#define PERIODIC   0x40 /* B: enabled; C: happened */
#define ALARM	   0x20
#define UPDATE	   0x10
#define INTERRUPT  0x80 /* C */
#define VALID	   0x80 /* D */
#define AFTERNOON  0x80
#define ANY	   0xc0 /* and above, in an alarm */

enum {
	SECONDS,
	SECONDS_ALARM,
	MINUTES,
	MINUTES_ALARM,
	HOURS,
	HOURS_ALARM,
	WEEKDAY,
	DAY_OF_MONTH,
	MONTH,
	YEAR,
	STATUS_A,
	STATUS_B,
	STATUS_C,
	STATUS_D,
	CENTURY = 0x32,
};

#define CRYSTAL	  32768u
#define UPDATE_NS 2228000u /* 244 us of warning, 1984 us for the update itself */
#define DAY	  86400u

static void reset(void *device)
{
	struct rtc *r = device;
	time_t zero = 0;
	struct tm t;

	/* At its first call glibc reads files, which the vCPU's thread may not do. */
	gmtime_r(&zero, &t);
	*r = (struct rtc){.changed = true};
	r->cells[STATUS_A] = DIVIDER_ON | RATE_1024;
	r->cells[STATUS_B] = HOURS_24;
}

/* The time between two periods in ticks of the crystal; 0: none. The two slowest of a divider that
 * was made for other crystals come again. */
static uint32_t period_ticks(const struct rtc *r)
{
	unsigned rate = r->cells[STATUS_A] & RATE;

	if (!rate || (r->cells[STATUS_A] & DIVIDER) != DIVIDER_ON)
		return 0;
	return 1u << ((rate < 3 ? rate + 7 : rate) - 1);
}

uint64_t rtc_period(const struct rtc *r)
{
	uint64_t ticks = r->cells[STATUS_B] & PERIODIC ? period_ticks(r) : 0;

	return ticks ? u64_max(ticks * NS_PER_SEC / CRYSTAL, PIT_FASTEST) : 0;
}

/* The interrupt's line follows what has happened and is enabled. */
static void set_flags(struct rtc *r, uint8_t flags)
{
	uint8_t *c = &r->cells[STATUS_C], before = *c;

	*c |= flags;
	if (*c & r->cells[STATUS_B] & (PERIODIC | ALARM | UPDATE))
		*c |= INTERRUPT;
	r->edge |= *c & INTERRUPT && !(before & INTERRUPT);
}

void rtc_tick(struct rtc *r)
{
	set_flags(r, PERIODIC);
}

bool rtc_pending(const struct rtc *r)
{
	return r->cells[STATUS_C] & INTERRUPT;
}

bool rtc_wants_seconds(const struct rtc *r)
{
	return !(r->cells[STATUS_B] & SET) && r->cells[STATUS_B] & (ALARM | UPDATE);
}

static void write_cell(struct rtc *r, uint8_t value)
{
	uint64_t before = rtc_period(r);

	if (r->index == STATUS_C || r->index == STATUS_D)
		return;
	r->cells[r->index] = value;
	if (r->index == STATUS_B && value & SET)
		r->cells[STATUS_B] &= (uint8_t)~UPDATE;
	set_flags(r, 0);
	r->changed |= rtc_period(r) != before;
}

static void write(void *device, struct bus *b, uint16_t port, uint32_t value)
{
	struct rtc *r = device;

	(void)b;
	if (port == INDEX)
		r->index = value & (uint8_t)~NO_NMI;
	else
		write_cell(r, (uint8_t)value);
}

static uint8_t code(const struct rtc *r, int value)
{
	return (uint8_t)(r->cells[STATUS_B] & BINARY ? value : value / 10 << 4 | value % 10);
}

static uint8_t code_hour(const struct rtc *r, int hour)
{
	if (r->cells[STATUS_B] & HOURS_24)
		return code(r, hour);
	return (uint8_t)(code(r, (hour + 11) % 12 + 1) | (hour >= 12 ? AFTERNOON : 0));
}

static bool matches(uint8_t alarm, uint8_t now)
{
	return alarm >= ANY || alarm == now;
}

static bool is_alarm(const struct rtc *r, uint64_t second)
{
	const uint8_t *c = r->cells;

	return matches(c[SECONDS_ALARM], code(r, (int)(second % 60))) &&
	       matches(c[MINUTES_ALARM], code(r, (int)(second / 60 % 60))) &&
	       matches(c[HOURS_ALARM], code_hour(r, (int)(second / 3600 % 24)));
}

/* Every second has an alarm that comes once a day at least: no more need to be looked at. */
void rtc_advance(struct rtc *r, uint64_t real)
{
	uint64_t now = real / NS_PER_SEC, from = r->second;
	uint8_t flags = UPDATE;

	r->second = now;
	if (!from || now <= from || r->cells[STATUS_B] & SET)
		return;
	for (uint64_t s = u64_max(from, u64_sub_floor(now, DAY)) + 1; s <= now; s++)
		flags |= is_alarm(r, s) ? ALARM : 0;
	set_flags(r, flags);
}

/* Reading it clears it. A guest that polls finds its periods by the clock. */
static uint8_t read_c(struct rtc *r, uint64_t real)
{
	uint32_t ticks = period_ticks(r);
	uint64_t periods = ticks ? real / (ticks * NS_PER_SEC / CRYSTAL) : 0;
	uint8_t flags;

	rtc_advance(r, real);
	if (ticks && !rtc_period(r) && r->periods != periods)
		r->cells[STATUS_C] |= PERIODIC;
	r->periods = periods;
	flags = r->cells[STATUS_C];
	r->cells[STATUS_C] = 0;
	r->edge = false;
	return flags;
}

static uint8_t read_a(const struct rtc *r, uint64_t real)
{
	bool updating = !(r->cells[STATUS_B] & SET) &&
			(r->cells[STATUS_A] & DIVIDER) == DIVIDER_ON &&
			real % NS_PER_SEC >= NS_PER_SEC - UPDATE_NS;

	return (uint8_t)((r->cells[STATUS_A] & ~UPDATING) | (updating ? UPDATING : 0));
}

static uint8_t read_cell(struct rtc *r, uint64_t real)
{
	time_t seconds = (time_t)(real / NS_PER_SEC);
	struct tm t;

	if (!gmtime_r(&seconds, &t))
		return 0;
	switch (r->index) {
	case SECONDS:
		return code(r, t.tm_sec);
	case MINUTES:
		return code(r, t.tm_min);
	case HOURS:
		return code_hour(r, t.tm_hour);
	case WEEKDAY:
		return code(r, t.tm_wday + 1);
	case DAY_OF_MONTH:
		return code(r, t.tm_mday);
	case MONTH:
		return code(r, t.tm_mon + 1);
	case YEAR:
		return code(r, t.tm_year % 100);
	case CENTURY:
		return code(r, 19 + t.tm_year / 100);
	case STATUS_A:
		return read_a(r, real);
	case STATUS_C:
		return read_c(r, real);
	case STATUS_D:
		return VALID;
	default:
		return r->cells[r->index];
	}
}

uint8_t rtc_read(struct rtc *r, uint16_t port, uint64_t real)
{
	return port == INDEX ? 0xff : read_cell(r, real);
}

static uint32_t read(void *device, const struct bus *b, uint16_t port)
{
	(void)b;
	return rtc_read(device, port, clock_real());
}

const struct device_ops rtc_device = {
	.ports = {{INDEX, 2}},
	.size = 1,
	.line = RTC_LINE,
	.reset = reset,
	.write = write,
	.read = read,
};
