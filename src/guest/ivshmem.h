/* SPDX-License-Identifier: MIT */
/* The page as this machine has it: BAR 2 of an ivshmem-plain device, the reserved memory of a
 * `desched vm` (port_page.h), or a file that a test gives. */
#ifndef GUEST_IVSHMEM_H
#define GUEST_IVSHMEM_H

#include "base/failure.h"

#include <stddef.h>

struct page_mapping {
	void *base;
	size_t size;
};

/* Maps `path` read-only; NULL: the device's. -ENODEV where there is none. */
int page_map(const char *path, struct failure *f, struct page_mapping *ret);
void page_unmap(struct page_mapping *m);

#endif
