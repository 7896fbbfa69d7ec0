/* SPDX-License-Identifier: MIT */
/* Random numbers of a test's own, which share nothing with those of src/. */
#ifndef TEST_CHANCE_H
#define TEST_CHANCE_H

#include <math.h>
#include <stdint.h>

static uint64_t random_state;

/* In (0, 1). */
static inline double uniform(void)
{
	random_state = random_state * 6364136223846793005ull + 1442695040888963407ull;
	return ((double)(random_state >> 11) + 0.5) * 0x1p-53;
}

static inline double exponential(double mean)
{
	return -mean * log(uniform());
}

#endif
