/* SPDX-License-Identifier: MIT */
/*
 * The page in a `desched vm`: reserved memory that VMDesched's port tells of (vmdesched(7)).
 * Elsewhere nothing is touched: a port is only asked where the firmware's memory map has a reserved
 * range that begins where such a page does and no driver has claimed the port; and the port must
 * then confirm all of it. Needs CAP_SYS_RAWIO while it looks.
 */
#ifndef GUEST_PORT_PAGE_H
#define GUEST_PORT_PAGE_H

#include "base/failure.h"

#include <stddef.h>
#include <stdint.h>

struct hostclock_line;

/* A page that this machine has, mapped. */
struct guest_page {
	void *base;
	size_t size;
	const struct hostclock_line *line; /* by which it comes (stream_page.h); NULL: it is memory
					    * that the host writes */
};

/* -ENODEV where there is none, -EPERM and the like where it may not be had. */
int port_page_map(struct failure *f, struct guest_page *ret);

/* What /sys and /proc below `root` say: 0 and the range's size if the port may be asked, -ENODEV.
 * For port_page_map() and tests. */
int port_page_expected(const char *root, uint64_t *ret_size);

#endif
