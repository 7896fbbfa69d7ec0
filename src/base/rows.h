/* SPDX-License-Identifier: MIT */
/*
 * Values that people give, as rows: what a value is called, what it may be, what it is by default,
 * and where it goes. Options of a command line (base/options.h), keys of a configuration
 * (service/settings.h) and keys of a scenario (sim/scenario_keys.h) are read by such rows, with one
 * parser for each type and one form of complaint:
 *
 *     WHAT: 'VALUE' given, expected EXPECTED
 *
 * A new type is a `struct row_type` beside the rows that use it.
 */
#ifndef BASE_ROWS_H
#define BASE_ROWS_H

#include "base/failure.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The name of the i-th of a table's rows; NULL behind the last. */
typedef const char *(*name_fn)(size_t i);

struct row;

struct row_type {
	/* -EINVAL, with nothing stored, for what is no such value or out of the row's bounds. */
	int (*store)(const struct row *row, const char *text, void *to);
	/* What a row accepts, for people. */
	void (*expected)(const struct row *row, char *ret, size_t size);
	/* The value as it would be typed; NULL where a type is only read. */
	void (*show)(const struct row *row, const void *from, char *ret, size_t size);
	size_t size; /* of what it stores; 0: the row's */
};

struct row {
	const char *name;
	const struct row_type *type;
	size_t offset;	      /* in the struct that the rows fill */
	double min, max;      /* in the unit that is stored (ns, bytes); max 0: no bound. Of a
			       * row_text min is the least number of bytes */
	const char *standard; /* the default, as it would be typed; NULL or "": all zero */
	const char *help;
	name_fn names; /* of row_name */
	size_t size;   /* of row_text and row_word, the zero at the end included */
};

extern const struct row_type row_flag;	   /* bool: "yes", "no" */
extern const struct row_type row_count;	   /* uint64_t */
extern const struct row_type row_count32;  /* uint32_t */
extern const struct row_type row_number;   /* double */
extern const struct row_type row_fraction; /* double: "0.25", "25%" */
extern const struct row_type row_seconds;  /* uint64_t ns: "0.25", "250ms" */
extern const struct row_type row_time;	   /* the same, which needs its unit */
extern const struct row_type row_bytes;	   /* uint64_t: "4GiB" */
extern const struct row_type row_mib;	   /* uint64_t bytes, whole MiB: "64", "4GiB" */
extern const struct row_type row_name;	   /* uint32_t: which of `names`, and `min` */
extern const struct row_type row_one_of;   /* char[size]: one of `names` */
extern const struct row_type row_word;	   /* char[size]: letters, digits, '-' and '_' */
extern const struct row_type row_text;	   /* char[size], with the zero at the end */

/* Reads a value into `to`; `what` is what a failure calls it. -EINVAL. */
int row_read(const struct row *row, const char *what, const char *text, void *to,
	     struct failure *f);

/* The parts of a struct, each by its rows, as the sections of a file name them. */
struct row_section {
	const char *name;
	const struct row *rows;
	size_t n;
	size_t offset; /* of what the rows' offsets begin at */
	bool reload;   /* settings: SIGHUP applies them */
};

/* NULL: there is none. */
const struct row *rows_find(const struct row *rows, size_t n, const char *name);

/* Sets all to their defaults. */
void rows_default(const struct row *rows, size_t n, void *base);

/* Bytes that a row stores. */
size_t row_size(const struct row *row);

/* "a, b or c". */
void names_join(const char *const *names, size_t n, char *ret, size_t size);

/* The same of all names; "" when they are too many for a line. */
void names_of(name_fn name, char *ret, size_t size);

/* Which of the names it is, or -EINVAL with a line in `f` that has them all; `what` is what that
 * calls the value. */
int names_find(name_fn name, const char *what, const char *value, struct failure *f);

#endif
