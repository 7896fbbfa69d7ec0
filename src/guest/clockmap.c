/* SPDX-License-Identifier: MIT */
#include "guest/clockmap.h"

#include "base/units.h"

#include <math.h>
#include <string.h>

#define RATE_SPAN_NS (50 * NS_PER_MS) /* shorter spans say little about a rate */

void clockmap_init(struct clockmap *m)
{
	memset(m, 0, sizeof(*m));
}

/* Keeps pairs that are at least RATE_SPAN_NS apart, so that their slope is a good rate. */
static void pair_push(struct clock_pair pair[2], const struct clock_pair *new, double *ns_per_tick)
{
	if (!pair[0].ticks) {
		pair[0] = pair[1] = *new;
		return;
	}
	pair[1] = *new;
	if (new->ticks <= pair[0].ticks || new->mono < pair[0].mono + RATE_SPAN_NS)
		return;
	*ns_per_tick = (double)(new->mono - pair[0].mono) / (double)(new->ticks - pair[0].ticks);
	if (new->mono >= pair[0].mono + 20 * RATE_SPAN_NS)
		pair[0] = *new;
}

void clockmap_stamp(struct clockmap *m, const struct page_clock *stamp, uint64_t guest_ticks)
{
	struct clock_pair pair = {
		.ticks = stamp->ticks, .mono = stamp->mono, .error = stamp->error};
	uint64_t reading = guest_ticks - stamp->ticks;
	int64_t smaller = (int64_t)(m->offset - reading);

	if (stamp->ticks == m->last_stamp)
		return;
	m->last_stamp = stamp->ticks;
	if (!m->samples || smaller > 0) {
		m->second = m->samples ? (uint64_t)smaller : UINT64_MAX;
		m->offset = reading;
	} else if ((uint64_t)-smaller < m->second) {
		m->second = (uint64_t)-smaller;
	}
	m->samples++;
	pair_push(m->host, &pair, &m->host_ns_per_tick);
}

void clockmap_guest(struct clockmap *m, const struct clock_pair *pair)
{
	pair_push(m->guest, pair, &m->guest_ns_per_tick);
}

bool clockmap_ready(const struct clockmap *m)
{
	return m->samples >= 8 && m->host_ns_per_tick > 0 && m->guest_ns_per_tick > 0;
}

bool clockmap_same_rate(const struct clockmap *m)
{
	return fabs(m->host_ns_per_tick / m->guest_ns_per_tick - 1) < 1e-3;
}

uint64_t clockmap_to_guest(const struct clockmap *m, uint64_t host_ns)
{
	double from_host = (double)(int64_t)(host_ns - m->host[1].mono) / m->host_ns_per_tick;
	uint64_t host_ticks = m->host[1].ticks + (uint64_t)llround(from_host);
	uint64_t guest_ticks = host_ticks + m->offset;
	double to_guest = (double)(int64_t)(guest_ticks - m->guest[1].ticks) * m->guest_ns_per_tick;

	return m->guest[1].mono + (uint64_t)llround(to_guest);
}

uint64_t clockmap_stamp_age(const struct clockmap *m, uint64_t guest_ticks)
{
	double age = (double)(int64_t)(guest_ticks - m->offset - m->host[1].ticks) *
		     m->host_ns_per_tick;

	return age > 0 ? (uint64_t)llround(age) : 0;
}

uint64_t clockmap_error(const struct clockmap *m)
{
	double second = m->second == UINT64_MAX ? 1e9 : (double)m->second * m->guest_ns_per_tick;

	return (uint64_t)second + m->host[1].error + m->guest[1].error;
}
