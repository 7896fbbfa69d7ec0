/* SPDX-License-Identifier: MIT */
/* A machine's counters as JSON: what desched-vm(1) lists. */
#ifndef VMM_FIGURES_H
#define VMM_FIGURES_H

#include "vmm/board.h"

#include <jansson.h>

/* A new reference. Takes the lock. */
json_t *figures(struct board *m);

#endif
