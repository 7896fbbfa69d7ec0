/* SPDX-License-Identifier: MIT */
/* What a context switch costs here: two threads on one CPU that wake each other up by a pipe. */
#ifndef HOST_SWITCH_COST_H
#define HOST_SWITCH_COST_H

#include "base/mean.h"

/*
 * Measures for about a tenth of a second of one CPU's time. Each value of *ret is ns of CPU time of
 * one switch, with the wake-up and the two system calls that make it: more than the switch alone.
 * Other threads' time on that CPU is not in it. 0 or -errno.
 */
int switch_cost(struct mean *ret);

#endif
