/* SPDX-License-Identifier: MIT */
/*
 * PDH-CSV, which perfmon writes in a Windows guest and esxtop -b on a host, or PDH-TSV: a column
 * for every counter and a row for every sample. A value is the average since the row before, so the
 * first row only tells when it began. Rows are all or nothing: with one value of a sum missing the
 * sum would fall.
 */
#include "correct/reading.h"
#include "data/counter.h"

#include "base/units.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Whose time a column has, if it is of use. */
struct column {
	enum counter_kind kind;
	bool used;
	uint32_t who;
};

struct pdh {
	struct reading g;
	char delimiter;
	struct column *columns;
	size_t n; /* columns; 0: no head yet */
	bool any[COUNTER_GROUP_READY + 1];
	char machine[COUNTER_PART]; /* the first host; groups of another have its name, too */
	struct track track;
};

static int is_pdh(const struct input *in)
{
	char line[64];

	input_line(in, line, sizeof(line));
	return strstr(line, "(PDH-CSV") || strstr(line, "(PDH-TSV");
}

/* ---- columns ---- */

/* Which of the two that mean the same is taken: the finer one, where it is there. */
static bool is_used(const struct pdh *p, enum counter_kind kind)
{
	switch (kind) {
	case COUNTER_TOTAL_INFO:
	case COUNTER_CPU_INFO:
		return !p->any[COUNTER_TOTAL];
	case COUNTER_CPU:
		return p->any[COUNTER_TOTAL] || !p->any[COUNTER_TOTAL_INFO];
	case COUNTER_PROCESS:
		return !p->any[COUNTER_PROCESS_V2];
	case COUNTER_GROUP_USED:
	case COUNTER_GROUP_READY:
		return !p->any[COUNTER_RUN];
	default:
		return kind != COUNTER_OTHER;
	}
}

static int take_process(struct pdh *p, const char *instance, struct column *c)
{
	const char *colon = strrchr(instance, ':');
	char name[COUNTER_PART + 8];

	if (c->kind == COUNTER_PROCESS || !colon || !colon[1])
		return usage_who(p->g.r, instance, &c->who);
	snprintf(name, sizeof(name), "%.*s (%.24s)", (int)(colon - instance), instance, colon + 1);
	return usage_who(p->g.r, name, &c->who);
}

static int take_guest_column(struct pdh *p, const struct counter *counter, struct column *c)
{
	const char *machine = counter->machine[0] ? counter->machine : "(without a name)";
	int mine;

	c->kind = counter_guest_kind(counter);
	if (!p->machine[0] && c->kind)
		snprintf(p->machine, sizeof(p->machine), "%s", machine);
	if (!strcasecmp(p->machine, machine))
		machine = p->machine;
	mine = c->kind ? choice_take(&p->g.choice, "", machine) : 0;
	if (mine <= 0) {
		c->kind = COUNTER_OTHER;
		return mine;
	}
	c->who = WHO_TOTAL;
	if (c->kind == COUNTER_PROCESS || c->kind == COUNTER_PROCESS_V2)
		return take_process(p, counter->instance, c);
	return 0;
}

/* Groups are candidates only where no VM is shown vCPU by vCPU, or the one that is asked for is
 * not. */
static int take_host_column(struct pdh *p, const struct counter *counter, bool groups,
			    struct column *c)
{
	char group[COUNTER_PART], vm[COUNTER_PART], id[2 * COUNTER_PART];
	int mine = 0;

	c->kind = counter_host_kind(counter, group, vm);
	if (!c->kind)
		return 0;
	if (!p->machine[0])
		snprintf(p->machine, sizeof(p->machine), "%s", counter->machine);
	if (strcasecmp(p->machine, counter->machine) != 0)
		snprintf(id, sizeof(id), "%s/%s", counter->machine, group);
	else
		snprintf(id, sizeof(id), "%s", group);
	c->who = c->kind == COUNTER_RUN || c->kind == COUNTER_GROUP_USED ? WHO_TOTAL : WHO_READY;
	if ((c->kind >= COUNTER_GROUP_USED) == groups)
		mine = choice_take(&p->g.choice, id, vm);
	if (mine <= 0)
		c->kind = COUNTER_OTHER;
	return mine < 0 ? mine : 0;
}

static int take_columns(char **fields, struct pdh *p, bool groups)
{
	for (size_t i = 1; i < p->n; i++) {
		struct column *c = &p->columns[i];
		struct counter counter;
		int err;

		if (c->used || !counter_parse(fields[i], &counter))
			continue; /* `used` marks those that are given twice, until here */
		err = p->g.in->source->host ? take_host_column(p, &counter, groups, c)
					    : take_guest_column(p, &counter, c);
		if (err)
			return err;
		p->any[c->kind] = true;
	}
	return 0;
}

