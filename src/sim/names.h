/* SPDX-License-Identifier: MIT */
/* Columns of names: as wide as the names, unless a terminal is narrower. */
#ifndef SIM_NAMES_H
#define SIM_NAMES_H

#include <stdio.h>

#define NAMES_LEAST 8 /* what is left of a name, however narrow the terminal is */

/* The greater of `width` and the name's length. */
int names_widen(int width, const char *name);

/* Columns of the terminal that `out` is, 0 if it isn't one. */
int names_terminal(FILE *out);

/* A name and a blank, padded; a name that doesn't fit is cut and ends in '~'. */
void names_put(FILE *out, const char *name, int width);

#endif
