/* SPDX-License-Identifier: MIT */
/* The serial port's output, which is written without the lock, as work (work.h) is done. */
#ifndef VMM_OUTPUT_H
#define VMM_OUTPUT_H

#include "vmm/machine.h"

/* Writes what the guest has sent by its serial port, once there is a line of it, or enough, or
 * `all`. Lets go of the lock meanwhile. */
void output_flush(struct machine *m, bool all);

#endif
