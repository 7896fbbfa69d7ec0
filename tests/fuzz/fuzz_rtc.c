/* SPDX-License-Identifier: MIT */
/* The CMOS clock: whichever cell is chosen is one that there is, and no interrupt is forgotten. */
#include "port_device.h"

static void check(const struct board *b)
{
	CHECK(b->rtc.index < sizeof(b->rtc.cells));
	CHECK(!b->rtc.edge);
}

const struct port_device port_device = {{0x70, 0x71}, 2, check};
