/* SPDX-License-Identifier: MIT */
/* The table: rows of the model in the columns of its subject, each drawn by its unit. */
#include "base/units.h"
#include "ledger/ready.h"
#include "screen/layout_bar.h"
#include "screen/layout_parts.h"
#include "screen/trails.h"

#include <stdio.h>
#include <string.h>

#define COLUMNS_MAX 32
#define NAME_MIN    14 /* columns that names have while another column can give way */

struct place {
	const struct model *model;
	const struct model_row *row;
	const struct column *column;
	uint64_t whole; /* ns that fill a bar of this table */
};

/* ---- by unit ---- */

static void draw_id(struct pen *p, const struct place *at, const struct value *v)
{
	(void)at;
	pen_right(p, "%llu", (unsigned long long)v->n);
}

static void draw_percent(struct pen *p, const struct place *at, const struct value *v)
{
	double percent = model_percent(at->model, v->n);

	if (v->style)
		p->style = v->style;
	else if (percent >= 0.05 && at->column->style)
		p->style = at->column->style;
	else if (p->style == STYLE_NORMAL && percent < 0.05)
		p->style = STYLE_DIM;
	pen_right(p, "%.1f", percent);
}

/* Three digits and a unit: 1.5M, 12M, 340M. */
static void draw_bytes(struct pen *p, const struct place *at, const struct value *v)
{
	static const char units[] = "KMGTP";
	double value = (double)v->n / KIB;
	int unit = 0;

	(void)at;
	for (; value >= 999.5 && units[unit + 1]; unit++)
		value /= 1024;
	pen_right(p, value < 9.95 && unit ? "%.1f%c" : "%.0f%c", value, units[unit]);
}

static void draw_time(struct pen *p, const struct place *at, const struct value *v)
{
	char text[TIME_TEXT_SIZE];

	(void)at;
	if (p->style == STYLE_NORMAL && !v->n)
		p->style = STYLE_DIM;
	time_text(v->n, text);
	pen_right(p, "%s", text);
}

static void draw_text(struct pen *p, const struct place *at, const struct value *v)
{
	if (at->column->style)
		p->style = at->column->style;
	pen_text(p, v->text);
}

static void draw_letter(struct pen *p, const struct place *at, const struct value *v)
{
	(void)at;
	pen_char(p, (uint32_t)v->n, 1);
}

static void draw_bar(struct pen *p, const struct place *at, const struct value *v)
{
	uint64_t ns[MODEL_PARTS] = {0};

	(void)v;
	at->model->subject->parts(at->row, ns);
	ns[LEDGER_HALT] = 0;
	layout_bar(p, p->end - p->x, ns, at->whole);
}

