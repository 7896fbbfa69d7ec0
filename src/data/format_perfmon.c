/* SPDX-License-Identifier: MIT */
/*
 * PDH-CSV, which perfmon writes in a Windows guest and esxtop -b on a host, or PDH-TSV: a column
 * for every counter and a row for every sample. A value is the average since the row before, so the
 * first row only tells when it began. Of one machine or VM rows are all or nothing: with one value
 * of a sum missing the sum would fall.
 */
#include "data/counter.h"
#include "data/reading.h"

#include "base/units.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SUMS (DATA_SWAPWAIT + 1) /* quantities that are added up over vCPUs */

/* A machine or a VM, and what its columns come to in one row. */
struct owner {
	uint32_t entity;
	char name[COUNTER_PART]; /* a VM's */
	bool any[COUNTER_KINDS];
	bool judged;  /* it has CPU time that can be judged */
	size_t blank; /* of those that must be there */
	size_t bad, negative;
	double all, sums[SUMS];
	bool has[SUMS]; /* there are such values */
	const char *example;
	bool usable;
};

struct column {
	struct owner *owner; /* NULL: it is of no use */
	uint32_t entity;
	bool repeated, part, wanted; /* part: the entity isn't its owner */
	enum counter_kind kind;
	enum data_quantity quantity;
	double scale, value; /* NaN: blank */
};

struct pdh {
	struct reading g;
	bool host; /* esxtop */
	char delimiter;
	struct column *columns;
	size_t n;     /* columns; 0: no head yet */
	size_t *used; /* [n_used] places of columns */
	size_t n_used;
	struct owner **owners;
	size_t n_owners;
	bool seen;		    /* counters of use, wanted or not */
	char machine[COUNTER_PART]; /* the first; groups of another have its name, too */
	struct track track;
};

static bool is_pdh(const struct input *in)
{
	char line[64];

	input_line(in, line, sizeof(line));
	return strstr(line, "(PDH-CSV") || strstr(line, "(PDH-TSV");
}

static int is_esxtop(const struct input *in)
{
	static const char *const objects[] = {"\\Vcpu(", "\\Group Cpu(", "\\Group Memory(",
					      "\\Physical Cpu"};
	const char *line = in->text + strspn(in->text, "\r\n\t ");
	size_t size = strcspn(line, "\r\n");

	for (size_t i = 0; is_pdh(in) && i < ARRAY_SIZE(objects); i++)
		if (memmem(line, size, objects[i], strlen(objects[i])))
			return 1;
	return 0;
}

static int is_perfmon(const struct input *in)
{
	return is_pdh(in) && !is_esxtop(in);
}

/* ---- owners ---- */

/* 1 and the owner, 0: it isn't wanted, -errno. */
static int take_owner(struct pdh *p, const struct data_entity *e, struct owner **ret)
{
	uint32_t entity;
	int wanted = out_entity(p->g.out, e, &entity);
	bool old = wanted > 0 && out_state_of(p->g.out, entity);
	struct owner *owner = wanted > 0 ? out_state(p->g.out, entity, sizeof(*owner)) : NULL;
	struct owner **list;

	if (wanted <= 0)
		return wanted;
	*ret = owner;
	if (old || !owner)
		return owner ? 1 : -ENOMEM;
	owner->entity = entity;
	snprintf(owner->name, sizeof(owner->name), "%s", e->name);
	list = reallocarray(p->owners, p->n_owners + 1, sizeof(struct owner *));
	if (!list)
		return -ENOMEM;
	p->owners = list;
	list[p->n_owners++] = owner;
	return 1;
}

/* The only VM of this name, or NULL. */
static struct owner *by_name(const struct pdh *p, const char *name)
{
	struct owner *found = NULL;

	for (size_t i = 0; i < p->n_owners; i++) {
		if (strcmp(p->owners[i]->name, name) != 0 || p->owners[i]->any[COUNTER_HOST_CPU])
			continue;
		if (found)
			return NULL;
		found = p->owners[i];
	}
	return found;
}

