/* SPDX-License-Identifier: MIT */
/*
 * Measuring the VMs of this host over a time in which they come and go: their ledgers, and their
 * pages written where they have brought one.
 *
 * Every VM has three readings of its ledgers: when it was first seen, at the last report, now. What
 * happened in between is the difference of two of them. A VM that has ended keeps its last reading;
 * it is in the next report, and not in later ones, but for the total.
 */
#ifndef HOST_MEASURE_H
#define HOST_MEASURE_H

#include "host/measured.h"

/* Starts measuring what is there. -EINVAL, -ESRCH, -ENOENT for operands that no VM fits; no VM at
 * all is no error. `setup` is copied, the operands stay the caller's for as long. */
int measure_open(const struct measure_setup *setup, struct failure *f, struct measurement **ret);
struct measurement *measure_close(struct measurement *m); /* NULL accepted; returns NULL */

/* VMs that connect to this listening Unix socket, which stays the caller's and doesn't block, get
 * their ledger as a stream (stream.h). 0: none. */
void measure_listen(struct measurement *m, int listener);

/* False where the VM has no stream. */
bool measured_stream(const struct measurement *m, const struct measured *x,
		     struct stream_counters *ret);

/* One step: looks for VMs, publishes. To be called again after measure_interval() ns. */
void measure_step(struct measurement *m);
uint64_t measure_interval(const struct measurement *m);

/* VMs that are not measured since the ledger is full, or for want of something else; that is tried
 * again when another one has ended. */
size_t measure_refused(const struct measurement *m);
const char *measure_refused_why(const struct measurement *m); /* the last of them */

/* Looks for VMs that failed for want of memory or descriptors, ever. */
uint64_t measure_failures(const struct measurement *m);

/* Takes the present reading of everything. */
void measure_read(struct measurement *m);

/* What was read last is the last report's now; VMs that have ended leave. */
void measure_reported(struct measurement *m);

/* True when nothing is left to measure and nothing can come: only processes were asked for. */
bool measure_is_over(const struct measurement *m);

#endif
