/* SPDX-License-Identifier: MIT */
/* A column of numbers from a CSV file. Read line by line, so that what is wrong has a line and the
 * memory for it a bound. */
#include "base/cleanup.h"
#include "base/units.h"
#include "sim/beside.h"
#include "sim/demand.h"

#include <csv.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LINE_BYTES	(64 * KIB)
#define BYTE_ORDER_MARK "\xef\xbb\xbf"

struct column {
	const char *path, *name;
	double scale, most;
	uint32_t max_rows;
	struct failure *f;
	int err;
	int line;
	uint32_t index; /* of the wanted field; UINT32_MAX: to be found in the header */
	uint32_t field; /* of the one that comes next */
	bool by_name;
	bool any;   /* a row has been seen */
	bool found; /* this row has the column */
	float *values;
	uint32_t n, room;
};

static void complain(struct column *c, const char *text, const char *what)
{
	if (!c->err)
		c->err = failure_set(c->f, -EINVAL, "%s:%d: column %s: '%.40s': expected %s",
				     c->path, c->line, c->name, text, what);
}

static void keep(struct column *c, double v)
{
	if (c->n == c->max_rows) {
		c->err = failure_set(c->f, -E2BIG,
				     "%s:%d: traces of a scenario have at most %u rows together",
				     c->path, c->line, DEMAND_STEPS);
		return;
	}
	if (c->n == c->room) {
		uint32_t room = c->room ? 2 * c->room : 1024;
		float *bigger = realloc(c->values, room * sizeof(*bigger));

		if (!bigger) {
			c->err = failure_errno(c->f, -ENOMEM, "%s", c->path);
			return;
		}
		c->values = bigger;
		c->room = room;
	}
	c->values[c->n++] = (float)v;
}

/* A number, or words where the first row is a header. */
static void take(struct column *c, const char *text)
{
	char *end, want[96];
	double v = strtod(text, &end);
	bool number = end != text && !end[strspn(end, " \t")] && isfinite(v) &&
		      !strpbrk(text, "xX");

	if (!number && !c->any)
		return;
	snprintf(want, sizeof(want), "a number from 0 to %.6g", c->most / c->scale);
	if (!number || v < 0 || v * c->scale > c->most * (1 + 1e-9))
		complain(c, text, want);
	else
		keep(c, v * c->scale);
}

static void on_field(void *field, size_t size, void *data)
{
	struct column *c = data;
	const char *text = field ? field : "";

	if (c->err)
		return;
	if (!c->any && c->by_name && strlen(text) == size && !strcmp(text, c->name)) {
		if (c->found)
			complain(c, text, "one column of this name; give its number");
		c->index = c->field;
		c->found = true;
	} else if (c->field == c->index) {
		c->found = true;
		if (strlen(text) != size)
			complain(c, text, "a number without zero bytes");
		else
			take(c, text);
	}
	c->field++;
}

static void on_row(int terminator, void *data)
{
	struct column *c = data;

	(void)terminator;
	if (!c->err && !c->found)
		c->err = failure_set(c->f, -EINVAL, "%s:%d: there is no column %s%s", c->path,
				     c->line, c->name,
				     c->any ? " in this row"
					    : "; expected its name in the header or "
					      "its number from 1 on");
	c->any = true;
	c->found = false;
	c->field = 0;
}

/* What separates the fields: of these what the first line has most of, outside quotes. */
static unsigned char separator(const char *line)
{
	static const char marks[] = {',', ';', '\t'};
	size_t most = 0, counts[sizeof(marks)] = {0};
	bool quoted = false;

	for (; *line; line++) {
		quoted ^= *line == '"';
		for (size_t i = 0; i < sizeof(marks); i++)
			counts[i] += !quoted && *line == marks[i];
	}
	for (size_t i = 1; i < sizeof(marks); i++)
		most = counts[i] > counts[most] ? i : most;
	return (unsigned char)marks[most];
}

static void read_lines(struct column *c, FILE *file, struct csv_parser *p, char *line)
{
	while (!c->err && fgets(line, LINE_BYTES, file)) {
		size_t mark = !c->line && !strncmp(line, BYTE_ORDER_MARK, 3) ? 3 : 0;
		size_t len = strlen(line + mark);

		if (!c->line++)
			csv_set_delim(p, separator(line));
		if (mark + len + 1 == LINE_BYTES) {
			c->err = failure_set(c->f, -E2BIG, "%s:%d: expected lines below %u bytes",
					     c->path, c->line, (unsigned)LINE_BYTES);
			return;
		}
		if (mark + len == 0 || (line[mark + len - 1] != '\n' && !feof(file))) {
			c->err = failure_set(c->f, -EINVAL, "%s:%d: a zero byte; expected CSV",
					     c->path, c->line);
			return;
		}
		if (csv_parse(p, line + mark, len, on_field, on_row, c) != len && !c->err)
			c->err = failure_set(c->f, -EINVAL, "%s:%d: %s", c->path, c->line,
					     csv_strerror(csv_error(p)));
	}
	if (!c->err && ferror(file))
		c->err = failure_errno(c->f, -EIO, "%s", c->path);
	if (!c->err)
		csv_fini(p, on_field, on_row, c);
}

unsigned long demand_column_number(const char *column)
{
	char *end;
	unsigned long v = strtoul(column, &end, 10);

	return !*end && column[strspn(column, "0123456789")] == 0 && v < 100000 ? v : 0;
}

/* The third column is "3", whatever the header says. */
static uint32_t index_of(const char *column)
{
	return demand_column_number(column) ? (uint32_t)demand_column_number(column) - 1
					    : UINT32_MAX;
}

int demand_read_csv(const char *path, const char *column, double scale, double most,
		    uint32_t max_rows, struct failure *f, float **ret, uint32_t *ret_n)
{
	struct column c = {.path = path,
			   .name = column,
			   .scale = scale,
			   .most = most,
			   .max_rows = max_rows,
			   .f = f,
			   .index = index_of(column),
			   .by_name = index_of(column) == UINT32_MAX};
	_cleanup_(close_file) FILE *file = NULL;
	_cleanup_(free_ptr) char *line = malloc(LINE_BYTES);
	struct csv_parser p;
	int err;

	if (!line || csv_init(&p, CSV_APPEND_NULL))
		return failure_errno(f, -ENOMEM, "%s", path);
	err = beside_open(path, "CSV", f, &file);
	if (!err)
		read_lines(&c, file, &p, line);
	csv_free(&p);
	err = err ? err : c.err;
	if (!err && !c.n)
		err = failure_set(f, -EINVAL, "%s: no values in column %s", path, column);
	if (err) {
		free(c.values);
		return err;
	}
	*ret = c.values;
	*ret_n = c.n;
	return 0;
}
