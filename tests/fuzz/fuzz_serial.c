/* SPDX-License-Identifier: MIT */
/* The 16550: its output stays within its buffer, and there is room for input that has been read. */
#include "port_device.h"

static void check(const struct machine *m)
{
	CHECK(m->board.serial.out_used <= sizeof(m->board.serial.out));
	CHECK(serial_room(&m->board.serial) < sizeof(m->board.serial.in));
}

const struct port_device port_device = {
	{0x3f8, 0x3f9, 0x3fa, 0x3fb, 0x3fc, 0x3fd, 0x3fe, 0x3ff}, 8, check};
