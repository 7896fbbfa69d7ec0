/* SPDX-License-Identifier: MIT */
#include "data/reading.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

void reading_init(struct reading *g, const struct input *in, struct out *out)
{
	*g = (struct reading){.in = in, .out = out};
	times_init(&g->times, &in->options->times);
	times_init(&g->heads, &in->options->times);
}

/* What the options are called that are about this file. */
static const char *prefix(const struct reading *g)
{
	static const char *const names[] = {
		[DATA_ANY] = "", [DATA_GUEST] = "guest-", [DATA_HOST] = "host-"};

	return names[g->in->options->side];
}

int reading_run(struct reading *g, enum date_order usual, reading_begin_fn begin,
		reading_pass_fn pass, void (*done)(void *state), void *data)
{
	struct failure unused;
	int err;

	g->learning = true;
	begin(data);
	err = pass(g->in, data);
	out_forget(g->out, done);
	if (!err)
		err = times_settle(&g->times, usual, g->in->path, prefix(g), g->out->f);
	if (err)
		return err;
	g->heads_unclear = times_settle(&g->heads, DATES_UNKNOWN, g->in->path, prefix(g),
					&unused) != 0;
	g->learning = false;
	g->out->file.skips = (struct skips){.example = ""};
	begin(data);
	return pass(g->in, data);
}

double reading_day(struct reading *g, const char *date)
{
	struct instant day;
	char text[96];

	snprintf(text, sizeof(text), "%.64s 00:00:00", date);
	if (g->learning)
		times_learn(&g->heads, text);
	if (g->learning || g->heads_unclear || times_read(&g->heads, text, &day) || !day.dated)
		return NAN;
	return day.at + (day.local ? g->heads.offset : 0);
}

/* Times that could be dated, if somebody said which is the month. */
static void note_unclear(struct reading *g)
{
	struct data_file *file = &g->out->file;

	if (!file->note[0])
		snprintf(file->note, sizeof(file->note),
			 "the date '%.*s' above its times may be of two days and isn't used; "
			 "--%sdates dmy or --%sdates mdy says which",
			 (int)strcspn(g->heads.example, " "), g->heads.example, prefix(g),
			 prefix(g));
}

bool reading_time(struct reading *g, const char *text, double day, struct instant *ret)
{
	struct data_file *file = &g->out->file;
	int err;

	if (g->learning) {
		times_learn(&g->times, text);
		return false;
	}
	err = times_read(&g->times, text, ret);
	if (!err && ret->wraps && !isnan(day) && times_of_day(text))
		times_on_day(&g->times, day, ret);
	if (err || (g->any && ret->dated != file->dated)) {
		skips_count(&file->skips, SKIP_TIME, text);
		return false;
	}
	if (ret->wraps && !ret->dated && g->heads_unclear)
		note_unclear(g);
	file->dated = ret->dated;
	if (!g->any || ret->zone < file->zone)
		file->zone = ret->zone;
	g->any = true;
	return true;
}
