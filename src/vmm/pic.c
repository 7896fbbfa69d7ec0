/* SPDX-License-Identifier: MIT */
#include "vmm/pic.h"

#define MASTER	 0x20
#define SLAVE	 0xa0
#define ELCR	 0x4d0 /* edge or level: accepted, and all stay edges */
#define CASCADE	 2
#define NONE	 8
#define SPURIOUS 7

static void chip_reset(struct pic_chip *c)
{
	*c = (struct pic_chip){.masked = 0xff, .lowest = 7};
}

void pic_reset(struct pic *p)
{
	chip_reset(&p->chip[0]);
	chip_reset(&p->chip[1]);
}

/* The line of `set` that goes first, NONE if there is none. */
static unsigned first(const struct pic_chip *c, uint8_t set)
{
	for (unsigned i = 1; i <= 8; i++) {
		unsigned line = (c->lowest + i) & 7;

		if (set & 1u << line)
			return line;
	}
	return NONE;
}

static unsigned rank(const struct pic_chip *c, unsigned line)
{
	return line == NONE ? NONE : (line - c->lowest - 1u) & 7;
}

/* The line that the chip asks for, NONE if none may interrupt what is in service. */
static unsigned asks(const struct pic_chip *c)
{
	uint8_t serving = c->special_mask ? c->in_service & (uint8_t)~c->masked : c->in_service;
	unsigned line = first(c, c->requested & (uint8_t)~c->masked);

	return rank(c, line) < rank(c, first(c, serving)) ? line : NONE;
}

static void cascade(struct pic *p)
{
	uint8_t bit = 1u << CASCADE;

	if (asks(&p->chip[1]) != NONE)
		p->chip[0].requested |= bit;
	else
		p->chip[0].requested &= (uint8_t)~bit;
}

void pic_raise(struct pic *p, unsigned line)
{
	p->chip[line >> 3 & 1].requested |= (uint8_t)(1u << (line & 7));
	cascade(p);
}

bool pic_busy(const struct pic *p, unsigned line)
{
	const struct pic_chip *c = &p->chip[line >> 3 & 1];

	return (c->requested | c->in_service) & 1u << (line & 7);
}

bool pic_raised(const struct pic *p, unsigned line)
{
	return p->chip[line >> 3 & 1].requested & 1u << (line & 7);
}

bool pic_pending(const struct pic *p)
{
	return asks(&p->chip[0]) != NONE;
}

static uint8_t take(struct pic_chip *c)
{
	unsigned line = asks(c);

	if (line == NONE)
		return (uint8_t)(c->vector + SPURIOUS);
	c->requested &= (uint8_t) ~(1u << line);
	if (!c->auto_eoi)
		c->in_service |= (uint8_t)(1u << line);
	else if (c->rotate)
		c->lowest = (uint8_t)line;
	return (uint8_t)(c->vector + line);
}

uint8_t pic_acknowledge(struct pic *p)
{
	bool slave = asks(&p->chip[0]) == CASCADE;
	uint8_t vector = take(&p->chip[0]);

	if (slave)
		vector = take(&p->chip[1]);
	cascade(p);
	return vector;
}

static void end_of_interrupt(struct pic_chip *c, uint8_t value)
{
	unsigned line = value & 0x40 ? value & 7u : first(c, c->in_service);

	if (line == NONE)
		return;
	if (value & 0x20)
		c->in_service &= (uint8_t) ~(1u << line);
	if (value & 0x80)
		c->lowest = (uint8_t)line;
}

static void write_command(struct pic_chip *c, uint8_t value)
{
	if (value & 0x10) { /* ICW1 */
		chip_reset(c);
		c->masked = 0;
		c->want_icw4 = value & 1;
		c->step = 2;
	} else if (value & 0x08) { /* OCW3 */
		if (value & 2)
			c->read_service = value & 1;
		if (value & 0x40)
			c->special_mask = value & 0x20;
	} else if (value & 0x20 || (value & 0xc0) == 0xc0) { /* OCW2 */
		end_of_interrupt(c, value);
	} else {
		c->rotate = value & 0x80;
	}
}

static void write_data(struct pic_chip *c, uint8_t value)
{
	switch (c->step) {
	case 0:
		c->masked = value;
		return;
	case 2:
		c->vector = value & 0xf8;
		c->step = 3;
		return;
	case 3:
		c->step = c->want_icw4 ? 4 : 0;
		return;
	default:
		c->auto_eoi = value & 2;
		c->step = 0;
	}
}

bool pic_write(struct pic *p, uint16_t port, uint8_t value)
{
	if ((port & ~1) == ELCR)
		return true;
	if ((port & ~1) != MASTER && (port & ~1) != SLAVE)
		return false;
	if (port & 1)
		write_data(&p->chip[port >= SLAVE], value);
	else
		write_command(&p->chip[port >= SLAVE], value);
	cascade(p);
	return true;
}

bool pic_read(struct pic *p, uint16_t port, uint8_t *ret)
{
	const struct pic_chip *c = &p->chip[port >= SLAVE];

	if ((port & ~1) == ELCR) {
		*ret = 0;
		return true;
	}
	if ((port & ~1) != MASTER && (port & ~1) != SLAVE)
		return false;
	*ret = port & 1 ? c->masked : c->read_service ? c->in_service : c->requested;
	return true;
}
