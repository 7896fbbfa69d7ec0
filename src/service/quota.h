/* SPDX-License-Identifier: MIT */
/*
 * How often the log may be told of things that recur: QUOTA_BURST lines at once, then one in
 * QUOTA_REFILL. What is left out is counted, and the next line says how many that were.
 */
#ifndef SERVICE_QUOTA_H
#define SERVICE_QUOTA_H

#include "base/units.h"

#include <stdbool.h>
#include <stdint.h>

#define QUOTA_BURST  10u
#define QUOTA_REFILL (10 * NS_PER_SEC)

struct quota {
	uint64_t tokens;
	uint64_t refilled; /* ns, when `tokens` grew last; 0: never asked */
	uint64_t left_out; /* lines since the last one that was written */
};

/* True where a line may be written now; *ret_before is how many before it were not. */
bool quota_take(struct quota *q, uint64_t now, uint64_t *ret_before);

/* " (N lines were left out before this one)", "" for none. */
#define QUOTA_TEXT_MAX 72
const char *quota_text(uint64_t before, char ret[QUOTA_TEXT_MAX]);

#endif
