/* SPDX-License-Identifier: MIT */
/* VMDesched's port and page: the page is whole pages of guest memory or none, and VMDesched runs
 * only if the port or the page says so. The 8254 and 8259 are there so that ticks go. */
#include "port_device.h"

#include <desched/vmdesched.h>

static void check(const struct board *b)
{
	CHECK(b->port.page % 4096 == 0 && b->port.page <= PORT_DEVICE_MEMORY - 4096);
	CHECK(!b->ticker.vmdesched || b->port.told || b->port.page);
	CHECK(b->ticker.vmdesched_ns <= b->ticker.run_ns);
}

const struct port_device port_device = {{VMDESCHED_PORT, VMDESCHED_STATE, VMDESCHED_LEDGER,
					 VMDESCHED_LEDGER_SIZE, 0x40, 0x43, 0x20},
					7,
					check};
