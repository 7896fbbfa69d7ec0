/* SPDX-License-Identifier: MIT */
/* The screen as a whole: feed or recording, keys, model, layout, terminal, until somebody quits. */
#ifndef SCREEN_SCREEN_H
#define SCREEN_SCREEN_H

#include "data/recording.h"
#include "screen/feed.h"
#include "screen/model.h"

#include <signal.h>

struct screen_config {
	const struct subject *subject;
	uint64_t delay;		     /* ns between frames */
	uint64_t iterations;	     /* frames shown, then end; 0: until somebody quits */
	volatile sig_atomic_t *stop; /* set by a signal: end */
	struct feed *feed;	     /* or */
	struct recording *recording; /* of these one is NULL */
	const char *name;	     /* of the recording */
	struct model_view view;	     /* to begin with */
	const char *settings;	     /* where they are kept; NULL: nowhere */
	const char *choice; /* why it is this subject (screen/here.h); NULL: somebody said so */
	const char *notice; /* shown until the first frame; NULL: none */
};

/* *ret_turn: the other subject was asked for; set on success. */
int screen_run(const struct screen_config *config, struct failure *f, bool *ret_turn);

#endif
