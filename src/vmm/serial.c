/* SPDX-License-Identifier: MIT */
#include "vmm/serial.h"

#define BASE	      0x3f8
#define PORTS	      8
#define DLAB	      0x80
#define LOOP	      0x10
#define INT_DATA      0x01
#define INT_EMPTY     0x02
#define LSR_DATA      0x01
#define LSR_EMPTY     0x60
#define ID_NONE	      0xc1 /* with the FIFO's bits */
#define ID_EMPTY      0xc2
#define ID_DATA	      0xc4
#define MODEM_READY   0xb0
#define CLEAR_RECEIVE 0x02

void serial_reset(struct serial *s)
{
	*s = (struct serial){.divisor = 1, .line = 3};
}

static bool has_data(const struct serial *s)
{
	return s->in_head != s->in_tail;
}

size_t serial_room(const struct serial *s)
{
	return (uint8_t)(s->in_tail - s->in_head - 1);
}

void serial_put(struct serial *s, uint8_t byte)
{
	if (!serial_room(s)) {
		s->dropped++;
		return;
	}
	s->in[s->in_head++] = byte;
}

bool serial_is_full(const struct serial *s)
{
	return s->out_used == sizeof(s->out);
}

bool serial_pending(const struct serial *s)
{
	return (s->interrupts & INT_DATA && has_data(s)) || (s->interrupts & INT_EMPTY && s->sent);
}

static void transmit(struct serial *s, uint8_t value)
{
	s->written++;
	if (s->modem & LOOP)
		serial_put(s, value);
	else if (!serial_is_full(s))
		s->out[s->out_used++] = value;
	s->sent = true;
}

bool serial_write(struct serial *s, uint16_t port, uint8_t value)
{
	bool divisor = s->line & DLAB;

	switch (port - BASE) {
	case 0:
		if (divisor)
			s->divisor = (uint16_t)((s->divisor & 0xff00) | value);
		else
			transmit(s, value);
		return true;
	case 1:
		if (divisor) {
			s->divisor = (uint16_t)((s->divisor & 0xff) | value << 8);
			return true;
		}
		s->sent |= value & INT_EMPTY && !(s->interrupts & INT_EMPTY);
		s->interrupts = value & 0x0f;
		return true;
	case 2:
		if (value & CLEAR_RECEIVE)
			s->in_tail = s->in_head;
		return true;
	case 3:
		s->line = value;
		return true;
	case 4:
		s->modem = value & 0x1f;
		return true;
	case 7:
		s->scratch = value;
		return true;
	default:
		return port >= BASE && port < BASE + PORTS;
	}
}

static uint8_t receive(struct serial *s)
{
	return has_data(s) ? s->in[s->in_tail++] : 0;
}

/* What the interrupt is for; reading that the transmitter is empty takes note of it. */
static uint8_t identify(struct serial *s)
{
	if (s->interrupts & INT_DATA && has_data(s))
		return ID_DATA;
	if (!(s->interrupts & INT_EMPTY) || !s->sent)
		return ID_NONE;
	s->sent = false;
	return ID_EMPTY;
}

/* The modem's lines: ready, or in a loop what the guest has set. */
static uint8_t modem_status(const struct serial *s)
{
	uint8_t m = s->modem;

	if (!(m & LOOP))
		return MODEM_READY;
	return (uint8_t)((m & 1) << 5 | (m & 2) << 3 | (m & 4) << 4 | (m & 8) << 4);
}

bool serial_read(struct serial *s, uint16_t port, uint8_t *ret)
{
	bool divisor = s->line & DLAB;

	switch (port - BASE) {
	case 0:
		*ret = divisor ? (uint8_t)s->divisor : receive(s);
		return true;
	case 1:
		*ret = divisor ? (uint8_t)(s->divisor >> 8) : s->interrupts;
		return true;
	case 2:
		*ret = identify(s);
		return true;
	case 3:
		*ret = s->line;
		return true;
	case 4:
		*ret = s->modem;
		return true;
	case 5:
		*ret = (uint8_t)(LSR_EMPTY | (has_data(s) ? LSR_DATA : 0));
		return true;
	case 6:
		*ret = modem_status(s);
		return true;
	case 7:
		*ret = s->scratch;
		return true;
	default:
		return false;
	}
}
