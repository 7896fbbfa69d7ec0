/* SPDX-License-Identifier: MIT */
/*
 * Reading one time. The text is taken piece by piece, whatever their order: a clock, up to three
 * numbers of a date, a month's name, AM or PM, a zone. What is none of these is no time.
 */
#include "base/units.h"
#include "data/table.h"
#include "data/times.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HALF_DAY 43200

struct scan {
	const char *p;
	int numbers[3], lengths[3];
	size_t n;
	char separator; /* the first one behind the first number */
	int month;	/* by name; 0: none */
	bool clock, pm, am, zoned, odd_zone;
	double seconds, zone;
};

/* ---- words ---- */

struct word {
	const char *text;
	enum {
		WORD_AM,
		WORD_PM,
		WORD_ZONE,
		WORD_ODD_ZONE,
		WORD_MONTH,
		WORD_DAY,
		WORD_NOTHING
	} kind;
	int value; /* minutes east of UTC; a month */
};

/* Longer ones before those that they begin with. */
static const struct word words[] = {
	{"a.m.", WORD_AM, 0},	   {"p.m.", WORD_PM, 0},      {"AM", WORD_AM, 0},
	{"PM", WORD_PM, 0},	   {"午前", WORD_AM, 0},      {"午後", WORD_PM, 0},
	{"上午", WORD_AM, 0},	   {"下午", WORD_PM, 0},      {"오전", WORD_AM, 0},
	{"오후", WORD_PM, 0},	   {"UTC", WORD_ZONE, 0},     {"GMT", WORD_ZONE, 0},
	{"Z", WORD_ZONE, 0},	   {"WET", WORD_ZONE, 0},     {"WEST", WORD_ZONE, 60},
	{"CET", WORD_ZONE, 60},	   {"CEST", WORD_ZONE, 120},  {"MEZ", WORD_ZONE, 60},
	{"MESZ", WORD_ZONE, 120},  {"EET", WORD_ZONE, 120},   {"EEST", WORD_ZONE, 180},
	{"MSK", WORD_ZONE, 180},   {"JST", WORD_ZONE, 540},   {"KST", WORD_ZONE, 540},
	{"HKT", WORD_ZONE, 480},   {"SGT", WORD_ZONE, 480},   {"AEST", WORD_ZONE, 600},
	{"AEDT", WORD_ZONE, 660},  {"NZST", WORD_ZONE, 720},  {"NZDT", WORD_ZONE, 780},
	{"EST", WORD_ZONE, -300},  {"EDT", WORD_ZONE, -240},  {"CDT", WORD_ZONE, -300},
	{"MST", WORD_ZONE, -420},  {"MDT", WORD_ZONE, -360},  {"PST", WORD_ZONE, -480},
	{"PDT", WORD_ZONE, -420},  {"BST", WORD_ODD_ZONE, 0}, {"CST", WORD_ODD_ZONE, 0},
	{"IST", WORD_ODD_ZONE, 0}, {"T", WORD_NOTHING, 0},    {"年", WORD_NOTHING, 0},
	{"月", WORD_NOTHING, 0},   {"日", WORD_NOTHING, 0},   {"년", WORD_NOTHING, 0},
	{"월", WORD_NOTHING, 0},   {"일", WORD_NOTHING, 0},   {"Mon", WORD_DAY, 0},
	{"Tue", WORD_DAY, 0},	   {"Wed", WORD_DAY, 0},      {"Thu", WORD_DAY, 0},
	{"Fri", WORD_DAY, 0},	   {"Sat", WORD_DAY, 0},      {"Sun", WORD_DAY, 0},
	{"Jan", WORD_MONTH, 1},	   {"Feb", WORD_MONTH, 2},    {"Mar", WORD_MONTH, 3},
	{"Apr", WORD_MONTH, 4},	   {"May", WORD_MONTH, 5},    {"Jun", WORD_MONTH, 6},
	{"Jul", WORD_MONTH, 7},	   {"Aug", WORD_MONTH, 8},    {"Sep", WORD_MONTH, 9},
	{"Oct", WORD_MONTH, 10},   {"Nov", WORD_MONTH, 11},   {"Dec", WORD_MONTH, 12},
};

/* The names of months and days may be longer; other ASCII words end where letters end. */
static const struct word *find_word(const char *p)
{
	for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
		size_t n = strlen(words[i].text);

		if (strncasecmp(p, words[i].text, n) != 0)
			continue;
		if (words[i].kind < WORD_MONTH || words[i].kind == WORD_NOTHING)
			if (isalpha((unsigned char)p[n - 1]) && isalpha((unsigned char)p[n]))
				continue;
		return &words[i];
	}
	return NULL;
}

