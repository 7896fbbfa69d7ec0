/* SPDX-License-Identifier: MIT */
#include "vmm/vcpu_access.h"

#include "vmm/vcpu_interrupts.h"
#include "vmm/vcpu_ticks.h"

#include <desched/vmdesched.h>

static bool is_desched(uint16_t port)
{
	return port >= VMDESCHED_PORT && port < VMDESCHED_PORT + VMDESCHED_PORTS;
}

void vcpu_port_write(struct vcpu *v, uint16_t port, unsigned size, uint32_t value)
{
	struct machine *m = v->machine;

	if (is_desched(port)) {
		vcpu_desched_write(v, port, size, value);
		return;
	}
	board_port_write(&m->board, port, size, value);
	if (m->board.bus.off)
		m->end = MACHINE_POWEROFF;
	else if (m->board.bus.reset)
		m->end = MACHINE_RESET;
}

uint32_t vcpu_port_read(struct vcpu *v, uint16_t port, unsigned size)
{
	return is_desched(port) ? vcpu_desched_read(v, port, size)
				: board_port_read(&v->machine->board, port, size);
}

bool vcpu_memory_write(struct vcpu *v, uint64_t at, unsigned size, uint64_t value)
{
	if (!lapic_has(&v->apic, at))
		return board_memory_write(&v->machine->board, at, size, value);
	lapic_write(&v->apic, at % LAPIC_SIZE, size, (uint32_t)value, v->machine->board.bus.now);
	if (v->apic.sends)
		vcpu_send(v);
	return true;
}

uint64_t vcpu_memory_read(struct vcpu *v, uint64_t at, unsigned size)
{
	return lapic_has(&v->apic, at)
		       ? lapic_read(&v->apic, at % LAPIC_SIZE, size, v->machine->board.bus.now)
		       : board_memory_read(&v->machine->board, at, size);
}
