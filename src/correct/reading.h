/* SPDX-License-Identifier: MIT */
/*
 * Reading a file of rows: twice, because what its times mean may only show at its end. The first
 * pass only learns from them; in the second they are instants.
 */
#ifndef CORRECT_READING_H
#define CORRECT_READING_H

#include "correct/formats.h"
#include "data/table.h"

struct reading {
	const struct input *in;
	struct failure *f;
	struct usage *r;
	struct times times;
	struct choice choice; /* the machine of a guest's file, the VM of a host's */
	bool learning;
	bool any; /* a time was read */
};

/* Where each pass begins. */
typedef void (*reading_begin_fn)(void *data);
/* A pass over the file; 0 or what ended it. */
typedef int (*reading_pass_fn)(const struct input *in, void *data);

void reading_init(struct reading *g, const struct input *in, struct failure *f, struct usage *r);
void reading_done(struct reading *g);

/* Both passes, `usual` as for times_settle(); then the choice must be clear. */
int reading_run(struct reading *g, enum date_order usual, reading_begin_fn begin,
		reading_pass_fn pass, void *data);

/* The instant of a row. False where the row is done with: while learning, or when it has none,
 * which is counted. */
bool reading_time(struct reading *g, const char *text, struct instant *ret);

#endif
