/* SPDX-License-Identifier: MIT */
/*
 * What a vCPU's guest code reaches: first what the vCPU has for itself (VMDesched's port, its local
 * APIC), then the board.
 */
#ifndef VMM_VCPU_ACCESS_H
#define VMM_VCPU_ACCESS_H

#include "vmm/machine.h"

/* All ones where there is nothing. False: not yet (virtio_write()). */
void vcpu_port_write(struct vcpu *v, uint16_t port, unsigned size, uint32_t value);
uint32_t vcpu_port_read(struct vcpu *v, uint16_t port, unsigned size);
bool vcpu_memory_write(struct vcpu *v, uint64_t at, unsigned size, uint64_t value);
uint64_t vcpu_memory_read(struct vcpu *v, uint64_t at, unsigned size);

#endif