/* ---- columns ---- */

/* Which of the two that mean the same is taken: the finer one, where it is there. */
static bool is_used(const struct column *c)
{
	const bool *any = c->owner ? c->owner->any : NULL;

	if (!any)
		return false;
	switch (c->kind) {
	case COUNTER_TOTAL_INFO:
	case COUNTER_CPU_INFO:
		return !any[COUNTER_TOTAL];
	case COUNTER_CPU:
		return any[COUNTER_TOTAL] || !any[COUNTER_TOTAL_INFO];
	case COUNTER_PROCESS:
		return !any[COUNTER_PROCESS_V2];
	case COUNTER_GROUP:
		return !any[COUNTER_VCPU];
	default:
		return c->kind != COUNTER_OTHER;
	}
}

/* Gives the column to its owner, or to the part of it that it is of. */
static int take_part(struct pdh *p, struct owner *owner, const struct counter_use *u,
		     struct column *c)
{
	const struct data_entity part = {u->part, owner->entity, u->name, u->id};
	int wanted = 1;

	c->entity = owner->entity;
	c->part = u->name[0] && u->part != DATA_KIND_MACHINE;
	if (c->part)
		wanted = out_entity(p->g.out, &part, &c->entity);
	if (wanted < 0)
		return wanted;
	c->wanted = wanted;
	c->kind = u->kind;
	c->quantity = u->quantity;
	c->scale = u->scale;
	/* What is judged is needed, wanted or not. */
	if (wanted || u->kind != COUNTER_FIGURE)
		c->owner = owner;
	owner->any[u->kind] = true;
	return 0;
}

static int take_guest_column(struct pdh *p, const struct counter *counter, struct column *c)
{
	const char *machine = counter->machine[0] ? counter->machine : "(without a name)";
	struct data_entity e = {DATA_KIND_MACHINE, DATA_NONE, machine, ""};
	struct counter_use u;
	struct owner *owner;
	int wanted;

	if (!counter_guest(counter, &u) || !out_takes(p->g.out, u.quantity))
		return 0;
	p->seen = true;
	if (!p->machine[0])
		snprintf(p->machine, sizeof(p->machine), "%s", machine);
	if (!strcasecmp(p->machine, machine))
		e.name = p->machine;
	wanted = take_owner(p, &e, &owner);
	return wanted > 0 ? take_part(p, owner, &u, c) : wanted;
}

/* What a host's columns are taken for, one after the other: VMs that are shown vCPU by vCPU, groups
 * that aren't, and what has only a VM's name. */
enum stage { STAGE_VCPUS, STAGE_GROUPS, STAGE_REST, STAGES };

static enum stage stage_of(const struct counter_use *u)
{
	return u->kind == COUNTER_VCPU	    ? STAGE_VCPUS
	       : u->part == DATA_KIND_GROUP ? STAGE_GROUPS
					    : STAGE_REST;
}

/* A VM where its vCPUs have been seen. */
static int take_group(struct pdh *p, struct data_entity *e, bool vcpus, struct owner **ret)
{
	uint32_t entity;
	int there = 0;

	e->kind = DATA_KIND_VM;
	if (!vcpus) {
		there = out_find(p->g.out, e, &entity);
		if (there < 0)
			return there;
		e->kind = there ? DATA_KIND_VM : DATA_KIND_GROUP;
	}
	return take_owner(p, e, ret);
}

