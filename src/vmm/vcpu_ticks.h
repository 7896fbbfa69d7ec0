/* SPDX-License-Identifier: MIT */
/* The ticks of a vCPU: of the timer that it counts by, and what VMDesched's port says of them. */
#ifndef VMM_VCPU_TICKS_H
#define VMM_VCPU_TICKS_H

#include "vmm/machine.h"

/* The ticks that it counts, which VMDesched's port is about: those of its local APIC if that gives
 * any, else vCPU 0's are the 8254's. */
struct ticker *vcpu_ticker(struct vcpu *v);

/* Raises a tick if one is due as of the last reading, and the guest has taken the one before. */
bool vcpu_tick(struct vcpu *v);

/* When vcpu_tick() will have something to do at the earliest, or TICK_NEVER. */
uint64_t vcpu_next(const struct vcpu *v);

/* The guest's accesses to VMDesched's port (port.h). */
void vcpu_desched_write(struct vcpu *v, uint16_t port, unsigned size, uint32_t value);
uint32_t vcpu_desched_read(struct vcpu *v, uint16_t port, unsigned size);

/* What the guest says in VMDesched's page; after each exit, before ticks are looked at. */
void vcpu_look(struct vcpu *v);

/* VMDesched's page, as of now. */
void vcpu_publish(struct vcpu *v);

/* Its ticks and what it said to VMDesched's port, as before it began. */
void vcpu_forget(struct vcpu *v);

#endif
