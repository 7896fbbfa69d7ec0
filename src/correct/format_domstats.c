/* SPDX-License-Identifier: MIT */
/*
 * CSV with columns that are named as in `virsh domstats`: time, domain (where there are several),
 * and either vcpu.N.time and vcpu.N.wait or cpu.time: nanoseconds that only grow. What lies between
 * two rows of a VM is a piece; a counter that runs backwards starts again, and is counted.
 */
#include "correct/formats.h"
#include "correct/table.h"

#include "base/units.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define COLUMNS 4096

enum kind { KIND_NONE, KIND_RUN, KIND_WAIT };

struct domstats {
	struct usage *r;
	struct choice choice;
	bool head;
	int time, domain; /* columns; -1: there is none */
	enum kind kinds[COLUMNS];
	bool any, waits;	/* a row was there; there are wait columns */
	double last, run, wait; /* of the row before, where there was any */
};

static bool is(const struct input *in)
{
	char line[1024];

	input_line(in, line, sizeof(line));
	return strstr(line, "vcpu.") || strstr(line, "cpu.time");
}

static enum kind kind_of(const char *name)
{
	unsigned vcpu;
	char rest[8];

	if (sscanf(name, "vcpu.%5u.%7s", &vcpu, rest) != 2)
		return KIND_NONE;
	return !strcmp(rest, "time") ? KIND_RUN : !strcmp(rest, "wait") ? KIND_WAIT : KIND_NONE;
}

/* The whole process's CPU time counts only where there are no vCPUs: emulation is in it. */
static void take_head(char **fields, size_t n, struct domstats *d)
{
	int cpu = table_column(fields, n, (const char *const[]){"cpu.time", NULL});

	d->head = true;
	d->time = table_column(fields, n, (const char *const[]){"time", "timestamp", NULL});
	d->domain = table_column(fields, n, (const char *const[]){"domain", "name", "vm", NULL});
	for (size_t i = 0; i < n && i < COLUMNS; i++) {
		d->kinds[i] = kind_of(fields[i]);
		d->r->cpus += d->kinds[i] == KIND_RUN;
		d->waits |= d->kinds[i] == KIND_WAIT;
	}
	if (!d->r->cpus && cpu >= 0 && cpu < COLUMNS)
		d->kinds[cpu] = KIND_RUN;
}

/* Seconds, over the columns of one kind. */
static double sum(char **fields, size_t n, const struct domstats *d, enum kind kind)
{
	double total = 0, v;

	for (size_t i = 0; i < n && i < COLUMNS; i++)
		if (d->kinds[i] == kind && !table_number(fields[i], &v))
			total += v / 1e9;
	return total;
}

static int take_sample(struct domstats *d, double time, double run, double wait)
{
	double last_run = d->run, last_wait = d->wait, last = d->last;
	bool first = !d->any;
	int err;

	d->any = true;
	d->last = time;
	d->run = run;
	d->wait = wait;
	if (first)
		return 0;
	err = usage_add(d->r, WHO_TOTAL, last, time, run - last_run);
	if (err || !d->waits)
		return err;
	return usage_add(d->r, WHO_READY, last, time, wait - last_wait);
}

static int take_row(char **fields, size_t n, void *data)
{
	struct domstats *d = data;
	double time;
	bool dated;

	if (!d->head) {
		take_head(fields, n, d);
		return d->time < 0 ? -EBADMSG : 0;
	}
	if (n <= (size_t)d->time || (d->domain >= 0 && n <= (size_t)d->domain) ||
	    table_time(fields[d->time], &time, &dated)) {
		d->r->skipped++;
		return 0;
	}
	if (!choice_take(&d->choice, d->domain >= 0 ? fields[d->domain] : "the VM"))
		return 0;
	d->r->dated = dated;
	return take_sample(d, table_next_day(time, d->last, dated), sum(fields, n, d, KIND_RUN),
			   sum(fields, n, d, KIND_WAIT));
}

static int read_domstats(const struct input *in, struct failure *f, struct usage *r)
{
	struct domstats d = {.r = r, .choice = {.wanted = in->vm}};
	char line[1024];
	int err;

	input_line(in, line, sizeof(line));
	err = table_read(in->text, in->size, input_delimiter(line, ",;\t"), 0, take_row, &d);
	if (err == -EBADMSG)
		return failure_set(f, err, "%s: no column 'time' in its first line", in->path);
	return err ? err : choice_end(&d.choice, in->path, f);
}

const struct format format_domstats = {"domstats", true, is, read_domstats};
