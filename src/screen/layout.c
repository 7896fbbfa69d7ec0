/* SPDX-License-Identifier: MIT */
#include "screen/layout.h"

#include "screen/layout_parts.h"

#define BELOW_TABLE 2 /* status, keys */

/* Everything above the table. */
static int head_height(const struct scene *s, int width, int height)
{
	return LAYOUT_HEAD_HEIGHT + layout_history_height(height) +
	       layout_bars_height(s, width, height) + layout_notes(s).n;
}

static void draw_notes(const struct notes *n, struct canvas *c, int y)
{
	for (int i = 0; i < n->n; i++) {
		struct pen p = pen_at(c, y + i, 1, c->width - 2, n->style[i]);

		pen_text(&p, n->text[i]);
	}
}

static void draw_head(const struct scene *s, struct canvas *c, struct layout *l)
{
	struct notes notes = layout_notes(s);
	int y = LAYOUT_HEAD_HEIGHT;

	layout_head(s, c);
	layout_history(s, c, y, l);
	y += layout_history_height(c->height);
	layout_bars(s, c, y);
	y += layout_bars_height(s, c->width, c->height);
	draw_notes(&notes, c, y);
}

size_t layout_page(const struct scene *s, int width, int height)
{
	int rows = height - head_height(s, width, height) - 1 - BELOW_TABLE;

	return rows > 0 ? (size_t)rows : 0;
}

void layout_draw(const struct scene *s, struct canvas *c, struct layout *ret)
{
	struct layout l = {.page = layout_page(s, c->width, c->height)};
	int head = head_height(s, c->width, c->height);

	if (s->ui->help) {
		layout_help(s, c);
		*ret = l;
		return;
	}
	draw_head(s, c, &l);
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
