/* SPDX-License-Identifier: MIT */
#ifndef VMM_RESET_H
#define VMM_RESET_H

#include "vmm/machine.h"

/* Power-up of the board and the vCPUs; what was counted stays. What boots then is in restart.h. */
void machine_reset(struct machine *m);

#endif
