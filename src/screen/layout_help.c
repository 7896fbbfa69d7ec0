/* SPDX-License-Identifier: MIT */
/* What columns, letters and keys mean, on a screen of 80x24. */
#include "screen/layout_bar.h"
#include "screen/layout_parts.h"

#include <stdio.h>
#include <string.h>

static void help_key(struct canvas *c, int y, const char *key)
{
	struct pen p = pen_at(c, y, 2, c->width - 3, STYLE_BOLD);

	pen_text(&p, key);
}

static int help_text(struct canvas *c, int y, const char *key, const char *text)
{
	struct pen p;

	help_key(c, y, key);
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

#define ORDERS_WIDTH 66 /* of a line on 80 columns */

/* The keys that sort, as "rtd", and by what: "reported, true, descheduled", in lines. */
static int help_orders(struct canvas *c, int y, const struct subject *s)
{
	char keys[16] = "", text[160] = "sort by ";
	size_t k = 0, n = strlen(text);
	int first = y;

	for (size_t i = 0; i < s->n_columns; i++) {
		const struct column *column = &s->columns[i];

		if (!column->key || k + 1 >= sizeof(keys))
			continue;
		n += (size_t)snprintf(text + n, sizeof(text) - n, "%s%s", k ? ", " : "",
				      column->name);
		keys[k++] = (char)column->key;
		if (n < ORDERS_WIDTH)
			continue;
		n -= strlen(column->name);
		text[n] = '\0';
		y = help_text(c, y, "", text);
		n = (size_t)snprintf(text, sizeof(text), "%s", column->name);
	}
	y = help_text(c, y, "", text);
	help_key(c, first, keys);
	return y;
}

void layout_help(const struct scene *s, struct canvas *c)
{
	const struct subject *subject = s->ui->subject;
	struct pen p = pen_at(c, 0, 0, c->width, STYLE_TITLE);
	int y = 1;

	pen_char(&p, ' ', c->width);
	p.x = 1;
	pen_text(&p, "desched top: help      any key goes back, q leaves");
	for (size_t i = 0; i < subject->n_columns; i++)
		if (subject->columns[i].help)
			y = help_text(c, y, subject->columns[i].title, subject->columns[i].help);
	for (int i = 0; i < MODEL_PARTS; i++)
		if (layout_states[i].part != LEDGER_HALT) /* which is drawn as nothing */
			y = help_state(c, y, &layout_states[i]);
	y = help_text(c, y, "Up Down", "choose a row; also PgUp, PgDn, Home, End, mouse");
	y = help_orders(c, y, subject);
	for (size_t i = 0; i < n_ui_bindings; i++)
		if (ui_bindings[i].help && ui_is_bound(s->ui, &ui_bindings[i]))
			y = help_text(c, y, ui_bindings[i].shown, ui_bindings[i].help);
}
