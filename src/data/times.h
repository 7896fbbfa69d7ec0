/* SPDX-License-Identifier: MIT */
/*
 * The times of a file, whatever it writes them as: seconds of the epoch and parts of them, ISO
 * 8601, dates in the order of a country, 12-hour clocks, a time of day alone.
 *
 * Two things can't be read off one time. 05/01/2026 may be in January or in May: all times of the
 * file are looked at first (times_learn), and it is the order in which they make sense, or the one
 * that an option names, or none. And where neither the text nor the file's head nor an option says
 * the zone, the times are local ones of an unknown zone, which usage.h passes on.
 */
#ifndef DATA_TIMES_H
#define DATA_TIMES_H

#include "base/failure.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TIMES_DATED_FROM 1e8 /* smaller numbers are seconds of some clock that starts at 0 */

enum date_order { DATES_UNKNOWN, DATES_DMY, DATES_MDY };

/* How the zone of times is known. */
enum zone {
	ZONE_UNKNOWN,
	ZONE_HEAD,   /* the file's head says it, once for all, whatever summer time does */
	ZONE_STATED, /* each time says it, or counts from the epoch, or an option says it */
};

/* What options say about a file's times. */
struct times_options {
	enum date_order order;
	bool zoned;
	double zone; /* seconds east of UTC */
};

/* "dmy", "mdy": the names of the orders, for an option; NULL behind the last. */
const char *times_order_name(size_t i);
/* What options say: `zone` as for times_parse_zone(), `order` one of those names; NULL: nothing.
 * -EINVAL for the zone. */
int times_parse_options(const char *zone, const char *order, struct times_options *ret);

/* One time as it is written. */
struct stamp {
	bool dated, zoned, odd_zone; /* odd_zone: a zone with a name that several have */
	bool count;		     /* a number of seconds, not a clock */
	int year, first, second;     /* where `open`: a day and a month, or the reverse */
	bool open;		     /* otherwise first is the month, second the day */
	double clock;		     /* seconds of the day, or of the epoch where year is 0 */
	double zone;		     /* seconds east of UTC */
};

/* 0, or -EINVAL for what is no time. */
int stamp_parse(const char *text, struct stamp *ret);

struct times {
	struct times_options given;
	enum date_order order;
	enum zone zone; /* of times that don't say it themselves */
	double offset;	/* seconds east of UTC */
	/* What has been learned. */
	bool open, no_dmy, no_mdy, odd_zone;
	double last[2], longest[2]; /* as DMY and as MDY: the time before, the longest step */
	char example[40];
};

/* A time that was read. */
struct instant {
	double at; /* seconds */
	bool dated;
	bool wraps; /* a time of day, which begins again at midnight, even where its date is known */
	bool local; /* a wall clock's: summer time moves it */
	enum zone zone;
};

void times_init(struct times *t, const struct times_options *given);
/* The file's head says the zone, unless an option has. */
void times_head_zone(struct times *t, double offset);
/* The same, from the name of a column: "time (UTC+02:00)", "timestamp_utc"; nothing where it has
 * none. */
void times_column_zone(struct times *t, const char *name);
void times_learn(struct times *t, const char *text);
/* After the last one. `usual` is what the format writes. -EINVAL with the option that decides, whose
 * name begins with `prefix`: "guest-", "host-" or "". */
int times_settle(struct times *t, enum date_order usual, const char *path, const char *prefix,
		 struct failure *f);
int times_read(const struct times *t, const char *text, struct instant *ret);

/* Whether it is a clock without a date, whose date may stand in the file's head. */
bool times_of_day(const char *text);
/* Puts such a time on a day; `day` is its midnight, as if the clock showed UTC. */
void times_on_day(const struct times *t, double day, struct instant *i);

/* "+02:00", "-0530", "UTC": seconds east of UTC. -EINVAL. */
int times_parse_zone(const char *text, double *ret);

/* ---- one after the other ---- */

enum follow {
	FOLLOW_FIRST, /* nothing was before */
	FOLLOW_NEXT,  /* later than the one before */
	FOLLOW_SAME,
	FOLLOW_BACK, /* the clock was set back: from here on */
};

struct track {
	uint32_t run; /* how often the clock has gone back */
	bool any;
	double last, step, shift;
};

/*
 * Where the time stands after the one before it, which is in k->last until then. A time of day that
 * falls by half a day or more has passed midnight. A wall clock that, within its usual step, goes
 * back or ahead by an hour at the full hour was changed for summer.
 */
enum follow times_follow(struct track *k, const struct instant *i, double *ret_last,
			 double *ret_at);

#endif
