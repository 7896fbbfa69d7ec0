/* SPDX-License-Identifier: MIT */
#include "data/times.h"

#include "base/units.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define DAY	  86400.0
#define HOUR	  3600.0
#define LONG_STEP (20 * DAY) /* no recording pauses for so long; a month misread does */

void times_init(struct times *t, const struct times_options *given)
{
	*t = (struct times){.given = *given};
	if (given->zoned) {
		t->zone = ZONE_STATED;
		t->offset = given->zone;
	}
}

void times_head_zone(struct times *t, double offset)
{
	if (t->given.zoned)
		return;
	t->zone = ZONE_HEAD;
	t->offset = offset;
}

void times_column_zone(struct times *t, const char *name)
{
	const char *from = strpbrk(name, "([");
	char text[32];
	double zone;

	from = from ? from + 1 : strcasestr(name, "utc");
	from = from ? from : strcasestr(name, "gmt");
	if (!from)
		return;
	snprintf(text, sizeof(text), "%.*s", (int)strcspn(from, ")]"), from);
	if (!times_parse_zone(text, &zone))
		times_head_zone(t, zone);
}

static int days_of(int year, int month)
{
	static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};

	return days[month - 1] + (month == 2 && !(year % 4) && (year % 100 || !(year % 400)));
}

/* As if the clock showed UTC. -EINVAL: there is no such day. */
static int seconds_of(const struct stamp *s, enum date_order order, double *ret)
{
	bool day_first = s->open && order == DATES_DMY;
	int month = day_first ? s->second : s->first, day = day_first ? s->first : s->second;
	struct tm tm = {.tm_year = s->year - 1900, .tm_mon = month - 1, .tm_mday = day};

	if (!s->year) {
		*ret = s->clock;
		return 0;
	}
	if (month > 12 || day > days_of(s->year, month))
		return -EINVAL;
	*ret = (double)timegm(&tm) + s->clock;
	return 0;
}

/* ---- which is the day ---- */

static void learn_order(struct times *t, const struct stamp *s, enum date_order order, int i,
			bool *no)
{
	double at;

	if (seconds_of(s, order, &at)) {
		*no = true;
		return;
	}
	if (t->open)
		t->longest[i] = fmax(t->longest[i], fabs(at - t->last[i]));
	t->last[i] = at;
}

void times_learn(struct times *t, const char *text)
{
	struct stamp s;

	if (stamp_parse(text, &s))
		return;
	t->odd_zone |= s.odd_zone && !s.zoned;
	if ((s.odd_zone || (s.open && !t->open)) && (!t->example[0] || !t->odd_zone))
		snprintf(t->example, sizeof(t->example), "%s", text);
	if (!s.open)
		return;
	learn_order(t, &s, DATES_DMY, 0, &t->no_dmy);
	learn_order(t, &s, DATES_MDY, 1, &t->no_mdy);
	t->open = true;
}

static enum date_order find_order(const struct times *t, enum date_order usual)
{
	if (t->no_dmy != t->no_mdy)
		return t->no_dmy ? DATES_MDY : DATES_DMY;
	if (t->no_dmy)
		return DATES_UNKNOWN;
	if (usual)
		return usual;
	/* From one day to the next the wrong order jumps by a month. */
	if (t->longest[0] < LONG_STEP && t->longest[1] >= LONG_STEP)
		return DATES_DMY;
	if (t->longest[1] < LONG_STEP && t->longest[0] >= LONG_STEP)
		return DATES_MDY;
	return DATES_UNKNOWN;
}

