/* SPDX-License-Identifier: MIT */
#include "vmm/vcpu_interrupts.h"

#include "vmm/timers.h"

#include <unistd.h>

static bool pic_waits(const struct vcpu *v)
{
	return !v->id && lapic_passes_pic(&v->apic) && pic_pending(&v->machine->board.pic);
}

bool vcpu_pending(const struct vcpu *v)
{
	return pic_waits(v) || lapic_pending(&v->apic);
}

uint8_t vcpu_acknowledge(struct vcpu *v)
{
	return pic_waits(v) ? pic_acknowledge(&v->machine->board.pic) : lapic_acknowledge(&v->apic);
}

void vcpu_send(struct vcpu *v)
{
	struct machine *m = v->machine;

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

/* Signals those for whom something has changed. */
static void wake_others(const struct vcpu *v)
{
	struct machine *m = v->machine;

	for (unsigned i = 0; i < m->cpus; i++) {
		struct vcpu *other = &m->cpu[i];

		if (other == v || !other->wake || other->signalled)
			continue;
		other->signalled = true;
		tgkill(m->process, other->tid, VCPU_WAKE);
	}
}

void vcpu_tell_first(const struct vcpu *v)
{
	struct machine *m = v->machine;
	bool asks = pic_pending(&m->board.pic) || timers_ask(&m->board);

	if (v->id && asks && !m->told)
		m->cpu[0].wake = true;
	m->told = asks;
}

void vcpu_tell(const struct vcpu *v)
{
	board_raise(&v->machine->board);
	vcpu_tell_first(v);
	wake_others(v);
}
