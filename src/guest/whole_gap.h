/* SPDX-License-Identifier: MIT */
/*
 * A gap as the log has it: one, though the host tells it in pieces while it lasts, and a reading
 * cuts it where it ends a run. It is told when it is over, with the process that was there for the
 * longest part.
 */
#ifndef GUEST_WHOLE_GAP_H
#define GUEST_WHOLE_GAP_H

#include "guest/source.h"
#include "guest/told.h"

struct whole_gap {
	uint64_t start, end; /* ns, guest clock; end 0: there is none */
	uint32_t state;
	uint64_t most; /* ns of it that one process had the CPU at a stretch */
	pid_t pid;     /* that process's */
	char name[ACCOUNT_COMM_SIZE];
};

/* The next piece of this CPU's gaps, in order of time. */
void whole_gap_add(struct whole_gap *l, const struct source_config *config, unsigned cpu,
		   const struct told_piece *piece);

/* No more of it will come. */
void whole_gap_end(struct whole_gap *l, const struct source_config *config, unsigned cpu);

#endif
