/* SPDX-License-Identifier: MIT */
/*
 * A gap as the log has it: one, though the host tells it in pieces while it lasts, and a reading
 * cuts it where it ends a run. It is told when it is over, with the process that was there for the
 * longest part.
 */
#ifndef GUEST_GAP_LOG_H
#define GUEST_GAP_LOG_H

#include "guest/source.h"
#include "guest/told.h"

struct gap_log {
	uint64_t start, end; /* ns, guest clock; end 0: there is none */
	uint32_t state;
	uint64_t most; /* ns of it that one process had the CPU at a stretch */
	pid_t pid;     /* that process's */
	char name[ACCOUNT_COMM_SIZE];
};

/* The next piece of this CPU's gaps, in order of time. */
void gap_log_add(struct gap_log *l, const struct source_config *config, unsigned cpu,
		 const struct told_piece *piece);

/* No more of it will come. */
void gap_log_end(struct gap_log *l, const struct source_config *config, unsigned cpu);

#endif
