/* SPDX-License-Identifier: MIT */
/* Below the table: the chosen row, or what is being typed; and the keys. */
#include "screen/layout_parts.h"

#include <stdio.h>
#include <string.h>

/* How many are shown; returns the width that it takes. */
static int status_right(const struct scene *s, struct canvas *c, int y)
{
	const struct model *m = s->model;
	char text[160];
	struct pen p;
	int n;

	if (s->ui->view.filter[0])
		n = snprintf(text, sizeof(text), " '%s': %zu of %zu ", s->ui->view.filter,
			     m->n_matching, m->n_all);
	else
		n = snprintf(text, sizeof(text), " %zu %s ", m->n_all,
			     m->n_all == 1 ? m->subject->one : m->subject->several);
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
		const struct model_row *row = &s->model->rows[s->ui->selected];

		p.style = STYLE_DIM;
		row->kind->status(row, &p);
	}
}

void layout_keys(const struct scene *s, struct canvas *c, int y, struct layout *l)
{
	struct pen p = pen_at(c, y, 0, c->width, STYLE_NORMAL);

	for (size_t i = 0; i < n_ui_bindings; i++) {
		const struct ui_binding *b = &ui_bindings[i];
		int x = p.x;

		if (!b->label || !ui_is_bound(s->ui, b) ||
		    x + (int)strlen(b->shown) + (int)strlen(b->label) + 2 > c->width)
			continue;
		p.style = STYLE_KEY;
		pen_text(&p, b->shown);
		p.style = ui_is_on(s->ui, b) ? STYLE_HEAD_KEY : STYLE_BUTTON;
		pen_printf(&p, " %s ", b->label);
		scene_add_hit(l, y, x, p.x - x, b->key);
	}
}
