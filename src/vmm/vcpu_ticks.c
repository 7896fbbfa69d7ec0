/* SPDX-License-Identifier: MIT */
#include "vmm/vcpu_ticks.h"

#include "base/units.h"
#include "vmm/timers.h"

struct ticker *vcpu_ticker(struct vcpu *v)
{
	return v->id || v->ticker.on ? &v->ticker : &v->machine->board.ticker;
}

/* ---- VMDesched's port ---- */

/* The CMOS clock's ticks come to vCPU 0. */
static struct port_timers timers(struct vcpu *v)
{
	return (struct port_timers){vcpu_ticker(v), v->id ? NULL : &v->machine->board.clock_ticker};
}

static const struct memory *memory(const struct vcpu *v)
{
	return &v->machine->board.memory;
}

/* VMDesched has the vCPU, whichever of its timers ticks. */
static void share_vmdesched(struct vcpu *v)
{
	const struct ticker *k = vcpu_ticker(v);
	struct ticker *other = v->id || k == &v->machine->board.ticker ? &v->ticker
								       : &v->machine->board.ticker;

	other->vmdesched = k->vmdesched;
	other->asking = k->asking;
}

void vcpu_look(struct vcpu *v)
{
	port_look(&v->port, timers(v), memory(v));
	share_vmdesched(v);
}

void vcpu_forget(struct vcpu *v)
{
	ticker_stop(&v->ticker);
	v->port = (struct port){.entered = v->port.entered};
	vcpu_look(v);
}

void vcpu_desched_write(struct vcpu *v, uint16_t port, unsigned size, uint32_t value)
{
	port_write(&v->port, timers(v), memory(v), port, size, value);
	share_vmdesched(v);
}

uint32_t vcpu_desched_read(struct vcpu *v, uint16_t port, unsigned size)
{
	uint32_t value = port_read(&v->port, timers(v), memory(v), port, size);

	share_vmdesched(v);
	return value;
}

void vcpu_publish(struct vcpu *v)
{
	bool raised = vcpu_ticker(v) == &v->ticker ? lapic_timer_requested(&v->apic)
						   : timers_raised(&v->machine->board);

	port_publish(&v->port, timers(v), raised, memory(v));
}

/* ---- ticks ---- */

/* A timer that goes on as before keeps its backlog. */
static void program_apic(struct vcpu *v)
{
	struct ticker *k = &v->ticker;
	uint64_t period = lapic_period(&v->apic);

	v->apic.timer_changed = false;
	if (!period)
		ticker_stop(k);
	else if (!k->on || k->tick.period != period || k->start < v->apic.started)
		ticker_start(k, period, k->mono, k->cpu);
}

static bool tick_apic(struct vcpu *v)
{
	uint64_t now = v->machine->board.bus.now;

	if (v->apic.timer_changed)
		program_apic(v);
	if (lapic_timer_busy(&v->apic) || (!ticker_fire(&v->ticker) && lapic_due(&v->apic) > now))
		return false;
	lapic_timer_fire(&v->apic, now);
	return true;
}

bool vcpu_tick(struct vcpu *v)
{
	bool board = !v->id && timers_fire(&v->machine->board);

	return tick_apic(v) || board;
}

uint64_t vcpu_next(const struct vcpu *v)
{
	uint64_t next = v->id ? TICK_NEVER : timers_next(&v->machine->board);

	if (!lapic_timer_busy(&v->apic))
		next = u64_min(next, u64_min(ticker_next(&v->ticker), lapic_due(&v->apic)));
	return next;
}
