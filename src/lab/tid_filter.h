/* SPDX-License-Identifier: MIT */
/*
 * A filter of the kernel's trace events for some threads: ranges of ids that hold all of them and few
 * others. One range doesn't do: ids begin again at 1 behind the last one, and between those of two
 * machines there may be a thousand threads that switch all the time.
 */
#ifndef LAB_TID_FILTER_H
#define LAB_TID_FILTER_H

#include <stddef.h>
#include <sys/types.h>

#define TID_FILTER_RANGES 24
#define TID_FILTER_SIZE	  (TID_FILTER_RANGES * 64)

/* "(FIELD >= 7 && FIELD <= 9) || ...", in order of ids. Sorts tids; FIELD has at most 12 characters,
 * n is above 0. */
void tid_filter(pid_t *tids, size_t n, const char *field, char ret[TID_FILTER_SIZE]);

#endif
