/* SPDX-License-Identifier: MIT */
/*
 * The two timers of the board that can tick: the 8254's channel 0 and the CMOS clock. Each has a
 * ticker, and so a backlog, of its own; what vCPU 0 did meanwhile is the same for both. For vCPU
 * 0's thread; the first four are what ticker.h has for one ticker.
 */
#ifndef VMM_TIMERS_H
#define VMM_TIMERS_H

#include "vmm/board.h"

void timers_reading(struct board *b, uint64_t mono, uint64_t cpu);
void timers_idle(struct board *b, uint64_t until);
void timers_set_policy(struct board *b, enum tick_policy policy);
void timers_forget(struct board *b);

/* Raises the interrupts that are due. True if one of them is a tick. */
bool timers_fire(struct board *b);

/* When timers_fire() raises one next, unless the guest does something. */
uint64_t timers_next(const struct board *b);

/* A timer's interrupt is on its way to the guest. */
bool timers_raised(const struct board *b);

/* timers_fire() has something to do, since the guest has programmed or read a timer. */
bool timers_ask(const struct board *b);

#endif
