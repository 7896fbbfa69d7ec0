/* SPDX-License-Identifier: MIT */
/*
 * When threads of this host were off their CPU, from the kernel's own tracepoints by way of
 * perf_event_open(2): what the lab's truth is made of. It shares nothing with the host ledger.
 */
#ifndef LAB_OFFCPU_H
#define LAB_OFFCPU_H

#include "base/failure.h"
#include "lab/gapjoin.h"

#include <sys/types.h>

struct offcpu;

/* Records from here on; sorts tids. -ENODEV, -EACCES, ...: there are no tracepoints for us, and why in `f`. */
int offcpu_open(pid_t *tids, size_t n, struct failure *f, struct offcpu **ret);
struct offcpu *offcpu_close(struct offcpu *o); /* NULL accepted; returns NULL */

/* Takes in what has happened; to be called about once a second. */
void offcpu_drain(struct offcpu *o);

/* Records that were lost, or could not be kept: the rest is not to be trusted then. */
uint64_t offcpu_lost(const struct offcpu *o);

/* ns of gaps in which a thread was there for some time all the same: some kernels keep a few
 * switches to themselves. */
uint64_t offcpu_doubt(const struct offcpu *o, pid_t tid);

/* The thread's time off the CPU so far, on CLOCK_MONOTONIC in order of time: valid until the next
 * drain. NULL for a thread that is not watched. */
const struct gapjoin_gaps *offcpu_gaps(const struct offcpu *o, pid_t tid);

/* ns of CLOCK_MONOTONIC that a tick of the CPU's counter took, over the recording. */
double offcpu_tick_ns(const struct offcpu *o);

#endif
