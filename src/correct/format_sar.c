/* SPDX-License-Identifier: MIT */
/*
 * `sadf -d FILE -- -u`: lines of host;interval;timestamp;CPU;%user;...;%idle. What is neither idle
 * nor stolen is busy. CPU -1 is the average over all; the others only count.
 */
#include "correct/formats.h"
#include "correct/table.h"

#include "base/units.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

struct sar {
	struct usage *r;
	int interval, time, cpu, idle, iowait, steal; /* columns; -1: not seen */
	double last;
};

static bool is(const struct input *in)
{
	char line[256];

	input_line(in, line, sizeof(line));
	return strchr(line, ';') &&
	       (strstr(line, "interval;timestamp") || strstr(line, "LINUX-RESTART"));
}

static void take_head(char **fields, size_t n, struct sar *s)
{
	s->interval = table_column(fields, n, (const char *const[]){"interval", NULL});
	s->time = table_column(fields, n, (const char *const[]){"timestamp", NULL});
	s->cpu = table_column(fields, n, (const char *const[]){"CPU", NULL});
	s->iowait = table_column(fields, n, (const char *const[]){"%iowait", NULL});
	s->steal = table_column(fields, n, (const char *const[]){"%steal", NULL});
	/* With many columns `sadf` says "%idle[...]". */
	s->idle = -1;
	for (size_t i = 0; i < n; i++)
		if (!strncmp(fields[i], "%idle", strlen("%idle")))
			s->idle = (int)i;
}

/* "host;-1;time;LINUX-RESTART (8 CPU)": how many CPUs there are. */
static void take_restart(const char *text, struct usage *r)
{
	const char *open = strchr(text, '(');
	unsigned cpus;

	if (open && sscanf(open, "(%5u CPU)", &cpus) == 1 && cpus)
		r->cpus = cpus;
}

static double percent(char **fields, size_t n, int column)
{
	double v;

	return column >= 0 && (size_t)column < n && !table_number(fields[column], &v) ? v : 0;
}

static int take_cpu(char **fields, size_t n, struct sar *s)
{
	double time, interval, idle, busy;
	bool dated;

	if (table_time(fields[s->time], &time, &dated) ||
	    table_number(fields[s->interval], &interval) || table_number(fields[s->idle], &idle) ||
	    interval <= 0) {
		s->r->skipped++;
		return 0;
	}
	time = table_next_day(time, s->last, dated);
	busy = 100 - idle - percent(fields, n, s->iowait) - percent(fields, n, s->steal);
	s->r->dated = dated;
	s->last = time;
	return usage_add(s->r, WHO_TOTAL, time - interval, time,
			 busy > 0 ? busy / 100 * interval : 0);
}

static int take_row(char **fields, size_t n, void *data)
{
	struct sar *s = data;
	double cpu;

	if (fields[0][0] == '#') {
		take_head(fields, n, s);
		return 0;
	}
	if (n >= 4 && strstr(fields[3], "RESTART"))
		take_restart(fields[3], s->r);
	if (s->idle < 0 || s->cpu < 0 || s->time < 0 || s->interval < 0)
		return 0;
	if (n <= (size_t)s->idle || table_number(fields[s->cpu], &cpu))
		return 0;
	if (cpu >= 0 && cpu < 8192 && cpu + 1 > s->r->cpus)
		s->r->cpus = (unsigned)cpu + 1;
	return cpu < 0 ? take_cpu(fields, n, s) : 0;
}

static int read_sar(const struct input *in, struct failure *f, struct usage *r)
{
	struct sar s = {.r = r, .idle = -1};

	(void)f;
	r->per_cpu_share = true;
	return table_read(in->text, in->size, ';', 0, take_row, &s);
}

const struct format format_sar = {"sadf -d", false, is, read_sar};
