/* SPDX-License-Identifier: MIT */
/* Pages of VMs that are measured: what people should know of them, and those that may be had later. */
#ifndef HOST_MEASURE_PAGES_H
#define HOST_MEASURE_PAGES_H

#include "host/measured.h"

/* Takes what became of the VM's devices, if it has any. -ENOMEM. */
int measure_pages_keep(struct measured *x, const struct page_choice *c);

/* Says what was left alone, of the devices from number `from` on. */
void measure_pages_note(const struct measurement *m, const struct measured *x, unsigned from);

/* Looks again for pages of VMs that have none, at some of them each time. */
void measure_pages_retry(struct measurement *m);

/* Of one VM, whose owner may bring about any number. */
#define MEASURE_LOSSES_SAID 3

#endif
