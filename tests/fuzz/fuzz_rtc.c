/* SPDX-License-Identifier: MIT */
/* The CMOS clock: whichever cell is chosen is one that there is. */
#include "port_device.h"

static void check(const struct board *b)
{
	CHECK(b->rtc.index < sizeof(b->rtc.cells));
}

const struct port_device port_device = {{0x70, 0x71}, 2, check};
