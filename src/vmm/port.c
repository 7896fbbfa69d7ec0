/* SPDX-License-Identifier: MIT */
#include "vmm/port.h"

#include <desched/vmdesched.h>

#define PAGE 4096u

void port_write(struct port *p, struct ticker *k, const struct memory *m, uint16_t port,
		unsigned size, uint32_t value)
{
	if (port == VMDESCHED_PORT && size == 4) {
		bool good = value && value % PAGE == 0 && memory_at(m, value, PAGE);

		p->page = good ? value : 0;
	} else if (port == VMDESCHED_STATE && size == 1) {
		p->entered += (value & 1) && !k->vmdesched;
		k->vmdesched = value & 1;
	}
}

uint32_t port_read(const struct port *p, uint16_t port, unsigned size)
{
	(void)p;
	return port == VMDESCHED_PORT && size == 4 ? VMDESCHED_MAGIC : UINT32_MAX;
}

static bool wanted(const struct ticker *k, bool raised)
{
	return k->on && (tick_wants_vmdesched(&k->tick) || (k->vmdesched && raised));
}

void port_publish(const struct port *p, const struct ticker *k, bool raised, const struct memory *m)
{
	struct vmdesched_page page = {
		.magic = VMDESCHED_MAGIC,
		.bits = wanted(k, raised) ? VMDESCHED_WANTED : 0,
		.period = k->tick.period,
		.due = k->tick.due,
		.taken = k->tick.delivered,
		.backlog = k->tick.backlog,
		.lost = k->tick.lost,
		.set = k->tick.set,
		.resyncs = k->tick.resyncs,
		.real_ns = k->on ? k->mono - k->start : 0,
		.run_ns = k->run_ns,
		.away_ns = k->away_ns,
		.vmdesched_ns = k->vmdesched_ns,
	};

	if (p->page)
		memcpy(m->base + p->page, &page, sizeof(page));
}
