/* SPDX-License-Identifier: MIT */
#include "base/rows.h"

#include "base/quantity.h"
#include "base/units.h"

#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#define NAMES_MAX 16

void names_join(const char *const *names, size_t n, char *ret, size_t size)
{
	size_t used = 0;

	ret[0] = '\0';
	for (size_t i = 0; i < n && used < size; i++)
		used += (size_t)snprintf(ret + used, size - used, "%s%s",
					 !i	     ? ""
					 : i + 1 < n ? ", "
						     : " or ",
					 names[i]);
}

void names_of(name_fn name, char *ret, size_t size)
{
	const char *names[NAMES_MAX];
	size_t n = 0;

	for (; name(n); n++)
		if (n < NAMES_MAX)
			names[n] = name(n);
	names_join(names, n <= NAMES_MAX ? n : 0, ret, size);
}

/* Index, or -EINVAL. */
static int find_name(name_fn name, const char *value)
{
	for (size_t i = 0; name(i); i++)
		if (!strcmp(name(i), value))
			return (int)i;
	return -EINVAL;
}

int names_find(name_fn name, const char *what, const char *value, struct failure *f)
{
	int found = find_name(name, value);
	char names[256];

	if (found >= 0)
		return found;
	names_of(name, names, sizeof(names));
	return failure_set(f, -EINVAL, "%s: '%s' given, expected %s", what, value,
			   names[0] ? names : "another name; see --help");
}

/* ---- bounds ---- */

static bool is_within(const struct row *row, double v)
{
	return v >= row->min && (!(row->max > 0) || v <= row->max);
}

/* "KIND from MIN to MAX", "KIND, at least MIN", where `text` writes a bound. `most` is the type's own,
 * for rows that have none; 0: nobody would reach it. */
static void expect_within(const struct row *row, const char *kind, double most,
			  const char *(*text)(double v, char *ret), char *ret, size_t size)
{
	char min[QUANTITY_TEXT], max[QUANTITY_TEXT];

	if (row->max > 0 || most > 0)
		snprintf(ret, size, "%s from %s to %s", kind, text(row->min, min),
			 text(row->max > 0 ? row->max : most, max));
	else
		snprintf(ret, size, "%s, at least %s", kind, text(row->min, min));
}

static const char *plain(double v, char *ret)
{
	snprintf(ret, QUANTITY_TEXT, v < 1e17 && v == rint(v) ? "%.0f" : "%.12g", v);
	return ret;
}

static const char *in_seconds(double v, char *ret)
{
	return plain(v / 1e9, ret);
}

static const char *as_time(double v, char *ret)
{
	return quantity_time_text((uint64_t)v, ret);
}

static const char *as_bytes(double v, char *ret)
{
	return quantity_bytes_text((uint64_t)v, ret);
}

/* ---- yes or no ---- */

static int store_flag(const struct row *row, const char *text, void *to)
{
	(void)row;
	if (strcmp(text, "yes") != 0 && strcmp(text, "no") != 0)
		return -EINVAL;
	*(bool *)to = text[0] == 'y';
	return 0;
}

static void expect_flag(const struct row *row, char *ret, size_t size)
{
	(void)row;
	snprintf(ret, size, "yes or no");
}

static void show_flag(const struct row *row, const void *from, char *ret, size_t size)
{
	(void)row;
	snprintf(ret, size, "%s", *(const bool *)from ? "yes" : "no");
}

const struct row_type row_flag = {store_flag, expect_flag, show_flag, sizeof(bool)};

/* ---- numbers ---- */

static int read_count(const struct row *row, const char *text, uint64_t *ret)
{
	uint64_t v;

	if (quantity_count(text, &v) || !is_within(row, (double)v))
		return -EINVAL;
	*ret = v;
	return 0;
}

static int store_count(const struct row *row, const char *text, void *to)
{
	return read_count(row, text, to);
}

static int store_count32(const struct row *row, const char *text, void *to)
{
	uint64_t v;

	if (read_count(row, text, &v) || v > UINT32_MAX)
		return -EINVAL;
	*(uint32_t *)to = (uint32_t)v;
	return 0;
}

static void expect_count(const struct row *row, char *ret, size_t size)
{
	expect_within(row, "a whole number", 0, plain, ret, size);
}

