/* SPDX-License-Identifier: MIT */
/* The table of processes, threads or cgroups: a column is a row of `columns`. */
#include "base/units.h"
#include "screen/layout_parts.h"

#include <stdio.h>
#include <string.h>

#define SHARE_WIDTH 12

struct place {
	const struct scene *scene;
	const struct model_row *row;
	uint64_t whole; /* ns that fill a bar of this table */
};

static void draw_number(struct pen *p, const struct place *at, uint64_t ns)
{
	double percent = model_percent(at->scene->model, ns);

	if (p->style == STYLE_NORMAL && percent < 0.05)
		p->style = STYLE_DIM;
	pen_right(p, "%.1f", percent);
}

static void draw_pid(struct pen *p, const struct place *at)
{
	const struct model_row *row = at->row;

	if (row->kind == ROW_GROUP)
		pen_right(p, "%zu", row->members);
	else if (row->pid)
		pen_right(p, "%d", row->tid ? row->tid : row->pid);
	else
		pen_right(p, "-");
}

static void draw_user(struct pen *p, const struct place *at)
{
	pen_text(p, at->row->user ? at->row->user : at->row->kind == ROW_GROUP ? "" : "-");
}

static void draw_reported(struct pen *p, const struct place *at)
{
	if (at->row->kind == ROW_VMDESCHED)
		pen_right(p, "-");
	else
		draw_number(p, at, snapshot_reported(at->scene->model->frame, &at->row->own));
}

static void draw_true(struct pen *p, const struct place *at)
{
	if (at->scene->model->frame->split || at->row->kind == ROW_VMDESCHED)
		draw_number(p, at, at->row->own.truth);
	else
		pen_right(p, "?");
}

static void draw_away(struct pen *p, const struct place *at)
{
	uint64_t away = figures_away(&at->row->own);

	if (at->row->kind == ROW_VMDESCHED)
		pen_right(p, "-");
	else if (!at->scene->model->frame->split)
		pen_right(p, "?");
	else {
		if (model_percent(at->scene->model, away) >= 0.05)
			p->style = STYLE_AWAY;
		draw_number(p, at, away);
	}
}

static void draw_unknown(struct pen *p, const struct place *at)
{
	if (at->row->kind == ROW_VMDESCHED)
		pen_right(p, "-");
	else
		draw_number(p, at, at->row->own.unaccounted);
}

static void draw_share(struct pen *p, const struct place *at)
{
	uint64_t ns[MODEL_PARTS] = {0};

	if (at->row->kind == ROW_VMDESCHED) {
		ns[LEDGER_READY] = at->row->own.truth;
	} else {
		ns[LEDGER_RUN] = at->row->own.truth;
		ns[LEDGER_READY] = at->row->own.descheduled;
		ns[LEDGER_WAIT] = at->row->own.wait;
		ns[MODEL_UNKNOWN] = at->row->own.unaccounted;
	}
	layout_bar(p, p->end - p->x, ns, at->whole);
}

/* Lines to the row from those above it. */
static void draw_branches(struct pen *p, const struct model_row *row)
{
	bool u = p->canvas->unicode;
	enum style style = p->style;
	unsigned depth = row->depth < ROW_DEPTH_MAX ? row->depth : ROW_DEPTH_MAX;

	p->style = STYLE_DIM;
	for (unsigned d = 1; d < depth; d++)
		pen_text(p, !(row->rails >> d & 1) ? "  " : u ? "\u2502 " : "| ");
	if (depth)
		pen_text(p, row->last ? (u ? "\u2514\u2500" : "`-") : (u ? "\u251c\u2500" : "|-"));
	p->style = style;
}

static void draw_name(struct pen *p, const struct place *at)
{
	const struct model_row *row = at->row;

	draw_branches(p, row);
	pen_text(p, at->scene->ui->view.command && row->command ? row->command : row->name);
}

static void draw_state(struct pen *p, const struct place *at)
{
	if (at->row->state)
		pen_char(p, (unsigned char)at->row->state, 1);
}

/* Three digits and a unit: 1.5M, 12M, 340M. */
static void draw_memory(struct pen *p, const struct place *at)
{
	static const char units[] = "KMGTP";
	double value = (double)at->row->rss / KIB;
	int unit = 0;

	for (; value >= 999.5 && units[unit + 1]; unit++)
		value /= 1024;
	if (at->row->rss)
		pen_right(p, value < 9.95 && unit ? "%.1f%c" : "%.0f%c", value, units[unit]);
	else
		pen_right(p, "-");
}

static void draw_cgroup(struct pen *p, const struct place *at)
{
	p->style = STYLE_DIM;
	pen_text(p, at->row->cgroup ? at->row->cgroup : "-");
}

struct column {
	const char *name;
	const char *group_name; /* where rows are cgroups; NULL: the same */
	int width;		/* 0: what is left, shared among those */
	int needs;		/* columns that the terminal must have */
	bool right;
	int key; /* that sorts by it */
	enum model_sort sort;
	void (*draw)(struct pen *p, const struct place *at);
};

