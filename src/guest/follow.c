/* SPDX-License-Identifier: MIT */
#include "guest/follow.h"

#include "base/clock.h"
#include "base/units.h"

#include <string.h>

#define WANDER_MIN  10000	      /* 1e-9 */
#define WANDER_MAX  2000000	      /* what asks for more is a step */
#define WANDER_HALF (20 * NS_PER_SEC) /* in which what was learned of it falls to a half */
#define AGE_MIN	    (50 * NS_PER_MS)  /* newer ones don't show how fast it has moved */
#define RATE_SPAN   (300 * NS_PER_MS) /* shorter spans show no drift */
#define OLD_NS	    (30 * NS_PER_SEC) /* brackets say nothing any more */
#define SPARE	    2		      /* times the change of the drift that was seen */

static int64_t times_rate(int64_t rate, int64_t ns)
{
	return clock_muldiv_signed(rate, ns, (int64_t)NS_PER_SEC);
}

static int64_t per_second(int64_t ns, uint64_t span)
{
	return clock_muldiv_signed(ns, (int64_t)NS_PER_SEC, (int64_t)span);
}

static struct bracket brought(const struct follow *f, const struct bracket *b, uint64_t at)
{
	int64_t age = clock_near((int64_t)(at - b->at));
	int64_t drift = times_rate(f->rate, age);
	int64_t slack = times_rate(f->wander + f->unsure, age < 0 ? -age : age);

	return (struct bracket){at, b->low + drift - slack, b->high + drift + slack};
}

static void narrow(struct bracket *to, const struct bracket *by)
{
	if (by->low > to->low)
		to->low = by->low;
	if (by->high < to->high)
		to->high = by->high;
}

/* What all agree on that isn't in doubt. */
static bool agreed(const struct follow *f, uint64_t at, struct bracket *ret)
{
	struct bracket all;

	if (!f->n)
		return false;
	all = brought(f, &f->kept[f->n - 1], at);
	for (unsigned i = f->n - 1; i-- > 0;) {
		const struct bracket b = brought(f, &f->kept[i], at);

		if (bracket_apart(&all, &b))
			break;
		narrow(&all, &b);
	}
	*ret = all;
	return true;
}

bool follow_at(const struct follow *f, uint64_t at, struct bracket *ret)
{
	struct bracket all, b;

	if (!agreed(f, at, &all))
		return false;
	if (f->doubted) { /* either may be right */
		b = brought(f, &f->doubt, at);
		all.low = b.low < all.low ? b.low : all.low;
		all.high = b.high > all.high ? b.high : all.high;
	}
	*ret = all;
	return true;
}

static void drop(struct follow *f, unsigned n)
{
	memmove(f->kept, f->kept + n, (f->n - n) * sizeof(f->kept[0]));
	f->n -= n;
}

/* The change of the drift by which an older bracket and the newest would agree, unless it is so
 * large that it was a step. */
static void learn(struct follow *f, int64_t change)
{
	f->contradicted++;
	if (change <= WANDER_MAX)
		f->wander = (int64_t)u64_min((uint64_t)(f->wander + f->unsure + SPARE * change),
					     WANDER_MAX);
}

/* Drops what is too old, and what the newer ones contradict. One that stands alone among others was
 * wrong; several show that the drift has changed. */
static void forget(struct follow *f)
{
	struct bracket all = f->kept[f->n - 1];
	unsigned wrong = 0, kept = f->n - 1;
	int64_t change = 0;

	for (unsigned i = f->n - 1; i-- > 0;) {
		const struct bracket b = brought(f, &f->kept[i], f->newest);
		uint64_t age = f->newest - f->kept[i].at;
		int64_t apart = bracket_apart(&all, &b);

		if (apart)
			change = (int64_t)u64_max(
				(uint64_t)change,
				(uint64_t)per_second(apart, u64_max(age, AGE_MIN)));
		wrong += apart > 0;
		if (apart || age > OLD_NS)
			continue;
		narrow(&all, &b);
		f->kept[--kept] = f->kept[i];
	}
	drop(f, kept);
	if (wrong > 1)
		learn(f, change);
}

static const struct bracket *tightest(const struct follow *f, unsigned from, unsigned to)
{
	const struct bracket *best = &f->kept[from];

	for (unsigned i = from + 1; i < to; i++)
		if (f->kept[i].high - f->kept[i].low < best->high - best->low)
			best = &f->kept[i];
	return best;
}

/* From the tightest of the older half to that of the newer half. No drift where their widths could
 * make all of it. */
static void take_rate(struct follow *f)
{
	const struct bracket *a, *b;
	int64_t moved;
	uint64_t span;

	if (f->n < 2) {
		f->rate = f->unsure = 0;
		return;
	}
	a = tightest(f, 0, f->n / 2);
	b = tightest(f, f->n / 2, f->n);
	span = b->at - a->at;
	if (span < RATE_SPAN)
		return;
	moved = bracket_apart(a, b) ? bracket_middle(b) - bracket_middle(a) : 0;
	f->rate = per_second(moved, span);
	f->unsure = per_second((b->high - b->low + a->high - a->low) / 2, span);
}

static void append(struct follow *f, const struct bracket *b)
{
	if (f->n == FOLLOW_BRACKETS)
		drop(f, 1);
	f->kept[f->n++] = *b;
}

static void keep(struct follow *f, const struct bracket *b)
{
	append(f, b);
	forget(f);
	take_rate(f);
}

static void decay(struct follow *f, uint64_t passed)
{
	int64_t more = f->wander - WANDER_MIN;

	passed = u64_min(passed, WANDER_HALF);
	f->wander = WANDER_MIN + (more > 0 ? more - times_rate(more, (int64_t)passed) / 29 : 0);
}

/* It says nothing that isn't known. */
static bool implied(const struct bracket *known, const struct bracket *b)
{
	return b->low <= known->low && b->high >= known->high;
}

/* The second one in a row on the same side of what is known is believed, and the first one too. */
static void contradict(struct follow *f, const struct bracket *known, const struct bracket *b)
{
	bool confirms = f->doubted && (f->doubt.low > known->high) == (b->low > known->high);

	f->contradicted++;
	f->doubted = !confirms;
	if (!confirms) {
		f->doubt = *b;
		return;
	}
	append(f, &f->doubt);
	keep(f, b);
}

void follow_add(struct follow *f, const struct bracket *b)
{
	struct bracket known, doubt;

	decay(f, b->at - f->newest);
	f->newest = b->at;
	if (!agreed(f, b->at, &known)) {
		keep(f, b);
		return;
	}
	if (bracket_apart(&known, b)) {
		contradict(f, &known, b);
		return;
	}
	doubt = brought(f, &f->doubt, b->at);
	if (bracket_apart(&doubt, b))
		f->doubted = false;
	if (!implied(&known, b))
		keep(f, b);
}