static int take_host_owner(struct pdh *p, const struct counter *counter,
			   const struct counter_use *u, struct owner **ret)
{
	char id[2 * COUNTER_PART];
	struct data_entity e = {DATA_KIND_MACHINE, DATA_NONE, u->vm, id};

	snprintf(id, sizeof(id), "%s", u->group);
	if (strcasecmp(p->machine, counter->machine) != 0)
		snprintf(id, sizeof(id), "%s/%s", counter->machine, u->group);
	if (u->kind == COUNTER_VCPU || u->part == DATA_KIND_GROUP)
		return take_group(p, &e, u->kind == COUNTER_VCPU, ret);
	*ret = u->vm[0] ? by_name(p, u->vm) : NULL;
	if (*ret)
		return 1;
	if (u->vm[0])
		return 0;
	e.name = counter->machine;
	e.id = "";
	return take_owner(p, &e, ret);
}

/* Whatever is wanted of vCPUs, they show that there is a VM. */
static int take_host_column(struct pdh *p, const struct counter *counter, enum stage stage,
			    struct column *c)
{
	struct counter_use u;
	struct owner *owner;
	bool takes;
	int wanted;

	if (!counter_host(counter, &u) || stage_of(&u) != stage)
		return 0;
	takes = out_takes(p->g.out, u.quantity);
	if (!takes && stage != STAGE_VCPUS)
		return 0;
	if (!p->machine[0])
		snprintf(p->machine, sizeof(p->machine), "%s", counter->machine);
	wanted = take_host_owner(p, counter, &u, &owner);
	return wanted > 0 && takes ? take_part(p, owner, &u, c) : wanted < 0 ? wanted : 0;
}

