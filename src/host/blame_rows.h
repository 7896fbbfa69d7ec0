/* SPDX-License-Identifier: MIT */
/* Inside src/host: the culprits of one VM, as rows that are found by their party (timeline.h). */
#ifndef HOST_BLAME_ROWS_H
#define HOST_BLAME_ROWS_H

#include "host/timeline.h"
#include "wire/host_frame.h"

#define BLAME_ROWS 64

/* The first rows are there from the beginning. */
enum blame_row {
	ROW_IDLE,
	ROW_IRQ,
	ROW_UNKNOWN,
	ROW_ITSELF_VCPUS,
	ROW_ITSELF_OTHER,
	ROW_REST_VMS,
	ROW_REST_PROCESSES,
	ROW_REST_KERNEL,
	ROWS_FIXED,
	ROW_NONE = BLAME_ROWS,
};

struct blame_rows {
	struct host_frame_blame row[BLAME_ROWS]; /* without ns and longest */
	uint64_t key[BLAME_ROWS];
	uint64_t grew[BLAME_ROWS]; /* ns: when something was booked last */
	unsigned n;
	uint8_t index[4 * BLAME_ROWS]; /* row + 1, by key */
	uint64_t full_until;	       /* ns: before then, no row gives way */
	uint64_t merged;	       /* times that a culprit without a row ran */
};

void blame_rows_init(struct blame_rows *r, pid_t pid);

/* The row of a party that is not the idle task, or ROW_NONE. */
unsigned blame_rows_find(const struct blame_rows *r, const struct party *who);

/* A row for a party that has none, called `name` if it is a VM; by it, *r is changed at time `now`.
 * A row that gives way for it is told in *ret_gone, else that is ROW_NONE. */
unsigned blame_rows_add(struct blame_rows *r, const struct party *who, const char *name,
			uint64_t now, unsigned *ret_gone);

#endif
