/* SPDX-License-Identifier: MIT */
#include "vmdesched/clock_policy.h"

#include <stdlib.h>

static uint64_t magnitude(int64_t ns)
{
	return ns < 0 ? -(uint64_t)ns : (uint64_t)ns;
}

/* What has become of the offset since the last observation, but for what we did ourselves. */
static void judge(struct clock_policy *p, const struct clock_observation *o)
{
	int64_t expected = p->last.offset - p->step_expect;
	int64_t change = o->offset - expected;
	uint64_t noise = o->error + p->last.error;
	uint64_t passed = o->mono > p->last.mono ? o->mono - p->last.mono : 0;
	uint64_t most = passed / 1000000 * CLOCK_CATCHUP_PPM + noise;
	bool towards = change < 0 ? expected > 0 : expected < 0;
	bool moved = magnitude(change) > most;

	p->catching_up = moved && towards && magnitude(change) <= magnitude(expected) + noise;
	if (!p->catching_up && magnitude(change) > CLOCK_JUMP_NS + noise) {
		p->jumps++;
		p->jump_ns += magnitude(change);
	}
	p->quiet = moved ? 0 : p->quiet + 1;
}

static bool may_step(const struct clock_policy *p, const struct clock_observation *o)
{
	return o->offset > CLOCK_STEP_NS &&
	       (!p->stepped || o->mono - p->step_time > CLOCK_STEP_AGAIN);
}

static enum clock_action choose(const struct clock_policy *p, const struct clock_observation *o)
{
	if (p->mode == CLOCK_WATCH || p->quiet < CLOCK_QUIET)
		return CLOCK_DO_NOTHING;
	if (o->chrony)
		return CLOCK_DO_FEED;
	if (p->mode != CLOCK_SET || o->disciplined || magnitude(o->offset) <= 2 * o->error)
		return CLOCK_DO_NOTHING;
	return may_step(p, o) ? CLOCK_DO_STEP : CLOCK_DO_SLEW;
}

enum clock_action clock_decide(struct clock_policy *p, const struct clock_observation *o)
{
	enum clock_action action;

	if (p->begun)
		judge(p, o);
	p->begun = true;
	p->last = *o;
	action = choose(p, o);
	p->step_expect = action == CLOCK_DO_STEP ? o->offset : 0;
	if (action == CLOCK_DO_STEP) {
		p->stepped = true;
		p->step_time = o->mono;
	}
	return action;
}
