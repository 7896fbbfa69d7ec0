/* SPDX-License-Identifier: MIT */
/*
 * CSV with columns that are named as in `virsh domstats`: time, domain (where there are several)
 * and maybe its UUID, and the counters of domstats.h.
 */
#include "correct/domstats.h"
#include "correct/reading.h"

#include "base/units.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COLUMNS 16384

struct csv {
	struct reading g;
	char delimiter;
	size_t n; /* columns; 0: no head yet */
	int date, time, domain, id;
	double *counters[COLUMNS]; /* where a column's value belongs; NULL: it is of no use */
	struct domstats stats;
};

static const char *const date_names[] = {"date", NULL};
static const char *const time_names[] = {"time",	  "timestamp", "datetime", "time_utc",
					 "timestamp_utc", "epoch",     NULL};
static const char *const domain_names[] = {"domain", "name", "vm", "domain.name", NULL};
static const char *const id_names[] = {"uuid", "domain_uuid", "id", "domain_id", NULL};

static int is(const struct input *in)
{
	char line[1024];

	input_line(in, line, sizeof(line));
	return strpbrk(line, ",;\t|") && (strstr(line, "vcpu.") || strstr(line, "cpu.time"));
}

static int take_head(char **fields, size_t n, struct csv *c)
{
	const struct column_row rows[] = {
		{date_names, &c->date},
		{time_names, &c->time},
		{domain_names, &c->domain},
		{id_names, &c->id},
	};
	bool any = false;

	table_columns(fields, n, rows, ARRAY_SIZE(rows));
	if (c->time < 0) {
		c->time = c->date;
		c->date = -1;
	}
	if (c->time < 0)
		return failure_set(c->g.f, -EBADMSG, "%s: no column 'time' in its first line",
				   c->g.in->path);
	times_column_zone(&c->g.times, fields[c->time]);
	for (size_t i = 0; i < n && i < COLUMNS; i++) {
		c->counters[i] = domstats_counter(&c->stats, fields[i]);
		any |= c->counters[i] != NULL;
	}
	c->n = n;
	return any ? 0
		   : failure_set(c->g.f, -EBADMSG,
				 "%s: no column 'vcpu.0.time' or 'cpu.time' in its first line",
				 c->g.in->path);
}

static int take_sample(char **fields, size_t n, const struct instant *time, struct csv *c)
{
	domstats_clear(&c->stats);
	for (size_t i = 0; i < n && i < COLUMNS; i++) {
		if (!c->counters[i] || domstats_set(c->counters[i], fields[i]))
			continue;
		skips_count(&c->g.r->skips, SKIP_NUMBER, fields[i]);
		return 0;
	}
	return domstats_sample(&c->stats, time);
}

static int take_row(char **fields, size_t n, void *data)
{
	struct csv *c = data;
	struct instant time;
	char text[128];
	int mine;

	if (!c->n)
		return take_head(fields, n, c);
	if (n != c->n) {
		if (!c->g.learning)
			skips_count(&c->g.r->skips, SKIP_FIELDS, fields[0]);
		return 0;
	}
	mine = choice_take(&c->g.choice, c->id >= 0 ? fields[c->id] : "",
			   c->domain >= 0 ? fields[c->domain] : "the VM");
	if (mine <= 0)
		return mine;
	snprintf(text, sizeof(text), "%s%s%s", c->date >= 0 ? fields[c->date] : "",
		 c->date >= 0 ? " " : "", fields[c->time]);
	return reading_time(&c->g, text, &time) ? take_sample(fields, n, &time, c) : 0;
}

static void begin(void *data)
{
	struct csv *c = data;

	c->n = 0;
	memset(c->counters, 0, sizeof(c->counters));
	domstats_init(&c->stats, c->g.r);
}

static int pass(const struct input *in, void *data)
{
	const struct csv *c = data;

	return table_read(in->text, in->size, c->delimiter, 0, take_row, data);
}

static int read_domstats(const struct input *in, struct failure *f, struct usage *r)
{
	struct csv *c = calloc(1, sizeof(*c));
	char line[4096];
	int err;

	if (!c)
		return -ENOMEM;
	input_line(in, line, sizeof(line));
	c->delimiter = table_delimiter(line, ",;\t|");
	reading_init(&c->g, in, f, r);
	err = reading_run(&c->g, DATES_UNKNOWN, begin, pass, c);
	reading_done(&c->g);
	free(c);
	return err;
}

const struct format format_domstats = {"domstats", true, is, read_domstats};
