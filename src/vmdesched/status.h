/* SPDX-License-Identifier: MIT */
/* The figures in one line, for `systemctl status` and the journal: where they come from, and how
 * far they can be trusted. */
#ifndef VMDESCHED_STATUS_H
#define VMDESCHED_STATUS_H

#include <stdbool.h>
#include <stdint.h>

#define STATUS_MAX 256

struct status {
	const char *source;
	bool estimated; /* low and high are a 90 % interval of `away` */
	bool stale;
	uint64_t busy, away; /* ns, of all processes since the start */
	uint64_t low, high;
};

void status_line(const struct status *s, char ret[STATUS_MAX]);

#endif
