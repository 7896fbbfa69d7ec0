/* SPDX-License-Identifier: MIT */
/*
 * `sadf -d FILE -- -u`: lines of host;interval;timestamp;CPU;%user;...;%idle. What is neither idle
 * nor stolen is busy. CPU -1 is the average over all; the others only count.
 */
#include "correct/reading.h"

#include "base/units.h"

#include <stdio.h>
#include <string.h>

#define INTERVAL_MAX 86400 /* seconds */

struct sar {
	struct reading g;
	int host, interval, time, cpu; /* columns; -1: not seen */
	bool head;		       /* of a table that has idle time */
	struct sar_columns columns;
	struct track track;
	bool single, all; /* rows that were seen: of one CPU, of all */
};

static const char *const host_names[] = {"hostname", NULL};
static const char *const interval_names[] = {"interval", NULL};
static const char *const time_names[] = {"timestamp", NULL};
static const char *const cpu_names[] = {"CPU", NULL};

static int is(const struct input *in)
{
	char line[256];

	input_line(in, line, sizeof(line));
	return strchr(line, ';') &&
	       (strstr(line, "interval;timestamp") || strstr(line, "LINUX-RESTART"));
}

static void take_head(char **fields, size_t n, struct sar *s)
{
	const struct column_row rows[] = {
		{host_names, &s->host},
		{interval_names, &s->interval},
		{time_names, &s->time},
		{cpu_names, &s->cpu},
	};

	table_columns(fields, n, rows, ARRAY_SIZE(rows));
	s->head = sar_columns(fields, n, &s->columns) && s->cpu >= 0 && s->time >= 0 &&
		  s->interval >= 0;
}

/* "host;-1;time;LINUX-RESTART (8 CPU)": how many CPUs there are. */
static void take_restart(const char *text, struct usage *r)
{
	const char *open = strchr(text, '(');
	unsigned cpus;

	if (open && sscanf(open, "(%5u CPU)", &cpus) == 1 && cpus)
		r->cpus = cpus;
}

/* A row's own interval tells when it began, even where the clock went back. */
static int take_cpu(char **fields, size_t n, struct sar *s)
{
	struct instant time;
	double interval, busy, last, at;

	if (!reading_time(&s->g, fields[s->time], &time))
		return 0;
	if (usage_follow(s->g.r, &s->track, &time, &last, &at) == FOLLOW_SAME) {
		skips_count(&s->g.r->skips, SKIP_SAME_TIME, fields[s->time]);
		return 0;
	}
	if (table_figure(fields[s->interval], true, &interval) || interval <= 0 ||
	    interval > INTERVAL_MAX) {
		skips_count(&s->g.r->skips, SKIP_NUMBER, fields[s->interval]);
		return 0;
	}
	if (!sar_busy(fields, n, &s->columns, &s->g.r->skips, &busy))
		return 0;
	return usage_add(s->g.r, WHO_TOTAL, at - interval, at, busy * interval);
}

static int take_row(char **fields, size_t n, void *data)
{
	struct sar *s = data;
	struct usage *r = s->g.r;
	double cpu;
	int mine;

	if (fields[0][0] == '#') {
		fields[0] += strspn(fields[0], "# ");
		take_head(fields, n, s);
		return 0;
	}
	mine = choice_take(&s->g.choice, "",
			   fields[s->host >= 0 && (size_t)s->host < n ? s->host : 0]);
	if (mine <= 0)
		return mine;
	if (n >= 4 && strstr(fields[3], "RESTART"))
		take_restart(fields[3], r);
	if (!s->head || n <= (size_t)s->cpu || table_number(fields[s->cpu], &cpu))
		return 0;
	if (n < s->columns.n && cpu < 0 && !s->g.learning) {
		skips_count(&r->skips, SKIP_FIELDS, fields[s->time]);
		return 0;
	}
	*(cpu < 0 ? &s->all : &s->single) = true;
	if (cpu >= 0 && cpu < 8192 && cpu + 1 > r->cpus)
		r->cpus = (unsigned)cpu + 1;
	return cpu < 0 ? take_cpu(fields, n, s) : 0;
}

static void begin(void *data)
{
	struct sar *s = data;

	s->host = -1;
	s->head = false;
	s->track = (struct track){.any = false};
}

static int pass(const struct input *in, void *data)
{
	return table_read(in->text, in->size, ';', 0, take_row, data);
}

static int read_sar(const struct input *in, struct failure *f, struct usage *r)
{
	struct sar s = {.host = -1};
	int err;

	reading_init(&s.g, in, f, r);
	r->per_cpu_share = true;
	err = reading_run(&s.g, DATES_UNKNOWN, begin, pass, &s);
	reading_done(&s.g);
	if (!err && s.single && !s.all)
		return sysstat_single_cpus(in->path, f);
	return err;
}

const struct format format_sar = {"sadf -d", false, is, read_sar};
