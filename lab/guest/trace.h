/* SPDX-License-Identifier: MIT */
/*
 * The guest's own kernel records who was on which CPU (ftrace), from trace_start() to trace_stop(),
 * and what it has is left in memory that the lab shares (src/lab/trace_area.h).
 */
#ifndef LAB_GUEST_TRACE_H
#define LAB_GUEST_TRACE_H

/* Return NULL, or what is wrong. */
const char *trace_start(void);
const char *trace_stop(void);

#endif
