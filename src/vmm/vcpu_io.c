/* SPDX-License-Identifier: MIT */
#include "vmm/board.h"

#include "base/units.h"

#include <desched/vmdesched.h>

#define TIMER_LINE 0

void vcpu_reset(struct vcpu *v, struct board *m, uint8_t id)
{
	v->board = m;
	v->id = id;
	v->state = id ? VCPU_WAITS : VCPU_RUNS;
	lapic_reset(&v->apic, id);
	if (!id)
		lapic_boot(&v->apic);
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

/* VMDesched has the vCPU, whichever of its timers ticks. */
static void share_vmdesched(struct vcpu *v)
{
	bool runs = vcpu_ticker(v)->vmdesched;

	v->ticker.vmdesched = runs;
	if (!v->id)
		v->board->ticker.vmdesched = runs;
}

void vcpu_look(struct vcpu *v)
{
	port_look(&v->port, vcpu_ticker(v), &v->board->memory);
	share_vmdesched(v);
}

void vcpu_port_write(struct vcpu *v, uint16_t port, unsigned size, uint32_t value)
{
	if (!is_desched(port)) {
		board_port_write(v->board, port, size, value);
		return;
	}
	port_write(&v->port, vcpu_ticker(v), &v->board->memory, port, size, value);
	share_vmdesched(v);
}

uint32_t vcpu_port_read(struct vcpu *v, uint16_t port, unsigned size)
{
	return is_desched(port) ? port_read(&v->board->memory, port, size)
				: board_port_read(v->board, port, size);
}

void vcpu_publish(struct vcpu *v)
{
	const struct ticker *k = vcpu_ticker(v);
	bool raised = k == &v->ticker ? lapic_timer_requested(&v->apic)
				      : pic_raised(&v->board->pic, TIMER_LINE);

	port_publish(&v->port, k, raised, &v->board->memory);
}

/* ---- ticks ---- */

/* Channel 0 was programmed anew. */
static void program_pit(struct board *m)
{
	bool once = false;
	uint64_t period = pit_period(&m->pit, &once);

	m->pit.changed = false;
	if (period)
		ticker_start(&m->ticker, period, m->ticker.mono, m->ticker.cpu);
	else
		ticker_stop(&m->ticker);
}

static bool tick_pit(struct board *m)
{
	bool once = false;

	if (m->pit.changed)
		program_pit(m);
	if (pic_busy(&m->pic, TIMER_LINE) || !ticker_fire(&m->ticker))
		return false;
	pic_raise(&m->pic, TIMER_LINE);
	if (pit_period(&m->pit, &once) && once)
		ticker_stop(&m->ticker);
	return true;
}

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
	bool pit = !v->id && tick_pit(v->board);

	return tick_apic(v) || pit;
}

uint64_t vcpu_next(const struct vcpu *v)
{
	const struct board *m = v->board;
	uint64_t next = TICK_NEVER;

	if (!lapic_timer_busy(&v->apic))
		next = u64_min(ticker_next(&v->ticker), lapic_due(&v->apic));
	if (!v->id && !pic_busy(&m->pic, TIMER_LINE))
		next = u64_min(next, ticker_next(&m->ticker));
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

void vcpu_memory_write(struct vcpu *v, uint64_t at, unsigned size, uint64_t value)
{
	if (!lapic_has(&v->apic, at)) {
		board_memory_write(v->board, at, size, value);
		return;
	}
	lapic_write(&v->apic, at % LAPIC_SIZE, size, (uint32_t)value, v->board->now);
	if (v->apic.sends)
		send(v);
}

uint64_t vcpu_memory_read(struct vcpu *v, uint64_t at, unsigned size)
{
	return lapic_has(&v->apic, at) ? lapic_read(&v->apic, at % LAPIC_SIZE, size, v->board->now)
				       : board_memory_read(v->board, at, size);
}
