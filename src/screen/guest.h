/* SPDX-License-Identifier: MIT */
/*
 * The screen about a guest: its processes, their threads, control groups. For every row, and for
 * the whole,
 *
 *     occupied = truth + away + unaccounted        (wire/figures.h)
 *
 * and without a filter the rows of processes and (exited) sum up to `busy`. The row `vmdesched`,
 * always the first, holds the away time of all as if it were CPU time of its own, so that the column
 * of true time sums up to what the guest's kernel reports.
 */
#ifndef SCREEN_GUEST_H
#define SCREEN_GUEST_H

#include "screen/subject.h"

extern const struct row_kind row_vmdesched, row_group, row_process, row_thread;
extern const struct row_kind row_exited; /* processes that were gone by the second frame */

/* As model_make(). `from` of an agent that was there before the one of `to`: since that one was
 * started. -ESTALE where `to` is of another session that had begun before `from`. */
int guest_model(const struct snapshot *from, const struct snapshot *to,
		const struct model_view *view, struct model *ret);

/* Something of the interval is unaccounted, as far as one can see. */
bool guest_has_unknown(const struct model *m);

#endif
