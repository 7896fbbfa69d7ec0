/* SPDX-License-Identifier: MIT */
/*
 * sar, with two front ends. `sadf -d FILE -- -u` writes lines of host;interval;timestamp;CPU;...
 * with a head for each table; what `sar` prints, and mpstat, are tables whose head begins with the
 * time when the first interval began, and lines that begin with the time when each ended, below a
 * banner with the host and the date. The tables themselves are in sar_table.c.
 */
#include "data/sar_table.h"

#include "base/units.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define INTERVAL_MAX 86400 /* seconds */
#define CPUS_MAX     8192

struct sar {
	struct reading g;
	struct sysstat_machine machine;
	struct sar_head head;
	int host, interval, time; /* columns of sadf; -1: not seen */
	bool single, all;	  /* rows of CPU time that were seen: of one CPU, of all */
};

/* ---- both ---- */

/* A row says that its machine has this CPU. */
static void count_cpu(const struct sar *s, const char *cpu)
{
	unsigned long number = strtoul(cpu, NULL, 10);
	struct out *out = s->g.out;

	if (number < CPUS_MAX && number >= out_cpus(out, s->machine.entity))
		out_set_cpus(out, s->machine.entity, (unsigned)number + 1);
}

static int take_row(struct sar *s, const struct sar_row *row)
{
	bool sum = sar_row_is_sum(&s->head, row);

	if (s->head.kind == SAR_CPU) {
		*(sum ? &s->all : &s->single) = true;
		if (!sum)
			count_cpu(s, row->fields[s->head.key]);
	}
	return sar_take(&s->g, &s->machine, &s->head, row);
}

/* Single CPUs don't say what all of them did: one may have been away. */
static int check(const struct sar *s, const struct input *in)
{
	if (!s->single || s->all || s->g.out->file.samples)
		return 0;
	return failure_set(s->g.out->f, -ENODATA,
			   "%s has rows of single CPUs and none of all of them together: leave out "
			   "-P, or give it ALL",
			   in->path);
}

static void begin(void *data)
{
	struct sar *s = data;

	s->head = (struct sar_head){.kind = SAR_NONE};
	s->host = -1;
	sysstat_no_machine(&s->machine);
}

static int read_both(const struct input *in, struct out *out, reading_pass_fn pass)
{
	struct sar s = {.host = -1};
	int err;

	reading_init(&s.g, in, out);
	err = reading_run(&s.g, DATES_UNKNOWN, begin, pass, NULL, &s);
	return err ? err : check(&s, in);
}

/* ---- sadf -d ---- */

static const char *const host_names[] = {"hostname", NULL};
static const char *const interval_names[] = {"interval", NULL};
static const char *const time_names[] = {"timestamp", NULL};

static int is_sadf(const struct input *in)
{
	char line[256];

	input_line(in, line, sizeof(line));
	return strchr(line, ';') &&
	       (strstr(line, "interval;timestamp") || strstr(line, "LINUX-RESTART"));
}

static void take_sadf_head(char **fields, size_t n, struct sar *s)
{
	const struct column_row rows[] = {
		{host_names, &s->host},
		{interval_names, &s->interval},
		{time_names, &s->time},
	};

	table_columns(fields, n, rows, ARRAY_SIZE(rows));
	sar_head(fields, n, s->g.out, &s->head);
	if (s->time < 0 || s->interval < 0 || (s->head.kind == SAR_CPU && s->head.key < 0))
		s->head.kind = SAR_NONE;
}

/* "host;-1;time;LINUX-RESTART (8 CPU)": how many CPUs there are. */
static void take_restart(const char *text, struct sar *s)
{
	const char *open = strchr(text, '(');
	unsigned cpus;

	if (open && sscanf(open, "(%5u CPU)", &cpus) == 1 && cpus)
		out_set_cpus(s->g.out, s->machine.entity, cpus);
}

/* A row's own interval tells when it began, even where the clock went back. */
static int take_timed(char **fields, size_t n, struct sar *s)
{
	struct sar_row row = {fields, n, true, fields[s->time], 0};

	if (table_figure(fields[s->interval], true, &row.interval) || row.interval <= 0 ||
	    row.interval > INTERVAL_MAX) {
		if (!s->g.learning && sar_row_is_sum(&s->head, &row))
			skips_count(&s->g.out->file.skips, SKIP_NUMBER, fields[s->interval]);
		return 0;
	}
	return take_row(s, &row);
}

