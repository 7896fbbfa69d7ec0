/* SPDX-License-Identifier: MIT */
/*
 * The dispatch order: whoever has had least of its entitlement runs.
 *
 * Each vCPU has a virtual time in ns: its service divided by the rate it is entitled to, so that
 * vCPUs that get exactly what they are entitled to advance together, at the speed of their
 * domain's clock. The rate comes in as a stretch = 1 / rate, in 1/65536: a full CPU is 65536, a
 * quarter of one 262144. A real-time vCPU has no virtual time but a deadline, and all deadlines are
 * below DISPATCH_BASE, where virtual times begin: it goes before everyone else.
 *
 * A vCPU that wakes is put at most `credit` of its own service behind the clock, and never
 * forward to less than it already had: it is served soon after an interrupt, and nobody gains by
 * sleeping since virtual time never runs backwards.
 *
 * Everything here is integer-only and free of loops, for BPF as well as for user space.
 */
#ifndef POLICY_DISPATCH_H
#define POLICY_DISPATCH_H

#include <stdbool.h>
#include <stdint.h>

#define DISPATCH_BASE	     (UINT64_C(1) << 62)
#define DISPATCH_STRETCH_ONE 65536U
#define DISPATCH_STRETCH_MAX (DISPATCH_STRETCH_ONE * 4096U) /* a rate of 1/4096 CPU */

/* Virtual time for `service` ns (below 2^35, half a minute). */
static inline uint64_t dispatch_stretch(uint64_t service, uint32_t stretch)
{
	return (service * stretch) >> 16;
}

/* The virtual time at which a vCPU enters the order when its domain's clock stands at `clock`. */
static inline uint64_t dispatch_wake(uint64_t vtime, uint64_t clock, uint64_t credit,
				     uint32_t stretch)
{
	uint64_t floor = clock - dispatch_stretch(credit, stretch);

	return vtime > floor ? vtime : floor;
}

/* True if someone at `vtime` is behind someone at `other` by more than `margin` of own service. */
static inline bool dispatch_behind(uint64_t vtime, uint64_t other, uint64_t margin,
				   uint32_t stretch)
{
	return vtime + dispatch_stretch(margin, stretch) < other;
}

/* From one domain's clock to another's: the lag goes along. */
static inline uint64_t dispatch_rebase(uint64_t vtime, uint64_t from_clock, uint64_t to_clock)
{
	uint64_t moved = vtime - from_clock + to_clock;

	return moved > DISPATCH_BASE ? moved : DISPATCH_BASE;
}

/* The stretch of each of `active` vCPUs that share a rate given in 1/2^20 CPU; at most one CPU
 * each. */
static inline uint32_t dispatch_stretch_of(uint32_t rate, uint32_t active)
{
	uint64_t stretch = ((uint64_t)(active ? active : 1) << 36) / (rate ? rate : 1);

	if (stretch < DISPATCH_STRETCH_ONE)
		return DISPATCH_STRETCH_ONE;
	return stretch > DISPATCH_STRETCH_MAX ? DISPATCH_STRETCH_MAX : (uint32_t)stretch;
}

#endif
