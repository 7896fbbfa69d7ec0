/* SPDX-License-Identifier: MIT */
#include "guest/clockmap.h"

#include "base/units.h"

#include <math.h>
#include <string.h>

#define RATE_SPAN_NS (50 * NS_PER_MS) /* shorter spans say little about a rate */
#define SPAN_NS	     NS_PER_SEC	      /* of the rates, or up to twice that */
#define LOOSE	     4	  /* times the tightest pair: not taken, unless there is none for long */
#define WRITE_NS     5000 /* from the host's reading of its clock until others see it */
#define AHEAD_NS     (200 * NS_PER_MS) /* the map is used for so long */
#define SAMPLES_MIN  8

void clockmap_init(struct clockmap *m)
{
	memset(m, 0, sizeof(*m));
	m->error = CLOCKMAP_UNKNOWN;
}

/* A vCPU that was away in all tries makes a bad pair. */
static bool is_loose(const struct clockmap_side *s, const struct clock_pair *pair)
{
	return pair->error > LOOSE * s->tightest && pair->mono < s->new.mono + SPAN_NS;
}

static void push_pair(struct clockmap_side *s, const struct clock_pair *pair)
{
	if (!s->new.ticks) {
		s->old = s->middle = s->new = *pair;
		s->tightest = pair->error;
		return;
	}
	if (pair->ticks <= s->new.ticks || pair->mono <= s->new.mono || is_loose(s, pair))
		return;
	s->tightest = u64_min(s->tightest, pair->error);
	s->new = *pair;
	if (s->old.error > LOOSE * s->tightest)
		s->old = s->middle = *pair;
	if (pair->mono - s->middle.mono >= SPAN_NS) {
		s->old = s->middle;
		s->middle = *pair;
	}
	if (pair->mono - s->old.mono >= RATE_SPAN_NS)
		s->ns_per_tick = (double)(pair->mono - s->old.mono) /
				 (double)(pair->ticks - s->old.ticks);
}

static bool rates_known(const struct clockmap *m)
{
	return m->host.ns_per_tick > 0 && m->guest.ns_per_tick > 0;
}

static int64_t ticks_apart(const struct clockmap *m, uint64_t guest, uint64_t host)
{
	return clock_near(
		llround((double)(int64_t)(guest - host - m->ticks_base) * m->guest.ns_per_tick));
}

static int64_t mono_apart(const struct clockmap *m, uint64_t guest, uint64_t host)
{
	return clock_near((int64_t)(guest - host - m->mono_base));
}

/* Until the rates are known, which takes a tenth of a second, there is no use in it. */
static void take_sighting(struct clockmap *m, const struct page_clock *stamp,
			  const struct clock_pair *before, const struct clock_pair *after)
{
	struct bracket b = {.at = stamp->mono};

	if (!m->mono_base) {
		m->ticks_base = after->ticks - stamp->ticks;
		m->mono_base = after->mono - stamp->mono;
	}
	b.low = ticks_apart(m, before->ticks, stamp->ticks) - WRITE_NS;
	b.high = ticks_apart(m, after->ticks, stamp->ticks);
	still_add(&m->still, &b);
	b.low = mono_apart(m, before->mono, stamp->mono) - WRITE_NS;
	b.high = mono_apart(m, after->mono, stamp->mono);
	follow_add(&m->follow, &b);
}

void clockmap_stamp(struct clockmap *m, const struct page_clock *stamp,
		    const struct clock_pair *before, const struct clock_pair *after)
{
	const struct clock_pair pair = {
		.ticks = stamp->ticks, .mono = stamp->mono, .error = stamp->error};

	if (stamp->ticks == m->last_stamp)
		return;
	m->last_stamp = stamp->ticks;
	m->last_mono = u64_max(m->last_mono, stamp->mono);
	m->samples++;
	push_pair(&m->host, &pair);
	if (rates_known(m) && before->ticks)
		take_sighting(m, stamp, before, after);
}

void clockmap_guest(struct clockmap *m, const struct clock_pair *pair)
{
	push_pair(&m->guest, pair);
}

/* ---- which way ---- */

static uint64_t readings_error(const struct clockmap *m)
{
	return m->host.new.error + m->guest.new.error;
}

static void take_still(struct clockmap *m)
{
	double to_base = (double)(int64_t)(m->host.new.ticks + m->ticks_base - m->guest.new.ticks);
	double since = to_base * m->guest.ns_per_tick + (double)still_offset(&m->still);

	m->following = false;
	m->from = m->host.new.mono;
	m->to = m->guest.new.mono + (uint64_t)llround(since);
	m->rate = llround((m->guest.ns_per_tick / m->host.ns_per_tick - 1) * 1e9);
	m->error = (uint64_t)still_error(&m->still) + readings_error(m);
}

static void take_follow(struct clockmap *m, const struct bracket *now, const struct bracket *soon)
{
	int64_t middle = bracket_middle(now);

	m->following = true;
	m->from = m->last_mono;
	m->to = m->from + m->mono_base + (uint64_t)middle;
	m->rate = m->follow.rate;
	m->error = (uint64_t)((soon->high - soon->low + 1) / 2) + readings_error(m);
}

/* The constant until it is given up for the first time, and when another one has been held for long
 * enough. */
void clockmap_settle(struct clockmap *m)
{
	uint64_t at = m->last_mono;
	struct bracket now, soon;

	if (!m->still.brackets || !follow_at(&m->follow, at, &now) ||
	    !follow_at(&m->follow, at + AHEAD_NS, &soon))
		return;
	if (m->still.eras == 1 || still_is_sure(&m->still))
		take_still(m);
	else
		take_follow(m, &now, &soon);
}

bool clockmap_ready(const struct clockmap *m)
{
	return m->samples >= SAMPLES_MIN && m->error != CLOCKMAP_UNKNOWN;
}

bool clockmap_same_rate(const struct clockmap *m)
{
	return fabs(m->host.ns_per_tick / m->guest.ns_per_tick - 1) < 1e-3;
}

uint64_t clockmap_to_guest(const struct clockmap *m, uint64_t host_ns)
{
	int64_t since = clock_near((int64_t)(host_ns - m->from));
	int64_t gain = clock_muldiv_signed(since, m->rate, (int64_t)NS_PER_SEC);

	since += gain;
	return since < 0 ? u64_sub_floor(m->to, (uint64_t)-since) : m->to + (uint64_t)since;
}

uint64_t clockmap_error(const struct clockmap *m)
{
	return m->error;
}

bool clockmap_in_doubt(const struct clockmap *m)
{
	return m->still.strikes || (m->following && m->follow.doubted);
}

uint64_t clockmap_contradicted(const struct clockmap *m)
{
	return m->still.contradicted + (m->following ? m->follow.contradicted : 0);
}

uint64_t clockmap_moved(const struct clockmap *m)
{
	return m->still.eras ? m->still.eras - 1 : 0;
}
