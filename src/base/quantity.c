/* SPDX-License-Identifier: MIT */
#include "base/quantity.h"

#include "base/units.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct unit {
	const char *name;
	uint64_t factor;
	bool shown; /* by quantity_..._text() */
};

/* In rising order. */
static const struct unit times[] = {
	{"ns", 1, true},
	{"us", NS_PER_US, true},
	{"ms", NS_PER_MS, true},
	{"s", NS_PER_SEC, true},
	{"min", 60 * NS_PER_SEC, false},
	{"h", 3600 * NS_PER_SEC, false},
	{"d", 86400 * NS_PER_SEC, false},
};

static const struct unit sizes[] = {
	{"B", 1, true},
	{"kB", 1000, true},
	{"KiB", KIB, true},
	{"MB", 1000000, true},
	{"MiB", MIB, true},
	{"GB", 1000000000, true},
	{"GiB", 1024 * MIB, true},
	{"TB", 1000000000000, true},
	{"TiB", 1024 * 1024 * MIB, true},
};

int quantity_number(const char *text, const char **ret_end, double *ret)
{
	char *end;
	double v;

	/* strtod(3) reads signs, blanks, "inf" and hexadecimal, too. */
	if (!isdigit((unsigned char)text[0]) && text[0] != '.')
		return -EINVAL;
	if (text[0] == '0' && (text[1] == 'x' || text[1] == 'X'))
		return -EINVAL;
	v = strtod(text, &end);
	if (end == text || !isfinite(v) || (!ret_end && *end))
		return -EINVAL;
	if (ret_end)
		*ret_end = end;
	*ret = v;
	return 0;
}

int quantity_count(const char *text, uint64_t *ret)
{
	char *end;
	unsigned long long v;

	if (!isdigit((unsigned char)text[0]))
		return -EINVAL;
	errno = 0;
	v = strtoull(text, &end, 10);
	if (errno || *end)
		return -EINVAL;
	*ret = v;
	return 0;
}

/* The unit whose name is all letters that begin the text; NULL: none. */
static const struct unit *unit_at(const char *text, const struct unit *units, size_t n)
{
	size_t len = 0;

	while (isalpha((unsigned char)text[len]))
		len++;
	for (size_t i = 0; i < n; i++) {
		if (len && !strncmp(text, units[i].name, len) && !units[i].name[len])
			return &units[i];
	}
	return NULL;
}

static const struct quantity {
	const struct unit *units;
	size_t n;
	double max; /* in the smallest unit */
} any_time = {times, ARRAY_SIZE(times), QUANTITY_TIME_MAX},
  any_size = {sizes, ARRAY_SIZE(sizes), 0x1p63 - 0x1p10};

/* A number and one of the units. */
static int amount(const char *text, const struct quantity *q, uint64_t bare, const char **ret_end,
		  uint64_t *ret)
{
	const char *end;
	const struct unit *unit;
	double v;

	if (quantity_number(text, &end, &v))
		return -EINVAL;
	unit = unit_at(end, q->units, q->n);
	if (unit)
		end += strlen(unit->name);
	else if (!bare || isalpha((unsigned char)*end))
		return -EINVAL;
	v *= (double)(unit ? unit->factor : bare);
	if (v > q->max || (!ret_end && *end))
		return -EINVAL;
	if (ret_end)
		*ret_end = end;
	*ret = (uint64_t)llround(v);
	return 0;
}

int quantity_time(const char *text, uint64_t bare, const char **ret_end, uint64_t *ret_ns)
{
	return amount(text, &any_time, bare, ret_end, ret_ns);
}

int quantity_bytes(const char *text, uint64_t bare, const char **ret_end, uint64_t *ret)
{
	return amount(text, &any_size, bare, ret_end, ret);
}

int quantity_fraction(const char *text, const char **ret_end, double *ret)
{
	const char *end;
	double v;
	bool percent;

	if (quantity_number(text, &end, &v))
		return -EINVAL;
	percent = *end == '%';
	end += percent;
	if (!ret_end && *end)
		return -EINVAL;
	if (ret_end)
		*ret_end = end;
	*ret = percent ? v / 100 : v;
	return 0;
}

static const char *text_of(uint64_t v, const struct quantity *q, char ret[QUANTITY_TEXT])
{
	const struct unit *best = &q->units[0];

	for (size_t i = 0; i < q->n; i++) {
		if (q->units[i].shown && v && v % q->units[i].factor == 0)
			best = &q->units[i];
	}
	snprintf(ret, QUANTITY_TEXT, "%" PRIu64 "%s", v / best->factor, best->name);
	return ret;
}

const char *quantity_time_text(uint64_t ns, char ret[QUANTITY_TEXT])
{
	return ns ? text_of(ns, &any_time, ret) : strcpy(ret, "0s");
}

const char *quantity_bytes_text(uint64_t bytes, char ret[QUANTITY_TEXT])
{
	return text_of(bytes, &any_size, ret);
}
