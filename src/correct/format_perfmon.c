/* SPDX-License-Identifier: MIT */
/*
 * PDH-CSV, which perfmon writes in a Windows guest and esxtop -b on a host: a column for every
 * counter, "\\MACHINE\Object(instance)\Counter", and a row for every sample. A value is the average
 * since the row before, so the first row only tells when it began.
 */
#include "correct/formats.h"
#include "correct/table.h"

#include "base/units.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PART_SIZE 128

struct counter {
	char object[PART_SIZE], instance[PART_SIZE], name[PART_SIZE];
};

/* Whose time a column has, if it is of use. */
struct column {
	bool used;
	uint32_t who;
};

struct pdh {
	struct usage *r;
	const struct input *in;
	struct failure *f;
	bool host;
	bool any_total;	  /* a column with it was found */
	bool second_best; /* the columns that are wanted are not there */
	struct column *columns;
	size_t n_columns;
	bool any;
	double last; /* the time of the row before, where there was any */
	struct choice choice;
};

static bool is_pdh(const struct input *in)
{
	char line[64];

	input_line(in, line, sizeof(line));
	return strstr(line, "(PDH-CSV");
}

/* "\\HOST\Object(instance)\Name"; instances may hold brackets and backslashes themselves. */
static bool parse_counter(const char *path, struct counter *ret)
{
	const char *object = strncmp(path, "\\\\", 2) ? NULL : strchr(path + 2, '\\');
	const char *name = strrchr(path, '\\');
	const char *open, *close;

	if (!object || !name || name <= object)
		return false;
	object++;
	open = memchr(object, '(', (size_t)(name - object));
	close = name[-1] == ')' ? name - 1 : NULL;
	snprintf(ret->name, PART_SIZE, "%s", name + 1);
	ret->instance[0] = '\0';
	snprintf(ret->object, PART_SIZE, "%.*s", (int)((open && close ? open : name) - object),
		 object);
	if (open && close)
		snprintf(ret->instance, PART_SIZE, "%.*s", (int)(close - open - 1), open + 1);
	return true;
}

/* ---- a guest's columns ---- */

static int guest_column(struct pdh *p, const struct counter *c, struct column *ret)
{
	bool all = !strcmp(c->instance, "_Total");

	if (strcmp(c->name, "% Processor Time") != 0)
		return 0;
	if (!strcmp(c->object, p->second_best ? "Processor Information" : "Processor")) {
		*ret = (struct column){all, WHO_TOTAL};
		p->any_total |= all;
		p->r->cpus += !strstr(c->instance, "_Total");
		return 0;
	}
	if (strcmp(c->object, "Process") != 0 || all || !strcmp(c->instance, "Idle"))
		return 0;
	ret->used = true;
	return usage_who(p->r, c->instance, &ret->who);
}

/* ---- a host's columns ---- */

/* Part `i` of "1234:web1:5678:vmx-vcpu-0:web1", cut to fit. False: it has not so many. */
static bool part_of(const char *instance, int i, char ret[PART_SIZE])
{
	while (i-- && instance) {
		instance = strchr(instance, ':');
		instance = instance ? instance + 1 : NULL;
	}
	if (!instance)
		return false;
	snprintf(ret, PART_SIZE, "%.*s", (int)strcspn(instance, ":"), instance);
	return true;
}

/* Of the worlds of a VM only vCPUs count, called "vmx-vcpu-0", once "vcpu-0". */
static bool is_vcpu(const struct counter *c)
{
	char world[PART_SIZE];

	return !strcmp(c->object, "Vcpu") && part_of(c->instance, 3, world) &&
	       strstr(world, "vcpu-");
}

/* A VM that was not expanded in esxtop has only its group: "% Used" of all its worlds. */
static int host_column(struct pdh *p, const struct counter *c, struct column *ret)
{
	const char *run = p->second_best ? "% Used" : "% Run";
	char vm[PART_SIZE];

	if (!(p->second_best ? !strcmp(c->object, "Group Cpu") : is_vcpu(c)) ||
	    !part_of(c->instance, 1, vm))
		return 0;
	if (strcmp(c->name, run) != 0 && strcmp(c->name, "% Ready") != 0)
		return 0;
	ret->used = choice_take(&p->choice, vm);
	ret->who = strcmp(c->name, run) ? WHO_READY : WHO_TOTAL;
	p->any_total |= ret->used && ret->who == WHO_TOTAL;
	p->r->cpus += ret->used && ret->who == WHO_TOTAL && !p->second_best;
	return 0;
}

/* ---- rows ---- */

static int take_columns(char **fields, size_t n, struct pdh *p)
{
	for (size_t i = 1; i < n; i++) {
		struct counter c;
		int err;

		if (!parse_counter(fields[i], &c))
			continue;
		err = (p->host ? host_column : guest_column)(p, &c, &p->columns[i]);
		if (err)
			return err;
	}
	return 0;
}

static int take_head(char **fields, size_t n, struct pdh *p)
{
	int err;

	p->columns = calloc(n, sizeof(*p->columns));
	if (!p->columns)
		return -ENOMEM;
	p->n_columns = n;
	err = take_columns(fields, n, p);
	if (!err && !p->any_total) {
		p->second_best = true;
		err = take_columns(fields, n, p);
	}
	if (err || !p->host)
		return err;
	return choice_end(&p->choice, p->in->path, p->f);
}

static int take_sample(char **fields, size_t n, double time, struct pdh *p)
{
	for (size_t i = 1; i < n && i < p->n_columns; i++) {
		double percent;
		int err;

		if (!p->columns[i].used)
			continue;
		if (table_number(fields[i], &percent)) {
			p->r->skipped += fields[i][0] != '\0' && fields[i][0] != ' ';
			continue;
		}
		err = usage_add(p->r, p->columns[i].who, p->last, time,
				percent / 100 * (time - p->last));
		if (err)
			return err;
	}
	return 0;
}

static int take_row(char **fields, size_t n, void *data)
{
	struct pdh *p = data;
	double time;
	bool dated;

	if (!p->columns)
		return take_head(fields, n, p);
	if (table_time(fields[0], &time, &dated)) {
		p->r->skipped++;
		return 0;
	}
	time = table_next_day(time, p->last, dated);
	p->r->dated = dated;
	if (p->any && time > p->last) {
		int err = take_sample(fields, n, time, p);

		if (err)
			return err;
	}
	/* Of rows with one time, as where seconds are left out, the first counts for all. */
	p->r->skipped += p->any && time <= p->last;
	p->last = p->any && time < p->last ? p->last : time;
	p->any = true;
	return 0;
}

static int read_pdh(const struct input *in, bool host, struct failure *f, struct usage *r)
{
	struct pdh p = {.r = r, .in = in, .f = f, .host = host, .choice = {.wanted = in->vm}};
	int err = table_read(in->text, in->size, ',', 0, take_row, &p);

	free(p.columns);
	return err;
}

static int read_perfmon(const struct input *in, struct failure *f, struct usage *r)
{
	r->per_cpu_share = true;
	return read_pdh(in, false, f, r);
}

static int read_esxtop(const struct input *in, struct failure *f, struct usage *r)
{
	return read_pdh(in, true, f, r);
}

const struct format format_perfmon = {"perfmon CSV", false, is_pdh, read_perfmon};
const struct format format_esxtop = {"esxtop -b", true, is_pdh, read_esxtop};
