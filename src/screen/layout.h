/* SPDX-License-Identifier: MIT */
/*
 * The layout: what the screen looks like. A pure function of a scene and a size; it draws on a
 * canvas and tells which key a click on a place stands for. From top to bottom:
 *
 *     title        source, CPUs, interval; time
 *     totals       busy = true + vmdesched
 *     history      what was away in each interval, in a recording all of it with the place shown
 *     bars         one a CPU, by ledger state, and the legend
 *     notes        what is not as it should be, or cannot be shown
 *     table        names of columns, rows
 *     status       the chosen row, or what is being typed
 *     keys
 */
#ifndef SCREEN_LAYOUT_H
#define SCREEN_LAYOUT_H

#include "screen/canvas.h"
#include "screen/scene.h"

/* Draws all of the canvas. The model of the scene has been followed (ui_follow()). */
void layout_draw(const struct scene *scene, struct canvas *canvas, struct layout *ret);

/* How many rows of the table have room: what ui_follow() has to know before. */
size_t layout_page(const struct scene *scene, int width, int height);

/* The key that a click on this place stands for, UI_KEY_NONE for no place. */
int layout_key(const struct layout *layout, const struct scene *scene, int y, int x);

#endif
