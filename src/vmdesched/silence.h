/* SPDX-License-Identifier: MIT */
/*
 * Time that is unaccounted, for people: a line when it began and one when it is over, with its sum
 * over all CPUs. Too little to be worth one (SILENCE_MIN) is left to the counters.
 */
#ifndef VMDESCHED_SILENCE_H
#define VMDESCHED_SILENCE_H

#include "base/units.h"
#include "guest/account.h"

#define SILENCE_MIN	 (10 * NS_PER_MS)
#define SILENCE_LINE_MAX 160

struct silence {
	uint64_t last;	 /* ns unaccounted, by the last sample */
	uint64_t before; /* the same, when it began to grow */
	uint64_t real;	 /* ns, CLOCK_REALTIME: when the last sample ended; 0: there is none */
	uint64_t since;	 /* ns, CLOCK_REALTIME; 0: it does not grow */
};

/* A sample that ended at `real`. True where there is a line to be written. */
bool silence_note(struct silence *s, const struct account *a, uint64_t real,
		  char ret[SILENCE_LINE_MAX]);

#endif