static bool take_word(struct scan *s)
{
	const struct word *w = find_word(s->p);

	if (!w)
		return false;
	s->am |= w->kind == WORD_AM;
	s->pm |= w->kind == WORD_PM;
	s->zoned |= w->kind == WORD_ZONE;
	s->odd_zone |= w->kind == WORD_ODD_ZONE;
	if (w->kind == WORD_ZONE)
		s->zone = 60.0 * w->value;
	if (w->kind == WORD_MONTH)
		s->month = w->value;
	s->p += strlen(w->text);
	while ((w->kind == WORD_MONTH || w->kind == WORD_DAY) && isalpha((unsigned char)*s->p))
		s->p++;
	return true;
}

/* ---- numbers ---- */

/* Digits, at most nine; their number in *ret_length. */
static int take_digits(const char **p, int *ret_length)
{
	int v = 0, n = 0;

	for (; isdigit((unsigned char)**p); (*p)++, n++)
		v = n < 9 ? 10 * v + (**p - '0') : v;
	*ret_length = n;
	return n <= 9 ? v : -1;
}

/* One of the marks that may stand behind an hour, a minute or a second. */
static bool take_mark(const char **p, const char *const *marks)
{
	for (; *marks; marks++) {
		size_t n = strlen(*marks);

		if (!strncmp(*p, *marks, n)) {
			*p += n;
			return true;
		}
	}
	return false;
}

/* ".250", ",250" or ":250" behind the second. */
static double take_fraction(const char **p)
{
	double v = 0, scale = 1;

	if ((**p != '.' && **p != ',' && **p != ':') || !isdigit((unsigned char)(*p)[1]))
		return 0;
	for ((*p)++; isdigit((unsigned char)**p); (*p)++) {
		scale /= 10;
		v += scale * (**p - '0');
	}
	return v;
}

static bool set_clock(struct scan *s, int hour, int minute, double second)
{
	if (s->clock || hour > 24 || minute > 59 || !(second < 61) || minute < 0 || hour < 0 ||
	    second < 0 || (hour == 24 && (minute || second > 0)))
		return false;
	s->clock = true;
	s->seconds = hour * 3600 + minute * 60 + second;
	return true;
}

/* What follows the hour: ":00:05.5", "時00分05秒", "h00m05s". False: it isn't a clock. */
static bool take_clock(struct scan *s, int hour)
{
	static const char *const hours[] = {":", "時", "时", "시", "h", NULL};
	static const char *const minutes[] = {":", "分", "분", "m", NULL};
	static const char *const seconds[] = {"秒", "초", "s", NULL};
	const char *p = s->p;
	int length, minute;
	double second = 0;

	if (!take_mark(&p, hours))
		return false;
	p += strspn(p, " ");
	minute = take_digits(&p, &length);
	if (!length)
		return false;
	if (take_mark(&p, minutes)) {
		p += strspn(p, " ");
		second = take_digits(&p, &length) + take_fraction(&p);
		take_mark(&p, seconds);
	}
	s->p = p;
	return set_clock(s, hour, minute, second);
}

/* "20260105" and "080005", as ISO 8601 may be written without separators. */
static bool take_compact(struct scan *s, int v, int length)
{
	if (length == 8 && !s->n) {
		s->numbers[0] = v / 10000;
		s->numbers[1] = v / 100 % 100;
		s->numbers[2] = v % 100;
		s->lengths[0] = 4;
		s->lengths[1] = s->lengths[2] = 2;
		s->n = 3;
		return true;
	}
	return length == 6 && s->n == 3 &&
	       set_clock(s, v / 10000, v / 100 % 100, v % 100 + take_fraction(&s->p));
}

static bool take_number(struct scan *s)
{
	int length, v = take_digits(&s->p, &length);

	if (v < 0)
		return false;
	if (length <= 2 && !s->clock && take_clock(s, v))
		return true;
	if (length > 4)
		return take_compact(s, v, length);
	if (s->n == ARRAY_SIZE(s->numbers))
		return false;
	if (!s->n)
		s->separator = *s->p;
	s->numbers[s->n] = v;
	s->lengths[s->n++] = length;
	return true;
}

