/* SPDX-License-Identifier: MIT */
#include "base/clock.h"

#include "base/units.h"

#include <time.h>
#if defined(__x86_64__)
#include <x86intrin.h>
#endif

static uint64_t clock_get(clockid_t id)
{
	struct timespec ts;

	clock_gettime(id, &ts);
	return (uint64_t)ts.tv_sec * NS_PER_SEC + (uint64_t)ts.tv_nsec;
}

uint64_t clock_mono(void)
{
	return clock_get(CLOCK_MONOTONIC);
}

uint64_t clock_real(void)
{
	return clock_get(CLOCK_REALTIME);
}

uint64_t clock_thread(void)
{
	return clock_get(CLOCK_THREAD_CPUTIME_ID);
}

uint64_t clock_boot(void)
{
	return clock_get(CLOCK_BOOTTIME);
}

/* The reading between the two that are nearest to each other. */
uint64_t clock_slept(void)
{
	uint64_t best = UINT64_MAX, slept = 0;

	for (int i = 0; i < 8 && best > NS_PER_MS; i++) {
		uint64_t before = clock_mono();
		uint64_t boot = clock_boot();
		uint64_t width = clock_mono() - before;

		if (width < best)
			slept = u64_sub_floor(boot, before + width / 2);
		best = u64_min(best, width);
	}
	return slept;
}

uint64_t clock_ticks(void)
{
#if defined(__x86_64__)
	_mm_lfence(); /* as rdtscp, which not every virtual processor has */
	return __rdtsc();
#elif defined(__aarch64__)
	uint64_t v;

	__asm__ volatile("isb; mrs %0, cntvct_el0" : "=r"(v)::"memory");
	return v;
#else
	return clock_mono();
#endif
}

void clock_read_pair(unsigned tries, struct clock_pair *ret)
{
	uint64_t best = UINT64_MAX;

	do {
		uint64_t before = clock_mono();
		uint64_t ticks = clock_ticks();
		uint64_t after = clock_mono();

		if (after - before < best) {
			best = after - before;
			ret->ticks = ticks;
			ret->mono = before + best / 2;
			ret->error = best;
		}
	} while (tries-- > 1);
}