static int take_columns(char **fields, struct pdh *p, enum stage stage)
{
	for (size_t i = 1; i < p->n; i++) {
		struct column *c = &p->columns[i];
		struct counter counter;
		int err;

		if (c->repeated || c->owner || !counter_parse(fields[i], &counter))
			continue;
		err = p->host ? take_host_column(p, &counter, stage, c)
			      : take_guest_column(p, &counter, c);
		if (err)
			return err;
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
			p->columns[places[i].at].repeated = true;
			skips_count(&p->g.out->file.skips, SKIP_DUPLICATE, NULL);
		}
	free(places);
	return 0;
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

static bool any_of(const struct pdh *p, enum counter_kind a, enum counter_kind b)
{
	for (size_t i = 0; i < p->n_owners; i++)
		if (p->owners[i]->any[a] || p->owners[i]->any[b])
			return true;
	return false;
}

static int check_guest(char **fields, struct pdh *p)
{
	struct data_file *file = &p->g.out->file;
	bool total = any_of(p, COUNTER_TOTAL, COUNTER_TOTAL_INFO);
	bool processes = any_of(p, COUNTER_PROCESS, COUNTER_PROCESS_V2);
	char objects[200];

	if (!p->seen) {
		list_objects(fields, p->n, objects, sizeof(objects));
		return failure_set(p->g.out->f, -ENODATA,
				   "%s: no counter 'Processor(_Total)\\%% Processor Time' or "
				   "'Process(*)\\%% Processor Time', in no language known here; "
				   "there is: %s. By number they are the same in all: record "
				   "\"\\238(*)\\6\" and \"\\230(*)\\6\"",
				   p->g.in->path, objects[0] ? objects : "none");
	}
	if (!total && processes)
		snprintf(file->note, sizeof(file->note),
			 "no 'Processor(_Total)\\%% Processor Time': the total is the sum of the "
			 "processes");
	else if (total && !processes)
		snprintf(file->note, sizeof(file->note),
			 "no 'Process(*)\\%% Processor Time': only the total is known");
	return 0;
}

/* ---- the head ---- */

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

static bool is_cpu(const struct column *c)
{
	return c->kind == COUNTER_CPU || c->kind == COUNTER_CPU_INFO ||
	       c->kind == COUNTER_HOST_CPU || (c->kind == COUNTER_VCPU && c->quantity == DATA_CPU);
}

/* Those that are used, and how many CPUs their owners have. */
static void list_used(struct pdh *p)
{
	for (size_t i = 1; i < p->n; i++) {
		struct column *c = &p->columns[i];

		if (!is_used(c))
			continue;
		p->used[p->n_used++] = i;
		c->owner->judged |= c->kind != COUNTER_FIGURE;
		if (is_cpu(c))
			out_set_cpus(p->g.out, c->owner->entity,
				     out_own_cpus(p->g.out, c->owner->entity) + 1);
	}
}

static int take_head(char **fields, size_t n, struct pdh *p)
{
	int err;

	p->columns = calloc(n, sizeof(*p->columns));
	p->used = calloc(n, sizeof(*p->used));
	if (!p->columns || !p->used)
		return -ENOMEM;
	p->n = n;
	take_zone(fields[0], p);
	err = mark_repeated(fields, p);
	for (int stage = 0; !err && stage < (p->host ? STAGES : 1); stage++)
		err = take_columns(fields, p, (enum stage)stage);
	if (err)
		return err;
	for (size_t i = 0; i < p->n_owners; i++)
		out_set_cpus(p->g.out, p->owners[i]->entity, 0);
	list_used(p);
	return p->host ? 0 : check_guest(fields, p);
}

/* ---- rows ---- */

static bool may_be_blank(enum counter_kind kind)
{
	return kind == COUNTER_PROCESS || kind == COUNTER_PROCESS_V2 || kind == COUNTER_IDLE ||
	       kind == COUNTER_CPU || kind == COUNTER_CPU_INFO;
}

static void clear(struct owner *o)
{
	o->blank = o->bad = o->negative = 0;
	o->all = 0;
	o->example = NULL;
	memset(o->sums, 0, sizeof(o->sums));
	memset(o->has, 0, sizeof(o->has));
}

/* What is neither CPU time nor part of any sum. */
static void read_figure(const char *field, struct column *c, struct skips *skips)
{
	bool blank = table_blank(field);

	c->value = NAN;
	if (blank && c->part)
		return;
	if (blank || table_figure(field, true, &c->value))
		skips_count(skips, blank ? SKIP_BLANK : SKIP_NUMBER, field);
}

static void read_column(const char *field, struct column *c, struct skips *skips)
{
	struct owner *o = c->owner;
	bool blank;

	if (c->kind == COUNTER_FIGURE) {
		read_figure(field, c, skips);
		return;
	}
	blank = table_blank(field);
	c->value = NAN;
	o->blank += blank && !may_be_blank(c->kind);
	if (blank)
		return;
	if (table_figure(field, true, &c->value)) {
		o->bad++;
		o->example = field;
		return;
	}
	o->negative += c->value < 0;
	o->all += c->value;
	if (c->quantity < SUMS) {
		o->sums[c->quantity] += c->value;
		o->has[c->quantity] = true;
	}
}

/* SKIP_N, or why the row cannot be used. One of zeros only says nothing: even an idle machine does
 * something, and one that has moved away shows zeros. */
static enum skip judge(const struct owner *o)
{
	if (o->bad)
		return SKIP_NUMBER;
	if (o->blank || o->negative)
		return o->blank ? SKIP_BLANK : SKIP_RANGE;
	return o->all == 0 ? SKIP_ZEROS : SKIP_N;
}

static int put_sums(const struct owner *o, const struct out_span *span, struct out *out)
{
	int err = 0;

	for (int i = 0; i < SUMS && !err; i++)
		if (o->has[i])
			err = out_sample(out, o->entity, (enum data_quantity)i, span,
					 o->sums[i] / 100 * (span->to - span->from));
	return err;
}

static int put_column(const struct column *c, const struct out_span *span, struct out *out)
{
	double value = c->value, seconds = span->to - span->from;

	if (!c->owner->usable || !c->wanted || isnan(value) || c->kind == COUNTER_IDLE)
		return 0;
	if (c->kind == COUNTER_TOTAL || c->kind == COUNTER_TOTAL_INFO)
		return out_mean_cpu(out, c->entity, span, value / 100 * seconds);
	if (c->kind == COUNTER_FIGURE)
		return out_sample(out, c->entity, c->quantity, span,
				  value * c->scale *
					  (data_quantities[c->quantity].level ? 1 : seconds));
	return c->part ? out_sample(out, c->entity, c->quantity, span, value / 100 * seconds) : 0;
}

static void judge_owners(struct pdh *p)
{
	for (size_t i = 0; i < p->n_owners; i++) {
		struct owner *o = p->owners[i];
		enum skip why = o->judged ? judge(o) : SKIP_N;

		o->usable = why == SKIP_N;
		if (!o->usable)
			skips_count(&p->g.out->file.skips, why, o->example);
	}
}

static int take_sample(char **fields, const struct out_span *span, struct pdh *p)
{
	struct out *out = p->g.out;
	int err = 0;

	for (size_t i = 0; i < p->n_owners; i++)
		clear(p->owners[i]);
	for (size_t i = 0; i < p->n_used; i++)
		read_column(fields[p->used[i]], &p->columns[p->used[i]], &out->file.skips);
	judge_owners(p);
	for (size_t i = 0; i < p->n_owners && p->host && !err; i++)
		err = p->owners[i]->usable ? put_sums(p->owners[i], span, out) : 0;
	for (size_t i = 0; i < p->n_used && !err; i++)
		err = put_column(&p->columns[p->used[i]], span, out);
	return err;
}

/* Of rows with one time, as where seconds are left out, the first counts for all. */
static int take_row(char **fields, size_t n, void *data)
{
	struct pdh *p = data;
	struct out_span span;
	struct instant time;
	enum follow follow;

	if (!p->n)
		return take_head(fields, n, p);
	if (!reading_time(&p->g, fields[0], NAN, &time))
		return 0;
	follow = times_follow(&p->track, &time, &span.from, &span.to);
	span.run = p->track.run;
	if (follow == FOLLOW_NEXT && (n < p->n || n > p->n + !fields[n - 1][0]))
		skips_count(&p->g.out->file.skips, SKIP_FIELDS, fields[0]);
	else if (follow == FOLLOW_NEXT)
		return take_sample(fields, &span, p);
	else if (follow != FOLLOW_FIRST)
		skips_count(&p->g.out->file.skips,
			    follow == FOLLOW_BACK ? SKIP_CLOCK : SKIP_SAME_TIME, fields[0]);
	return 0;
}

static void begin(void *data)
{
	struct pdh *p = data;

	free(p->columns);
	free(p->used);
	free(p->owners);
	p->columns = NULL;
	p->used = NULL;
	p->owners = NULL;
	p->n = p->n_used = p->n_owners = 0;
	p->track = (struct track){.any = false};
}

static int pass(const struct input *in, void *data)
{
	const struct pdh *p = data;

	return table_read(in->text, in->size, p->delimiter, 0, take_row, data);
}

static int read_pdh(const struct input *in, bool host, struct out *out)
{
	struct pdh p = {.host = host};
	char line[4096];
	int err;

	input_line(in, line, sizeof(line));
	p.delimiter = table_delimiter(line, ",;\t");
	reading_init(&p.g, in, out);
	err = reading_run(&p.g, DATES_MDY, begin, pass, NULL, &p);
	begin(&p);
	return err;
}

static int read_perfmon(const struct input *in, struct out *out)
{
	return read_pdh(in, false, out);
}

static int read_esxtop(const struct input *in, struct out *out)
{
	return read_pdh(in, true, out);
}

const struct format format_perfmon = {
	.name = "perfmon CSV",
	.what = "perfmon CSV or TSV",
	.guest = true,
	.is = is_perfmon,
	.read = read_perfmon,
};

const struct format format_esxtop = {
	.name = "esxtop -b",
	.what = "esxtop -b",
	.host = true,
	.is = is_esxtop,
	.read = read_esxtop,
};