/* "+02:00", "-0530", "+2" behind the clock. */
static bool take_offset(struct scan *s)
{
	int length, v, minutes = 0, sign = *s->p == '-' ? -1 : 1;

	s->p++;
	v = take_digits(&s->p, &length);
	if (length == 4) {
		minutes = v % 100;
		v /= 100;
	} else if (length == 0 || length > 2) {
		return false;
	} else if (*s->p == ':') {
		s->p++;
		minutes = take_digits(&s->p, &length);
	}
	if (v > 14 || minutes < 0 || minutes > 59)
		return false;
	s->zoned = true;
	s->zone = sign * (v * 3600.0 + minutes * 60.0);
	return true;
}

/* Within a date that follows the clock, '-' separates. */
static bool is_offset(const struct scan *s)
{
	bool within = s->n && s->n + (s->month != 0) < 3;

	return s->clock && isdigit((unsigned char)s->p[1]) &&
	       (*s->p == '+' || (*s->p == '-' && !within));
}

static bool take_piece(struct scan *s)
{
	if (isdigit((unsigned char)*s->p))
		return take_number(s);
	if (is_offset(s))
		return take_offset(s);
	if (strchr(" \t\r,./-", *s->p)) {
		s->p++;
		return true;
	}
	return take_word(s);
}

/* ---- what they come to ---- */

/* Puts day and month where they belong. False: it is no date. */
static bool find_date(const struct scan *s, struct stamp *r)
{
	if (s->month) {
		bool year_first = s->lengths[0] == 4;

		if (s->n != 2)
			return false;
		r->year = s->numbers[!year_first];
		r->second = s->numbers[year_first];
		r->first = s->month;
	} else if (s->n == 3 && s->lengths[0] == 4) {
		r->year = s->numbers[0];
		r->first = s->numbers[1];
		r->second = s->numbers[2];
	} else if (s->n == 3 && s->lengths[0] <= 2 && s->lengths[1] <= 2) {
		r->open = s->separator != '.';
		r->year = s->numbers[2];
		r->first = s->numbers[!r->open];
		r->second = s->numbers[r->open];
	} else {
		return false;
	}
	r->year += r->year < 70 ? 2000 : r->year < 100 ? 1900 : 0;
	return r->year >= 1970 && r->year <= 9999 && r->first >= 1 && r->second >= 1 &&
	       r->first <= 31 && r->second <= 31 && (r->open || r->first <= 12);
}

static bool find_half_day(struct scan *s)
{
	if (!s->am && !s->pm)
		return true;
	if (s->am == s->pm || s->seconds >= HALF_DAY + 3600)
		return false; /* 13 o'clock PM */
	if (s->seconds >= HALF_DAY)
		s->seconds -= HALF_DAY; /* 12 AM is 0 */
	s->seconds += s->pm ? HALF_DAY : 0;
	return true;
}

/* "08.00.05", as in Finland: only where there is neither another clock nor a year. */
static bool find_dotted_clock(struct scan *s)
{
	if (s->clock || s->n != 3 || s->separator != '.' || s->month || s->lengths[0] != 2 ||
	    s->lengths[1] != 2 || s->lengths[2] != 2)
		return s->clock;
	s->n = 0;
	return set_clock(s, s->numbers[0], s->numbers[1], s->numbers[2]);
}

/* Seconds of the epoch, or thousandths, millionths, ... of one. */
static int from_number(double v, struct stamp *ret)
{
	if (v < 0 || v >= 1e20)
		return -EINVAL;
	for (double limit = 1e11; v >= limit;)
		v /= 1000;
	*ret = (struct stamp){.clock = v,
			      .count = true,
			      .dated = v >= TIMES_DATED_FROM,
			      .zoned = v >= TIMES_DATED_FROM};
	return 0;
}

int stamp_parse(const char *text, struct stamp *ret)
{
	struct scan s = {.p = text};
	struct stamp r = {.dated = false};
	double v;

	if (strspn(text, "0123456789") != 14 && !table_figure(text, true, &v))
		return from_number(v, ret);
	if (strspn(text, "0123456789") == 14) {
		char split[16]; /* 20260105080005 */

		snprintf(split, sizeof(split), "%.8sT%.6s", text, text + 8);
		return text[14] ? -EINVAL : stamp_parse(split, ret);
	}
	while (*s.p)
		if (!take_piece(&s))
			return -EINVAL;
	if (!find_dotted_clock(&s) || !find_half_day(&s))
		return -EINVAL;
	r.dated = s.n || s.month;
	if (r.dated && !find_date(&s, &r))
		return -EINVAL;
	r.clock = s.seconds;
	r.zoned = s.zoned;
	r.odd_zone = s.odd_zone;
	r.zone = s.zone;
	*ret = r;
	return 0;
}
