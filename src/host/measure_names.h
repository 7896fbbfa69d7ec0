/* SPDX-License-Identifier: MIT */
/* What VMs that are measured are called: no two alike (vm_name.h). */
#ifndef HOST_MEASURE_NAMES_H
#define HOST_MEASURE_NAMES_H

#include "host/measured.h"

/* One that came later. */
void measure_names_settle(const struct measurement *m, struct measured *x);

/* Of all that are there at the beginning, whichever was found first. -ENOMEM. */
int measure_names_settle_all(struct measurement *m);

#endif
