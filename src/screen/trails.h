/* SPDX-License-Identifier: MIT */
/*
 * What VMs had behind them: for each, the part of its time in which it wanted to run and did not, in
 * each of the last TRAIL_CELLS spans of TRAIL_SPAN, whatever the length of the intervals in which it
 * was measured. A span that begins with the VM or is not over is of the time in it that was measured.
 * Times are ns since measuring began.
 */
#ifndef SCREEN_TRAILS_H
#define SCREEN_TRAILS_H

#include <stdint.h>
#include <sys/types.h>

#define TRAIL_CELLS 12
#define TRAIL_SPAN  (10 * UINT64_C(1000000000)) /* ns: so all of it is two minutes */

struct trails;

struct trails *trails_new(void); /* NULL without memory */
struct trails *trails_free(struct trails *t);

/* In [from, to) the VM had `share` (0 to 1 of its vCPUs' time). Without memory it has no trail. */
void trails_add(struct trails *t, pid_t pid, uint64_t since, uint64_t from, uint64_t to,
		double share);

/* Those that were last added to before `time` are forgotten. */
void trails_forget(struct trails *t, uint64_t time);

/* The shares, oldest first and -1 where nothing is known, up to the span of the latest trails_add()
 * of any VM. `t` may be NULL. */
void trails_get(const struct trails *t, pid_t pid, uint64_t since, double ret[TRAIL_CELLS]);

#endif