static const struct column columns[] = {
	{"PID", "PROCS", 7, 0, true, 'p', SORT_PID, draw_pid},
	{"USER", NULL, 8, 60, false, 'u', SORT_USER, draw_user},
	{"%REPORTED", NULL, 9, 0, true, 'r', SORT_REPORTED, draw_reported},
	{"%TRUE", NULL, 7, 0, true, 't', SORT_TRUE, draw_true},
	{"%DESCHED", NULL, 8, 0, true, 'd', SORT_DESCHEDULED, draw_away},
	{"%UNKNOWN", NULL, 8, 0, true, 0, MODEL_SORTS, draw_unknown},
	{"MEM", NULL, 5, 92, true, 0, MODEL_SORTS, draw_memory},
	{"S", "", 1, 92, false, 0, MODEL_SORTS, draw_state},
	{"SHARE", NULL, SHARE_WIDTH, 76, false, 0, MODEL_SORTS, draw_share},
	{"COMMAND", "CGROUP", 0, 0, false, 'n', SORT_NAME, draw_name},
	{"CGROUP", "", 0, 110, false, 0, MODEL_SORTS, draw_cgroup},
};

/* Where each column stands: `x` and `width`, 0 wide if it is not there. */
struct slot {
	int x, width;
};

static bool is_there(const struct column *c, const struct scene *s, int width)
{
	if (c->draw == draw_unknown && !(s->model && layout_has_unknown(s->model)))
		return false;
	return width >= c->needs && !(s->ui->view.groups && c->draw == draw_cgroup);
}

static void place_columns(const struct scene *s, int width, struct slot slots[])
{
	int left = width, sharing = 0, x = 0;

	for (size_t i = 0; i < ARRAY_SIZE(columns); i++) {
		if (!is_there(&columns[i], s, width))
			continue;
		left -= columns[i].width + 1;
		sharing += !columns[i].width;
	}
	for (size_t i = 0; i < ARRAY_SIZE(columns); i++) {
		int wide = columns[i].width ? columns[i].width : left / sharing;

		slots[i] = (struct slot){x, is_there(&columns[i], s, width) && wide > 0 ? wide : 0};
		x += slots[i].width ? slots[i].width + 1 : 0;
	}
	slots[ARRAY_SIZE(columns) - 1].width += slots[ARRAY_SIZE(columns) - 1].width ? 1 : 0;
}

static void draw_heading(const struct scene *s, struct canvas *c, int y, const struct slot slots[],
			 struct layout *l)
{
	struct pen line = pen_at(c, y, 0, c->width, STYLE_HEAD);

	pen_char(&line, ' ', c->width);
	for (size_t i = 0; i < ARRAY_SIZE(columns); i++) {
		const struct column *column = &columns[i];
		bool chosen = column->sort == s->ui->view.sort;
		const char *name = s->ui->view.groups && column->group_name ? column->group_name
									    : column->name;
		struct pen p = pen_at(c, y, slots[i].x, slots[i].width,
				      chosen ? STYLE_HEAD_KEY : STYLE_HEAD);

		if (column->right)
			pen_right(&p, "%s", name);
		else
			pen_text(&p, name);
		if (column->key)
			layout_add_hit(l, y, slots[i].x, p.end - slots[i].x, column->key);
	}
}

static enum style row_style(const struct model_row *row)
{
	if (row->kind == ROW_VMDESCHED)
		return STYLE_AWAY;
	return row->kind == ROW_EXITED ? STYLE_DIM : STYLE_NORMAL;
}

static void draw_row(const struct place *at, struct canvas *c, int y, const struct slot slots[],
		     bool selected)
{
	for (size_t i = 0; i < ARRAY_SIZE(columns); i++) {
		struct pen p = pen_at(c, y, slots[i].x, slots[i].width, row_style(at->row));

		if (slots[i].width)
			columns[i].draw(&p, at);
	}
	for (int x = 0; selected && x < c->width; x++)
		canvas_at(c, y, x)->selected = true;
}

/* A full bar is one CPU, or what the row with the most had. */
static uint64_t full_bar(const struct model *m)
{
	uint64_t most = m->elapsed;

	for (size_t i = 0; i < m->n_rows; i++)
		most = u64_max(most, figures_occupied(&m->rows[i].own));
	return most;
}

void layout_table(const struct scene *s, struct canvas *c, int y, int end, struct layout *l)
{
	struct slot slots[ARRAY_SIZE(columns)];
	const struct model *m = s->model;
	struct place at = {.scene = s};

	if (y >= end)
		return;
	place_columns(s, c->width, slots);
	draw_heading(s, c, y, slots, l);
	l->table_y = ++y;
	if (!m)
		return;
	at.whole = full_bar(m);
	for (size_t i = s->ui->top; y < end && i < m->n_rows; i++, y++) {
		at.row = &m->rows[i];
		draw_row(&at, c, y, slots, i == s->ui->selected);
	}
}
