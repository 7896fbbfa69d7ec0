/* SPDX-License-Identifier: MIT */
#include "screen/layout.h"

#include "screen/layout_parts.h"

#include <stdio.h>
#include <string.h>

#define BELOW_TABLE 2 /* status, keys */

void layout_add_hit(struct layout *l, int y, int x, int width, int key)
{
	if (l->n_hits < LAYOUT_HITS_MAX && width > 0)
		l->hits[l->n_hits++] = (struct hit){y, x, 1, width, key};
}

/* ---- status and keys ---- */

static void status_row(const struct scene *s, struct pen *p)
{
	const struct model *m = s->model;
	const struct model_row *row = &m->rows[s->ui->selected];

	switch (row->kind) {
	case ROW_VMDESCHED:
		pen_text(p, "what processes were billed for while their CPU was not running");
		return;
	case ROW_EXITED:
		pen_text(p, "processes that were gone when the interval ended");
		return;
	case ROW_GROUP:
		pen_printf(p, "%zu process%s in ", row->members, row->members == 1 ? "" : "es");
		pen_text(p, row->name);
		return;
	default:
		break;
	}
	if (row->pid)
		pen_printf(p, "%d", row->pid);
	if (row->tid)
		pen_printf(p, " thread %d", row->tid);
	pen_text(p, " ");
	pen_text(p, row->name);
	pen_text(p, row->cgroup ? "  in " : "");
	pen_text(p, row->cgroup ? row->cgroup : "");
}

/* How many are shown; returns the width that it takes. */
static int status_right(const struct scene *s, struct canvas *c, int y)
{
	const struct model *m = s->model;
	char text[160];
	struct pen p;
	int n;

	if (s->ui->view.filter[0])
		n = snprintf(text, sizeof(text), " '%s': %zu of %zu ", s->ui->view.filter,
			     m->n_matching, m->n_processes);
	else
		n = snprintf(text, sizeof(text), " %zu processes ", m->n_processes);
	if (n > c->width / 2)
		return 0;
	p = pen_at(c, y, c->width - n, n, STYLE_DIM);
	pen_text(&p, text);
	return n;
}

void layout_status(const struct scene *s, struct canvas *c, int y)
{
	static const char *const prompts[] = {
		[PROMPT_FILTER] = "filter: ",
		[PROMPT_SEEK] = "go to (12:01:07, +30, -30 or #12): ",
	};
	bool count = s->model && s->ui->prompt != PROMPT_SEEK;
	int right = count ? status_right(s, c, y) : 0;
	struct pen p = pen_at(c, y, 1, c->width - 1 - right, STYLE_BOLD);

	if (s->ui->prompt) {
		pen_text(&p, prompts[s->ui->prompt]);
		p.style = STYLE_NORMAL;
		pen_text(&p, s->ui->text);
		pen_char(&p, '_', 1);
	} else if (s->model && s->ui->selected < s->model->n_rows) {
		p.style = STYLE_DIM;
		status_row(s, &p);
	}
}

static bool bound(const struct scene *s, const struct ui_binding *b)
{
	return b->when == IN_BOTH || (b->when == IN_REPLAY) == s->ui->replay;
}

static bool is_on(const struct ui *ui, int key)
{
	return (key == 'T' && ui->view.tree) || (key == 'G' && ui->view.groups) ||
	       (key == 'H' && ui->view.threads) || (key == 'B' && ui->view.busy_only) ||
	       (key == '/' && ui->view.filter[0]) || (key == ' ' && ui->paused && !ui->replay);
}

void layout_keys(const struct scene *s, struct canvas *c, int y, struct layout *l)
{
	struct pen p = pen_at(c, y, 0, c->width, STYLE_NORMAL);

	for (size_t i = 0; i < n_ui_bindings; i++) {
		const struct ui_binding *b = &ui_bindings[i];
		int x = p.x;

		if (!b->label || !bound(s, b) ||
		    x + (int)strlen(b->shown) + (int)strlen(b->label) + 2 > c->width)
			continue;
		p.style = STYLE_KEY;
		pen_text(&p, b->shown);
		p.style = is_on(s->ui, b->key) ? STYLE_HEAD_KEY : STYLE_BUTTON;
		pen_printf(&p, " %s ", b->label);
		layout_add_hit(l, y, x, p.x - x, b->key);
	}
}

