/* SPDX-License-Identifier: MIT */
/* The order of rows: siblings by the view's key, each followed by those below it. */
#ifndef SCREEN_MODEL_ARRANGE_H
#define SCREEN_MODEL_ARRANGE_H

#include "screen/model.h"

/*
 * Puts rows[0..n) of the model, whose `parent` may point anywhere among them, into order and fills
 * in depth, last, rails and the new places of parents. Parents may make circles, which are opened
 * somewhere: every row is there exactly once afterwards. -ENOMEM: nothing has changed.
 */
int model_arrange(const struct model *m, struct model_row *rows, size_t n);

/* Takes out what is below folded rows, and counts it there. -ENOMEM: nothing has changed. */
int model_fold(struct model *m);

#endif
