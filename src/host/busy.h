/* SPDX-License-Identifier: MIT */
/*
 * How long a vCPU has not been idle, and whether it does anything: a guest stuck in a loop takes all
 * that it can get from its neighbours and never halts. From outside a loop, an idle guest that polls
 * and a job that only computes look alike: none leaves the guest but for interrupts and timers. A
 * *sign of work* is an exit for anything else: a device, a page, a call. Where KVM reports no exits,
 * and under TCG, there are no signs, and only the time without a halt is known.
 */
#ifndef HOST_BUSY_H
#define HOST_BUSY_H

#include "host/exits.h"

#include <desched/ledger.h>

struct busy {
	uint64_t at;	  /* ns: the last reading that counted; 0: none yet */
	uint64_t since;	  /* ns: since when it has not been idle; 0: it was */
	uint64_t quiet;	  /* ns: since when without a sign of work; 0 where signs are not known */
	uint64_t blocked; /* ns, as of the last reading */
	uint64_t signs;	  /* likewise */
	uint64_t pauses;  /* exits for PAUSE when it was idle last, */
	uint64_t now;	  /* and as of the last reading */
};

/* What a vCPU does, as far as that can be seen from outside. */
enum busy_kind {
	BUSY_IDLES,
	BUSY_WORKS,
	BUSY_SPINS,   /* for a lock: exits for PAUSE, more than 100 a second */
	BUSY_LOOPS,   /* no sign of work for half of the time: loops, polls, or only computes */
	BUSY_UNKNOWN, /* it isn't idle, and that is all */
};

enum busy_kind busy_kind(const struct busy *b);
const char *busy_kind_name(enum busy_kind k); /* "idles", "works", ... */

/* Readings less apart than that are left out: a wait of microseconds is no idling. */
#define BUSY_APART_NS (50 * 1000 * 1000ull)

/* `exits` is NULL where they are not counted. */
void busy_update(struct busy *b, const struct ledger *now, const struct vcpu_exits *exits);

/* ns: how long it has been busy, and busy without a sign of work (0 where signs are not known). */
uint64_t busy_for(const struct busy *b);
uint64_t busy_quiet_for(const struct busy *b);

/* Whether it is like a guest in a loop for so long: without a sign of work where these are known,
 * just busy elsewhere. */
bool busy_is_runaway(const struct busy *b, uint64_t ns);

#endif
