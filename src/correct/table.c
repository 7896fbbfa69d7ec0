/* SPDX-License-Identifier: MIT */
#include "correct/table.h"

#include <csv.h>
#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define FIELDS_MAX  65536
#define DAY_SECONDS 86400
#define DATED_FROM  1e8 /* smaller numbers are seconds of some clock that starts at 0 */

/* The fields of the present row, one after the other in `text`. */
struct row {
	char *text;
	size_t used, size;
	size_t *starts;
	size_t n;
	char **fields;
	table_row_fn fn;
	void *data;
	int err;
};

static int room_for(struct row *r, size_t len)
{
	size_t size = r->size ? r->size : 4096;
	char *text;

	if (r->text && r->used + len < r->size)
		return 0;
	while (size < r->used + len + 1)
		size *= 2;
	text = realloc(r->text, size);
	if (!text)
		return -ENOMEM;
	r->text = text;
	r->size = size;
	return 0;
}

static void add_field(void *field, size_t len, void *data)
{
	struct row *r = data;

	if (r->err)
		return;
	r->err = r->n >= FIELDS_MAX ? -E2BIG : room_for(r, len);
	if (r->err)
		return;
	r->starts[r->n++] = r->used;
	memcpy(r->text + r->used, field, len);
	r->used += len;
	r->text[r->used++] = '\0';
}

static void end_row(int unused, void *data)
{
	struct row *r = data;

	(void)unused;
	for (size_t i = 0; i < r->n; i++)
		r->fields[i] = r->text + r->starts[i];
	if (!r->err && r->n && (r->n > 1 || r->fields[0][0]))
		r->err = r->fn(r->fields, r->n, r->data);
	r->n = 0;
	r->used = 0;
}

static int read_csv(struct row *r, const char *text, size_t size, char delimiter)
{
	struct csv_parser p;

	if (csv_init(&p, 0))
		return -ENOMEM;
	csv_set_delim(&p, (unsigned char)delimiter);
	/* In steps, so that an error ends it early. */
	for (size_t at = 0; at < size && !r->err;) {
		size_t step = size - at < 65536 ? size - at : 65536;

		if (csv_parse(&p, text + at, step, add_field, end_row, r) != step)
			r->err = -ENOMEM;
		at += step;
	}
	csv_fini(&p, add_field, end_row, r);
	csv_free(&p);
	return r->err;
}

static void split_line(struct row *r, const char *p, const char *end, size_t columns)
{
	while (p < end) {
		const char *from = p;

		while (from < end && isspace((unsigned char)*from))
			from++;
		p = from;
		while (p < end && (r->n + 1 >= columns || !isspace((unsigned char)*p)))
			p++;
		if (p > from)
			add_field((void *)from, (size_t)(p - from), r);
	}
}

static int read_blanks(struct row *r, const char *text, size_t size, size_t columns)
{
	const char *end = text + size;

	while (text < end && !r->err) {
		const char *line_end = memchr(text, '\n', (size_t)(end - text));

		line_end = line_end ? line_end : end;
		text += *text == '#';
		split_line(r, text, line_end, columns);
		end_row('\n', r);
		text = line_end + 1;
	}
	return r->err;
}

int table_read(const char *text, size_t size, char delimiter, size_t columns, table_row_fn fn,
	       void *data)
{
	struct row r = {.fn = fn, .data = data};
	int err = -ENOMEM;

	r.starts = calloc(FIELDS_MAX, sizeof(*r.starts));
	r.fields = calloc(FIELDS_MAX, sizeof(*r.fields));
	if (r.starts && r.fields)
		err = delimiter == ' ' ? read_blanks(&r, text, size, columns)
				       : read_csv(&r, text, size, delimiter);
	free(r.starts);
	free(r.fields);
	free(r.text);
	return err;
}

int table_column(char **fields, size_t n, const char *const *names)
{
	for (; *names; names++)
		for (size_t i = 0; i < n; i++)
			if (!strcasecmp(fields[i], *names))
				return (int)i;
	return -1;
}

int table_number(const char *text, double *ret)
{
	char *end;
	double v;

	text += strspn(text, " \t");
	if (!isdigit((unsigned char)*text) && *text != '.' && *text != '-')
		return -EINVAL;
	v = strtod(text, &end);
	end += strspn(end, " \t\r");
	if (*end || end == text || !isfinite(v))
		return -EINVAL;
	*ret = v;
	return 0;
}

/* Date and time as a number; -EINVAL when they are none. */
static int from_parts(int year, int month, int day, const char *clock, double *ret)
{
	struct tm tm = {.tm_year = year - 1900, .tm_mon = month - 1, .tm_mday = day};
	double second = 0;
	int hour, minute;

	if (sscanf(clock, "%2d:%2d:%lf", &hour, &minute, &second) < 2)
		return -EINVAL;
	if (year < 1970 || year > 9999 || month < 1 || month > 12 || day < 1 || day > 31 ||
	    hour < 0 || hour > 23 || minute < 0 || minute > 59 || !(second >= 0 && second < 61))
		return -EINVAL;
	*ret = (double)timegm(&tm) + hour * 3600 + minute * 60 + second;
	return 0;
}

int table_time(const char *text, double *ret, bool *ret_dated)
{
	int a, b, c, used = 0;
	double v;
	int err;

	if (!table_number(text, &v)) {
		if (v < 0)
			return -EINVAL;
		*ret = v;
		*ret_dated = v >= DATED_FROM;
		return 0;
	}
	if (sscanf(text, "%4d-%2d-%2d%*1[ T]%n", &a, &b, &c, &used) == 3 && used)
		err = from_parts(a, b, c, text + used, &v);
	else if (sscanf(text, "%2d/%2d/%4d %n", &a, &b, &c, &used) == 3 && used)
		err = from_parts(c, a, b, text + used, &v);
	else
		err = from_parts(1970, 1, 1, text, &v);
	if (err)
		return err;
	*ret = v;
	*ret_dated = used;
	return 0;
}

double table_next_day(double time, double last, bool dated)
{
	if (!dated && time < last)
		time += DAY_SECONDS * ceil((last - time) / DAY_SECONDS);
	return time;
}
