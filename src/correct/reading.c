/* SPDX-License-Identifier: MIT */
#include "correct/reading.h"

#include <errno.h>

void reading_init(struct reading *g, const struct input *in, struct failure *f, struct usage *r)
{
	bool host = in->source->host;

	*g = (struct reading){.in = in, .f = f, .r = r};
	times_init(&g->times, &in->source->times);
	g->choice = (struct choice){
		.wanted = in->source->chosen,
		.what = host ? "VM" : "machine",
		.option = host ? "--vm" : "--machine",
	};
}

void reading_done(struct reading *g)
{
	choice_done(&g->choice);
}

int reading_run(struct reading *g, enum date_order usual, reading_begin_fn begin,
		reading_pass_fn pass, void *data)
{
	int err;

	g->learning = true;
	begin(data);
	err = pass(g->in, data);
	if (!err)
		err = times_settle(&g->times, usual, g->in->path,
				   g->in->source->host ? "host" : "guest", g->f);
	if (err)
		return err;
	g->learning = false;
	g->r->skips = (struct skips){.example = ""};
	begin(data);
	err = pass(g->in, data);
	return err || !g->choice.n ? err : choice_end(&g->choice, g->in->path, g->f);
}

bool reading_time(struct reading *g, const char *text, struct instant *ret)
{
	if (g->learning) {
		times_learn(&g->times, text);
		return false;
	}
	if (times_read(&g->times, text, ret) || (g->any && ret->dated != g->r->dated)) {
		skips_count(&g->r->skips, SKIP_TIME, text);
		return false;
	}
	g->r->dated = ret->dated;
	if (!g->any || ret->zone < g->r->zone)
		g->r->zone = ret->zone;
	g->any = true;
	return true;
}
