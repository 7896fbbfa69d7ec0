/* SPDX-License-Identifier: MIT */
#include "vmm/port.h"

#include "base/units.h"

#include <desched/vmdesched.h>

#include <stddef.h>

#define PAGE 4096u

static void set_running(struct port *p, struct port_timers t, bool runs)
{
	p->entered += runs && !t.timer->vmdesched;
	t.timer->vmdesched = runs;
	if (t.clock)
		t.clock->vmdesched = runs;
}

void port_look(struct port *p, struct port_timers t, const struct memory *m)
{
	uint32_t word = 0;

	if (p->page)
		memcpy(&word, m->base + p->page + offsetof(struct vmdesched_page, running),
		       sizeof(word));
	set_running(p, t, p->told || word & 1);
}

void port_write(struct port *p, struct port_timers t, const struct memory *m, uint16_t port,
		unsigned size, uint32_t value)
{
	if (port == VMDESCHED_PORT && size == 4) {
		bool good = value && value % PAGE == 0 && memory_at(m, value, PAGE);

		p->page = good ? value : 0;
	} else if (port == VMDESCHED_STATE && size == 1) {
		p->told = value & 1;
		port_look(p, t, m);
	}
}

static uint32_t ask(struct port *p, struct port_timers t)
{
	bool before = t.timer->asking || (t.clock && t.clock->asking);
	bool timer = ticker_ask(t.timer), clock = t.clock && ticker_ask(t.clock);
	bool set = t.timer->tick.set > p->clock_told;

	t.timer->asking = timer || clock;
	if (t.clock)
		t.clock->asking = timer || clock;
	p->entered += (timer || clock) && !before;
	return (timer || clock ? VMDESCHED_WANTED : 0) | (set ? VMDESCHED_SET : 0);
}

static uint32_t set_ms(struct port *p, const struct ticker *k)
{
	uint64_t ticks = u64_sub_floor(k->tick.set, p->clock_told);

	p->clock_told = k->tick.set;
	return (uint32_t)u64_min(ticks * k->tick.period / NS_PER_MS, UINT32_MAX);
}

uint32_t port_read(struct port *p, struct port_timers t, const struct memory *m, uint16_t port,
		   unsigned size)
{
	if (port == VMDESCHED_ASK && size == 1)
		return ask(p, t);
	if (size != 4)
		return UINT32_MAX;
	switch (port) {
	case VMDESCHED_PORT:
		return VMDESCHED_MAGIC;
	case VMDESCHED_CLOCK:
		return set_ms(p, t.timer);
	case VMDESCHED_LEDGER:
		return m->page ? (uint32_t)MEMORY_PAGE : 0;
	case VMDESCHED_LEDGER_SIZE:
		return (uint32_t)m->page_size;
	default:
		return UINT32_MAX;
	}
}

static bool wanted(struct port_timers t, bool raised)
{
	return ticker_wants_vmdesched(t.timer) || (t.clock && ticker_wants_vmdesched(t.clock)) ||
	       (t.timer->vmdesched && raised);
}

void port_publish(const struct port *p, struct port_timers t, bool raised, const struct memory *m)
{
	const struct ticker *k = t.timer;
	struct vmdesched_page page = {
		.magic = VMDESCHED_MAGIC,
		.bits = wanted(t, raised) ? VMDESCHED_WANTED : 0,
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
