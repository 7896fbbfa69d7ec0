/* SPDX-License-Identifier: MIT */
/*
 * What a vCPU's thread does for its guest without the lock, since it may take any time: the jobs of
 * virtio devices, a step after the other. Between two steps it sees whether the machine has ended.
 * So the lock is never held for longer than a step of computation takes, and the thread that
 * serves the user gets it, whatever a guest asks for and however slow a disk is.
 */
#ifndef VMM_WORK_H
#define VMM_WORK_H

#include "vmm/machine.h"

/* What virtio devices have to do, until there is no more or the machine has ended. Lets go of the
 * lock meanwhile. */
void work_run(const struct vcpu *v);

#endif
