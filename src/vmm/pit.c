/* SPDX-License-Identifier: MIT */
#include "vmm/pit.h"

#include "base/clock.h"
#include "base/units.h"

#define PIT_HZ	   UINT64_C(1193182)
#define DATA	   0x40
#define COMMAND	   0x43
#define SPEAKER	   0x61
#define REFRESH	   0x10
#define OUT2	   0x20
#define FULL_COUNT 65536u

enum { ACCESS_LOW = 1, ACCESS_HIGH, ACCESS_BOTH };

void pit_reset(struct pit *p)
{
	*p = (struct pit){0};
	for (int i = 0; i < 3; i++)
		p->channel[i] = (struct pit_channel){
			.count = FULL_COUNT, .mode = 0xff, .access = ACCESS_BOTH};
}

static uint64_t pulses(const struct pit_channel *c, uint64_t now)
{
	return clock_muldiv(u64_sub_floor(now, c->loaded), PIT_HZ, NS_PER_SEC);
}

static uint16_t counter(const struct pit_channel *c, uint64_t now)
{
	uint64_t n = pulses(c, now);

	if (c->mode == 2 || c->mode == 3)
		return (uint16_t)(c->count - n % c->count);
	return (uint16_t)(c->count - n);
}

static bool output(const struct pit_channel *c, uint64_t now)
{
	uint64_t n = pulses(c, now);

	switch (c->mode) {
	case 0:
	case 1:
		return n >= c->count;
	case 3:
		return n % c->count < c->count / 2;
	default:
		return true;
	}
}

static void load(struct pit *p, struct pit_channel *c, uint32_t count, uint64_t now)
{
	c->count = count ? count : FULL_COUNT;
	c->loaded = now;
	if (c == &p->channel[0])
		p->changed = true;
}

static void write_count(struct pit *p, struct pit_channel *c, uint8_t value, uint64_t now)
{
	if (c->access == ACCESS_LOW) {
		load(p, c, value, now);
	} else if (c->access == ACCESS_HIGH) {
		load(p, c, (uint32_t)value << 8, now);
	} else if (!c->high_next) {
		c->low = value;
		c->high_next = true;
	} else {
		c->high_next = false;
		load(p, c, (uint32_t)value << 8 | c->low, now);
	}
}

static void latch(struct pit_channel *c, uint64_t now)
{
	if (c->latched)
		return;
	c->latch = counter(c, now);
	c->latched = true;
}

static void read_back(struct pit *p, uint8_t value, uint64_t now)
{
	for (int i = 0; i < 3; i++) {
		struct pit_channel *c = &p->channel[i];

		if (!(value & 2 << i))
			continue;
		if (!(value & 0x20))
			latch(c, now);
		if (!(value & 0x10)) {
			c->status = (uint8_t)(output(c, now) << 7 | c->access << 4 |
					      (c->mode & 7) << 1);
			c->status_latched = true;
		}
	}
}

static void write_command(struct pit *p, uint8_t value, uint64_t now)
{
	struct pit_channel *c;
	uint8_t mode = value >> 1 & 7;

	if (value >> 6 == 3) {
		read_back(p, value, now);
		return;
	}
	c = &p->channel[value >> 6];
	if (!(value & 0x30)) {
		latch(c, now);
		return;
	}
	c->access = value >> 4 & 3;
	c->mode = mode > 5 ? mode - 4 : mode;
	c->high_next = c->read_high = c->latched = c->status_latched = false;
	if (c == &p->channel[0]) { /* no ticks until a count is loaded */
		c->loaded = 0;
		p->changed = true;
	}
}

static void write_speaker(struct pit *p, uint8_t value, uint64_t now)
{
	bool gate = value & 1;

	if (gate && !p->gate2)
		p->channel[2].loaded = now;
	p->gate2 = gate;
}

bool pit_write(struct pit *p, uint16_t port, uint8_t value, uint64_t now)
{
	if (port == COMMAND)
		write_command(p, value, now);
	else if (port == SPEAKER)
		write_speaker(p, value, now);
	else if (port >= DATA && port < COMMAND)
		write_count(p, &p->channel[port - DATA], value, now);
	else
		return false;
	return true;
}

static uint8_t read_count(struct pit_channel *c, uint64_t now)
{
	uint16_t value = c->latched ? c->latch : counter(c, now);
	bool high = c->access == ACCESS_HIGH || (c->access == ACCESS_BOTH && c->read_high);

	if (c->status_latched) {
		c->status_latched = false;
		return c->status;
	}
	if (c->access == ACCESS_BOTH)
		c->read_high = !c->read_high;
	if (c->access != ACCESS_BOTH || high)
		c->latched = false;
	return (uint8_t)(high ? value >> 8 : value);
}

bool pit_read(struct pit *p, uint16_t port, uint64_t now, uint8_t *ret)
{
	if (port == SPEAKER)
		*ret = (uint8_t)(p->gate2 | (now / (15 * NS_PER_US) & 1 ? REFRESH : 0) |
				 (output(&p->channel[2], now) ? OUT2 : 0));
	else if (port >= DATA && port < COMMAND)
		*ret = read_count(&p->channel[port - DATA], now);
	else if (port == COMMAND)
		*ret = 0xff;
	else
		return false;
	return true;
}

uint64_t pit_period(const struct pit *p, bool *ret_once)
{
	const struct pit_channel *c = &p->channel[0];

	if (c->mode > 5 || !c->loaded)
		return 0;
	*ret_once = c->mode != 2 && c->mode != 3;
	return u64_max(clock_muldiv(c->count, NS_PER_SEC, PIT_HZ), PIT_FASTEST);
}
