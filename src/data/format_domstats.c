/* SPDX-License-Identifier: MIT */
/*
 * CSV with columns that are named as in `virsh domstats`: time, domain (where there are several)
 * and maybe its UUID, and the counters of domstats.h.
 */
#include "data/domstats.h"
#include "data/reading.h"

#include "base/units.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct csv {
	struct reading g;
	char delimiter;
	size_t n; /* columns; 0: no head yet */
	int date, time, domain, id;
	int *slots; /* [n] where a column's value belongs */
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
	return strpbrk(line, ",;\t|") &&
	       (strstr(line, "vcpu.") || strstr(line, "cpu.time") || strstr(line, "balloon."));
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
		return failure_set(c->g.out->f, -EBADMSG, "%s: no column 'time' in its first line",
				   c->g.in->path);
	times_column_zone(&c->g.times, fields[c->time]);
	c->slots = calloc(n, sizeof(*c->slots));
	if (!c->slots)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++) {
		c->slots[i] = domstats_slot(&c->stats, fields[i]);
		any |= c->slots[i] >= 0;
	}
	c->n = n;
	return any ? 0
		   : failure_set(c->g.out->f, -EBADMSG,
				 "%s: no column 'vcpu.0.time' or 'cpu.time' in its first line",
				 c->g.in->path);
}

static int take_sample(char **fields, size_t n, uint32_t vm, const struct instant *time,
		       struct csv *c)
{
	int err = domstats_begin(&c->stats, vm);

	for (size_t i = 0; i < n && !err; i++) {
		err = domstats_set(&c->stats, c->slots[i], fields[i]);
		if (!c->stats.bad)
			continue;
		skips_count(&c->g.out->file.skips, SKIP_NUMBER, fields[i]);
		return 0;
	}
	return err ? err : domstats_sample(&c->stats, time);
}

static int take_row(char **fields, size_t n, void *data)
{
	struct csv *c = data;
	struct data_entity e = {DATA_KIND_VM, DATA_NONE, "the VM", ""};
	struct instant time;
	char text[128];
	uint32_t vm;
	int mine;

	if (!c->n)
		return take_head(fields, n, c);
	if (n != c->n) {
		if (!c->g.learning)
			skips_count(&c->g.out->file.skips, SKIP_FIELDS, fields[0]);
		return 0;
	}
	if (c->domain >= 0)
		e.name = fields[c->domain];
	if (c->id >= 0)
		e.id = fields[c->id];
	mine = out_entity(c->g.out, &e, &vm);
	if (mine <= 0)
		return mine;
	snprintf(text, sizeof(text), "%s%s%s", c->date >= 0 ? fields[c->date] : "",
		 c->date >= 0 ? " " : "", fields[c->time]);
	return reading_time(&c->g, text, NAN, &time) ? take_sample(fields, n, vm, &time, c) : 0;
}

static void begin(void *data)
{
	struct csv *c = data;

	free(c->slots);
	c->slots = NULL;
	c->n = 0;
}

static int pass(const struct input *in, void *data)
{
	const struct csv *c = data;

	return table_read(in->text, in->size, c->delimiter, 0, take_row, data);
}

static int read_domstats(const struct input *in, struct out *out)
{
	struct csv c = {.n = 0};
	char line[4096];
	int err;

	input_line(in, line, sizeof(line));
	c.delimiter = table_delimiter(line, ",;\t|");
	reading_init(&c.g, in, out);
	domstats_init(&c.stats, out);
	err = reading_run(&c.g, DATES_UNKNOWN, begin, pass, domstats_state_done, &c);
	out_forget(out, domstats_state_done);
	domstats_done(&c.stats);
	free(c.slots);
	return err;
}

const struct format format_domstats = {
	.name = "domstats",
	.what = "CSV with columns as in virsh domstats",
	.host = true,
	.is = is,
	.read = read_domstats,
};
