/* SPDX-License-Identifier: MIT */
#include "data/skips.h"

#include "base/text.h"

#include <inttypes.h>
#include <stdio.h>

static const struct {
	const char *key, *text;
} rows[SKIP_N] = {
	[SKIP_TIME] = {"time", "without a time that is understood"},
	[SKIP_FIELDS] = {"fields", "with more or fewer fields than their head has names (quote "
				   "what holds a separator)"},
	[SKIP_NUMBER] = {"number", "where a number was expected"},
	[SKIP_BLANK] = {"blank", "left blank"},
	[SKIP_ZEROS] = {"zeros", "of zeros only, or in which no counter moved"},
	[SKIP_SUM] = {"sum", "whose parts don't add up to 100 %"},
	[SKIP_STOLEN] = {"stolen", "with 100 % stolen"},
	[SKIP_TOO_MUCH] = {"too_much", "with more than all CPUs can give"},
	[SKIP_BACKWARDS] = {"backwards", "where a counter fell"},
	[SKIP_CLOCK] = {"clock", "where the clock went back"},
	[SKIP_SAME_TIME] = {"same_time", "with the time of the one before"},
	[SKIP_RANGE] = {"range", "out of range"},
	[SKIP_CUT] = {"cut", "damaged"},
	[SKIP_THREADS] = {"threads", "of threads, which their processes contain"},
	[SKIP_DUPLICATE] = {"duplicate", "given twice"},
};

void skips_count(struct skips *s, enum skip why, const char *text)
{
	s->n[why]++;
	if (!text || s->example[0] || why >= SKIP_LOST_N)
		return;
	snprintf(s->example, sizeof(s->example), "%s", text);
	text_clean(s->example);
}

uint64_t skips_lost(const struct skips *s)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < SKIP_LOST_N; i++)
		sum += s->n[i];
	return sum;
}

void skips_describe(const struct skips *s, char *ret, size_t size)
{
	size_t used = 0;

	ret[0] = '\0';
	for (size_t i = 0; i < SKIP_N && used < size; i++)
		if (s->n[i])
			used += (size_t)snprintf(ret + used, size - used, "%s%" PRIu64 " %s",
						 used ? ", " : "", s->n[i], rows[i].text);
	if (s->example[0] && used < size)
		snprintf(ret + used, size - used, " (the first: '%s')", s->example);
}

json_t *skips_json(const struct skips *s)
{
	json_t *o = json_object();

	for (size_t i = 0; i < SKIP_N; i++)
		if (s->n[i])
			json_object_set_new(o, rows[i].key, json_integer((json_int_t)s->n[i]));
	return o;
}
