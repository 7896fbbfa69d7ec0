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
	uint64_t key;
	uint64_t grew; /* ns: when something was booked last */
	uint64_t ns;   /* that were booked, ever */
};

struct blame_rows {
	struct blame_culprit *row; /* [room], owned; `n` of them are there */
	unsigned n, room;
	uint8_t index[4 * BLAME_ROWS]; /* row + 1, by key */
	uint64_t full_until;	       /* ns: before then, no row is quiet */
	uint64_t least;		       /* ns: no row but the fixed ones has less */
	/* Without rows, and what was booked of them with the rest. */
	uint64_t candidates[BLAME_CANDIDATES], candidates_ns[BLAME_CANDIDATES];
	uint64_t merged; /* times that a culprit without a row ran */
};

int blame_rows_init(struct blame_rows *r, pid_t pid); /* -ENOMEM */
void blame_rows_done(struct blame_rows *r);

/* Twice the room, up to BLAME_ROWS; or -ENOMEM. */
int blame_rows_grow(struct blame_rows *r);

/* The row of a party that is not the idle task, or ROW_NONE. */
unsigned blame_rows_find(const struct blame_rows *r, const struct party *who);

/* Where to book `ns` of a party that has no row, at time `now`: a new row, called `name` if it is a
 * VM, or that of the rest of its kind, as without memory or room. A row that gave way for it is in *ret_gone, else ROW_NONE. */
unsigned blame_rows_add(struct blame_rows *r, const struct party *who, const char *name,
			uint64_t ns, uint64_t now, unsigned *ret_gone);

#endif
