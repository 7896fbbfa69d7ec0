/* SPDX-License-Identifier: MIT */
#include "vmm/pit.h"

#include "base/clock.h"
#include "base/units.h"

#define PIT_HZ	   UINT64_C(1193182)
#define DATA	   0x40 /* a port for each channel */
#define COMMAND	   0x43
#define SPEAKER	   0x61
#define FULL_COUNT 65536u
#define CHANNELS   3

/* A command: channel, access, mode. */
#define CHANNEL_SHIFT 6
#define READ_BACK     3 /* in place of a channel */
#define ACCESS_SHIFT  4
#define ACCESS_MASK   3
#define MODE_SHIFT    1
#define MODE_MASK     7
#define KEEP_COUNT    0x20 /* of a read-back: does not latch the count */
#define KEEP_STATUS   0x10 /* ... or the status */
#define FIRST_CHANNEL 0x02 /* ... is for channel 0; the next bit is channel 1's */
#define STATUS_OUTPUT 0x80 /* of a status, with access and mode as in a command */

/* The speaker's port. */
#define GATE2	0x01
#define REFRESH 0x10
#define OUT2	0x20

enum { ACCESS_LATCH, ACCESS_LOW, ACCESS_HIGH, ACCESS_BOTH };

/* The modes that differ from the rest. */
enum { TERMINAL_COUNT, ONE_SHOT, RATE, SQUARE_WAVE, LAST_MODE = 5, UNPROGRAMMED = 0xff };

static void reset(void *device)
{
	struct pit *p = device;

	*p = (struct pit){0};
	for (int i = 0; i < CHANNELS; i++)
		p->channel[i] = (struct pit_channel){
			.count = FULL_COUNT, .mode = UNPROGRAMMED, .access = ACCESS_BOTH};
}

static bool repeats(const struct pit_channel *c)
{
	return c->mode == RATE || c->mode == SQUARE_WAVE;
}

static uint64_t pulses(const struct pit_channel *c, uint64_t now)
{
	return clock_muldiv(u64_sub_floor(now, c->loaded), PIT_HZ, NS_PER_SEC);
}

static uint16_t counter(const struct pit_channel *c, uint64_t now)
{
	uint64_t n = pulses(c, now);

	if (repeats(c))
		return (uint16_t)(c->count - n % c->count);
	return (uint16_t)(c->count - n);
}

static bool output(const struct pit_channel *c, uint64_t now)
{
	uint64_t n = pulses(c, now);

	switch (c->mode) {
	case TERMINAL_COUNT:
	case ONE_SHOT:
		return n >= c->count;
	case SQUARE_WAVE:
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
	for (int i = 0; i < CHANNELS; i++) {
		struct pit_channel *c = &p->channel[i];

		if (!(value & FIRST_CHANNEL << i))
			continue;
		if (!(value & KEEP_COUNT))
			latch(c, now);
		if (!(value & KEEP_STATUS)) {
			c->status = (uint8_t)((output(c, now) ? STATUS_OUTPUT : 0) |
					      c->access << ACCESS_SHIFT |
					      (c->mode & MODE_MASK) << MODE_SHIFT);
			c->status_latched = true;
		}
	}
}

static void write_command(struct pit *p, uint8_t value, uint64_t now)
{
	struct pit_channel *c;
	uint8_t mode = value >> MODE_SHIFT & MODE_MASK;
	uint8_t access = value >> ACCESS_SHIFT & ACCESS_MASK;

	if (value >> CHANNEL_SHIFT == READ_BACK) {
		read_back(p, value, now);
		return;
	}
	c = &p->channel[value >> CHANNEL_SHIFT];
	if (access == ACCESS_LATCH) {
		latch(c, now);
		return;
	}
	c->access = access;
	c->mode = mode > LAST_MODE ? mode - 4 : mode; /* 6 and 7 are 2 and 3 */
	c->high_next = c->read_high = c->latched = c->status_latched = false;
	if (c == &p->channel[0]) { /* no ticks until a count is loaded */
		c->loaded = 0;
		p->changed = true;
	}
}

static void write_speaker(struct pit *p, uint8_t value, uint64_t now)
{
	bool gate = value & GATE2;

	if (gate && !p->gate2)
		p->channel[2].loaded = now;
	p->gate2 = gate;
}

static void write(void *device, struct bus *b, uint16_t port, uint32_t value)
{
	struct pit *p = device;

	if (port == COMMAND)
		write_command(p, (uint8_t)value, b->now);
	else if (port == SPEAKER)
		write_speaker(p, (uint8_t)value, b->now);
	else
		write_count(p, &p->channel[port - DATA], (uint8_t)value, b->now);
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

/* Memory's refresh has a line that toggles every 15 us, by which old guests measure time. */
static uint8_t read_speaker(const struct pit *p, uint64_t now)
{
	bool refresh = now / (15 * NS_PER_US) & 1;

	return (uint8_t)((p->gate2 ? GATE2 : 0) | (refresh ? REFRESH : 0) |
			 (output(&p->channel[2], now) ? OUT2 : 0));
}

static uint32_t read(void *device, const struct bus *b, uint16_t port)
{
	struct pit *p = device;

	if (port == SPEAKER)
		return read_speaker(p, b->now);
	return port == COMMAND ? 0xff : read_count(&p->channel[port - DATA], b->now);
}

const struct device_ops pit_device = {
	.ports = {{DATA, CHANNELS + 1}, {SPEAKER, 1}},
	.size = 1,
	.line = PIT_LINE,
	.reset = reset,
	.write = write,
	.read = read,
};

uint64_t pit_period(const struct pit *p, bool *ret_once)
{
	const struct pit_channel *c = &p->channel[0];

	if (c->mode > LAST_MODE || !c->loaded)
		return 0;
	*ret_once = !repeats(c);
	return u64_max(clock_muldiv(c->count, NS_PER_SEC, PIT_HZ), PIT_FASTEST);
}
