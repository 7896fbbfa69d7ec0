/* SPDX-License-Identifier: MIT */
#include "vmm/reset.h"

#include "vmm/vcpu_ticks.h"

/* vCPU 0 runs, the others wait. */
static void reset_vcpu(struct vcpu *v, struct machine *m, uint8_t id)
{
	v->machine = m;
	v->id = id;
	v->state = id ? VCPU_WAITS : VCPU_RUNS;
	lapic_reset(&v->apic, id);
	if (!id)
		lapic_boot(&v->apic);
	vcpu_forget(v);
}

void machine_reset(struct machine *m)
{
	board_reset(&m->board);
	m->told = false;
	for (unsigned i = 0; i < m->cpus; i++)
		reset_vcpu(&m->cpu[i], m, (uint8_t)i);
}
