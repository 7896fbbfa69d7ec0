/* SPDX-License-Identifier: MIT */
/*
 * A canvas: width x height cells, each one character in one style. Layout draws on it, the terminal
 * shows it, tests read it as text. What does not fit is cut; what comes from outside is made
 * harmless here, so nothing that is drawn can reach the terminal as a control byte.
 */
#ifndef SCREEN_CANVAS_H
#define SCREEN_CANVAS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum style {
	STYLE_NORMAL,
	STYLE_DIM,
	STYLE_BOLD,
	STYLE_TITLE,	/* first line */
	STYLE_HEAD,	/* names of columns */
	STYLE_HEAD_KEY, /* the column that rows are sorted by */
	STYLE_KEY,	/* a key in the key bar */
	STYLE_BUTTON,	/* what it does */
	STYLE_LABEL,
	STYLE_WARNING,
	STYLE_ALARM,
	STYLE_AWAY, /* time that the vCPU was away, as a figure */
	STYLE_RUN,  /* states of the ledger, as parts of a bar */
	STYLE_READY,
	STYLE_COSTOP,
	STYLE_LIMITED,
	STYLE_SWAPWAIT,
	STYLE_WAIT,
	STYLE_HALT,
	STYLES,
};

struct cell {
	uint32_t ch;   /* Unicode; 0: right half of the wide character before it */
	uint8_t style; /* enum style */
	bool selected; /* in the row that is chosen */
};

struct canvas {
	int width, height;
	bool unicode;	    /* false: ASCII only */
	struct cell *cells; /* [height][width] */
};

#define CANVAS_SIDE_MAX 2000

/* A blank canvas; sides are cut to 1 .. CANVAS_SIDE_MAX. -ENOMEM. */
int canvas_new(int width, int height, bool unicode, struct canvas *ret);
void canvas_done(struct canvas *c);

struct cell *canvas_at(const struct canvas *c, int y, int x); /* NULL outside */

/* Where the next text goes: from x on, not beyond `end`. */
struct pen {
	struct canvas *canvas;
	int y, x, end;
	enum style style;
};

struct pen pen_at(struct canvas *c, int y, int x, int width, enum style style);

/* Bytes from anywhere, taken as UTF-8: what is no printable character becomes '?'. The widths of
 * characters are those of the C library's locale. */
void pen_text(struct pen *p, const char *text);
void pen_printf(struct pen *p, const char *format, ...) __attribute__((format(printf, 2, 3)));
void pen_char(struct pen *p, uint32_t ch, int times);

/* As pen_printf(), so that it ends at `end`. */
void pen_right(struct pen *p, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
