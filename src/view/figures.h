/* SPDX-License-Identifier: MIT */
/*
 * The figures of the agent, kept over its restarts: what each task was billed for and did not have,
 * and where the CPUs' time went. They come as snapshots (schema desched-agent/2), each cumulative
 * since its agent was started; an agent that was started anew begins an *epoch*, whose figures are
 * added to those before. What was shown of each task is kept here, too.
 *
 * A process that has the number of an earlier one is another process, whose figures begin anew.
 */
#ifndef VIEW_FIGURES_H
#define VIEW_FIGURES_H

#include "view/rewrite.h"

#include <jansson.h>
#include <sys/types.h>

#define FIGURES_TASKS_MAX 131072u /* beyond: shown as the kernel has them, and counted */

struct figures;

struct figures *figures_new(void); /* NULL without memory */
struct figures *figures_free(struct figures *f);

/* Takes a snapshot that was made at `now` (ns, CLOCK_MONOTONIC). `holder` is the process that shows
 * the descheduled time, 0 for none. -EBADMSG for what is no snapshot: nothing has changed then;
 * what in it makes no sense counts as 0. */
int figures_update(struct figures *f, const json_t *snapshot, pid_t holder, uint64_t now);

/* Nobody tells any more: counters go on as the kernel's do. */
void figures_stale(struct figures *f);
/* The figures of a process (tid 0) or a thread, and what was shown of it; *ret_shown is owned by f
 * and lives until the next call of a function of this file. -ENOSPC or -ENOMEM where it cannot be
 * kept. Their `since` is by CLOCK_MONOTONIC: what the machine slept is to be added. */
int figures_task(struct figures *f, pid_t pid, pid_t tid, uint64_t now,
		 struct task_figures *ret_figures, struct task_shown **ret_shown);

const struct system_figures *figures_system(const struct figures *f);
struct system_shown *figures_system_shown(struct figures *f);

#endif
