/* SPDX-License-Identifier: MIT */
/* The parts of the layout, each drawn from line `y` on. */
#ifndef SCREEN_LAYOUT_PARTS_H
#define SCREEN_LAYOUT_PARTS_H

#include "screen/layout.h"

/* Lines that the head takes: everything above the table. */
int layout_head_height(const struct scene *s, int width, int height);
void layout_head(const struct scene *s, struct canvas *c, struct layout *l);

/* Names of columns and rows, between the lines y and end. */
void layout_table(const struct scene *s, struct canvas *c, int y, int end, struct layout *l);

void layout_status(const struct scene *s, struct canvas *c, int y);
void layout_keys(const struct scene *s, struct canvas *c, int y, struct layout *l);
void layout_help(const struct scene *s, struct canvas *c);

void layout_add_hit(struct layout *l, int y, int x, int width, int key);

/* The states of the ledger, and what is unknown, as they are drawn, in the order of a bar. */
struct layout_state {
	unsigned part; /* of struct model_cpu */
	char letter;
	const char *legend;
	const char *help;
	enum style style;
};
extern const struct layout_state layout_states[MODEL_PARTS];

/* A bar of `width` cells, of which the states fill their parts of `whole` ns. */
void layout_bar(struct pen *p, int width, const uint64_t ns[MODEL_PARTS], uint64_t whole);

/* Something of the interval is unaccounted, as far as one can see. */
bool layout_has_unknown(const struct model *m);

#endif
