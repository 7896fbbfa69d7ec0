/* SPDX-License-Identifier: MIT */
/* The page as this machine has it: BAR 2 of an ivshmem-plain device, the reserved memory of a
 * `desched vm` (port_page.h), or a file that a test gives. */
#ifndef GUEST_GUEST_PAGE_H
#define GUEST_GUEST_PAGE_H

#include "guest/port_page.h"

/* Maps `path` read-only; NULL: the device's. -ENODEV where there is none. */
int guest_page_map(const char *path, struct failure *f, struct guest_page *ret);
void guest_page_unmap(struct guest_page *m);

#endif
