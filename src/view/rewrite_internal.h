/* SPDX-License-Identifier: MIT */
/* What the two halves of rewrite.h share: counters that only go forward, and numbers in a text. */
#ifndef VIEW_REWRITE_INTERNAL_H
#define VIEW_REWRITE_INTERNAL_H

#include "view/rewrite.h"

/* ns in one of the clock ticks in which /proc counts. */
uint64_t tick_ns(void);

/* What the counter shows when the kernel says `raw` and the truth is `value`. A `raw` that goes
 * back belongs to another task. */
uint64_t counter_show(struct counter *c, uint64_t raw, uint64_t value);

/* Adds `add` ns to the first n counters. */
void spread_add(struct spread *s, int n, const uint64_t *raw, uint64_t add);
uint64_t spread_sum(const uint64_t *values, int n);

/* A decimal number behind one blank or more at *at, which is moved behind it. -EBADMSG for anything
 * else, and for more than `max`. */
int number_take(const char **at, uint64_t max, uint64_t *ret);

#endif