/* ---- help ---- */

static int help_text(struct canvas *c, int y, const char *key, const char *text)
{
	struct pen p = pen_at(c, y, 2, c->width - 3, STYLE_BOLD);

	pen_text(&p, key);
	p = pen_at(c, y, 13, c->width - 14, STYLE_NORMAL);
	pen_text(&p, text);
	return y + 1;
}

static int help_state(struct canvas *c, int y, const struct layout_state *state)
{
	struct pen p = pen_at(c, y, 2, c->width - 3, state->style);

	pen_char(&p, (unsigned char)state->letter, 2);
	p.style = STYLE_BOLD;
	pen_printf(&p, " %s", state->legend);
	p = pen_at(c, y, 13, c->width - 14, STYLE_NORMAL);
	pen_text(&p, state->help);
	return y + 1;
}

void layout_help(const struct scene *s, struct canvas *c)
{
	struct pen p = pen_at(c, 0, 0, c->width, STYLE_TITLE);
	int y = 1;

	pen_char(&p, ' ', c->width);
	p.x = 1;
	pen_text(&p, "desched top: help      any key goes back, q leaves");
	y = help_text(c, y, "%REPORTED",
		      "what the kernel bills a process for, in percent of one CPU");
	y = help_text(c, y, "%TRUE", "what it really had");
	y = help_text(c, y, "%DESCHED", "the rest: the virtual CPU was away meanwhile");
	for (int i = 0; i < MODEL_PARTS; i++)
		if (layout_states[i].part != LEDGER_HALT) /* which is drawn as nothing */
			y = help_state(c, y, &layout_states[i]);
	y = help_text(c, y, "Up Down", "choose a row; also PgUp, PgDn, Home, End, mouse");
	for (size_t i = 0; i < n_ui_bindings; i++)
		if (ui_bindings[i].help && bound(s, &ui_bindings[i]))
			y = help_text(c, y, ui_bindings[i].shown, ui_bindings[i].help);
}

/* ---- all of it ---- */

size_t layout_page(const struct scene *s, int width, int height)
{
	int rows = height - layout_head_height(s, width, height) - 1 - BELOW_TABLE;

	return rows > 0 ? (size_t)rows : 0;
}

void layout_draw(const struct scene *s, struct canvas *c, struct layout *ret)
{
	struct layout l = {.page = layout_page(s, c->width, c->height)};
	int head = layout_head_height(s, c->width, c->height);

	if (s->ui->help) {
		layout_help(s, c);
		*ret = l;
		return;
	}
	layout_head(s, c, &l);
	layout_table(s, c, head, c->height - BELOW_TABLE, &l);
	if (c->height > head) {
		layout_status(s, c, c->height - 2);
		layout_keys(s, c, c->height - 1, &l);
	}
	*ret = l;
}

static int key_of_row(const struct layout *l, const struct scene *s, int y)
{
	size_t row = s->ui->top + (size_t)(y - l->table_y);

	return s->model && row < s->model->n_rows ? UI_KEY_ROW + (int)row : UI_KEY_NONE;
}

static int key_of_time(const struct layout *l, const struct scene *s, int x)
{
	size_t at = (size_t)(x - l->timeline.x) * s->n_history / (size_t)l->timeline.width;

	return at < s->n_frames ? l->timeline.key + (int)at : UI_KEY_NONE;
}

static bool inside(const struct hit *h, int y, int x)
{
	return y >= h->y && y < h->y + h->height && x >= h->x && x < h->x + h->width;
}

int layout_key(const struct layout *l, const struct scene *s, int y, int x)
{
	for (int i = 0; i < l->n_hits; i++)
		if (inside(&l->hits[i], y, x))
			return l->hits[i].key;
	if (inside(&l->timeline, y, x))
		return key_of_time(l, s, x);
	if (l->table_y && y >= l->table_y && y < l->table_y + (int)l->page)
		return key_of_row(l, s, y);
	return UI_KEY_NONE;
}
