/* SPDX-License-Identifier: MIT */
/* Units: times are uint64_t nanoseconds in code, seconds in output; memory is bytes. */
#ifndef BASE_UNITS_H
#define BASE_UNITS_H

#include <stdint.h>

#define NS_PER_US  UINT64_C(1000)
#define NS_PER_MS  UINT64_C(1000000)
#define NS_PER_SEC UINT64_C(1000000000)
#define KIB	   UINT64_C(1024)
#define MIB	   (UINT64_C(1024) * KIB)

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

static inline double ns_to_s(uint64_t ns)
{
	return (double)ns / 1e9;
}

/* a - b, and 0 where that would be negative. */
static inline uint64_t u64_sub_floor(uint64_t a, uint64_t b)
{
	return a > b ? a - b : 0;
}

static inline uint64_t u64_min(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static inline uint64_t u64_max(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

#endif
