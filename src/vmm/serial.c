/* SPDX-License-Identifier: MIT */
#include "vmm/serial.h"

#include <linux/serial_reg.h>

#define BASE  0x3f8
#define PORTS 8

#define LINE_EMPTY  (UART_LSR_THRE | UART_LSR_TEMT)
#define FIFO	    0xc0 /* of UART_IIR: there is one */
#define MODEM_READY (UART_MSR_DCD | UART_MSR_DSR | UART_MSR_CTS)
#define INTERRUPTS  0x0f /* of UART_IER: those that there are */
#define MODEM_LINES 0x1f /* of UART_MCR, likewise */

/* Power-up. What was dropped stays counted. */
static void reset(void *device)
{
	struct serial *s = device;

	*s = (struct serial){.divisor = 1, .line = UART_LCR_WLEN8, .dropped = s->dropped};
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

static bool wants_to_receive(const struct serial *s)
{
	return s->interrupts & UART_IER_RDI && has_data(s);
}

static bool wants_to_send(const struct serial *s)
{
	return s->interrupts & UART_IER_THRI && s->sent;
}

static bool pending(const void *device)
{
	return wants_to_receive(device) || wants_to_send(device);
}

static void transmit(struct serial *s, uint8_t value)
{
	s->written++;
	if (s->modem & UART_MCR_LOOP)
		serial_put(s, value);
	else if (!serial_is_full(s))
		s->out[s->out_used++] = value;
	s->sent = true;
}

/* The first two registers are the divisor's while the line's DLAB is set. */
static void write_divisor(struct serial *s, bool high, uint8_t value)
{
	s->divisor = (uint16_t)(high ? (s->divisor & 0xff) | value << 8
				     : (s->divisor & 0xff00) | value);
}

/* That the transmitter is empty is news to a guest that begins to ask. */
static void enable(struct serial *s, uint8_t value)
{
	s->sent |= value & UART_IER_THRI && !(s->interrupts & UART_IER_THRI);
	s->interrupts = value & INTERRUPTS;
}

static void write(void *device, struct bus *b, uint16_t port, uint32_t value)
{
	struct serial *s = device;
	uint8_t byte = (uint8_t)value;
	unsigned reg = port - BASE;

	(void)b;
	if (reg <= UART_DLM && s->line & UART_LCR_DLAB) {
		write_divisor(s, reg == UART_DLM, byte);
		return;
	}
	switch (reg) {
	case UART_TX:
		transmit(s, byte);
		break;
	case UART_IER:
		enable(s, byte);
		break;
	case UART_FCR:
		if (byte & UART_FCR_CLEAR_RCVR)
			s->in_tail = s->in_head;
		break;
	case UART_LCR:
		s->line = byte;
		break;
	case UART_MCR:
		s->modem = byte & MODEM_LINES;
		break;
	case UART_SCR:
		s->scratch = byte;
		break;
	default:
		break;
	}
}

static uint8_t receive(struct serial *s)
{
	return has_data(s) ? s->in[s->in_tail++] : 0;
}

/* What the interrupt is for; reading that the transmitter is empty takes note of it. */
static uint8_t identify(struct serial *s)
{
	if (wants_to_receive(s))
		return FIFO | UART_IIR_RDI;
	if (!wants_to_send(s))
		return FIFO | UART_IIR_NO_INT;
	s->sent = false;
	return FIFO | UART_IIR_THRI;
}

/* The modem's lines: ready, or in a loop what the guest has set. */
static uint8_t modem_status(const struct serial *s)
{
	uint8_t m = s->modem;

	if (!(m & UART_MCR_LOOP))
		return MODEM_READY;
	return (uint8_t)((m & UART_MCR_DTR ? UART_MSR_DSR : 0) |
			 (m & UART_MCR_RTS ? UART_MSR_CTS : 0) |
			 (m & UART_MCR_OUT1 ? UART_MSR_RI : 0) |
			 (m & UART_MCR_OUT2 ? UART_MSR_DCD : 0));
}

static uint32_t read(void *device, const struct bus *b, uint16_t port)
{
	struct serial *s = device;
	unsigned reg = port - BASE;

	(void)b;
	if (reg <= UART_DLM && s->line & UART_LCR_DLAB)
		return (uint8_t)(reg == UART_DLM ? s->divisor >> 8 : s->divisor);
	switch (reg) {
	case UART_RX:
		return receive(s);
	case UART_IER:
		return s->interrupts;
	case UART_IIR:
		return identify(s);
	case UART_LCR:
		return s->line;
	case UART_MCR:
		return s->modem;
	case UART_LSR:
		return LINE_EMPTY | (has_data(s) ? UART_LSR_DR : 0);
	case UART_MSR:
		return modem_status(s);
	default:
		return s->scratch;
	}
}

const struct device_ops serial_device = {
	.ports = {{BASE, PORTS}},
	.size = 1,
	.line = SERIAL_LINE,
	.reset = reset,
	.write = write,
	.read = read,
	.pending = pending,
};
