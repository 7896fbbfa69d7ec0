/* SPDX-License-Identifier: MIT */
/* What the history (service/history.h) of a guest has: of each CPU what it did. */
#ifndef VMDESCHED_CPU_HISTORY_H
#define VMDESCHED_CPU_HISTORY_H

#include "service/history.h"

/* Schema desched-history/2, described in vmdesched(8). */
extern const struct history_shape cpu_history_shape;

/* Of a struct account. */
void cpu_history_sums(const void *account, unsigned cpu, uint64_t *ret);

#endif
