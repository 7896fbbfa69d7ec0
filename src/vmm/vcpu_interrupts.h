/* SPDX-License-Identifier: MIT */
/* Interrupts of a vCPU: those of its local APIC, and vCPU 0's those of the 8259s. */
#ifndef VMM_VCPU_INTERRUPTS_H
#define VMM_VCPU_INTERRUPTS_H

#include "vmm/machine.h"

/* An interrupt waits for it; its vector, which is now being served. */
bool vcpu_pending(const struct vcpu *v);
uint8_t vcpu_acknowledge(struct vcpu *v);

/* Carries what its local APIC sends to those that it is for. */
void vcpu_send(struct vcpu *v);

/* Lets vCPU 0 know that the 8259s or the timers want something of it, whichever vCPU has made them
 * want it. */
void vcpu_tell_first(const struct vcpu *v);

/* Raises what devices ask for, and wakes the vCPUs that this is for. */
void vcpu_tell(const struct vcpu *v);

#endif
