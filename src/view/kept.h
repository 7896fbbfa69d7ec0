/* SPDX-License-Identifier: MIT */
/*
 * The figures of the agent, kept over its restarts: what the kernel reported of each task that it did not have,
 * and where the CPUs' time went. They come as snapshots, each cumulative since its agent was
 * started; an agent that was started anew begins an *epoch*, whose figures are added to those
 * before. What was shown of each task is kept here, too.
 *
 * A process that has the number of an earlier one is another process, whose figures begin anew.
 */
#ifndef VIEW_KEPT_H
#define VIEW_KEPT_H

#include "view/rewrite.h"
#include "wire/snapshot.h"

#include <sys/types.h>

#define KEPT_TASKS_MAX 131072u /* beyond: shown as the kernel has them, and counted */

struct kept;

struct kept *kept_new(void); /* NULL without memory */
struct kept *kept_free(struct kept *k);

/* Takes a snapshot that was made at `now` (ns, CLOCK_MONOTONIC). `holder` is the process that shows
 * the descheduled time, 0 for none. -E2BIG for more CPUs than a view has, -ENOMEM: nothing has
 * changed then. */
int kept_update(struct kept *k, const struct snapshot *s, pid_t holder, uint64_t now);

/* Nobody tells any more: counters go on as the kernel's do. */
void kept_stale(struct kept *k);

/* The figures of a process (tid 0) or a thread, and what was shown of it; *ret_shown is owned by k
 * and lives until the next call of a function of this file. -ENOSPC or -ENOMEM where it cannot be
 * kept. Their `since` is by CLOCK_MONOTONIC: what the machine slept is to be added. */
int kept_task(struct kept *k, pid_t pid, pid_t tid, uint64_t now, struct task_figures *ret_figures,
	      struct task_shown **ret_shown);

const struct system_figures *kept_system(const struct kept *k);
struct system_shown *kept_system_shown(struct kept *k);

#endif
