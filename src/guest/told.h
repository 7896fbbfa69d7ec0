/* SPDX-License-Identifier: MIT */
/*
 * What a host has told of one vCPU, on the guest's clock, joined (ledger/join.h) with the runs of
 * the guest's CPU and booked.
 *
 * A host tells gaps in order, and up to when it has told all of them. It may stop for a while, lose
 * gaps, or begin again as another one: then there is time of which nothing was told. That is put
 * between the gaps as what it is, unknown, and is charged as unaccounted; the rest is true. Word
 * that comes when its time has been given up changes nothing, and is counted as late.
 *
 * Nothing is booked beyond the time of told_settle(), and nothing before it is changed again.
 */
#ifndef GUEST_TOLD_H
#define GUEST_TOLD_H

#include "guest/account.h"
#include "ledger/join.h"

/* A gap, or the part of it that fell into one run. `task` NULL: nobody that is known. */
struct told_piece {
	uint64_t start, end;
	uint32_t state;
	struct account_task *task;
};
typedef void (*told_piece_fn)(const struct told_piece *piece, void *data);

/* A gap as far as it was handed out. */
struct told_gap_now {
	uint64_t start, end;
	uint64_t inside;  /* the last switch inside it; 0: none */
	const void *task; /* that had the end of it; may be gone */
	bool cut;	  /* which is an instant of ours, no switch */
};

struct told {
	struct account *account;
	unsigned cpu;
	struct join *join;
	uint64_t until;			    /* all before it was told, or given up */
	uint64_t end;			    /* of the last gap put in, known or not */
	uint64_t given;			    /* what was given up last ended here */
	bool hole;			    /* gaps were lost behind `end` */
	uint64_t booked;		    /* runs are booked up to here */
	uint64_t charge[LEDGER_STATES + 1]; /* of the first run that isn't booked in full */
	bool adding;			    /* within told_run() */
	struct told_piece piece;	    /* the last one, which may go on */
	struct told_gap_now gap;	    /* the same without its cuts */
	uint64_t deepest;   /* ns by which a switch lay inside a gap, since told_deepest() */
	uint64_t late_ns;   /* gap time told when it had been given up */
	uint64_t unseen_ns; /* gap time in which no run is known */
	told_piece_fn fn;
	void *data;
};

/* All is told from `start` on; what was before the account began is of no interest. `fn` may be
 * NULL. -ENOMEM. */
int told_open(struct told *t, struct account *a, unsigned cpu, uint64_t start, told_piece_fn fn,
	      void *data);

/* Runs that wait are released as they are; the account may be freed next. NULL join is accepted. */
void told_close(struct told *t);

/* Takes over the run's pin. */
void told_run(struct told *t, const struct account_run *run);

void told_gap(struct told *t, uint64_t start, uint64_t end, uint32_t state);

/* Gaps have been lost since the last one: what lies between it and the next is unknown. */
void told_hole(struct told *t);

/* All gaps that ended up to `time` have been put in, and none was going on then. */
void told_until(struct told *t, uint64_t time);

/* Nothing will be told of what is before `time` and has not been told yet. */
void told_nothing(struct told *t, uint64_t time);

/* How deep inside a gap a switch was found since the last call, ns: impossible, but for the error
 * of the clock by which gaps are put in. */
uint64_t told_deepest(struct told *t);

/* Books and charges everything before `time`, up to which all runs were given, and which is not
 * beyond t->until. */
void told_settle(struct told *t, uint64_t time);

#endif
