/* SPDX-License-Identifier: MIT */
/*
 * The parts of the layout, each a file and each drawn from line `y` on. They know the scene and the
 * canvas, not each other; layout.c puts them together.
 */
#ifndef SCREEN_LAYOUT_PARTS_H
#define SCREEN_LAYOUT_PARTS_H

#include "screen/canvas.h"
#include "screen/scene.h"
#include "screen/subject.h"

/* Title and totals. */
#define LAYOUT_HEAD_HEIGHT 2
void layout_head(const struct scene *s, struct canvas *c);

int layout_history_height(int height);
void layout_history(const struct scene *s, struct canvas *c, int y, struct layout *l);

int layout_bars_height(const struct scene *s, int width, int height);
void layout_bars(const struct scene *s, struct canvas *c, int y);

struct notes layout_notes(const struct scene *s);

/* Names of columns and rows, between the lines y and end. */
void layout_table(const struct scene *s, struct canvas *c, int y, int end, struct layout *l);

void layout_status(const struct scene *s, struct canvas *c, int y);
void layout_keys(const struct scene *s, struct canvas *c, int y, struct layout *l);

/* All of the canvas. */
void layout_help(const struct scene *s, struct canvas *c);

#endif
