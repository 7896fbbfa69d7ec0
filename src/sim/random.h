/* SPDX-License-Identifier: MIT */
/*
 * Random numbers of the simulator: splitmix64, one state of 8 bytes per vCPU, so that what a guest
 * draws depends on its seed and its own history alone, and not on who else ran meanwhile.
 */
#ifndef SIM_RANDOM_H
#define SIM_RANDOM_H

#include <math.h>
#include <stdint.h>

static inline uint64_t random_next(uint64_t *state)
{
	uint64_t z = (*state += UINT64_C(0x9e3779b97f4a7c15));

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

/* A state for stream number `stream` of a run with this seed. */
static inline uint64_t random_stream(uint64_t seed, uint64_t stream)
{
	uint64_t state = seed * UINT64_C(0xd1342543de82ef95) + 1;

	state ^= random_next(&state) + stream * UINT64_C(0xaf251af3b0f025b5);
	return random_next(&state);
}

/* Uniform in (0, 1). */
static inline double random_unit(uint64_t *state)
{
	return ((double)(random_next(state) >> 11) + 0.5) * 0x1p-53;
}

/* Exponential with this mean in ns, at least 1. */
static inline uint64_t random_exp(uint64_t *state, uint64_t mean)
{
	double v = -log(random_unit(state)) * (double)mean;

	return v < 1 ? 1 : (uint64_t)v;
}

#endif