static void expect_count32(const struct row *row, char *ret, size_t size)
{
	expect_within(row, "a whole number", UINT32_MAX, plain, ret, size);
}

static void show_count(const struct row *row, const void *from, char *ret, size_t size)
{
	(void)row;
	snprintf(ret, size, "%" PRIu64, *(const uint64_t *)from);
}

static void show_count32(const struct row *row, const void *from, char *ret, size_t size)
{
	(void)row;
	snprintf(ret, size, "%" PRIu32, *(const uint32_t *)from);
}

const struct row_type row_count = {store_count, expect_count, show_count, sizeof(uint64_t)};
const struct row_type row_count32 = {store_count32, expect_count32, show_count32, sizeof(uint32_t)};

static int store_number(const struct row *row, const char *text, void *to)
{
	double v;

	if (quantity_number(text, NULL, &v) || !is_within(row, v))
		return -EINVAL;
	*(double *)to = v;
	return 0;
}

static int store_fraction(const struct row *row, const char *text, void *to)
{
	double v;

	if (quantity_fraction(text, NULL, &v) || !is_within(row, v))
		return -EINVAL;
	*(double *)to = v;
	return 0;
}

static void expect_number(const struct row *row, char *ret, size_t size)
{
	expect_within(row, "a number", 0, plain, ret, size);
}

static void expect_fraction(const struct row *row, char *ret, size_t size)
{
	expect_within(row, "a fraction such as 0.25 or 25%,", 0, plain, ret, size);
}

static void show_number(const struct row *row, const void *from, char *ret, size_t size)
{
	(void)row;
	snprintf(ret, size, "%.12g", *(const double *)from);
}

const struct row_type row_number = {store_number, expect_number, show_number, sizeof(double)};
const struct row_type row_fraction = {store_fraction, expect_fraction, show_number, sizeof(double)};

/* ---- times and sizes ---- */

typedef int (*quantity_fn)(const char *text, uint64_t bare, const char **ret_end, uint64_t *ret);

static int read_amount(const struct row *row, quantity_fn quantity, uint64_t bare, const char *text,
		       uint64_t *ret)
{
	uint64_t v;

	if (quantity(text, bare, NULL, &v) || !is_within(row, (double)v))
		return -EINVAL;
	*ret = v;
	return 0;
}

static int store_seconds(const struct row *row, const char *text, void *to)
{
	return read_amount(row, quantity_time, NS_PER_SEC, text, to);
}

static int store_time(const struct row *row, const char *text, void *to)
{
	return read_amount(row, quantity_time, 0, text, to);
}

static void expect_seconds(const struct row *row, char *ret, size_t size)
{
	expect_within(row, "seconds", QUANTITY_TIME_MAX, in_seconds, ret, size);
}

static void expect_time(const struct row *row, char *ret, size_t size)
{
	expect_within(row, "a time such as 5ms,", QUANTITY_TIME_MAX, as_time, ret, size);
}

static void show_seconds(const struct row *row, const void *from, char *ret, size_t size)
{
	(void)row;
	snprintf(ret, size, "%.12g", ns_to_s(*(const uint64_t *)from));
}

const struct row_type row_seconds = {store_seconds, expect_seconds, show_seconds, sizeof(uint64_t)};
/* With the unit that it needs. */
static void show_time(const struct row *row, const void *from, char *ret, size_t size)
{
	char text[QUANTITY_TEXT];

	(void)row;
	snprintf(ret, size, "%s", quantity_time_text(*(const uint64_t *)from, text));
}

const struct row_type row_time = {store_time, expect_time, show_time, sizeof(uint64_t)};

static int store_bytes(const struct row *row, const char *text, void *to)
{
	return read_amount(row, quantity_bytes, 0, text, to);
}

static int store_mib(const struct row *row, const char *text, void *to)
{
	uint64_t v;

	if (read_amount(row, quantity_bytes, MIB, text, &v) || v % MIB)
		return -EINVAL;
	*(uint64_t *)to = v;
	return 0;
}

static void expect_bytes(const struct row *row, char *ret, size_t size)
{
	expect_within(row, "bytes such as 4GiB or 500MB,", 0, as_bytes, ret, size);
}

static void expect_mib(const struct row *row, char *ret, size_t size)
{
	expect_within(row, "whole MiB, as 64 or 4GiB,", 0, as_bytes, ret, size);
}

