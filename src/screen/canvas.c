/* SPDX-License-Identifier: MIT */
#include "screen/canvas.h"

#include "base/text.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <wchar.h>

static int clamp_side(int n)
{
	return n < 1 ? 1 : n > CANVAS_SIDE_MAX ? CANVAS_SIDE_MAX : n;
}

int canvas_new(int width, int height, bool unicode, struct canvas *ret)
{
	struct canvas c = {clamp_side(width), clamp_side(height), unicode, NULL};
	size_t n = (size_t)c.width * (size_t)c.height;

	c.cells = calloc(n, sizeof(*c.cells));
	if (!c.cells)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++)
		c.cells[i].ch = ' ';
	*ret = c;
	return 0;
}

void canvas_done(struct canvas *c)
{
	free(c->cells);
	*c = (struct canvas){0};
}

struct cell *canvas_at(const struct canvas *c, int y, int x)
{
	if (y < 0 || x < 0 || y >= c->height || x >= c->width)
		return NULL;
	return &c->cells[(size_t)y * (size_t)c->width + (size_t)x];
}

struct pen pen_at(struct canvas *c, int y, int x, int width, enum style style)
{
	int end = x + (width < 0 ? 0 : width);

	return (struct pen){c, y, x, end < c->width ? end : c->width, style};
}

/* Puts one character that is known to be `width` cells wide. */
static void put(struct pen *p, uint32_t ch, int width)
{
	if (p->x + width > p->end) {
		p->x = p->end;
		return;
	}
	for (int i = 0; i < width; i++) {
		struct cell *cell = canvas_at(p->canvas, p->y, p->x++);

		if (cell)
			*cell = (struct cell){i ? 0 : ch, (uint8_t)p->style, cell->selected};
	}
}

void pen_text(struct pen *p, const char *text)
{
	while (*text && p->x < p->end) {
		uint32_t ch = utf8_next(&text);
		int width = 1;

		if (!text_is_harmless(ch) || (ch > 0x7f && !p->canvas->unicode))
			ch = '?';
		else if (ch > 0x7f)
			width = wcwidth((wchar_t)ch);
		if (width < 1 || width > 2) {
			ch = '?';
			width = 1;
		}
		put(p, ch, width);
	}
}

void pen_char(struct pen *p, uint32_t ch, int times)
{
	while (times-- > 0 && p->x < p->end)
		put(p, ch, 1);
}

void pen_printf(struct pen *p, const char *format, ...)
{
	char text[512];
	va_list ap;

	va_start(ap, format);
	vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	pen_text(p, text);
}

void pen_right(struct pen *p, const char *format, ...)
{
	char text[512];
	va_list ap;
	int n;

	va_start(ap, format);
	vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	n = (int)strlen(text);
	if (p->end - n > p->x)
		p->x = p->end - n;
	pen_text(p, text);
}
