/* SPDX-License-Identifier: MIT */
#include "base/options.h"

#include "base/units.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int parse_uint(const char *text, uint64_t *ret)
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

int parse_seconds(const char *text, uint64_t *ret_ns)
{
	char *end;
	double v;

	if (!isdigit((unsigned char)text[0]) && text[0] != '.')
		return -EINVAL;
	if (strpbrk(text, "xXeEpP"))
		return -EINVAL;
	v = strtod(text, &end);
	if (*end || end == text || !isfinite(v) || v > 1e9)
		return -EINVAL;
	*ret_ns = (uint64_t)llround(v * 1e9);
	return 0;
}

static const struct option_row *find_row(const struct command *c, const char *arg, size_t len)
{
	for (int i = 0; i < c->n_rows; i++) {
		const struct option_row *row = &c->rows[i];

		if (arg[0] == '-' && arg[1] == '-') {
			if (row->name && strlen(row->name) == len - 2 &&
			    !strncmp(row->name, arg + 2, len - 2))
				return row;
		} else if (row->letter && len == 2 && arg[1] == row->letter) {
			return row;
		}
	}
	return NULL;
}

/* Bounds of a row in the unit that a person types. */
static int bounds_failure(const struct option_row *row, const char *what, const char *value,
			  struct failure *f)
{
	double unit = row->type == OPTION_SECONDS ? 1e9 : 1;
	const char *kind = row->type == OPTION_SECONDS ? "seconds" : "a whole number";

	if (row->max)
		return failure_set(f, -EINVAL, "%s: '%s' given, expected %s from %g to %g", what,
				   value, kind, (double)row->min / unit, (double)row->max / unit);
	return failure_set(f, -EINVAL, "%s: '%s' given, expected %s, at least %g", what, value,
			   kind, (double)row->min / unit);
}

int options_store(const struct option_row *row, const char *what, const char *value,
		  struct failure *f)
{
	uint64_t v;
	int err;

	if (row->type == OPTION_STRING) {
		*(const char **)row->dest = value;
		return 0;
	}
	err = row->type == OPTION_SECONDS ? parse_seconds(value, &v) : parse_uint(value, &v);
	if (err || v < row->min || (row->max && v > row->max))
		return bounds_failure(row, what, value, f);
	*(uint64_t *)row->dest = v;
	return 0;
}

/* A value that belongs to `what`, from behind it or from the next word. Returns the words taken. */
static int take_value(const struct option_row *row, const char *what, const char *attached,
		      const char *next, struct failure *f)
{
	const char *value = attached ? attached : next;
	int err;

	if (!value)
		return failure_set(f, -EINVAL, "%s wants %s behind it", what, row->argument);
	err = options_store(row, what, value, f);
	return err ? err : attached ? 1 : 2;
}

/* "-bn1": flags, and at most one option with a value, which is the rest of the word or the next. */
static int parse_letters(const struct command *c, const char *arg, const char *next,
			 struct failure *f)
{
	for (const char *p = arg + 1; *p; p++) {
		const char what[] = {'-', *p, '\0'};
		const struct option_row *row = find_row(c, what, 2);

		if (!row)
			return failure_set(f, -EINVAL, "unknown option '%s'; --help lists them",
					   what);
		if (row->type != OPTION_FLAG)
			return take_value(row, what, p[1] ? p + 1 : NULL, next, f);
		*(bool *)row->dest = true;
	}
	return 1;
}

/* One word that begins with a dash. Returns how many words it took, or a negative error. */
static int parse_one(const struct command *c, const char *arg, const char *next, struct failure *f)
{
	const char *equals = strchr(arg, '=');
	size_t len = equals ? (size_t)(equals - arg) : strlen(arg);
	const struct option_row *row;
	char what[64];

	if (arg[1] != '-')
		return parse_letters(c, arg, next, f);
	row = find_row(c, arg, len);
	if (!row)
		return failure_set(f, -EINVAL, "unknown option '%s'; --help lists them", arg);
	snprintf(what, sizeof(what), "%.*s", (int)len, arg);
	if (row->type != OPTION_FLAG)
		return take_value(row, what, equals ? equals + 1 : NULL, next, f);
	if (equals)
		return failure_set(f, -EINVAL, "%s takes no value", what);
	*(bool *)row->dest = true;
	return 1;
}

int options_parse(const struct command *c, int argc, char **argv, struct failure *f, bool *ret_help)
{
	int i = 1;

	*ret_help = false;
	while (i < argc && argv[i][0] == '-' && argv[i][1]) {
		int words;

		if (!strcmp(argv[i], "--"))
			return i + 1;
		if (!strcmp(argv[i], "--help") || !strcmp(argv[i], "-h")) {
			*ret_help = true;
			return i;
		}
		words = parse_one(c, argv[i], i + 1 < argc ? argv[i + 1] : NULL, f);
		if (words < 0)
			return words;
		i += words;
	}
	if (i < argc && !c->operands[0])
		return failure_set(f, -EINVAL, "unexpected word '%s'; --help shows the usage",
				   argv[i]);
	return i;
}

void options_help(const struct command *c, const char *program)
{
	printf("Usage: %s%s%s [OPTION...]%s%s\n\n%s\n\nOptions:\n", program, c->name[0] ? " " : "",
	       c->name, c->operands[0] ? " " : "", c->operands, c->summary);
	for (int i = 0; i < c->n_rows; i++) {
		const struct option_row *row = &c->rows[i];
		char left[64];
		int n = 0;

		if (row->letter)
			n += snprintf(left, sizeof(left), "-%c%s", row->letter,
				      row->name ? ", " : "");
		if (row->name)
			n += snprintf(left + n, sizeof(left) - (size_t)n, "--%s", row->name);
		if (row->argument)
			snprintf(left + n, sizeof(left) - (size_t)n, " %s", row->argument);
		printf("  %-22s %s\n", left, row->help);
	}
	printf("  %-22s %s\n", "-h, --help", "show this text");
	if (c->examples)
		printf("\nExamples:\n%s", c->examples);
}

void options_list(const struct command *c)
{
	for (int i = 0; i < c->n_rows; i++) {
		if (c->rows[i].name)
			printf("--%s\n", c->rows[i].name);
		else
			printf("-%c\n", c->rows[i].letter);
	}
	printf("--help\n");
}
