/* SPDX-License-Identifier: MIT */
/* How much time was away in each interval up to now, or in a whole recording. */
#include "base/units.h"
#include "screen/layout_bar.h"
#include "screen/layout_parts.h"
#include "screen/subject.h"

#include <math.h>

#define HISTORY_LEFT 12	 /* columns of its name */
#define HISTORY_GAP  15	 /* columns of its scale */
#define SCALE_MIN    5.0 /* percent: less than that is drawn small, not as tall as the screen */

int layout_history_height(int height)
{
	return height >= 48 ? 4 : height >= 36 ? 3 : height >= 30 ? 2 : 1;
}

/* The intervals that column `x` stands for, [*ret_first, *ret_end): a recording is stretched or
 * pressed over all columns, otherwise the last one is the newest. False for none. */
static bool column_span(const struct scene *s, int x, int width, size_t *ret_first, size_t *ret_end)
{
	size_t n = s->n_history, first, end;

	if (s->ui->replay) {
		first = (size_t)x * n / (size_t)width;
		end = ((size_t)x + 1) * n / (size_t)width;
	} else {
		if (n + (size_t)x < (size_t)width)
			return false;
		first = end = n + (size_t)x - (size_t)width;
	}
	*ret_first = first;
	*ret_end = end > first ? end : first + 1;
	return first < n;
}

/* The largest value in the column, -1 for none. */
static double column_value(const struct scene *s, int x, int width)
{
	size_t first, end;
	double most = -1;

	if (!column_span(s, x, width, &first, &end))
		return -1;
	for (size_t i = first; i < end && i < s->n_history; i++)
		most = fmax(most, s->history[i]);
	return most;
}

static bool column_is_now(const struct scene *s, int x, int width)
{
	size_t first, end;

	return s->ui->replay && column_span(s, x, width, &first, &end) && s->frame >= first &&
	       s->frame < end;
}

static double history_peak(const struct scene *s, int width)
{
	double peak = 0;

	for (int x = 0; x < width; x++)
		peak = fmax(peak, column_value(s, x, width));
	return peak;
}

static void draw_column(const struct scene *s, struct canvas *c, int y, int lines, int x, int width,
			double scale)
{
	double value = column_value(s, x, width);
	/* Something is never drawn as nothing. */
	double eighths = value > 0 ? fmax(1, round(value / scale * 8 * lines)) : 0;

	for (int line = 0; line < lines; line++) {
		bool now = column_is_now(s, x, width);
		struct pen p = pen_at(c, y + line, HISTORY_LEFT + x, 1,
				      now ? STYLE_HEAD_KEY : STYLE_AWAY);
		double above = 8.0 * (lines - 1 - line);

		pen_char(&p, value < 0 ? ' ' : layout_block(c, eighths - above), 1);
		if (line == lines - 1 && value >= 0 && eighths < 1) {
			p = pen_at(c, y + line, HISTORY_LEFT + x, 1,
				   now ? STYLE_HEAD_KEY : STYLE_DIM);
			pen_char(&p, '_', 1);
		}
		if (now && line == lines - 1) {
			p.x = HISTORY_LEFT + x;
			pen_char(&p, '^', 1);
		}
	}
}

void layout_history(const struct scene *s, struct canvas *c, int y, struct layout *l)
{
	int width = c->width - HISTORY_LEFT - HISTORY_GAP, lines = layout_history_height(c->height);
	struct pen p = pen_at(c, y, 1, HISTORY_LEFT - 1, STYLE_LABEL);
	double peak;

	pen_text(&p, s->ui->subject->history);
	if (width < 1)
		return;
	peak = history_peak(s, width);
	for (int x = 0; x < width; x++)
		draw_column(s, c, y, lines, x, width, fmax(peak, SCALE_MIN));
	p = pen_at(c, y, c->width - HISTORY_GAP, HISTORY_GAP - 1, STYLE_DIM);
	pen_right(&p, "peak %.1f %%", peak);
	if (s->ui->replay)
		l->timeline = (struct hit){y, HISTORY_LEFT, lines, width, UI_KEY_FRAME};
}
