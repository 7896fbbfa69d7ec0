/* SPDX-License-Identifier: MIT */
/* Inside src/host: the culprits of one VM, as rows that are found by their party (timeline.h). */
#ifndef HOST_BLAME_ROWS_H
#define HOST_BLAME_ROWS_H

#include "host/timeline.h"
#include "wire/host_frame.h"

#define BLAME_ROWS	 64
#define BLAME_CANDIDATES 16

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

/* Whom a row is of. A host has many, and most are called shortly. */
struct blame_culprit {
	enum host_culprit kind;
	pid_t pid;
	const char *name; /* owned, but for the first rows */
};

struct blame_rows {
	struct blame_culprit row[BLAME_ROWS];
	uint64_t key[BLAME_ROWS];
	uint64_t grew[BLAME_ROWS]; /* ns: when something was booked last */
	unsigned n;
	uint8_t index[4 * BLAME_ROWS]; /* row + 1, by key */
	uint64_t ns[BLAME_ROWS];       /* that were booked, ever */
	uint64_t full_until;	       /* ns: before then, no row is quiet */
	uint64_t least;		       /* ns: no row but the fixed ones has less */
	struct {
		uint64_t key, ns;
	} candidates[BLAME_CANDIDATES]; /* without rows, and what was booked with the rest */
	uint64_t merged;		/* times that a culprit without a row ran */
};

void blame_rows_init(struct blame_rows *r, pid_t pid);
void blame_rows_done(struct blame_rows *r);

/* The row of a party that is not the idle task, or ROW_NONE. */
unsigned blame_rows_find(const struct blame_rows *r, const struct party *who);

/* Where to book `ns` of a party that has no row, at time `now`: a new row, called `name` if it is a
 * VM, or that of the rest of its kind, as without memory. A row that gave way for it is in *ret_gone, else ROW_NONE. */
unsigned blame_rows_add(struct blame_rows *r, const struct party *who, const char *name,
			uint64_t ns, uint64_t now, unsigned *ret_gone);

#endif
