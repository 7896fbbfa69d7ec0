/* SPDX-License-Identifier: MIT */
/*
 * Text as rows of fields, columns by their names, and numbers. Nothing is assumed of the text:
 * fields may be missing, thousands, or huge. times.h reads times.
 */
#ifndef DATA_TABLE_H
#define DATA_TABLE_H

#include <stdbool.h>
#include <stddef.h>

#define TABLE_FIELDS_MAX (1u << 20) /* esxtop writes a column for each figure of each world */

/* One row; fields are terminated. A non-zero result ends the reading and is returned. */
typedef int (*table_row_fn)(char **fields, size_t n, void *data);

/* Delimiter ' ' stands for any run of blanks, without quotes, and a '#' in front of a line for
 * none; at most `columns` fields, the last of which is then the rest of the line. Any other is CSV
 * with double quotes, and `columns` is not looked at. Empty lines are left out. -ENOMEM, -E2BIG for
 * a row of more than TABLE_FIELDS_MAX fields. */
int table_read(const char *text, size_t size, char delimiter, size_t columns, table_row_fn fn,
	       void *data);

/* The first of the characters in `delimiters` that stands most often in the line outside quotes;
 * ',' when none does. */
char table_delimiter(const char *line, const char *delimiters);

/* ---- columns by their names ---- */

struct column_row {
	const char *const *names; /* NULL ends the list; earlier ones are preferred */
	int *dest;		  /* the column's place, -1: there is none */
};

/* Names are compared without case, blanks and signs, and "percent" is '%': "CPU (%)" is "%CPU";
 * what stands in brackets may be left out. */
void table_columns(char **fields, size_t n, const struct column_row *rows, size_t n_rows);
int table_column(char **fields, size_t n, const char *const *names);

/* The names of columns, for people: "a, b, c", cut to fit. */
void table_names(char **fields, size_t n, char *ret, size_t size);

/* ---- numbers ---- */

/* A decimal number, with blanks around it. -EINVAL for anything else, NaN and infinity too. */
int table_number(const char *text, double *ret);

/* As that, and as countries and programs write it: "16,67", "1.234,5", "1,234.5", "12 %". With
 * `comma` one comma alone is a decimal one, as where it doesn't separate the fields. */
int table_figure(const char *text, bool comma, double *ret);

/* Whether a field says that there is no value: blank, "-", "N/A". */
bool table_blank(const char *text);

#endif
