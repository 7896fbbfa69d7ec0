/* SPDX-License-Identifier: MIT */
/*
 * Between what an offset lay at one instant. All offsets are relative to some base, so that they
 * are small, and all times are ns.
 */
#ifndef GUEST_BRACKET_H
#define GUEST_BRACKET_H

#include <stdint.h>

struct bracket {
	uint64_t at;
	int64_t low, high;
};

static inline int64_t bracket_middle(const struct bracket *b)
{
	return b->low + (b->high - b->low) / 2;
}

/* By how much two brackets miss each other, 0 where they overlap. */
static inline int64_t bracket_apart(const struct bracket *a, const struct bracket *b)
{
	int64_t gap = a->low > b->low ? a->low - b->high : b->low - a->high;

	return gap > 0 ? gap : 0;
}

#endif
