/* SPDX-License-Identifier: MIT */
/*
 * Clocks. All times are nanoseconds; `ticks` are those of the CPU's own counter (x86 TSC, arm64
 * CNTVCT), which a guest and its host see with a constant offset.
 */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <stdint.h>

uint64_t clock_mono(void); /* CLOCK_MONOTONIC */
uint64_t clock_real(void); /* CLOCK_REALTIME */
uint64_t clock_ticks(void);
uint64_t clock_thread(void); /* CPU time of this thread */
uint64_t clock_boot(void);   /* CLOCK_BOOTTIME: what /proc counts the starts of processes by */

/* How long the machine has been suspended since it was booted, to within a millisecond: time that
 * CLOCK_MONOTONIC leaves out. */
uint64_t clock_slept(void);

/* Counter and CLOCK_MONOTONIC at the same instant, to within `error` ns. */
struct clock_pair {
	uint64_t ticks;
	uint64_t mono;	/* ns */
	uint64_t error; /* ns: width of the tightest bracket found */
};

/*
 * Reads counter, clock, counter `tries` times (at least 1) and keeps the tightest bracket: a vCPU
 * that is descheduled between the reads would put milliseconds into a single reading, and nothing
 * would show it.
 */
void clock_read_pair(unsigned tries, struct clock_pair *ret);

/* a * b / c without overflow in between; c must not be 0. */
static inline uint64_t clock_muldiv(uint64_t a, uint64_t b, uint64_t c)
{
	return (uint64_t)(__extension__(unsigned __int128) a * b / c);
}

/* Differences of times are kept within this: nine years, and no sum of some overflows. */
#define CLOCK_FAR (INT64_C(1) << 58)

static inline int64_t clock_near(int64_t ns)
{
	return ns < -CLOCK_FAR ? -CLOCK_FAR : ns > CLOCK_FAR ? CLOCK_FAR : ns;
}

/* The same with signs, within CLOCK_FAR. */
static inline int64_t clock_muldiv_signed(int64_t a, int64_t b, int64_t c)
{
	__extension__ __int128 r;
	int64_t product;

	if (!__builtin_mul_overflow(a, b, &product)) /* nearly always, and far cheaper */
		return clock_near(product / c);
	r = __extension__(__int128) a * b / c;
	return r < -CLOCK_FAR ? -CLOCK_FAR : r > CLOCK_FAR ? CLOCK_FAR : (int64_t)r;
}

#endif
