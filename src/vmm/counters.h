/* SPDX-License-Identifier: MIT */
/* A machine's counters as JSON: what desched-vm(1) lists. */
#ifndef VMM_COUNTERS_H
#define VMM_COUNTERS_H

#include "vmm/machine.h"

#include <jansson.h>

/* A new reference. Takes the lock. */
json_t *counters_json(struct machine *m);

#endif
