/* SPDX-License-Identifier: MIT */
/*
 * What a core keeps in two places agrees: counts, heaps and clocks are worked out again from what
 * each vCPU, VM and CPU says of itself. For tests that let a core live, between two events.
 */
#ifndef TEST_CORE_CHECK_H
#define TEST_CORE_CHECK_H

#include "policy/core.h"

/* NULL, or what does not agree. */
const char *core_check(const struct core *c);

/* Of a core with one busy VM of one vCPU, which has a whole CPU: what it is owed or owes when its
 * account is `ahead` (ns, may be negative) of the clock: no more than the bounds of its config. */
int64_t core_check_forgiven(struct core *c, int64_t ahead, uint64_t now);

#endif