struct place {
	const char *text;
	size_t at;
};

static int by_text(const void *a, const void *b)
{
	const struct place *x = a, *y = b;
	int order = strcasecmp(x->text, y->text);

	return order ? order : (x->at > y->at) - (x->at < y->at);
}

/* The same counter twice counts once. */
static int mark_repeated(char **fields, struct pdh *p)
{
	struct place *places = calloc(p->n, sizeof(*places));

	if (!places)
		return -ENOMEM;
	for (size_t i = 0; i < p->n; i++)
		places[i] = (struct place){fields[i], i};
	qsort(places, p->n, sizeof(*places), by_text);
	for (size_t i = 1; i < p->n; i++)
		if (fields[places[i].at][0] == '\\' &&
		    !strcasecmp(places[i].text, places[i - 1].text)) {
			p->columns[places[i].at].used = true;
			skips_count(&p->g.r->skips, SKIP_DUPLICATE, NULL);
		}
	free(places);
	return 0;
}

/* "(PDH-CSV 4.0) (Romance Standard Time)(-60)": minutes that UTC is ahead of local time. */
static void take_zone(const char *text, struct pdh *p)
{
	const char *open = strrchr(text, '(');
	int minutes;

	if (!open || open < strchr(text, ')'))
		return;
	if (!strncasecmp(open, "(UTC)", 5))
		times_head_zone(&p->g.times, 0);
	else if (sscanf(open, "(%5d)", &minutes) == 1 && abs(minutes) <= 14 * 60)
		times_head_zone(&p->g.times, -60.0 * minutes);
}

/* ---- what is missing ---- */

static void list_objects(char **fields, size_t n, char *ret, size_t size)
{
	size_t used = 0;

	ret[0] = '\0';
	for (size_t i = 1; i < n; i++) {
		struct counter c;

		if (!counter_parse(fields[i], &c) || strstr(ret, c.object))
			continue;
		if (used + strlen(c.object) + strlen(c.name) + 8 > size)
			return;
		used += (size_t)snprintf(ret + used, size - used, "%s'%s\\%s'", used ? ", " : "",
					 c.object, c.name);
	}
}

static int check_guest(char **fields, struct pdh *p)
{
	const bool *any = p->any;
	bool total = any[COUNTER_TOTAL] || any[COUNTER_TOTAL_INFO];
	bool processes = any[COUNTER_PROCESS] || any[COUNTER_PROCESS_V2];
	char objects[200];

	if (!total && !processes) {
		list_objects(fields, p->n, objects, sizeof(objects));
		return failure_set(p->g.f, -ENODATA,
				   "%s: no counter 'Processor(_Total)\\%% Processor Time' or "
				   "'Process(*)\\%% Processor Time', in no language known here; "
				   "there is: %s. By number they are the same in all: record "
				   "\"\\238(*)\\6\" and \"\\230(*)\\6\"",
				   p->g.in->path, objects[0] ? objects : "none");
	}
	if (!total)
		snprintf(p->g.r->note, sizeof(p->g.r->note),
			 "no 'Processor(_Total)\\%% Processor Time': the total is the sum of the "
			 "processes");
	else if (!processes)
		snprintf(p->g.r->note, sizeof(p->g.r->note),
			 "no 'Process(*)\\%% Processor Time': only the total is known");
	return 0;
}

static unsigned count_cpus(const struct pdh *p)
{
	unsigned n = 0;

	for (size_t i = 0; i < p->n; i++) {
		enum counter_kind kind = p->columns[i].kind;

		n += p->columns[i].used &&
		     (kind == COUNTER_CPU || kind == COUNTER_CPU_INFO || kind == COUNTER_RUN);
	}
	return n;
}

static int take_head(char **fields, size_t n, struct pdh *p)
{
	bool host = p->g.in->source->host;
	int err;

	p->columns = calloc(n, sizeof(*p->columns));
	if (!p->columns)
		return -ENOMEM;
	p->n = n;
	take_zone(fields[0], p);
	err = mark_repeated(fields, p);
	if (!err)
		err = take_columns(fields, p, false);
	if (!err && host && !p->any[COUNTER_RUN])
		err = take_columns(fields, p, true);
	for (size_t i = 0; i < n; i++)
		p->columns[i].used = is_used(p, p->columns[i].kind);
	p->g.r->cpus = count_cpus(p);
	if (err)
		return err;
	if (host || p->g.choice.wanted)
		return choice_end(&p->g.choice, p->g.in->path, p->g.f);
	return check_guest(fields, p);
}

/* ---- rows ---- */

/* What the columns of one row come to. */
struct row_sums {
	size_t blank; /* of those that must be there */
	size_t bad, negative;
	double total, ready, all;
	bool readies; /* there are such columns */
	const char *example;
};

