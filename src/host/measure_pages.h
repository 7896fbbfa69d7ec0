/* SPDX-License-Identifier: MIT */
/* Pages of VMs that are measured: what people should know of them, and those that may be had later. */
#ifndef HOST_MEASURE_PAGES_H
#define HOST_MEASURE_PAGES_H

#include "host/measured.h"

/* Says what was left alone, of the devices from number `from` on. */
void measure_pages_note(const struct measurement *m, const struct measured *x, unsigned from);

/* Looks again for pages of VMs that have none: all of a few VMs, a part of many. */
void measure_pages_retry(struct measurement *m);

/* Of one VM, whose owner may bring about any number. */
#define MEASURE_LOSSES_SAID 3

#endif
