/* SPDX-License-Identifier: MIT */
/*
 * What `sar -u` prints: tables whose head begins with the time when the first interval began, and
 * lines that begin with the time when each ended. No dates. Tables of other things are passed over.
 */
#include "correct/formats.h"
#include "correct/table.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define HALF_DAY 43200

struct sar_text {
	struct usage *r;
	int idle, iowait, steal; /* columns behind the time; idle -1: in no table of CPUs */
	bool any;
	double last; /* when the interval under way began */
};

static bool is(const struct input *in)
{
	char line[256];

	input_line(in, line, sizeof(line));
	return !strncmp(line, "Linux ", 6) && strstr(in->text, "%idle");
}

/* "17:00:59" or "05:00:59 PM". Returns how many fields it took, 0: it is no time. */
static size_t take_clock(char **fields, size_t n, double *ret)
{
	bool dated;
	double hour;

	if (table_time(fields[0], ret, &dated) || dated || !strchr(fields[0], ':'))
		return 0;
	if (n < 2 || (strcmp(fields[1], "AM") != 0 && strcmp(fields[1], "PM") != 0))
		return 1;
	hour = *ret >= HALF_DAY ? *ret - HALF_DAY : *ret; /* 12 AM is 0 */
	*ret = fields[1][0] == 'P' ? hour + HALF_DAY : hour;
	return 2;
}

static void take_head(char **fields, size_t n, double time, struct sar_text *s)
{
	s->idle = table_column(fields, n, (const char *const[]){"%idle", NULL});
	s->iowait = table_column(fields, n, (const char *const[]){"%iowait", NULL});
	s->steal = table_column(fields, n, (const char *const[]){"%steal", NULL});
	if (s->idle < 0)
		return;
	s->last = s->any ? table_next_day(time, s->last, false) : time;
	s->any = true;
}

static double percent(char **fields, size_t n, int column)
{
	double v;

	return column >= 0 && (size_t)column < n && !table_number(fields[column], &v) ? v : 0;
}

static int take_all(char **fields, size_t n, double time, struct sar_text *s)
{
	double idle, busy, from = s->last;

	if (n <= (size_t)s->idle || table_number(fields[s->idle], &idle)) {
		s->r->skipped++;
		return 0;
	}
	s->last = table_next_day(time, from, false);
	busy = 100 - idle - percent(fields, n, s->iowait) - percent(fields, n, s->steal);
	return usage_add(s->r, WHO_TOTAL, from, s->last,
			 busy > 0 ? busy / 100 * (s->last - from) : 0);
}

static int take_row(char **fields, size_t n, void *data)
{
	struct sar_text *s = data;
	double time, cpu;
	size_t used = take_clock(fields, n, &time);

	fields += used;
	n -= used;
	if (!used || !n)
		return 0;
	if (!strcmp(fields[0], "CPU"))
		take_head(fields, n, time, s);
	else if (s->idle >= 0 && !strcmp(fields[0], "all"))
		return take_all(fields, n, time, s);
	else if (s->idle >= 0 && !table_number(fields[0], &cpu) && cpu >= s->r->cpus && cpu < 8192)
		s->r->cpus = (unsigned)cpu + 1;
	else if (table_number(fields[0], &cpu))
		s->idle = -1; /* the head of another table */
	return 0;
}

static int read_sar_text(const struct input *in, struct failure *f, struct usage *r)
{
	struct sar_text s = {.r = r, .idle = -1};

	(void)f;
	r->per_cpu_share = true;
	r->cpus = input_cpus(in);
	return table_read(in->text, in->size, ' ', 4096, take_row, &s);
}

const struct format format_sar_text = {"sar -u", false, is, read_sar_text};
