/* SPDX-License-Identifier: MIT */
/*
 * What somebody has chosen, and how keys change it. Pure: a key and the state before give the state
 * after, and what the program has to do.
 *
 * Keys are characters, or enum ui_key for those that are none. `ui_bindings` is the one table of
 * them, but for those that sort, which the subject's columns have: help screen, key bar and saved
 * settings are made from these.
 */
#ifndef SCREEN_UI_H
#define SCREEN_UI_H

#include "screen/subject.h"

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
	UI_KEY_COLUMN = 0x210000, /* a click: + place of the column among the subject's */
	UI_KEY_ROW = 0x220000,	  /* a click: + place of the row among the model's */
	UI_KEY_FRAME = 0x400000	  /* a click on the history of a recording: + frame */
};

enum ui_prompt { PROMPT_NONE, PROMPT_FILTER, PROMPT_SEEK };

enum ui_action {
	UI_NOTHING,
	UI_QUIT,
	UI_SEEK, /* to ui.text */
	UI_STEP, /* by ui.step frames */
	UI_GOTO, /* to frame ui.step */
	UI_SAVE, /* the settings */
	UI_TURN, /* to the other subject */
};

struct ui {
	const struct subject *subject;
	struct model_view view;
	bool replay;
	bool paused;
	bool help;
	uint64_t delay; /* ns between frames */
	enum ui_prompt prompt;
	char text[MODEL_FILTER_SIZE]; /* that is being typed */
	char filter_before[MODEL_FILTER_SIZE];
	struct model_mark mark;
	size_t selected, top; /* places among the model's rows: chosen, and shown first */
	long step;
};

/* A key that turns something of the view on or off, and what settings call that. */
struct ui_switch {
	const char *setting; /* NULL: none of them */
	size_t at;	     /* of a bool in struct model_view */
	bool all;	     /* it holds for all rows: what was folded apart is so no more */
};

struct ui_binding {
	int key;
	const char *shown; /* "T", "Space" */
	const char *label; /* in the key bar; NULL: not there */
	const char *help;
	enum { IN_BOTH, IN_LIVE, IN_REPLAY } when;
	enum ui_action (*run)(struct ui *ui); /* NULL: it is a switch */
	struct ui_switch turns;
	const struct subject *only; /* NULL: any */
};

extern const struct ui_binding ui_bindings[];
extern const size_t n_ui_bindings;

/* Whether the key does something here; whether what it switches is on. */
bool ui_is_bound(const struct ui *ui, const struct ui_binding *b);
bool ui_is_on(const struct ui *ui, const struct ui_binding *b);

/* The next frames' row that was chosen, at its new place, within `page` rows from `top`. */
void ui_follow(struct ui *ui, const struct model *m, size_t page);

/* `m` may be NULL before there is one. */
enum ui_action ui_key(struct ui *ui, int key, const struct model *m, size_t page);

#endif
