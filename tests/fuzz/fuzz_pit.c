/* SPDX-License-Identifier: MIT */
/* The 8254: no count is out of range, and no timer faster than allowed. */
#include "port_device.h"

static void check(const struct machine *m)
{
	bool once = false;
	uint64_t period = pit_period(&m->board.pit, &once);

	CHECK(!period || period >= PIT_FASTEST);
	for (int i = 0; i < 3; i++)
		CHECK(m->board.pit.channel[i].count >= 1 && m->board.pit.channel[i].count <= 65536);
}

const struct port_device port_device = {{0x40, 0x41, 0x42, 0x43, 0x61}, 5, check};