/* A level of the trail is an eighth of what READY_ALARM is: a full cell is bad. */
static void draw_trail(struct pen *p, const struct place *at, const struct value *v)
{
	double shares[TRAIL_CELLS];

	trails_get(at->model->trails, at->row->pid, v->n, shares);
	for (int i = 0; i < TRAIL_CELLS; i++) {
		double eighths = 8 * shares[i] / READY_ALARM;

		p->style = shares[i] < READY_WARNING ? STYLE_DIM : STYLE_AWAY;
		if (shares[i] < 0)
			pen_char(p, ' ', 1);
		else
			pen_char(p, eighths < 1 ? '_' : layout_block(p->canvas, eighths), 1);
	}
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

static void draw_name(struct pen *p, const struct place *at, const struct value *v)
{
	const struct model_row *row = at->row;
	char behind[40] = "", hidden[24] = "";
	int end = p->end, width;

	if (row->hidden)
		snprintf(hidden, sizeof(hidden), " +%zu", row->hidden);
	snprintf(behind, sizeof(behind), "%s%s", row->ended ? " (ended)" : "", hidden);
	width = (int)strlen(behind);
	draw_branches(p, row);
	/* What has become of a row is seen however long its name is. */
	p->end -= end - p->x > width ? width : 0;
	pen_text(p, at->model->view.command && row->command ? row->command : v->text);
	p->end = end;
	p->style = STYLE_DIM;
	pen_text(p, behind);
}

static const struct {
	bool right;
	void (*draw)(struct pen *p, const struct place *at, const struct value *v);
} units[UNITS] = {
	[UNIT_ID] = {true, draw_id},	   [UNIT_PERCENT] = {true, draw_percent},
	[UNIT_BYTES] = {true, draw_bytes}, [UNIT_TIME] = {true, draw_time},
	[UNIT_TEXT] = {false, draw_text},  [UNIT_LETTER] = {false, draw_letter},
	[UNIT_BAR] = {false, draw_bar},	   [UNIT_TRAIL] = {false, draw_trail},
	[UNIT_NAME] = {false, draw_name},
};

static void put(struct pen *p, const struct column *c, const char *text)
{
	if (units[c->unit].right)
		pen_right(p, "%s", text);
	else
		pen_text(p, text);
}

static void draw_cell(struct pen *p, const struct place *at)
{
	const struct column *c = at->column;
	struct value v = {.is = VALUE_KNOWN};

	if (c->value)
		v = c->value(c, at->model, at->row);
	if (v.is == VALUE_KNOWN)
		units[c->unit].draw(p, at, &v);
	else if (v.is != VALUE_EMPTY) {
		if (c->unit == UNIT_TEXT && c->style)
			p->style = c->style;
		put(p, c, v.is == VALUE_NONE ? "-" : "?");
	}
}

/* ---- columns ---- */

/* Where a column stands; 0 wide if it is not there. */
struct slot {
	int x, width;
};

static bool has_something(const struct column *c, const struct model *m)
{
	for (size_t i = 0; m && i < m->n_rows; i++)
		if (model_percent(m, c->value(c, m, &m->rows[i]).n) >= 0.05)
			return true;
	return false;
}

static bool is_there(const struct column *c, const struct scene *s, int width)
{
	if (c->there && !(s->model && c->there(s->model)))
		return false;
	return width >= c->needs || (c->wanted && has_something(c, s->model));
}

/* Leaves out those that yield until names have room; returns what is left for these. */
static int make_room(const struct subject *subject, int left, bool there[])
{
	while (left < NAME_MIN) {
		size_t out = subject->n_columns;
		int most = 0;

		for (size_t i = 0; i < subject->n_columns; i++) {
			if (!there[i] || subject->columns[i].yields <= most)
				continue;
			most = subject->columns[i].yields;
			out = i;
		}
		if (out == subject->n_columns)
			break;
		there[out] = false;
		left += subject->columns[out].width + 1;
	}
	return left;
}

static void place_columns(const struct scene *s, int width, struct slot slots[])
{
	const struct subject *subject = s->ui->subject;
	int left = width, sharing = 0, x = 0;
	struct slot *last = NULL;
	bool there[COLUMNS_MAX];

	for (size_t i = 0; i < subject->n_columns; i++) {
		const struct column *c = &subject->columns[i];

		there[i] = is_there(c, s, width);
		left -= there[i] ? c->width + 1 : 0;
		sharing += there[i] && !c->width;
	}
	left = make_room(subject, left, there);
	for (size_t i = 0; i < subject->n_columns; i++) {
		int own = subject->columns[i].width, share = sharing ? left / sharing : 0;
		int wide = own ? own : share;

		slots[i] = (struct slot){x, there[i] && wide > 0 ? wide : 0};
		x += slots[i].width ? slots[i].width + 1 : 0;
		last = slots[i].width ? &slots[i] : last;
	}
	if (last == &slots[subject->n_columns - 1])
		last->width++;
}

static void draw_heading(const struct scene *s, struct canvas *c, int y, const struct slot slots[],
			 struct layout *l)
{
	const struct subject *subject = s->ui->subject;
	const struct column *sort = subject_sort(subject, &s->ui->view);
	struct pen line = pen_at(c, y, 0, c->width, STYLE_HEAD);

	pen_char(&line, ' ', c->width);
	for (size_t i = 0; i < subject->n_columns; i++) {
		const struct column *column = &subject->columns[i];
		struct pen p = pen_at(c, y, slots[i].x, slots[i].width,
				      column == sort ? STYLE_HEAD_KEY : STYLE_HEAD);

		put(&p, column,
		    s->ui->view.groups && column->group_title ? column->group_title
							      : column->title);
		if (column_is_order(column))
			scene_add_hit(l, y, slots[i].x, p.end - slots[i].x, UI_KEY_COLUMN + (int)i);
	}
}

/* ---- rows ---- */

static void draw_row(struct place *at, struct canvas *c, int y, const struct slot slots[],
		     bool selected)
{
	const struct subject *subject = at->model->subject;

	for (size_t i = 0; i < subject->n_columns; i++) {
		enum style style = at->row->ended ? STYLE_DIM : at->row->kind->style;
		struct pen p = pen_at(c, y, slots[i].x, slots[i].width, style);

		at->column = &subject->columns[i];
		if (slots[i].width)
			draw_cell(&p, at);
	}
	for (int x = 0; selected && x < c->width; x++)
		canvas_at(c, y, x)->selected = true;
}

/* A full bar is one CPU, or what the row with the most had. */
static uint64_t full_bar(const struct model *m)
{
	uint64_t most = m->elapsed;

	for (size_t i = 0; i < m->n_rows; i++) {
		uint64_t ns[MODEL_PARTS] = {0}, sum = 0;

		m->subject->parts(&m->rows[i], ns);
		for (int s = 0; s < MODEL_PARTS; s++)
			sum += s == LEDGER_HALT ? 0 : ns[s];
		most = u64_max(most, sum);
	}
	return most;
}

void layout_table(const struct scene *s, struct canvas *c, int y, int end, struct layout *l)
{
	struct slot slots[COLUMNS_MAX] = {{0}};
	const struct model *m = s->model;
	struct place at = {.model = m};

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
