/* SPDX-License-Identifier: MIT */
#include "screen/table.h"

#include "base/json_out.h"
#include "base/text.h"
#include "base/units.h"

/* ---- text ---- */

static bool is_printed(const struct column *c, const struct model *m)
{
	return c->table && (!c->there || c->there(m));
}

static void print_heading(const struct model *m, FILE *to)
{
	for (size_t i = 0; i < m->subject->n_columns; i++) {
		const struct column *c = &m->subject->columns[i];

		if (!is_printed(c, m))
			continue;
		if (c->unit == UNIT_NAME)
			fprintf(to, "  %s\n", c->title);
		else
			fprintf(to, "%*s ", c->unit == UNIT_TEXT ? -c->table : c->table, c->title);
	}
}

static void print_name(const struct model_row *row, FILE *to)
{
	fprintf(to, "  %*s", 2 * (int)row->depth, "");
	text_put(row->name, to);
	fputs(row->ended ? " (ended)\n" : "\n", to);
}

/* Cleaned, cut and filled up to the column's width. */
static void print_text(const struct column *c, const char *text, FILE *to)
{
	char clean[256];
	const char *end = clean;
	int n = 0;

	snprintf(clean, sizeof(clean), "%s", text);
	text_clean(clean);
	for (; n < c->table && *end; n++)
		utf8_next(&end);
	fprintf(to, "%.*s%*s ", (int)(end - clean), clean, c->table - n, "");
}

static void print_cell(const struct column *c, const struct model *m, const struct model_row *row,
		       FILE *to)
{
	struct value v = c->value(c, m, row);
	char time[TIME_TEXT_SIZE];

	time_text(v.n, time);
	if (c->unit == UNIT_TEXT)
		print_text(c, v.is == VALUE_KNOWN ? v.text : v.is == VALUE_UNKNOWN ? "?" : "-", to);
	else if (v.is != VALUE_KNOWN)
		fprintf(to, "%*s ", c->table, v.is == VALUE_UNKNOWN ? "?" : "-");
	else if (c->unit == UNIT_PERCENT)
		fprintf(to, "%*.1f ", c->table, model_percent(m, v.n));
	else if (c->unit == UNIT_TIME)
		fprintf(to, "%*s ", c->table, time);
	else
		fprintf(to, "%*llu ", c->table, (unsigned long long)v.n);
}

static void print_row(const struct model *m, const struct model_row *row, FILE *to)
{
	for (size_t i = 0; i < m->subject->n_columns; i++) {
		const struct column *c = &m->subject->columns[i];

		if (!is_printed(c, m))
			continue;
		if (c->unit == UNIT_NAME)
			print_name(row, to);
		else
			print_cell(c, m, row, to);
	}
}

void table_print(const struct model *m, const char *until, FILE *to)
{
	m->subject->print_head(m, until, to);
	fputc('\n', to);
	print_heading(m, to);
	for (size_t i = 0; i < m->n_rows; i++)
		print_row(m, &m->rows[i], to);
	fputc('\n', to);
}

/* ---- JSON ---- */

static json_t *json_value(const struct column *c, const struct model *m, const struct value *v)
{
	if (v->is != VALUE_KNOWN)
		return json_null();
	if (c->unit == UNIT_PERCENT)
		return json_real(model_percent(m, v->n) / 100);
	if (c->unit == UNIT_TIME)
		return json_real(ns_to_s(v->n));
	if (c->unit == UNIT_NAME || c->unit == UNIT_TEXT)
		return json_out_name(v->text);
	return json_integer((json_int_t)v->n);
}

static void put_value(json_t *o, const struct column *c, const struct model *m,
		      const struct model_row *row)
{
	struct value v = c->value(c, m, row);
	char key[64];

	snprintf(key, sizeof(key), "%s%s", c->name,
		 c->unit == UNIT_BYTES	? "_bytes"
		 : c->unit == UNIT_TIME ? "_s"
					: "");
	json_object_set_new(o, key, json_value(c, m, &v));
}

/* Who it is, then its figures. */
static json_t *json_row(const struct model *m, const struct model_row *row)
{
	json_t *o = json_object();

	row->kind->put(m, row, o);
	for (int names = 1; names >= 0; names--) {
		for (size_t i = 0; i < m->subject->n_columns; i++) {
			const struct column *c = &m->subject->columns[i];

			if (c->json && (c->unit == UNIT_NAME) == names)
				put_value(o, c, m, row);
		}
	}
	return o;
}

/* Rows from *at on that are deeper than `depth`, each with those below it. */
static json_t *json_rows(const struct model *m, size_t *at, unsigned depth)
{
	json_t *list = json_array();

	while (*at < m->n_rows && m->rows[*at].depth >= depth) {
		const struct model_row *row = &m->rows[(*at)++];
		json_t *o = row->kind->put ? json_row(m, row) : NULL;

		if (o && row->kind->below)
			json_object_set_new(o, row->kind->below, json_rows(m, at, depth + 1));
		if (o)
			json_array_append_new(list, o);
	}
	return list;
}

int table_json(const struct model *m, FILE *to, const char *what, struct failure *f)
{
	json_t *o = json_object();
	size_t at = 0;

	json_object_set_new(o, "schema", json_string(m->subject->schema));
	m->subject->put_head(m, o);
	json_object_set_new(o, m->subject->list, json_rows(m, &at, 0));
	return json_out_print(o, JSON_COMPACT | JSON_REAL_PRECISION(15), to, what, f);
}
