/* SPDX-License-Identifier: MIT */
/*
 * The first serial port (a 16550 with its FIFO, interrupts on line 4). What the guest writes is
 * gathered in a small buffer, which output.c empties.
 */
#ifndef VMM_SERIAL_H
#define VMM_SERIAL_H

#include "vmm/device.h"

#include <stddef.h>

#define SERIAL_LINE 4

struct serial {
	uint8_t interrupts, line, modem, scratch;
	uint16_t divisor;
	bool sent; /* the transmitter has become empty, and the guest was not told */
	uint8_t in[256], out[256];
	uint8_t in_head, in_tail; /* one is always free */
	uint16_t out_used;
	uint64_t written; /* bytes by the guest, since it began */
	uint64_t dropped; /* bytes that came while the guest did not read */
};

extern const struct device_ops serial_device;

/* A byte for the guest. */
void serial_put(struct serial *s, uint8_t byte);
size_t serial_room(const struct serial *s);

/* What the guest writes now is lost: output_flush() has to come first. */
bool serial_is_full(const struct serial *s);

#endif
