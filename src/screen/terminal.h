/* SPDX-License-Identifier: MIT */
/* The terminal, by ncursesw: shows canvases, tells keys and clicks. One at a time. */
#ifndef SCREEN_TERMINAL_H
#define SCREEN_TERMINAL_H

#include "base/failure.h"
#include "screen/canvas.h"

#include <stdbool.h>

/* Takes over standard input and output. -ENOTTY, or -EINVAL for a terminal that is not known. */
int terminal_open(struct failure *f);
void terminal_close(void); /* gives it back; harmless without one */

/* Nobody is there any more. */
bool terminal_gone(void);

void terminal_size(int *ret_width, int *ret_height);
bool terminal_unicode(void);
void terminal_show(const struct canvas *c);

struct terminal_event {
	int key; /* enum ui_key or a character; UI_KEY_NONE: a click, or a new size */
	bool click;
	int y, x; /* of the click */
};

/* Does not wait. False when there is nothing. */
bool terminal_event(struct terminal_event *ret);

#endif
