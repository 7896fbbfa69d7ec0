/* SPDX-License-Identifier: MIT */
/* The order of rows: siblings by the view's key, each followed by those below it. */
#ifndef SCREEN_MODEL_ARRANGE_H
#define SCREEN_MODEL_ARRANGE_H

#include "screen/model.h"

/*
 * Puts rows[0..n), whose `parent` may point anywhere among them, into order and fills in depth,
 * last, rails and the new places of parents. Parents may make circles, which are opened somewhere:
 * every row is there exactly once afterwards. -ENOMEM: nothing has changed.
 */
int model_arrange(struct model_row *rows, size_t n, const struct snapshot *frame,
		  const struct model_view *view);

#endif
