/* SPDX-License-Identifier: MIT */
#include "vmm/port.h"

#include <desched/vmdesched.h>

#include <stddef.h>

#define PAGE 4096u

static void set_running(struct port *p, struct ticker *k, bool runs)
{
	p->entered += runs && !k->vmdesched;
	k->vmdesched = runs;
}

void port_look(struct port *p, struct ticker *k, const struct memory *m)
{
	uint32_t word = 0;

	if (p->page)
		memcpy(&word, m->base + p->page + offsetof(struct vmdesched_page, running),
		       sizeof(word));
	set_running(p, k, p->told || word & 1);
}

void port_write(struct port *p, struct ticker *k, const struct memory *m, uint16_t port,
		unsigned size, uint32_t value)
{
	if (port == VMDESCHED_PORT && size == 4) {
		bool good = value && value % PAGE == 0 && memory_at(m, value, PAGE);

		p->page = good ? value : 0;
	} else if (port == VMDESCHED_STATE && size == 1) {
		p->told = value & 1;
		port_look(p, k, m);
	}
}

uint32_t port_read(const struct memory *m, uint16_t port, unsigned size)
{
	if (size != 4)
		return UINT32_MAX;
	switch (port) {
	case VMDESCHED_PORT:
		return VMDESCHED_MAGIC;
	case VMDESCHED_LEDGER:
		return m->page ? (uint32_t)MEMORY_PAGE : 0;
	case VMDESCHED_LEDGER_SIZE:
		return (uint32_t)m->page_size;
	default:
		return UINT32_MAX;
	}
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
		memcpy(m->base + p->page, &page, offsetof(struct vmdesched_page, running));
}
