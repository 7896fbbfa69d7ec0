/* SPDX-License-Identifier: MIT */
/*
 * What `sar -u` prints, and mpstat: tables whose head begins with the time when the first interval
 * began, and lines that begin with the time when each ended. No dates. Tables of other things are
 * passed over, and so are rows of single CPUs, but for their number.
 */
#include "correct/reading.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct sar_text {
	struct reading g;
	bool head; /* of a table that has idle time */
	bool mine; /* the machine that is asked for */
	struct sar_columns columns;
	bool by_cpu; /* the first column is the CPU's number, or "all" */
	struct track track;
	bool single, all; /* rows that were seen: of one CPU, of all */
};

static int is(const struct input *in)
{
	char line[256];

	input_line(in, line, sizeof(line));
	return !strchr(line, ';') && strstr(in->text, "%idle") && !strstr(in->text, "Command") &&
	       !strstr(in->text, "\t%idle\t"); /* sadf -p */
}

static int take_banner(char **fields, size_t n, struct sar_text *s)
{
	char host[256];
	int mine;
	unsigned cpus = 0;

	if (!sysstat_banner(fields, n, host, sizeof(host), &cpus))
		return 0;
	s->head = false;
	mine = choice_take(&s->g.choice, "", host);
	s->mine = mine > 0;
	if (s->mine && cpus)
		s->g.r->cpus = cpus;
	return mine < 0 ? mine : 0;
}

static void take_head(char **fields, size_t n, const char *clock, struct sar_text *s)
{
	struct instant time;
	double last, at;
	unsigned cpus;

	if (!strcmp(fields[0], "LINUX") && n > 2 && sscanf(fields[2], "(%5u", &cpus) == 1)
		s->g.r->cpus = cpus; /* "LINUX RESTART (8 CPU)" */
	s->head = sar_columns(fields, n, &s->columns);
	s->by_cpu = !strcmp(fields[0], "CPU");
	if (s->head && reading_time(&s->g, clock, &time))
		usage_follow(s->g.r, &s->track, &time, &last, &at);
}

static int take_all(char **fields, size_t n, const char *clock, struct sar_text *s)
{
	struct skips *skips = &s->g.r->skips;
	struct instant time;
	enum follow follow;
	double busy, last, at;

	s->all = true;
	if (!reading_time(&s->g, clock, &time))
		return 0;
	follow = usage_follow(s->g.r, &s->track, &time, &last, &at);
	if (follow != FOLLOW_NEXT) {
		skips_count(skips, follow == FOLLOW_BACK ? SKIP_CLOCK : SKIP_SAME_TIME, clock);
		return 0;
	}
	if (n != s->columns.n) {
		skips_count(skips, SKIP_FIELDS, clock);
		return 0;
	}
	if (!sar_busy(fields, n, &s->columns, skips, &busy))
		return 0;
	return usage_add(s->g.r, WHO_TOTAL, last, at, busy * (at - last));
}

static int take_cpu(const char *cpu, struct sar_text *s)
{
	unsigned long number = strtoul(cpu, NULL, 10);

	s->single = true;
	if (number >= s->g.r->cpus && number < 8192)
		s->g.r->cpus = (unsigned)number + 1;
	return 0;
}

static int take_row(char **fields, size_t n, void *data)
{
	struct sar_text *s = data;
	char clock[96];
	size_t used = sysstat_clock(fields, n, clock, sizeof(clock));

	if (!used && isdigit((unsigned char)fields[0][0]) && s->head && !s->g.learning)
		skips_count(&s->g.r->skips, SKIP_TIME, fields[0]);
	if (!used)
		return take_banner(fields, n, s);
	fields += used;
	n -= used;
	if (!n || !s->mine)
		return 0;
	if (!isdigit((unsigned char)fields[0][0]) && strcmp(fields[0], "all") != 0)
		take_head(fields, n, clock, s);
	else if (s->head && s->by_cpu && strcmp(fields[0], "all") != 0)
		return take_cpu(fields[0], s);
	else if (s->head)
		return take_all(fields, n, clock, s);
	return 0;
}

static void begin(void *data)
{
	struct sar_text *s = data;

	s->head = false;
	s->mine = true;
	s->track = (struct track){.any = false};
}

static int pass(const struct input *in, void *data)
{
	return table_read(in->text, in->size, ' ', 4096, take_row, data);
}

static int read_sar_text(const struct input *in, struct failure *f, struct usage *r)
{
	struct sar_text s = {.head = false};
	int err;

	reading_init(&s.g, in, f, r);
	r->per_cpu_share = true;
	err = reading_run(&s.g, DATES_UNKNOWN, begin, pass, &s);
	reading_done(&s.g);
	if (!err && s.single && !s.all)
		return sysstat_single_cpus(in->path, f);
	return err;
}

const struct format format_sar_text = {"sar -u", false, is, read_sar_text};
