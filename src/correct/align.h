/* SPDX-License-Identifier: MIT */
/*
 * Laying two recordings of one VM on top of each other. Their clocks differ, or one has no dates at
 * all, but what the guest reports and what the host measured rise and fall together: the lag at
 * which they do best is taken.
 */
#ifndef CORRECT_ALIGN_H
#define CORRECT_ALIGN_H

#include "correct/usage.h"

#define ALIGN_MIN_SECONDS 15 /* below it state sampling says nothing (friedman-blog) */
#define ALIGN_CELLS_MAX	  2000

/* The common time, cut into cells; those that one of the two does not cover are left out. */
struct alignment {
	double lag;	    /* seconds to be added to the host's times */
	double correlation; /* over the cells, -1 to 1; NaN: one of the two does not change */
	bool by_correlation;
	double zone; /* of the lag: seconds that the two clocks' zones are taken to be apart */
	double from, step; /* of the cells, on the guest's clock */
	size_t n, used;	   /* cells, and how many of them both cover */
	double guest[ALIGN_CELLS_MAX], host[ALIGN_CELLS_MAX]; /* CPU seconds; < 0: not covered */
};

struct align_options {
	bool fixed;	/* the lag is known */
	double lag;	/* then: seconds */
	double max_lag; /* otherwise, for recordings that both have dates */
};

/* What the two files say about their times. */
struct align_dates {
	bool dated;	       /* both have dates */
	enum zone guest, host; /* how the zones are known, with dates */
};

/* -ERANGE with the reason when they do not overlap, or not for long enough, or when nothing tells
 * where to lay one that has no dates, or in which zone one is that does not say it. */
int align(const struct curve *guest, const struct curve *host, const struct align_dates *d,
	  const struct align_options *o, struct failure *f, struct alignment *ret);

#endif
