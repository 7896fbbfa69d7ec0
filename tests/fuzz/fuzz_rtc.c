/* SPDX-License-Identifier: MIT */
/* The CMOS clock: whichever cell is chosen is one that there is, and no interrupt is forgotten. */
#include "port_device.h"

static void check(const struct machine *m)
{
	CHECK(m->board.rtc.index < sizeof(m->board.rtc.cells));
	CHECK(!m->board.rtc.edge);
}

const struct port_device port_device = {{0x70, 0x71}, 2, check};
