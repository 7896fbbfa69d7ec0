/* SPDX-License-Identifier: MIT */
/*
 * Text as rows of fields, and the times that stand in them. Nothing is assumed of the text: fields
 * may be missing, thousands, or huge.
 */
#ifndef CORRECT_TABLE_H
#define CORRECT_TABLE_H

#include <stdbool.h>
#include <stddef.h>

/* One row; fields are terminated. A non-zero result ends the reading and is returned. */
typedef int (*table_row_fn)(char **fields, size_t n, void *data);

/* Delimiter ' ' stands for any run of blanks, without quotes, and a '#' in front of a line for
 * none; at most `columns` fields, the last of which is then the rest of the line. Any other is CSV
 * with double quotes, and `columns` is not looked at. Empty lines are left out. -ENOMEM, -E2BIG for
 * a row of more than 65,536 fields. */
int table_read(const char *text, size_t size, char delimiter, size_t columns, table_row_fn fn,
	       void *data);

/* The place of the column that is called like one of the names (NULL ends the list), without
 * looking at case; -1: there is none. */
int table_column(char **fields, size_t n, const char *const *names);

/* A decimal number, with blanks around it. -EINVAL for anything else, NaN and infinity too. */
int table_number(const char *text, double *ret);

/*
 * An instant in seconds: "1555593619.5", "2019-04-18 13:20:19 UTC", "2019-04-18T13:20:19Z",
 * "04/18/2019 13:20:19.123", or "13:20:19", which has no date. *ret_dated tells. Without a zone,
 * UTC is taken.
 */
int table_time(const char *text, double *ret, bool *ret_dated);

/* Where a time of day jumps back, a day has passed; `last` is the time before. */
double table_next_day(double time, double last, bool dated);

#endif
