/* SPDX-License-Identifier: MIT */
#include "vmm/pic.h"

#define MASTER	 0x20
#define SLAVE	 0xa0
#define ELCR	 0x4d0 /* edge or level: accepted, and all stay edges */
#define CASCADE	 2
#define NONE	 8
#define SPURIOUS 7
#define PORTS	 2 /* of a chip: commands and status, data */

/* The command port: ICW1, OCW3, or else OCW2. */
#define ICW1	      0x10
#define ICW1_ICW4     0x01
#define OCW3	      0x08
#define OCW3_READ     0x02 /* chooses a register to read */
#define OCW3_SERVICE  0x01 /* ... the one of lines in service */
#define OCW3_MASK     0x40 /* sets special mask mode */
#define OCW3_SPECIAL  0x20 /* ... on */
#define OCW2_END      0x20
#define OCW2_SPECIFIC 0x40 /* of the line that OCW2_LINE names */
#define OCW2_ROTATE   0x80
#define OCW2_LINE     0x07

/* The data port: the mask, or while a chip is being initialized the other words. */
#define ICW2_VECTOR   0xf8
#define ICW4_AUTO_EOI 0x02

enum { READY, WANT_ICW2 = 2, WANT_ICW3, WANT_ICW4 };

static void chip_reset(struct pic_chip *c)
{
	*c = (struct pic_chip){.masked = 0xff, .lowest = 7};
}

static void reset(void *device)
{
	struct pic *p = device;

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
	unsigned line = value & OCW2_SPECIFIC ? value & OCW2_LINE : first(c, c->in_service);

	if (line == NONE)
		return;
	if (value & OCW2_END)
		c->in_service &= (uint8_t) ~(1u << line);
	if (value & OCW2_ROTATE)
		c->lowest = (uint8_t)line;
}

static void write_command(struct pic_chip *c, uint8_t value)
{
	const uint8_t priority = OCW2_ROTATE | OCW2_SPECIFIC;

	if (value & ICW1) {
		chip_reset(c);
		c->masked = 0;
		c->want_icw4 = value & ICW1_ICW4;
		c->step = WANT_ICW2;
	} else if (value & OCW3) {
		if (value & OCW3_READ)
			c->read_service = value & OCW3_SERVICE;
		if (value & OCW3_MASK)
			c->special_mask = value & OCW3_SPECIAL;
	} else if (value & OCW2_END || (value & priority) == priority) {
		end_of_interrupt(c, value);
	} else { /* what happens at each end that comes by itself */
		c->rotate = value & OCW2_ROTATE;
	}
}

static void write_data(struct pic_chip *c, uint8_t value)
{
	switch (c->step) {
	case READY:
		c->masked = value;
		return;
	case WANT_ICW2:
		c->vector = value & ICW2_VECTOR;
		c->step = WANT_ICW3;
		return;
	case WANT_ICW3:
		c->step = c->want_icw4 ? WANT_ICW4 : READY;
		return;
	default:
		c->auto_eoi = value & ICW4_AUTO_EOI;
		c->step = READY;
	}
}

static bool is_elcr(uint16_t port)
{
	return port >= ELCR && port < ELCR + PORTS;
}

static void write(void *device, struct bus *b, uint16_t port, uint32_t value)
{
	struct pic *p = device;
	struct pic_chip *c = &p->chip[port >= SLAVE];

	(void)b;
	if (is_elcr(port))
		return;
	if (port & 1)
		write_data(c, (uint8_t)value);
	else
		write_command(c, (uint8_t)value);
	cascade(p);
}

static uint32_t read(void *device, const struct bus *b, uint16_t port)
{
	const struct pic *p = device;
	const struct pic_chip *c = &p->chip[port >= SLAVE];

	(void)b;
	if (is_elcr(port))
		return 0;
	if (port & 1)
		return c->masked;
	return c->read_service ? c->in_service : c->requested;
}

const struct device_ops pic_device = {
	.ports = {{MASTER, PORTS}, {SLAVE, PORTS}, {ELCR, PORTS}},
	.size = 1,
	.reset = reset,
	.write = write,
	.read = read,
};
