/* SPDX-License-Identifier: MIT */
/* The states of the ledger as they are drawn: letters, words, styles, and a bar made of them. */
#ifndef SCREEN_LAYOUT_BAR_H
#define SCREEN_LAYOUT_BAR_H

#include "screen/canvas.h"
#include "screen/model.h"

/* The states, and what is unknown, in the order of a bar. */
struct layout_state {
	unsigned part; /* of struct model_bar */
	char letter;
	const char *legend;
	const char *help;
	enum style style;
};
extern const struct layout_state layout_states[MODEL_PARTS];

/* A character of eight levels: blank for less than one, full for eight and more. */
uint32_t layout_block(const struct canvas *c, double eighths);

/* A bar of `width` cells, of which the states fill their parts of `whole` ns. */
void layout_bar(struct pen *p, int width, const uint64_t ns[MODEL_PARTS], uint64_t whole);

#endif
