/* SPDX-License-Identifier: MIT */
#include "data/table.h"

#include <csv.h>
#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The fields of the present row, one after the other in `text`. */
struct row {
	char *text;
	size_t used, size;
	size_t *starts;
	size_t n, n_size; /* fields, and room for them in `starts` and `fields` */
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

/* For one more field. */
static int room_for_field(struct row *r)
{
	size_t size = r->n_size ? 2 * r->n_size : 64;
	size_t *starts;
	char **fields;

	if (r->n < r->n_size)
		return 0;
	if (r->n >= TABLE_FIELDS_MAX)
		return -E2BIG;
	starts = reallocarray(r->starts, size, sizeof(*starts));
	r->starts = starts ? starts : r->starts;
	fields = reallocarray(r->fields, size, sizeof(*fields));
	r->fields = fields ? fields : r->fields;
	if (!starts || !fields)
		return -ENOMEM;
	r->n_size = size;
	return 0;
}

static void add_field(void *field, size_t len, void *data)
{
	struct row *r = data;

	if (r->err)
		return;
	r->err = room_for_field(r);
	r->err = r->err ? r->err : room_for(r, len);
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
	int err = delimiter == ' ' ? read_blanks(&r, text, size, columns)
				   : read_csv(&r, text, size, delimiter);

	free(r.starts);
	free(r.fields);
	free(r.text);
	return err;
}

char table_delimiter(const char *line, const char *delimiters)
{
	size_t most = 0;
	char found = ',';

	for (; *delimiters; delimiters++) {
		bool quoted = false;
		size_t n = 0;

		for (const char *p = line; *p; p++) {
			quoted ^= *p == '"';
			n += !quoted && *p == *delimiters;
		}
		if (n > most) {
			most = n;
			found = *delimiters;
		}
	}
	return found;
}

/* ---- columns by their names ---- */

/* "CPU (%)" and "cpu_percent" become "%cpu": what is compared. */
static void plain_name(const char *name, char *ret, size_t size)
{
	bool percent = strchr(name, '%') || strcasestr(name, "percent") || strcasestr(name, "pct");
	size_t used = 0;

	if (percent)
		ret[used++] = '%';
	for (; *name && used < size - 1; name++) {
		size_t skip = !strncasecmp(name, "percent", 7) ? 7
			      : !strncasecmp(name, "pct", 3)   ? 3
							       : 0;
		unsigned char c = (unsigned char)*name;

		if (skip)
			name += skip - 1;
		else if (isalnum(c) || c >= 0x80)
			ret[used++] = (char)tolower(c);
	}
	ret[used] = '\0';
}

/* "time (UTC)" is "time", too. */
static bool is_called(const char *field, const char *wanted)
{
	char name[64], front[64];

	plain_name(field, name, sizeof(name));
	if (!strcmp(name, wanted))
		return true;
	if (!strpbrk(field, "(["))
		return false;
	snprintf(front, sizeof(front), "%.*s", (int)strcspn(field, "(["), field);
	plain_name(front, name, sizeof(name));
	return !strcmp(name, wanted);
}

int table_column(char **fields, size_t n, const char *const *names)
{
	char wanted[64];

	for (; *names; names++) {
		plain_name(*names, wanted, sizeof(wanted));
		for (size_t i = 0; i < n; i++)
			if (is_called(fields[i], wanted))
				return (int)i;
	}
	return -1;
}

void table_columns(char **fields, size_t n, const struct column_row *rows, size_t n_rows)
{
	for (size_t i = 0; i < n_rows; i++)
		*rows[i].dest = table_column(fields, n, rows[i].names);
}

void table_names(char **fields, size_t n, char *ret, size_t size)
{
	size_t used = 0;

	ret[0] = '\0';
	for (size_t i = 0; i < n && used + 8 < size; i++)
		used += (size_t)snprintf(ret + used, size - used, "%s%.40s", i ? ", " : "",
					 fields[i]);
}

/* ---- numbers ---- */

int table_number(const char *text, double *ret)
{
	char *end;
	double v;

	text += strspn(text, " \t");
	if (!isdigit((unsigned char)*text) && *text != '.' && *text != '-')
		return -EINVAL;
	if (text[strspn(text, "-.")] == '0' && strpbrk(text, "xX"))
		return -EINVAL; /* strtod() reads hexadecimal ones, too */
	v = strtod(text, &end);
	end += strspn(end, " \t\r");
	if (*end || end == text || !isfinite(v))
		return -EINVAL;
	*ret = v;
	return 0;
}

/* Whether each group behind a separator of thousands has three digits. */
static bool grouped(const char *text, char separator, const char *end)
{
	for (const char *p = memchr(text, separator, (size_t)(end - text)); p && p < end;) {
		const char *next = memchr(p + 1, separator, (size_t)(end - p - 1));
		size_t n = strspn(p + 1, "0123456789");

		if (n != 3 || p + 4 != (next ? next : end))
			return false;
		p = next;
	}
	return true;
}

/* Where the decimal separator stands, or the end; *ret_thousands is the other one, 0: none. */
static const char *find_decimal(const char *text, const char *end, bool comma, char *ret_thousands)
{
	const char *dot = memrchr(text, '.', (size_t)(end - text));
	const char *sign = memrchr(text, ',', (size_t)(end - text));
	bool several = sign && memchr(text, ',', (size_t)(sign - text));

	*ret_thousands = 0;
	if (dot && sign) {
		*ret_thousands = dot > sign ? ',' : '.';
		return dot > sign ? dot : sign;
	}
	if (sign && (several || !comma)) {
		*ret_thousands = ',';
		return end;
	}
	return sign ? sign : dot ? dot : end;
}

int table_figure(const char *text, bool comma, double *ret)
{
	char plain[64], thousands;
	const char *end = text + strlen(text), *decimal;
	size_t used = 0;

	text += strspn(text, " \t");
	while (end > text && strchr(" \t\r%", end[-1]))
		end--;
	if (!memchr(text, ',', (size_t)(end - text)) && end - text < (long)sizeof(plain)) {
		snprintf(plain, sizeof(plain), "%.*s", (int)(end - text), text);
		return table_number(plain, ret);
	}
	decimal = find_decimal(text, end, comma, &thousands);
	if (thousands && !grouped(text, thousands, decimal))
		return -EINVAL;
	for (const char *p = text; p < end && used < sizeof(plain) - 1; p++)
		if (*p != thousands || p >= decimal)
			plain[used++] = (char)(p == decimal ? '.' : *p);
	plain[used] = '\0';
	return end - text < (long)sizeof(plain) ? table_number(plain, ret) : -EINVAL;
}

bool table_blank(const char *text)
{
	text += strspn(text, " \t\r");
	return !*text || !strcmp(text, "-") || !strcasecmp(text, "N/A") ||
	       !strcasecmp(text, "nan") || !strcasecmp(text, "null");
}
