/* SPDX-License-Identifier: MIT */
/*
 * PDH-CSV, which perfmon writes in a Windows guest and esxtop -b on a host, or PDH-TSV: a column
 * for every counter and a row for every sample. A value is the average since the row before, so the
 * first row only tells when it began. Of one machine or VM rows are all or nothing: with one value
 * of a sum missing the sum would fall.
 */
#include "data/pdh.h"

#include "base/units.h"

#include <math.h>
#include <string.h>

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

/* ---- rows ---- */

static bool may_be_blank(enum counter_kind kind)
{
	return kind == COUNTER_PROCESS || kind == COUNTER_PROCESS_V2 || kind == COUNTER_IDLE ||
	       kind == COUNTER_CPU || kind == COUNTER_CPU_INFO;
}

static void clear(struct pdh_owner *o)
{
	o->blank = o->bad = o->negative = 0;
	o->all = 0;
	o->example = NULL;
	memset(o->sums, 0, sizeof(o->sums));
	memset(o->has, 0, sizeof(o->has));
}

/* What is neither CPU time nor part of any sum. */
static void read_figure(const char *field, struct pdh_column *c, struct skips *skips)
{
	bool blank = table_blank(field);

	c->value = NAN;
	if (blank && c->part)
		return;
	if (blank || table_figure(field, true, &c->value))
		skips_count(skips, blank ? SKIP_BLANK : SKIP_NUMBER, field);
}

static void read_column(const char *field, struct pdh_column *c, struct skips *skips)
{
	struct pdh_owner *o = c->owner;
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
	if (c->quantity < PDH_SUMS) {
		o->sums[c->quantity] += c->value;
		o->has[c->quantity] = true;
	}
}

/* SKIP_N, or why the row cannot be used. One of zeros only says nothing: even an idle machine does
 * something, and one that has moved away shows zeros. */
static enum skip judge(const struct pdh_owner *o)
{
	if (o->bad)
		return SKIP_NUMBER;
	if (o->blank || o->negative)
		return o->blank ? SKIP_BLANK : SKIP_RANGE;
	return o->all == 0 ? SKIP_ZEROS : SKIP_N;
}

static int put_sums(const struct pdh_owner *o, const struct out_span *span, struct out *out)
{
	int err = 0;

	for (int i = 0; i < PDH_SUMS && !err; i++)
		if (o->has[i])
			err = out_sample(out, o->entity, (enum data_quantity)i, span,
					 o->sums[i] / 100 * (span->to - span->from));
	return err;
}

static int put_column(const struct pdh_column *c, const struct out_span *span, struct out *out)
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
		struct pdh_owner *o = p->owners[i];
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
		return pdh_take_head(fields, n, p);
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

	pdh_forget(p);
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
