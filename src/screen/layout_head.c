/* SPDX-License-Identifier: MIT */
/* The upper part of the screen: title, totals, and what there is to note. */
#include "base/units.h"
#include "screen/layout_parts.h"

#include <stdio.h>
#include <time.h>

/* The time of the frame that is shown, and in a recording its place; returns their width. */
static int draw_time(const struct scene *s, struct canvas *c)
{
	const struct ui *ui = s->ui;
	time_t seconds = (time_t)(s->model ? s->model->time / NS_PER_SEC : 0);
	struct pen p = pen_at(c, 0, 0, c->width, STYLE_TITLE);
	const char *form = ui->replay && c->width >= 100 ? "%F %T" : "%T";
	char clock[32] = "", text[128];
	struct tm tm;
	int n;

	if (seconds && localtime_r(&seconds, &tm))
		strftime(clock, sizeof(clock), form, &tm);
	if (ui->replay)
		n = snprintf(text, sizeof(text), "%s  #%zu of %zu  %s ",
			     ui->paused ? "" : "playing", s->frame + 1, s->n_frames, clock);
	else
		n = snprintf(text, sizeof(text), "%s  %s ", ui->paused ? "paused" : "", clock);
	pen_char(&p, ' ', c->width);
	p.x = c->width > n ? c->width - n : 0;
	pen_text(&p, text);
	return n;
}

static void draw_title(const struct scene *s, struct canvas *c)
{
	struct pen p = pen_at(c, 0, 0, c->width - draw_time(s, c), STYLE_TITLE);

	pen_text(&p, " desched top   ");
	pen_text(&p, s->origin);
	if (s->model)
		s->model->subject->title(s->model, &p);
	else if (!s->ui->replay)
		pen_text(&p, "   measuring ...");
}

void layout_head(const struct scene *s, struct canvas *c)
{
	struct pen p = pen_at(c, 1, 1, c->width - 2, STYLE_NORMAL);

	draw_title(s, c);
	if (s->model)
		s->model->subject->totals(s->model, &p);
}

struct notes layout_notes(const struct scene *s)
{
	struct notes n = {.n = 0};

	if (s->notice)
		notes_add(&n, STYLE_ALARM, "%s", s->notice);
	if (s->standing_note)
		notes_add(&n, STYLE_DIM, "%s", s->standing_note);
	if (s->choice)
		notes_add(&n, STYLE_DIM, "%s", s->choice);
	if (s->model)
		s->model->subject->notes(s->model, &n);
	return n;
}
