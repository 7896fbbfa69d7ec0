/* SPDX-License-Identifier: MIT */
/*
 * What somebody has chosen, and how keys change it. Pure: a key and the state before give the state
 * after, and what the program has to do.
 *
 * Keys are characters, or enum ui_key for those that are none. `ui_bindings` is the one table of
 * them: help screen and key bar are made from it.
 */
#ifndef SCREEN_UI_H
#define SCREEN_UI_H

#include "screen/model.h"

enum ui_key {
	UI_KEY_NONE = 0,
	UI_KEY_ENTER = '\n',
	UI_KEY_ESCAPE = 27,
	UI_KEY_UP = 0x200000, /* beyond Unicode */
	UI_KEY_DOWN,
	UI_KEY_LEFT,
	UI_KEY_RIGHT,
	UI_KEY_PAGE_UP,
	UI_KEY_PAGE_DOWN,
	UI_KEY_HOME,
	UI_KEY_END,
	UI_KEY_BACKSPACE,
	UI_KEY_ROW,		/* a click: + place of the row among the model's */
	UI_KEY_FRAME = 0x400000 /* a click on the history of a recording: + frame */
};

enum ui_prompt { PROMPT_NONE, PROMPT_FILTER, PROMPT_SEEK };

enum ui_action {
	UI_NOTHING,
	UI_QUIT,
	UI_SEEK, /* to ui.text */
	UI_STEP, /* by ui.step frames */
	UI_GOTO, /* to frame ui.step */
	UI_SAVE, /* the settings */
};

/* What a row is, so that it is found again in the next model. */
struct ui_mark {
	enum row_kind kind;
	pid_t pid, tid;
	char name[64];
};

struct ui {
	struct model_view view;
	bool replay;
	bool paused;
	bool help;
	uint64_t delay; /* ns between frames */
	enum ui_prompt prompt;
	char text[MODEL_FILTER_SIZE]; /* that is being typed */
	char filter_before[MODEL_FILTER_SIZE];
	struct ui_mark mark;
	size_t selected, top; /* places among the model's rows: chosen, and shown first */
	long step;
};

struct ui_binding {
	int key;
	const char *shown; /* "T", "Space" */
	const char *label; /* in the key bar; NULL: not there */
	const char *help;
	enum { IN_BOTH, IN_LIVE, IN_REPLAY } when;
	enum ui_action (*run)(struct ui *ui);
};

extern const struct ui_binding ui_bindings[];
extern const size_t n_ui_bindings;

/* The next frames' row that was chosen, at its new place, within `page` rows from `top`. */
void ui_follow(struct ui *ui, const struct model *m, size_t page);

/* `m` may be NULL before there is one. */
enum ui_action ui_key(struct ui *ui, int key, const struct model *m, size_t page);

#endif
