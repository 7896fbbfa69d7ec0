/* SPDX-License-Identifier: MIT */
#include "screen/player.h"

#include "base/quantity.h"
#include "base/units.h"

#include <errno.h>
#include <stdio.h>
#include <time.h>

size_t player_step(size_t at, long step, size_t n)
{
	if (step < 0)
		return at > (size_t)-step ? at - (size_t)-step : 0;
	return u64_min(at + (size_t)step, n ? n - 1 : 0);
}

static size_t last_until(const uint64_t *times, size_t n, uint64_t time)
{
	size_t found = 0;

	for (size_t i = 0; i < n; i++)
		if (times[i] <= time)
			found = i;
	return found;
}

static int parse_clock(const char *text, int *ret_seconds)
{
	int h, m, s = 0, used = 0, used_all = 0;

	if (sscanf(text, "%2d:%2d%n:%2d%n", &h, &m, &used, &s, &used_all) < 2)
		return -EINVAL;
	if (text[used_all ? used_all : used] || h < 0 || m < 0 || s < 0 || h > 23 || m > 59 ||
	    s > 60)
		return -EINVAL;
	*ret_seconds = (h * 60 + m) * 60 + s;
	return 0;
}

/* The next time after `start` at which local clocks show it. */
static uint64_t next_clock(uint64_t start, int seconds)
{
	time_t day = (time_t)(start / NS_PER_SEC);
	struct tm tm;
	time_t at;

	if (!localtime_r(&day, &tm))
		return start;
	tm.tm_hour = seconds / 3600;
	tm.tm_min = seconds / 60 % 60;
	tm.tm_sec = seconds % 60;
	tm.tm_isdst = -1;
	at = mktime(&tm);
	if (at < day) {
		tm.tm_mday++;
		tm.tm_isdst = -1;
		at = mktime(&tm);
	}
	/* The whole second is meant: frames in it come before its end. */
	return (uint64_t)at * NS_PER_SEC + NS_PER_SEC - 1;
}

int player_find(const uint64_t *times, size_t n, size_t at, const char *text, size_t *ret)
{
	uint64_t number;
	int clock;

	if (!n)
		return -EINVAL;
	if (text[0] == '#') {
		if (quantity_count(text + 1, &number) || !number)
			return -EINVAL;
		*ret = u64_min(number, n) - 1;
	} else if (text[0] == '+' || text[0] == '-') {
		if (quantity_time(text + 1, NS_PER_SEC, NULL, &number))
			return -EINVAL;
		*ret = last_until(times, n,
				  text[0] == '+' ? times[at] + number
						 : u64_sub_floor(times[at], number));
	} else {
		if (parse_clock(text, &clock))
			return -EINVAL;
		*ret = last_until(times, n, next_clock(times[0], clock));
	}
	return 0;
}