static bool may_be_blank(enum counter_kind kind)
{
	return kind == COUNTER_PROCESS || kind == COUNTER_PROCESS_V2 || kind == COUNTER_IDLE ||
	       kind == COUNTER_CPU || kind == COUNTER_CPU_INFO;
}

static void sum_column(const char *field, const struct column *c, struct row_sums *s)
{
	bool needed = !may_be_blank(c->kind), blank = table_blank(field);
	double percent = 0;

	s->blank += needed && blank;
	if (blank)
		return;
	if (table_figure(field, true, &percent)) {
		s->bad++;
		s->example = field;
		return;
	}
	s->negative += percent < 0;
	s->all += percent;
	if (c->kind == COUNTER_RUN || c->kind == COUNTER_GROUP_USED)
		s->total += percent;
	if (c->who == WHO_READY) {
		s->ready += percent;
		s->readies = true;
	}
}

/* SKIP_N, or why the row cannot be used. One of zeros only says nothing: even an idle machine does
 * something, and one that has moved away shows zeros. */
static enum skip judge(const struct row_sums *s)
{
	if (s->bad)
		return SKIP_NUMBER;
	if (s->blank || s->negative)
		return s->blank ? SKIP_BLANK : SKIP_RANGE;
	return s->all == 0 ? SKIP_ZEROS : SKIP_N;
}

static int add_host(const struct row_sums *s, double from, double to, struct pdh *p)
{
	int err = usage_add(p->g.r, WHO_TOTAL, from, to, s->total / 100 * (to - from));

	if (err || !s->readies)
		return err;
	return usage_add(p->g.r, WHO_READY, from, to, s->ready / 100 * (to - from));
}

static int add_guest(char **fields, double from, double to, struct pdh *p)
{
	for (size_t i = 1; i < p->n; i++) {
		const struct column *c = &p->columns[i];
		double percent;
		int err;

		if (!c->used || c->kind == COUNTER_IDLE || c->kind == COUNTER_CPU ||
		    c->kind == COUNTER_CPU_INFO || table_figure(fields[i], true, &percent))
			continue;
		err = usage_add(p->g.r, c->who, from, to, percent / 100 * (to - from));
		if (err)
			return err;
	}
	return 0;
}

static int take_sample(char **fields, double from, double to, struct pdh *p)
{
	struct row_sums s = {.blank = 0};
	enum skip why;

	for (size_t i = 1; i < p->n; i++)
		if (p->columns[i].used)
			sum_column(fields[i], &p->columns[i], &s);
	why = judge(&s);
	if (why != SKIP_N) {
		skips_count(&p->g.r->skips, why, s.example);
		return 0;
	}
	return p->g.in->source->host ? add_host(&s, from, to, p) : add_guest(fields, from, to, p);
}

/* Of rows with one time, as where seconds are left out, the first counts for all. */
static int take_row(char **fields, size_t n, void *data)
{
	struct pdh *p = data;
	struct instant time;
	enum follow follow;
	double last, at;

	if (!p->n)
		return take_head(fields, n, p);
	if (!reading_time(&p->g, fields[0], &time))
		return 0;
	follow = usage_follow(p->g.r, &p->track, &time, &last, &at);
	if (follow == FOLLOW_NEXT && (n < p->n || n > p->n + !fields[n - 1][0]))
		skips_count(&p->g.r->skips, SKIP_FIELDS, fields[0]);
	else if (follow == FOLLOW_NEXT)
		return take_sample(fields, last, at, p);
	else if (follow != FOLLOW_FIRST)
		skips_count(&p->g.r->skips, follow == FOLLOW_BACK ? SKIP_CLOCK : SKIP_SAME_TIME,
			    fields[0]);
	return 0;
}

static void begin(void *data)
{
	struct pdh *p = data;

	free(p->columns);
	p->columns = NULL;
	p->n = 0;
	memset(p->any, 0, sizeof(p->any));
	p->track = (struct track){.any = false};
}

static int pass(const struct input *in, void *data)
{
	const struct pdh *p = data;

	return table_read(in->text, in->size, p->delimiter, 0, take_row, data);
}

static int read_pdh(const struct input *in, struct failure *f, struct usage *r)
{
	struct pdh p = {.n = 0};
	char line[4096];
	int err;

	input_line(in, line, sizeof(line));
	p.delimiter = table_delimiter(line, ",;\t");
	reading_init(&p.g, in, f, r);
	r->per_cpu_share = !in->source->host;
	err = reading_run(&p.g, DATES_MDY, begin, pass, &p);
	begin(&p);
	reading_done(&p.g);
	return err;
}

const struct format format_perfmon = {"perfmon CSV", false, is_pdh, read_pdh};
const struct format format_esxtop = {"esxtop -b", true, is_pdh, read_pdh};
