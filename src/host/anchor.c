/* SPDX-License-Identifier: MIT */
#include "host/anchor.h"

#include "base/units.h"

#include <stdbool.h>
#include <string.h>

#define TRIES	     16
#define LOOSE	     4		      /* times the best bracket: not taken */
#define OLD_NS	     NS_PER_SEC	      /* an anchor of that age is replaced by any other */
#define RATE_MIN_NS  (NS_PER_SEC / 5) /* shorter spans say too little about the rate */
#define RATE_SPAN_NS (64 * NS_PER_SEC)

/* CLOCK_REALTIME - CLOCK_MONOTONIC from the tightest of several readings. */
static uint64_t read_offset(uint64_t *ret_error)
{
	uint64_t best = UINT64_MAX, offset = 0;

	for (int i = 0; i < TRIES; i++) {
		uint64_t before = clock_mono();
		uint64_t real = clock_real();
		uint64_t width = clock_mono() - before;

		if (width < best) {
			best = width;
			offset = real - before - width / 2;
		}
	}
	*ret_error = best;
	return offset;
}

/* The architecture's own word for the rate, 0 where it has none. */
static uint64_t stated_rate(void)
{
#if defined(__aarch64__)
	uint64_t hz;

	__asm__("mrs %0, cntfrq_el0" : "=r"(hz));
	return hz;
#else
	return 0;
#endif
}

/* Over 64 to 128 s: long enough for 1e-9, short enough to follow a clock that is being slewed. */
static void take_rate(struct anchor *a, const struct clock_pair *now)
{
	uint64_t stated = stated_rate();
	uint64_t span = now->mono - a->base.mono;

	if (stated)
		a->clock.ticks_hz = stated;
	else if (span >= RATE_MIN_NS)
		a->clock.ticks_hz = clock_muldiv(now->ticks - a->base.ticks, NS_PER_SEC, span);
	if (now->mono - a->standby.mono >= RATE_SPAN_NS) {
		a->base = a->standby;
		a->standby = *now;
	}
}

void anchor_take(struct anchor *a, const struct clock_pair *pair, uint64_t real,
		 uint64_t real_error)
{
	uint64_t error = u64_max(pair->error, real_error);
	bool first = !a->clock.mono;

	if (!first && pair->mono <= a->clock.mono)
		return;
	if (!first && error > LOOSE * a->best && pair->mono - a->clock.mono < OLD_NS)
		return;
	if (first)
		a->base = a->standby = *pair;
	a->best = first ? error : u64_min(a->best, error);
	a->clock.ticks = pair->ticks;
	a->clock.mono = pair->mono;
	a->clock.real = real;
	a->clock.error = (uint32_t)u64_min(error, UINT32_MAX);
	take_rate(a, pair);
}

void anchor_update(struct anchor *a)
{
	struct clock_pair pair;
	uint64_t error, offset = read_offset(&error);

	clock_read_pair(TRIES, &pair);
	anchor_take(a, &pair, pair.mono + offset, error);
}

void anchor_start(struct anchor *a)
{
	memset(a, 0, sizeof(*a));
	anchor_update(a);
}