static int take_line(char **fields, size_t n, void *data)
{
	struct sar *s = data;
	int least, mine;
	double cpu;

	if (fields[0][0] == '#') {
		fields[0] += strspn(fields[0], "# ");
		take_sadf_head(fields, n, s);
		return 0;
	}
	mine = sysstat_machine(&s->g, fields[s->host >= 0 && (size_t)s->host < n ? s->host : 0],
			       &s->machine);
	if (mine <= 0)
		return mine;
	if (n >= 4 && strstr(fields[3], "RESTART"))
		take_restart(fields[3], s);
	least = s->head.key > s->time ? s->head.key : s->time;
	if (s->head.kind == SAR_NONE || n <= (size_t)least || n <= (size_t)s->interval)
		return 0;
	if (s->head.kind == SAR_CPU && table_number(fields[s->head.key], &cpu))
		return 0;
	return take_timed(fields, n, s);
}

static int pass_sadf(const struct input *in, void *data)
{
	return table_read(in->text, in->size, ';', 0, take_line, data);
}

static int read_sadf(const struct input *in, struct out *out)
{
	return read_both(in, out, pass_sadf);
}

/* ---- sar ---- */

static int is_sar(const struct input *in)
{
	char line[256];

	input_line(in, line, sizeof(line));
	return !strchr(line, ';') && !strstr(in->text, "Command") &&
	       !strstr(in->text, "\t%idle\t") && /* sadf -p */
	       (strstr(in->text, "%idle") ||
		(!strncmp(line, "Linux ", 6) &&
		 (strstr(in->text, "kbmemused") || strstr(in->text, "IFACE") ||
		  strstr(in->text, "bread/s") || strstr(in->text, "rkB/s"))));
}

/* Names and no number: parts may be called as they like, but have figures behind. */
static bool is_head(char **fields, size_t n)
{
	double unused;

	if (isdigit((unsigned char)fields[0][0]) || !strcmp(fields[0], "all"))
		return false;
	for (size_t i = 1; i < n; i++)
		if (!table_figure(fields[i], true, &unused))
			return false;
	return true;
}

static int take_head(char **fields, size_t n, const char *clock, struct sar *s)
{
	unsigned cpus;

	if (!strcmp(fields[0], "LINUX") && n > 2 && sscanf(fields[2], "(%5u", &cpus) == 1)
		out_set_cpus(s->g.out, s->machine.entity, cpus); /* "LINUX RESTART (8 CPU)" */
	sar_head(fields, n, s->g.out, &s->head);
	return sar_begin(&s->g, &s->machine, &s->head, clock);
}

static int take_banner(char **fields, size_t n, struct sar *s)
{
	int is = sysstat_take_banner(fields, n, &s->g, &s->machine);

	if (is <= 0)
		return is;
	s->head.kind = SAR_NONE;
	if (s->machine.wanted && !isnan(s->machine.day))
		sar_new_day(s->g.out, &s->machine);
	return 0;
}

static int take_text(char **fields, size_t n, void *data)
{
	struct sar *s = data;
	struct sar_row row = {.n = 0};
	char clock[96];
	size_t used = sysstat_clock(fields, n, clock, sizeof(clock));
	int err = 0;

	if (!used && isdigit((unsigned char)fields[0][0]) && s->head.kind && !s->g.learning)
		skips_count(&s->g.out->file.skips, SKIP_TIME, fields[0]);
	if (!used)
		return take_banner(fields, n, s);
	if (!s->machine.known)
		err = sysstat_machine(&s->g, "", &s->machine);
	if (err < 0 || n == used || !s->machine.wanted)
		return err < 0 ? err : 0;
	row = (struct sar_row){fields + used, n - used, false, clock, 0};
	if (is_head(row.fields, row.n))
		return take_head(row.fields, row.n, clock, s);
	if (s->head.kind == SAR_NONE || (s->head.key >= 0 && row.n <= (size_t)s->head.key))
		return 0;
	return take_row(s, &row);
}

static int pass_sar(const struct input *in, void *data)
{
	return table_read(in->text, in->size, ' ', 4096, take_text, data);
}

static int read_sar(const struct input *in, struct out *out)
{
	return read_both(in, out, pass_sar);
}

const struct format format_sadf = {
	.name = "sadf -d",
	.what = "sadf -d",
	.guest = true,
	.is = is_sadf,
	.read = read_sadf,
};

const struct format format_sar = {
	.name = "sar -u",
	.what = "sar -u",
	.guest = true,
	.is = is_sar,
	.read = read_sar,
};
