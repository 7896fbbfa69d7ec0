/* SPDX-License-Identifier: MIT */
#ifndef VMM_VCPU_THREAD_H
#define VMM_VCPU_THREAD_H

#include "vmm/machine.h"

/* All that a vCPU's thread does, until the machine has ended. The lock is held at both ends. */
void vcpu_run(struct vcpu *v);

#endif
