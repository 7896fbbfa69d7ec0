/* SPDX-License-Identifier: MIT */
/*
 * What a screen is about: the processes of a guest, the VMs of a host. A subject is a row of
 * `subjects[]` and has kinds of rows, and columns, as rows of its own. Whatever is shown, sorted,
 * kept, completed or printed is made from these tables:
 *
 *     a new column	     a row of the subject's `columns`
 *     a new kind of row     a `struct row_kind`, in the subject's `kinds`
 *     a new subject	     a file that has these, and a row of `subjects[]`
 */
#ifndef SCREEN_SUBJECT_H
#define SCREEN_SUBJECT_H

#include "screen/canvas.h"
#include "screen/model.h"

#include <jansson.h>
#include <stdio.h>

/* ---- columns ---- */

enum unit {
	UNIT_ID,      /* a number, sorted upwards */
	UNIT_PERCENT, /* ns, as percent of one CPU; the largest first */
	UNIT_BYTES,   /* the largest first */
	UNIT_TIME,    /* ns, with a unit that fits; the largest first */
	UNIT_TEXT,
	UNIT_LETTER,
	UNIT_BAR,   /* the states of a row's time; cannot be sorted by */
	UNIT_TRAIL, /* what a row had behind it (screen/trails.h); neither can this */
	UNIT_NAME,  /* of the row, with its branches in a tree */
	UNITS,
};

struct value {
	enum { VALUE_KNOWN, VALUE_NONE, VALUE_UNKNOWN, VALUE_EMPTY } is; /* NONE: -, UNKNOWN: ? */
	uint64_t n;
	const char *text; /* of UNIT_TEXT and UNIT_NAME; NULL: none */
	enum style style; /* in place of the column's, unless it is STYLE_NORMAL */
};

struct column {
	const char *name; /* of the order by it, and in JSON: "reported"; NULL: neither */
	const char *title;
	const char *group_title; /* where rows are cgroups; NULL: the same */
	enum unit unit;
	int width;   /* 0: what is left, shared among those */
	int needs;   /* columns that the terminal must have, unless... */
	bool wanted; /* ... something is in it */
	int yields;  /* where names have no room: left out before those that have less; 0: never */
	int key;     /* that sorts by it; 0: none */
	int table;   /* columns that it takes where -b prints it; 0: it is not printed */
	bool json;   /* JSON has it, by its name; bytes as name_bytes, times as name_s */
	enum style style;	 /* of figures that are not 0 */
	const char *help;	 /* a line on the help screen; NULL: none */
	enum ledger_state state; /* of a host's: which one it shows */
	/* NULL for bars. */
	struct value (*value)(const struct column *c, const struct model *m,
			      const struct model_row *row);
	/* Where it makes sense; NULL: everywhere. */
	bool (*there)(const struct model *m);
};

/* Of two rows, in the order of a column: figures from the largest on, the rest upwards. */
int column_compare(const struct column *c, const struct model *m, const struct model_row *a,
		   const struct model_row *b);

/* ---- kinds of rows ---- */

struct row_kind {
	char letter;
	enum style style;
	/* Drawn below the table while such a row is chosen. */
	void (*status)(const struct model_row *row, struct pen *p);
	/* Puts who it is into JSON; NULL: such rows are in none. */
	void (*put)(const struct model *m, const struct model_row *row, json_t *o);
	const char *below; /* in JSON: the list of rows below it; NULL: they are not apart */
	/* Its rows are folded by the row of this kind, of the same pid; NULL: by their own. */
	const struct row_kind *above;
};

/* ---- notes ---- */

#define NOTES_MAX 6

struct notes {
	char text[NOTES_MAX][256];
	enum style style[NOTES_MAX];
	int n;
};

void notes_add(struct notes *n, enum style style, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* ---- subjects ---- */

struct subject {
	const char *name;	   /* of its section among the settings */
	const char *one, *several; /* "process", "processes": what is counted */
	const char *history;	   /* what its history shows */
	const char *sort;	   /* the order to begin with */
	const char *schema, *list; /* of JSON, and of the list of rows in it */
	const struct column *columns;
	size_t n_columns;
	const struct row_kind *const *kinds; /* a NULL behind the last */

	/* What is done with its frames: frame_elapsed() and so on. */
	uint64_t (*elapsed)(const struct frame *f);
	uint64_t (*lag)(const struct frame *f);
	bool (*is_news)(const struct frame *shown, const struct frame *now);
	void (*done)(struct frame *f);

	int (*make)(const struct frame *from, const struct frame *to, const struct model_view *view,
		    struct model *ret);
	/* How a row's time is made up, for its bar. */
	void (*parts)(const struct model_row *row, uint64_t ret[MODEL_PARTS]);
	double (*past)(const struct model *m); /* what the history keeps of an interval */
	/* Adds what happened between two frames to the trails; NULL: it has none. */
	void (*leave_trails)(const struct frame *from, const struct frame *to, struct trails *t);

	void (*title)(const struct model *m, struct pen *p);
	void (*totals)(const struct model *m, struct pen *p);
	void (*notes)(const struct model *m, struct notes *n);
	void (*print_head)(const struct model *m, const char *until, FILE *to);
	void (*put_head)(const struct model *m, json_t *o);
};

extern const struct subject subject_guest, subject_host;

extern const struct subject *const subjects[];
extern const size_t n_subjects;

/* ns since what tells of it began; ns by which it ends before it was taken. */
uint64_t frame_elapsed(const struct frame *f);
uint64_t frame_lag(const struct frame *f);

/* `now` says more than `shown`, a frame of the same feed. */
bool frame_is_news(const struct frame *shown, const struct frame *now);

void frame_done(struct frame *f); /* harmless on one without subject */

/* The model of an interval. `from` NULL: since what tells of it began. -ESTALE where nobody knows
 * what happened between the two; -ENOMEM. */
int model_make(const struct frame *from, const struct frame *to, const struct model_view *view,
	       struct model *ret);

/* A time of UNIT_TIME as people read it: "0.45ms", "12.0ms", "340ms", "2.5s". */
#define TIME_TEXT_SIZE 24
void time_text(uint64_t ns, char ret[TIME_TEXT_SIZE]);

/* The column that this order is of; NULL for none. */
const struct column *subject_column(const struct subject *s, const char *name);

/* The order that the view has. */
const struct column *subject_sort(const struct subject *s, const struct model_view *view);

/* Whether rows can be sorted by it. */
bool column_is_order(const struct column *c);

/* Names of all orders of all subjects, each once; NULL behind the last. */
const char *subject_order_name(size_t i);

/* The order of this name; -EINVAL, and the names that there are. */
int subject_find_order(const struct subject *s, const char *name, struct failure *f,
		       const struct column **ret);

#endif
