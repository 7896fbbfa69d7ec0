/* SPDX-License-Identifier: MIT */
#include "doctor/schedule.h"

#include "base/units.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define SPREAD_MIN 600 /* seconds */

/* ---- crontabs ---- */

static const struct {
	const char *word;
	const char *means; /* minute and hour */
} nicknames[] = {
	{"@hourly", "0 *"},  {"@daily", "0 0"},	 {"@midnight", "0 0"}, {"@weekly", "0 0"},
	{"@monthly", "0 0"}, {"@yearly", "0 0"}, {"@annually", "0 0"},
};

static const char *skip_blanks(const char *p)
{
	return p + strspn(p, " \t");
}

/* A number below `n`. Returns what is behind it, or NULL. */
static const char *take_number(const char *p, int n, int *ret)
{
	char *end;
	long v;

	if (!isdigit((unsigned char)*p))
		return NULL;
	v = strtol(p, &end, 10);
	if (v >= n)
		return NULL;
	*ret = (int)v;
	return end;
}

/* "*", "N", "N-M", each with "/STEP". */
static const char *take_range(const char *p, bool *ret_set, int n)
{
	int from = 0, to = n - 1, step = 1;

	if (*p == '*') {
		p++;
	} else {
		p = take_number(p, n, &from);
		to = from;
		if (p && *p == '-')
			p = take_number(p + 1, n, &to);
		else if (p && *p == '/')
			to = n - 1;
	}
	if (p && *p == '/')
		p = take_number(p + 1, DAY_MINUTES, &step);
	if (!p || !step || from > to)
		return NULL;
	for (int i = from; i <= to; i += step)
		ret_set[i] = true;
	return p;
}

/* Ranges with commas, up to a blank. */
static const char *take_field(const char *p, bool *ret_set, int n)
{
	for (;;) {
		p = take_range(p, ret_set, n);
		if (!p || *p != ',')
			break;
		p++;
	}
	return p && (!*p || isspace((unsigned char)*p)) ? skip_blanks(p) : NULL;
}

/* A nickname's fields; NULL: no job that starts at a time. */
static const char *nickname(const char *line)
{
	size_t len = strcspn(line, " \t\n");

	for (size_t i = 0; i < ARRAY_SIZE(nicknames); i++)
		if (len == strlen(nicknames[i].word) && !strncmp(line, nicknames[i].word, len))
			return nicknames[i].means;
	return NULL;
}

int schedule_cron(const char *line, bool ret_starts[DAY_MINUTES])
{
	bool minutes[60] = {false}, hours[24] = {false};
	const char *p = skip_blanks(line);
	int n = 0;

	if (*p == '@')
		p = nickname(p);
	if (!p || (*p != '*' && !isdigit((unsigned char)*p)))
		return 0;
	p = take_field(p, minutes, 60);
	p = p ? take_field(p, hours, 24) : NULL;
	if (!p)
		return -EBADMSG;
	for (int i = 0; i < DAY_MINUTES; i++) {
		ret_starts[i] = hours[i / 60] && minutes[i % 60];
		n += ret_starts[i];
	}
	return n;
}

/* ---- timers ---- */

/* The last value of a key in a unit's text; NULL: none. */
static const char *last_value(const char *text, const char *key)
{
	size_t len = strlen(key);
	const char *found = NULL;

	for (const char *line = text; line; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (!strncmp(line, key, len) && line[len] == '=')
			found = line + len + 1;
	}
	return found;
}

/* "90", "5min", "1h 30min": seconds. Units that are not known count as seconds. */
static double time_span(const char *p)
{
	static const struct {
		const char *unit;
		double seconds;
	} units[] = {{"ms", 0.001}, {"us", 1e-6}, {"min", 60},	{"m", 60},
		     {"h", 3600},   {"d", 86400}, {"w", 604800}};
	double sum = 0;

	while (isdigit((unsigned char)*p)) {
		char *end;
		double v = strtod(p, &end);

		end += strspn(end, " \t");
		for (size_t i = 0; i < ARRAY_SIZE(units); i++) {
			if (!strncmp(end, units[i].unit, strlen(units[i].unit))) {
				v *= units[i].seconds;
				break;
			}
		}
		sum += v;
		p = end + strspn(end, "abcdefghijklmnopqrstuvwxyz");
		p = skip_blanks(p);
	}
	return sum;
}

bool schedule_timer_fixed(const char *text)
{
	const char *delay = last_value(text, "RandomizedDelaySec");
	const char *accuracy = last_value(text, "AccuracySec");

	return last_value(text, "OnCalendar") && (!delay || time_span(delay) <= 0) &&
	       (!accuracy || time_span(accuracy) < SPREAD_MIN);
}
