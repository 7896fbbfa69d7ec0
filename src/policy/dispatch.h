/* SPDX-License-Identifier: MIT */
/*
 * The dispatch order: whoever has had least of its entitlement runs.
 *
 * Each vCPU has a virtual time in ns: its service divided by the rate it is entitled to, so that
 * vCPUs that get exactly what they are entitled to advance together. The rate comes in as a stretch
 * = 1 / rate, in 1/65536: a full CPU is 65536, a quarter of one 262144. A real-time vCPU has no
 * virtual time but a deadline, and all deadlines are below DISPATCH_BASE, where virtual times
 * begin: it goes before everyone else.
 *
 * A domain's clock is the average virtual time of all who run or are queued there, weighted by
 * their rates: it advances by what is served, whoever is served. A vCPU that wakes enters at the
 * clock, or where it left if that is ahead, so that nobody gains by sleeping. They are ordered by
 * where their next slice would end. A vCPU that wakes may go before others by a credit until it
 * stops running; the credit changes the order, not the account. While nobody waits nobody is served
 * at another's expense, and all advance alike.
 *
 * Everything here is integer-only and free of loops, for BPF as well as for user space.
 */
#ifndef POLICY_DISPATCH_H
#define POLICY_DISPATCH_H

#include <stdbool.h>
#include <stdint.h>

#define DISPATCH_BASE	     (UINT64_C(1) << 62)
#define DISPATCH_START	     (DISPATCH_BASE + (UINT64_C(1) << 55)) /* of clocks: room for credit */
#define DISPATCH_STRETCH_ONE UINT64_C(65536)
#define DISPATCH_STRETCH_MIN (DISPATCH_STRETCH_ONE >> 6)
#define DISPATCH_STRETCH_MAX (DISPATCH_STRETCH_ONE << 20) /* a rate of one millionth of a CPU */
#define DISPATCH_RATE_ONE    (UINT64_C(1) << 32)	  /* one CPU */

/* Virtual time for `service` ns (below 2^43, two hours). */
static inline uint64_t dispatch_stretch(uint64_t service, uint64_t stretch)
{
	return service * (stretch >> 16) + ((service * (stretch & 0xffff)) >> 16);
}

/* The same of a correction, which may be negative: modulo 2^64. */
static inline uint64_t dispatch_stretch_signed(int64_t service, uint64_t stretch)
{
	uint64_t vt = dispatch_stretch((uint64_t)(service < 0 ? -service : service), stretch);

	return service < 0 ? -vt : vt;
}

/* What a vCPU counts in its domain's clock: its rate, but never nothing. */
static inline uint32_t dispatch_weight(uint64_t stretch)
{
	uint64_t weight = (DISPATCH_STRETCH_ONE << 16) / stretch;

	return weight ? (uint32_t)weight : 1;
}

/* A domain's clock: base + sum / weight, the sum being of weight * (virtual time - base). */
struct dispatch_clock {
	uint64_t base;
	int64_t sum;
	uint64_t weight;
	uint64_t running; /* who run and are in the clock */
	uint64_t since;	  /* sum of the times up to which these are charged, modulo 2^64 */
};

/* a / b; BPF divides without a sign. */
static inline int64_t dispatch_divide(int64_t a, uint64_t b)
{
	return a < 0 ? -(int64_t)((uint64_t)-a / b) : (int64_t)((uint64_t)a / b);
}

static inline int64_t dispatch_term(const struct dispatch_clock *k, uint64_t vtime, uint64_t weight)
{
	return (int64_t)weight * (int64_t)(vtime - k->base);
}

static inline void dispatch_join(struct dispatch_clock *k, uint64_t vtime, uint64_t weight)
{
	k->sum += dispatch_term(k, vtime, weight);
	k->weight += weight;
}

static inline void dispatch_leave(struct dispatch_clock *k, uint64_t vtime, uint64_t weight)
{
	k->sum -= dispatch_term(k, vtime, weight);
	k->weight -= weight;
	if (!k->weight) {
		k->base = vtime;
		k->sum = 0;
	}
}

static inline void dispatch_reweigh(struct dispatch_clock *k, uint64_t vtime, uint64_t from,
				    uint64_t to)
{
	k->sum += dispatch_term(k, vtime, to) - dispatch_term(k, vtime, from);
	k->weight += to - from;
}

/* The clock at `now`, with what those who run have been served since they were charged: by their
 * rates, or with `calm` all alike. */
static inline uint64_t dispatch_now(const struct dispatch_clock *k, uint64_t now, bool calm)
{
	int64_t served = (int64_t)(k->running * now - k->since);

	if (!k->weight)
		return k->base;
	if (calm)
		return k->base + (uint64_t)dispatch_divide(k->sum, k->weight) +
		       (k->running ? (uint64_t)served / k->running : 0);
	return k->base + (uint64_t)dispatch_divide(k->sum + (served << 16), k->weight);
}

/* Brings the base to the average, so that sums stay small. */
static inline void dispatch_level(struct dispatch_clock *k)
{
	int64_t step = k->weight ? dispatch_divide(k->sum, k->weight) : 0;

	k->base += (uint64_t)step;
	k->sum -= step * (int64_t)k->weight;
}

/* Somebody who is in the clock has advanced by `vtime`. */
static inline void dispatch_serve(struct dispatch_clock *k, uint64_t vtime, uint64_t weight)
{
	k->sum += (int64_t)(weight * vtime);
	if (k->sum >> 56)
		dispatch_level(k);
}

/* The account with which a vCPU enters at the time `clock`. */
static inline uint64_t dispatch_enter(uint64_t vtime, uint64_t clock)
{
	return vtime > clock ? vtime : clock;
}

/* True if someone at `vtime` is behind someone at `other` by more than `margin` of own service. */
static inline bool dispatch_behind(uint64_t vtime, uint64_t other, uint64_t margin,
				   uint64_t stretch)
{
	return vtime + dispatch_stretch(margin, stretch) < other;
}

/* From one domain's clock to another's: the lag goes along. */
static inline uint64_t dispatch_rebase(uint64_t vtime, uint64_t from_clock, uint64_t to_clock)
{
	return vtime - from_clock + to_clock;
}

/* The stretch of each of `active` vCPUs that share a rate of 1/2^32 CPU. */
static inline uint64_t dispatch_stretch_of(uint64_t rate, uint32_t active)
{
	uint64_t stretch = ((uint64_t)(active ? active : 1) << 48) / (rate ? rate : 1);

	if (stretch < DISPATCH_STRETCH_MIN)
		return DISPATCH_STRETCH_MIN;
	return stretch > DISPATCH_STRETCH_MAX ? DISPATCH_STRETCH_MAX : stretch;
}

#endif
