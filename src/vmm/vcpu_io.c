/* SPDX-License-Identifier: MIT */
#include "vmm/board.h"

#include "base/units.h"

#include <desched/vmdesched.h>

void vcpu_reset(struct vcpu *v, struct board *m, uint8_t id)
{
	v->board = m;
	v->id = id;
	v->state = id ? VCPU_WAITS : VCPU_RUNS;
	lapic_reset(&v->apic, id);
	if (!id)
		lapic_boot(&v->apic);
	vcpu_forget(v);
}

void vcpu_forget(struct vcpu *v)
{
	ticker_stop(&v->ticker);
	v->port = (struct port){.entered = v->port.entered};
	vcpu_look(v);
}

/* ---- VMDesched's port ---- */

struct ticker *vcpu_ticker(struct vcpu *v)
{
	return v->id || v->ticker.on ? &v->ticker : &v->board->ticker;
}

static bool is_desched(uint16_t port)
{
	return port >= VMDESCHED_PORT && port < VMDESCHED_PORT + VMDESCHED_PORTS;
}

/* The CMOS clock's ticks come to vCPU 0. */
static struct port_timers timers(struct vcpu *v)
{
	return (struct port_timers){vcpu_ticker(v), v->id ? NULL : &v->board->clock_ticker};
}

/* VMDesched has the vCPU, whichever of its timers ticks. */
static void share_vmdesched(struct vcpu *v)
{
	const struct ticker *k = vcpu_ticker(v);
	struct ticker *other = v->id || k == &v->board->ticker ? &v->ticker : &v->board->ticker;

	other->vmdesched = k->vmdesched;
	other->asking = k->asking;
}

void vcpu_look(struct vcpu *v)
{
	port_look(&v->port, timers(v), &v->board->memory);
	share_vmdesched(v);
}

void vcpu_port_write(struct vcpu *v, uint16_t port, unsigned size, uint32_t value)
{
	if (!is_desched(port)) {
		board_port_write(v->board, port, size, value);
		return;
	}
	port_write(&v->port, timers(v), &v->board->memory, port, size, value);
	share_vmdesched(v);
}

uint32_t vcpu_port_read(struct vcpu *v, uint16_t port, unsigned size)
{
	uint32_t value;

	if (!is_desched(port))
		return board_port_read(v->board, port, size);
	value = port_read(&v->port, timers(v), &v->board->memory, port, size);
	share_vmdesched(v);
	return value;
}

void vcpu_publish(struct vcpu *v)
{
	bool raised = vcpu_ticker(v) == &v->ticker ? lapic_timer_requested(&v->apic)
						   : timers_raised(v->board);

	port_publish(&v->port, timers(v), raised, &v->board->memory);
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
	uint64_t now = v->board->now;

	if (v->apic.timer_changed)
		program_apic(v);
	if (lapic_timer_busy(&v->apic) || (!ticker_fire(&v->ticker) && lapic_due(&v->apic) > now))
		return false;
	lapic_timer_fire(&v->apic, now);
	return true;
}

bool vcpu_tick(struct vcpu *v)
{
	bool board = !v->id && timers_fire(v->board);

	return tick_apic(v) || board;
}

uint64_t vcpu_next(const struct vcpu *v)
{
	uint64_t next = v->id ? TICK_NEVER : timers_next(v->board);

	if (!lapic_timer_busy(&v->apic))
		next = u64_min(next, u64_min(ticker_next(&v->ticker), lapic_due(&v->apic)));
	return next;
}

/* ---- interrupts ---- */

static bool pic_waits(const struct vcpu *v)
{
	return !v->id && lapic_passes_pic(&v->apic) && pic_pending(&v->board->pic);
}

bool vcpu_pending(const struct vcpu *v)
{
	return pic_waits(v) || lapic_pending(&v->apic);
}

uint8_t vcpu_acknowledge(struct vcpu *v)
{
	return pic_waits(v) ? pic_acknowledge(&v->board->pic) : lapic_acknowledge(&v->apic);
}

/* Carries what the vCPU sends to whom it is for. */
static void send(struct vcpu *v)
{
	struct board *m = v->board;

	v->apic.sends = false;
	for (unsigned i = 0; i < m->cpus; i++) {
		struct vcpu *to = &m->cpu[i];

		if (!lapic_reaches(&v->apic, &to->apic))
			continue;
		lapic_receive(&to->apic, &v->apic);
		to->wake = true;
		if (lapic_one(&v->apic))
			return;
	}
}

bool vcpu_memory_write(struct vcpu *v, uint64_t at, unsigned size, uint64_t value)
{
	if (!lapic_has(&v->apic, at))
		return board_memory_write(v->board, at, size, value);
	lapic_write(&v->apic, at % LAPIC_SIZE, size, (uint32_t)value, v->board->now);
	if (v->apic.sends)
		send(v);
	return true;
}

uint64_t vcpu_memory_read(struct vcpu *v, uint64_t at, unsigned size)
{
	return lapic_has(&v->apic, at) ? lapic_read(&v->apic, at % LAPIC_SIZE, size, v->board->now)
				       : board_memory_read(v->board, at, size);
}
