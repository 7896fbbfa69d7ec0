/* SPDX-License-Identifier: MIT */
/*
 * An offset that is taken for a constant: then all brackets that there ever were hold, and one
 * tight reading is enough for good, however rare they are later.
 *
 * A bracket that lies wholly above or below what the others agree on shows that the offset has
 * moved. One of them may be the fault of a writer that was away between reading its clock and
 * writing it; STILL_STRIKES in a row are not. Then a new era begins, which knows only what came
 * last. Pure: no clock in here.
 */
#ifndef GUEST_STILL_H
#define GUEST_STILL_H

#include "guest/bracket.h"

#include <stdbool.h>

#define STILL_STRIKES  3
#define STILL_APART_NS 50000000ull    /* between two strikes at least: sooner they are one */
#define STILL_SURE_NS  10000000000ull /* an era but the first one must be as old to be believed */

struct still {
	struct bracket all;    /* what all brackets of this era agree on; `at`: its beginning */
	struct bracket recent; /* the tightest of late */
	uint64_t newest;       /* ns: the last bracket */
	struct bracket struck; /* the last strike */
	int64_t doubt;	       /* ns: how far off the strikes in a row put it */
	uint64_t brackets;     /* of this era */
	uint64_t eras;
	uint64_t contradicted; /* brackets that did */
	unsigned strikes;
};

void still_add(struct still *s, const struct bracket *b);

/* No bracket speaks against it, and it has been held for long enough. */
bool still_is_sure(const struct still *s);

/* The offset: late by as little as the tightest reading was. */
static inline int64_t still_offset(const struct still *s)
{
	return s->all.high;
}

/* ns by which that may be wrong. */
int64_t still_error(const struct still *s);

#endif
