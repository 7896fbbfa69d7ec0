/* SPDX-License-Identifier: MIT */
/* Any port at all: the interrupt controllers, those that end the machine, and all of them mixed. */
#include "port_device.h"

static void check(const struct machine *m)
{
	CHECK(m->end <= MACHINE_RESET);
}

const struct port_device port_device = {.check = check};
