/* SPDX-License-Identifier: MIT */
/* What holds for every canvas, whatever was drawn on it: all that reaches a terminal is harmless. */
#ifndef TESTS_FUZZ_CANVAS_H
#define TESTS_FUZZ_CANVAS_H

#include "fuzz.h"
#include "screen/canvas.h"

static inline void check_canvas(const struct canvas *c)
{
	for (int y = 0; y < c->height; y++)
		for (int x = 0; x < c->width; x++) {
			uint32_t ch = canvas_at(c, y, x)->ch;

			CHECK(ch == 0 || (ch >= ' ' && ch != 0x7f && !(ch > 0x7f && ch < 0xa0)));
			CHECK(ch < 0x80 || c->unicode);
			CHECK(canvas_at(c, y, x)->style < STYLES);
		}
}

#endif
