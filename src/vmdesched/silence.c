/* SPDX-License-Identifier: MIT */
#include "vmdesched/silence.h"

#include <stdio.h>
#include <time.h>

static uint64_t unaccounted_of(const struct account *a)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < a->n_cpus; i++)
		sum += a->cpus[i].busy.unaccounted + a->cpus[i].idle.unaccounted;
	return sum;
}

static void clock_text(uint64_t real, char ret[16])
{
	time_t seconds = (time_t)(real / NS_PER_SEC);
	struct tm tm;

	snprintf(ret, 16, "?");
	if (localtime_r(&seconds, &tm))
		strftime(ret, 16, "%H:%M:%S", &tm);
}

bool silence_note(struct silence *s, const struct account *a, uint64_t real,
		  char ret[SILENCE_LINE_MAX])
{
	uint64_t now = unaccounted_of(a), last = s->last, began = s->real;
	bool grows = began && now > last + SILENCE_MIN;
	char from[16], to[16];

	s->last = now;
	s->real = real;
	clock_text(s->since ? s->since : began, from);
	clock_text(began, to);
	if (grows && !s->since) {
		s->since = began;
		s->before = last;
		snprintf(ret, SILENCE_LINE_MAX,
			 "the host or hypervisor said nothing of the time from %s on: it is "
			 "unaccounted",
			 from);
		return true;
	}
	if (grows || !s->since)
		return false;
	s->since = 0;
	snprintf(ret, SILENCE_LINE_MAX,
		 "%.2f s of CPU time are unaccounted between %s and %s: neither true nor away",
		 ns_to_s(last - s->before), from, to);
	return true;
}
