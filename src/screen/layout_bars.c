/* SPDX-License-Identifier: MIT */
/* The CPUs, or all vCPUs of a host, each with a bar of the states of its time. */
#include "screen/layout_bar.h"
#include "screen/layout_parts.h"

#include <stdio.h>

#define CELL_MIN 40 /* columns that a bar needs with its name and figures */

/* How the CPUs are laid out; where not all fit, the first cell is their sum. */
struct grid {
	int columns, lines, shown;
	bool sum;
};

static struct grid make_grid(const struct model *m, int width, int height)
{
	int n = m ? (int)m->n_bars : 0;
	int most = n > 4 || height < 16 ? width / CELL_MIN : width / (2 * CELL_MIN);
	int room = height / 4;
	struct grid g = {.columns = most < 1 ? 1 : most};

	if (n == 0)
		return g;
	if (g.columns > n)
		g.columns = n;
	g.lines = (n + g.columns - 1) / g.columns;
	room = room < 1 ? 1 : room;
	if (g.lines > room)
		g.lines = room;
	g.sum = g.lines * g.columns < n;
	g.shown = g.sum ? g.lines * g.columns - 1 : n;
	return g;
}

static double part(uint64_t ns, uint64_t whole)
{
	return whole ? 100.0 * (double)ns / (double)whole : 0;
}

static void draw_one(struct pen *p, const struct model_bar *b)
{
	bool wide = p->end - p->x >= 2 * CELL_MIN - 20;
	double run = part(b->ns[LEDGER_RUN], b->whole), away = part(model_away(b->ns), b->whole);

	p->style = STYLE_LABEL;
	pen_printf(p, " %-7s", b->name);
	p->style = STYLE_DIM;
	pen_char(p, '[', 1);
	layout_bar(p, p->end - p->x - (wide ? 26 : 14), b->ns, b->whole);
	p->style = STYLE_DIM;
	pen_char(p, ']', 1);
	p->style = STYLE_NORMAL;
	pen_printf(p, wide ? " %5.1f %% ran" : " %3.0f %%", run);
	p->style = away >= 0.05 ? STYLE_AWAY : STYLE_DIM;
	pen_printf(p, wide ? " %5.1f %% away" : " %3.0f %%", away);
}

static void draw_cell(const struct scene *s, struct canvas *c, const struct grid *g, int y, int at)
{
	int width = c->width / g->columns;
	struct pen p = pen_at(c, y + at / g->columns, at % g->columns * width, width, STYLE_NORMAL);
	const struct model *m = s->model;
	struct model_bar sum;

	if (!g->sum || at > 0) {
		draw_one(&p, &m->bars[at - g->sum]);
		return;
	}
	sum = model_sum(m);
	snprintf(sum.name, sizeof(sum.name), "all %zu", m->n_bars);
	draw_one(&p, &sum);
}

static void draw_legend(const struct scene *s, struct canvas *c, int y)
{
	struct pen p = pen_at(c, y, 9, c->width - 9, STYLE_NORMAL);
	struct model_bar sum = model_sum(s->model);
	bool unknown = model_percent(s->model, sum.ns[MODEL_UNKNOWN]) >= 0.05;

	for (int i = 0; i < MODEL_PARTS; i++) {
		const struct layout_state *state = &layout_states[i];

		if (state->part == MODEL_UNKNOWN && !unknown)
			continue;
		p.style = state->style;
		if (state->letter != ' ')
			pen_printf(&p, "%c", state->letter);
		p.style = STYLE_DIM;
		pen_printf(&p, state->letter == ' ' ? "%s" : " %s   ", state->legend);
	}
}

int layout_bars_height(const struct scene *s, int width, int height)
{
	int lines = make_grid(s->model, width, height).lines;

	return lines ? lines + 1 : 0;
}

void layout_bars(const struct scene *s, struct canvas *c, int y)
{
	struct grid g = make_grid(s->model, c->width, c->height);

	for (int i = 0; i < g.shown + g.sum; i++)
		draw_cell(s, c, &g, y, i);
	if (g.lines)
		draw_legend(s, c, y + g.lines);
}