static void show_bytes(const struct row *row, const void *from, char *ret, size_t size)
{
	char text[QUANTITY_TEXT];

	(void)row;
	snprintf(ret, size, "%s", quantity_bytes_text(*(const uint64_t *)from, text));
}

static void show_mib(const struct row *row, const void *from, char *ret, size_t size)
{
	(void)row;
	snprintf(ret, size, "%.12g", (double)*(const uint64_t *)from / (double)MIB);
}

const struct row_type row_bytes = {store_bytes, expect_bytes, show_bytes, sizeof(uint64_t)};
const struct row_type row_mib = {store_mib, expect_mib, show_mib, sizeof(uint64_t)};

/* ---- names and texts ---- */

static int store_name(const struct row *row, const char *text, void *to)
{
	int found = find_name(row->names, text);

	if (found < 0)
		return -EINVAL;
	*(uint32_t *)to = (uint32_t)row->min + (uint32_t)found;
	return 0;
}

/* What is behind the end is zero: two texts are alike where their bytes are. */
static int store_text(const struct row *row, const char *text, void *to)
{
	size_t len = strlen(text);

	if (len >= row->size || (double)len < row->min)
		return -EINVAL;
	memcpy(to, text, len);
	memset((char *)to + len, 0, row->size - len);
	return 0;
}

static int store_one_of(const struct row *row, const char *text, void *to)
{
	return find_name(row->names, text) < 0 ? -EINVAL : store_text(row, text, to);
}

static void expect_name(const struct row *row, char *ret, size_t size)
{
	names_of(row->names, ret, size);
	if (!ret[0])
		snprintf(ret, size, "another name");
}

static void show_name(const struct row *row, const void *from, char *ret, size_t size)
{
	const char *name = row->names(*(const uint32_t *)from - (uint32_t)row->min);

	snprintf(ret, size, "%s", name ? name : "");
}

static void show_text(const struct row *row, const void *from, char *ret, size_t size)
{
	(void)row;
	snprintf(ret, size, "%s", (const char *)from);
}

const struct row_type row_name = {store_name, expect_name, show_name, sizeof(uint32_t)};
const struct row_type row_one_of = {store_one_of, expect_name, show_text, 0};

static int store_word(const struct row *row, const char *text, void *to)
{
	for (const char *at = text; *at; at++) {
		if (!isalnum((unsigned char)*at) && *at != '_' && *at != '-')
			return -EINVAL;
	}
	return text[0] ? store_text(row, text, to) : -EINVAL;
}

static void expect_text(const struct row *row, char *ret, size_t size)
{
	if (row->min > 0)
		snprintf(ret, size, "a text of %.12g to %zu characters", row->min, row->size - 1);
	else
		snprintf(ret, size, "a text of at most %zu characters", row->size - 1);
}

static void expect_word(const struct row *row, char *ret, size_t size)
{
	snprintf(ret, size, "a name of letters, digits, - and _ (at most %zu)", row->size - 1);
}

const struct row_type row_text = {store_text, expect_text, show_text, 0};
const struct row_type row_word = {store_word, expect_word, show_text, 0};

/* ---- rows ---- */

int row_read(const struct row *row, const char *what, const char *text, void *to, struct failure *f)
{
	char expected[256];
	int err = row->type->store(row, text, to);

	if (err != -EINVAL)
		return err;
	row->type->expected(row, expected, sizeof(expected));
	if (!text[0])
		return failure_set(f, err, "%s: nothing given, expected %s", what, expected);
	return failure_set(f, err, "%s: '%.64s' given, expected %s", what, text, expected);
}

const struct row *rows_find(const struct row *rows, size_t n, const char *name)
{
	for (size_t i = 0; i < n; i++)
		if (!strcmp(rows[i].name, name))
			return &rows[i];
	return NULL;
}

void rows_default(const struct row *rows, size_t n, void *base)
{
	for (size_t i = 0; i < n; i++) {
		const char *standard = rows[i].standard;
		int err = 0;

		if (standard && standard[0])
			err = rows[i].type->store(&rows[i], standard,
						  (char *)base + rows[i].offset);
		assert(!err); /* a default that its own row refuses */
		(void)err;
	}
}

size_t row_size(const struct row *row)
{
	return row->type->size ? row->type->size : row->size;
}
