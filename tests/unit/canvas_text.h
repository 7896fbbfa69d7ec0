/* SPDX-License-Identifier: MIT */
/* A canvas as text, to be held to what is expected of it. Include after cmocka.h. */
#ifndef TESTS_CANVAS_TEXT_H
#define TESTS_CANVAS_TEXT_H

#include "screen/canvas.h"

#include <stdlib.h>

static inline char *put_utf8(char *to, uint32_t ch)
{
	if (ch < 0x80) {
		*to++ = (char)ch;
	} else if (ch < 0x800) {
		*to++ = (char)(0xc0 | ch >> 6);
		*to++ = (char)(0x80 | (ch & 0x3f));
	} else if (ch < 0x10000) {
		*to++ = (char)(0xe0 | ch >> 12);
		*to++ = (char)(0x80 | (ch >> 6 & 0x3f));
		*to++ = (char)(0x80 | (ch & 0x3f));
	} else {
		*to++ = (char)(0xf0 | ch >> 18);
		*to++ = (char)(0x80 | (ch >> 12 & 0x3f));
		*to++ = (char)(0x80 | (ch >> 6 & 0x3f));
		*to++ = (char)(0x80 | (ch & 0x3f));
	}
	return to;
}

/* Lines end with newlines, and have no blanks at their ends; malloc'ed. */
static inline char *canvas_text(const struct canvas *c)
{
	char *text = malloc((size_t)c->height * (4 * (size_t)c->width + 1) + 1), *to = text;

	assert_non_null(text);
	for (int y = 0; y < c->height; y++) {
		char *start = to;

		for (int x = 0; x < c->width; x++) {
			uint32_t ch = canvas_at(c, y, x)->ch;

			if (ch)
				to = put_utf8(to, ch);
		}
		while (to > start && to[-1] == ' ')
			to--;
		*to++ = '\n';
	}
	*to = '\0';
	return text;
}

#endif