int times_settle(struct times *t, enum date_order usual, const char *path, const char *prefix,
		 struct failure *f)
{
	t->order = t->given.order ? t->given.order : find_order(t, usual);
	if (t->odd_zone && !t->given.zoned)
		return failure_set(f, -EINVAL,
				   "%s: the zone of '%s' may be one of several; give "
				   "--%szone +HH:MM",
				   path, t->example, prefix);
	if (!t->open || t->order)
		return 0;
	if (t->no_dmy)
		return failure_set(f, -EINVAL,
				   "%s: some dates have no month if the day is first, others if "
				   "it is second (such as '%s')",
				   path, t->example);
	return failure_set(f, -EINVAL,
			   "%s: nothing tells the day from the month in '%s'; give --%sdates dmy "
			   "or --%sdates mdy",
			   path, t->example, prefix, prefix);
}

/* ---- reading ---- */

int times_read(const struct times *t, const char *text, struct instant *ret)
{
	struct stamp s;
	double at;
	bool stated;

	if (stamp_parse(text, &s) || (s.open && !t->order) || seconds_of(&s, t->order, &at))
		return -EINVAL;
	stated = s.zoned;
	*ret = (struct instant){
		.at = at - (stated    ? s.zone
			    : s.dated ? t->offset
				      : 0),
		.dated = s.dated,
		.wraps = !s.dated,
		.local = !stated && !s.count,
		.zone = stated ? ZONE_STATED : t->zone,
	};
	return 0;
}

bool times_of_day(const char *text)
{
	struct stamp s;

	return !stamp_parse(text, &s) && !s.dated && !s.count;
}

void times_on_day(const struct times *t, double day, struct instant *i)
{
	i->at += day - (i->local ? t->offset : 0);
	i->dated = true;
}

int times_parse_zone(const char *text, double *ret)
{
	char clock[64];
	struct stamp s;

	snprintf(clock, sizeof(clock), "00:00:00 %s", text);
	if (stamp_parse(clock, &s) || !s.zoned || s.clock > 0 || s.dated)
		return -EINVAL;
	*ret = s.zone;
	return 0;
}

const char *times_order_name(size_t i)
{
	static const char *const names[] = {"dmy", "mdy"};

	return i < ARRAY_SIZE(names) ? names[i] : NULL;
}

int times_parse_options(const char *zone, const char *order, struct times_options *ret)
{
	struct times_options o = {.zoned = zone != NULL};

	if (order)
		o.order = !strcmp(order, times_order_name(0)) ? DATES_DMY : DATES_MDY;
	if (zone && times_parse_zone(zone, &o.zone))
		return -EINVAL;
	*ret = o;
	return 0;
}

/* ---- one after the other ---- */

/* -1, 1: the clock went back or ahead by an hour, at a full hour, within its usual step. */
static int summer(const struct track *k, double at)
{
	double moved = at - k->last, tolerance = fmin(1.5 * k->step, HOUR / 4);
	double hour = (floor(k->last / HOUR) + 1) * HOUR; /* the full one after the last */

	if (!(k->step > 0))
		return 0;
	if (moved < 0 && fabs(moved + HOUR) <= tolerance && hour - k->last <= tolerance)
		return -1;
	return moved > 0 && fabs(moved - HOUR) <= tolerance && hour - k->last <= tolerance &&
			       at >= hour + HOUR
		       ? 1
		       : 0;
}

enum follow times_follow(struct track *k, const struct instant *i, double *ret_last, double *ret_at)
{
	double at = i->at + k->shift, last = k->last;
	bool any = k->any;

	if (any && i->wraps && at < last - DAY / 2) {
		double days = DAY * ceil((last - DAY / 2 - at) / DAY);

		k->shift += days;
		at += days;
	}
	if (any && i->local) {
		double moved = -HOUR * summer(k, at);

		k->shift += moved;
		at += moved;
	}
	if (any && at > last)
		k->step = at - last;
	k->any = true;
	*ret_last = last;
	*ret_at = at;
	if (any && at == last)
		return FOLLOW_SAME;
	k->last = at;
	k->run += any && at < last;
	return !any ? FOLLOW_FIRST : at > last ? FOLLOW_NEXT : FOLLOW_BACK;
}
