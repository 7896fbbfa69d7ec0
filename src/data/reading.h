/* SPDX-License-Identifier: MIT */
/*
 * Reading a file of rows: twice, because what its times mean may only show at its end. The first
 * pass only learns from them; in the second they are instants.
 */
#ifndef DATA_READING_H
#define DATA_READING_H

#include "data/format.h"
#include "data/table.h"

struct reading {
	const struct input *in;
	struct out *out;
	struct times times;
	struct times heads; /* dates that stand above the rows, for all of them */
	bool heads_unclear;
	bool learning;
	bool any; /* a time was read */
};

/* Where each pass begins. States of entities are gone by then. */
typedef void (*reading_begin_fn)(void *data);
/* A pass over the file; 0 or what ended it. */
typedef int (*reading_pass_fn)(const struct input *in, void *data);

void reading_init(struct reading *g, const struct input *in, struct out *out);

/* Both passes, `usual` as for times_settle(); `done` as for out_forget(). States are left from the
 * second. */
int reading_run(struct reading *g, enum date_order usual, reading_begin_fn begin,
		reading_pass_fn pass, void (*done)(void *state), void *data);

/* The seconds of a day's midnight, of a date that stands above rows with clocks alone. NaN: none
 * that is clear. */
double reading_day(struct reading *g, const char *date);

/* The instant of a row, whose day is `day` (or NaN) where its text has none. False where the row is
 * done with: while learning, or when it has none, which is counted. */
bool reading_time(struct reading *g, const char *text, double day, struct instant *ret);

#endif
