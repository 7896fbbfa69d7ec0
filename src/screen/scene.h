/* SPDX-License-Identifier: MIT */
/* What there is to draw, and where a click on it leads. */
#ifndef SCREEN_SCENE_H
#define SCREEN_SCENE_H

#include "screen/model.h"
#include "screen/ui.h"

#define LAYOUT_HITS_MAX 64

struct scene {
	const struct model *model; /* NULL: nothing yet */
	const struct ui *ui;
	const char *origin;	   /* "vmdesched", "a recording": who tells */
	const char *notice;	   /* of now, NULL for none */
	const char *standing_note; /* of all the time, NULL for none */
	const char *choice;	   /* likewise, why it is this subject */
	const double *history;	   /* percent of one CPU, oldest first */
	size_t n_history;
	size_t frame, n_frames; /* of a recording: this one, from 0, of so many; 0 live */
};

struct hit {
	int y, x, height, width;
	int key; /* that a click there stands for */
};

struct layout {
	struct hit hits[LAYOUT_HITS_MAX];
	int n_hits;
	int table_y;	     /* the first row's line */
	size_t page;	     /* rows that have room */
	struct hit timeline; /* of a recording: its history; 0 wide for none */
};

/* One line high; those that have no room are left out. */
void scene_add_hit(struct layout *l, int y, int x, int width, int key);

#endif
