/* SPDX-License-Identifier: MIT */
/*
 * Joining gaps with run intervals: who was on the vCPU while it did not run.
 *
 * A join takes, for one vCPU, two streams in order of time on one clock: *runs* (the guest says who
 * was on its CPU from when to when) and *gaps* (the host says when the vCPU was not running). Both
 * may arrive late and in any interleaving. join_until(t) says that both streams are complete up to
 * t; then every nanosecond of every gap before t has been handed to exactly one owner.
 *
 * Conservation, exact in integers and held by a property test:
 *
 *     time of all gaps put in = handed out + in gaps that are still waiting
 *
 * Gap time for which no run was put in goes to owner 0 of the callback (JOIN_NOBODY): never lost,
 * never given to a neighbour. So does, as far as its run is finished, a gap that comes after the
 * join_until() that promised its stream complete.
 */
#ifndef LEDGER_JOIN_H
#define LEDGER_JOIN_H

#include <desched/gap.h>
#include <stdbool.h>
#include <stdint.h>

#define JOIN_NOBODY 0

struct join_counters {
	uint64_t gaps;	       /* put in */
	uint64_t gap_ns;       /* of these */
	uint64_t handed_ns;    /* to owners and to nobody */
	uint64_t nobody_ns;    /* of that, to nobody */
	uint64_t disorder;     /* runs and gaps cut or dropped since they began before the last one
				* of their stream had ended */
	uint64_t disorder_ns;  /* gap time dropped so; not part of gap_ns */
	uint64_t overflow;     /* runs dropped since the queue was full; their gaps go to nobody */
	uint64_t gap_overflow; /* gaps that went to nobody at once since the queue was full */
};

/* `owner` is what join_run() was given, or JOIN_NOBODY; the piece is [start, end). */
typedef void (*join_piece_fn)(uint64_t owner, uint64_t start, uint64_t end, uint32_t state,
			      void *data);

/*
 * Called exactly once for every join_run() that returned 0, with the interval that was kept: its
 * owner may be freed. In order of time from join_until(), when all gaps within the run have been
 * handed out; from within join_run() itself for a run that does not enter the queue, which is one
 * that is empty or wholly before the end of an earlier one (then with an empty interval, start ==
 * end) or that finds the queue full (then with the whole).
 */
typedef void (*join_done_fn)(uint64_t owner, uint64_t start, uint64_t end, void *data);

/* Callbacks must not call the join that calls them. */
struct join;

/* `capacity`: most runs and most gaps that wait (queues grow up to it). -ENOMEM, -EINVAL for 0. */
int join_new(uint32_t capacity, join_piece_fn piece, join_done_fn done, void *data,
	     struct join **ret);
struct join *join_free(struct join *j); /* NULL is accepted; returns NULL. Calls no callback. */

/*
 * Empty intervals (end <= start) are ignored. An interval that begins before the end of an earlier
 * one of its stream is cut to begin there (nothing is counted twice), and counted in `disorder`. 0
 * or -ENOMEM, after which nothing has changed.
 */
int join_run(struct join *j, uint64_t start, uint64_t end, uint64_t owner);
int join_gap(struct join *j, const struct gap *gap);

/* Both streams are complete up to `until`: hands out all pieces before it and finishes all runs
 * that end at or before it. A `until` before an earlier one does nothing. */
void join_until(struct join *j, uint64_t until);

/* There is no room for another gap: join_gap() would give it to nobody. */
bool join_gaps_full(const struct join *j);

/* The run that is finished next, which may have begun before the last join_until(). False for
 * none. */
bool join_first_run(const struct join *j, uint64_t *ret_start, uint64_t *ret_owner);

const struct join_counters *join_counters(const struct join *j);

/* Gap time put in and not yet handed out. */
uint64_t join_waiting_ns(const struct join *j);

#endif
