/* SPDX-License-Identifier: MIT */
/*
 * A directory of recordings, of which the oldest are removed: 20261120T120000Z.rec, by the time in
 * UTC at which each began. Nothing else in it is touched.
 */
#ifndef DATA_ROTATION_H
#define DATA_ROTATION_H

#include "base/failure.h"

#include <limits.h>
#include <stdint.h>

/* Removes recordings until there are at most keep - 1, of at most `bytes` together (0: of any size),
 * and names the next one, which isn't there yet. `time`: CLOCK_REALTIME. */
int rotation_next(const char *dir, uint64_t time, uint64_t keep, uint64_t bytes, struct failure *f,
		  char ret_path[PATH_MAX]);

#endif
