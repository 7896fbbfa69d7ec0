/* SPDX-License-Identifier: MIT */
/* VMDesched's port and page: the page is whole pages of guest memory or none, and VMDesched runs
 * only if the port or the page says so. The 8254 and 8259 are there so that ticks go. */
#include "port_device.h"

#include <desched/vmdesched.h>

static void check(const struct machine *m)
{
	const struct port *p = &m->cpu[0].port;

	CHECK(p->page % 4096 == 0 && p->page <= PORT_DEVICE_MEMORY - 4096);
	CHECK(!m->board.ticker.vmdesched || p->told || p->page);
	CHECK(m->board.ticker.vmdesched_ns <= m->board.ticker.run_ns);
}

const struct port_device port_device = {{VMDESCHED_PORT, VMDESCHED_STATE, VMDESCHED_LEDGER,
					 VMDESCHED_LEDGER_SIZE, 0x40, 0x43, 0x20},
					7,
					check};
