/* SPDX-License-Identifier: MIT */
#include "base/options.h"

#include "base/units.h"

#include <ctype.h>
#include <errno.h>
#include <getopt.h>
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

/* Bounds of a row in the unit that a person types. */
static int bounds_failure(const struct option_row *row, const char *what, const char *value,
			  struct failure *f)
{
	double unit = row->type == OPTION_SECONDS ? 1e9 : 1;
	const char *kind = row->type == OPTION_SECONDS ? "seconds" : "a whole number";

	if (row->max)
		return failure_set(f, -EINVAL, "%s: '%s' given, expected %s from %.12g to %.12g",
				   what, value, kind, (double)row->min / unit,
				   (double)row->max / unit);
	return failure_set(f, -EINVAL, "%s: '%s' given, expected %s, at least %.12g", what, value,
			   kind, (double)row->min / unit);
}

#define NAMES_MAX 16

void options_names(option_name_fn name, char *ret, size_t size)
{
	size_t n = 0, used = 0;

	ret[0] = '\0';
	while (name(n))
		n++;
	for (size_t i = 0; n <= NAMES_MAX && name(i) && used < size; i++)
		used += (size_t)snprintf(ret + used, size - used, "%s%s",
					 !i	       ? ""
					 : name(i + 1) ? ", "
						       : " or ",
					 name(i));
}

int options_find(option_name_fn name, const char *what, const char *value, struct failure *f)
{
	char names[256];

	for (size_t i = 0; name(i); i++)
		if (!strcmp(name(i), value))
			return (int)i;
	options_names(name, names, sizeof(names));
	return failure_set(f, -EINVAL, "%s: '%s' given, expected %s", what, value,
			   names[0] ? names : "another name; see --help");
}

static int store_choice(struct option_choice *choice, const char *what, const char *value,
			struct failure *f)
{
	int found = options_find(choice->name, what, value, f);

	if (found >= 0)
		choice->value = choice->name((size_t)found);
	return found < 0 ? found : 0;
}

static int store_listed(struct option_list *list, const char *what, const char *value,
			struct failure *f)
{
	if (list->n == OPTION_LIST_MAX)
		return failure_set(f, -EINVAL, "%s: given more than %d times", what,
				   OPTION_LIST_MAX);
	list->at[list->n++] = value;
	return 0;
}

static int store_number(const struct option_row *row, const char *what, const char *value,
			struct failure *f)
{
	uint64_t v;
	int err = row->type == OPTION_SECONDS ? parse_seconds(value, &v) : parse_uint(value, &v);

	if (err || v < row->min || (row->max && v > row->max))
		return bounds_failure(row, what, value, f);
	*(uint64_t *)row->dest = v;
	return 0;
}

/* Of a file, a socket, a user: there is none without letters. */
static bool is_name(enum option_type type)
{
	return type == OPTION_STRING || type == OPTION_LIST || type == OPTION_OUTPUT;
}

int options_store(const struct option_row *row, const char *what, const char *value,
		  struct failure *f)
{
	if (value && !value[0] && is_name(row->type))
		return failure_set(f, -EINVAL, "%s: nothing given, expected %s", what,
				   row->argument);
	switch (row->type) {
	case OPTION_FLAG:
		*(bool *)row->dest = true;
		return 0;
	case OPTION_STRING:
	case OPTION_TEXT:
		*(const char **)row->dest = value;
		return 0;
	case OPTION_CHOICE:
		return store_choice(row->dest, what, value, f);
	case OPTION_LIST:
		return store_listed(row->dest, what, value, f);
	case OPTION_OUTPUT:
		*(struct option_output *)row->dest = (struct option_output){true, value};
		return 0;
	case OPTION_UINT:
	case OPTION_SECONDS:
		break;
	}
	return store_number(row, what, value, f);
}

/* ---- getopt_long(3) over the rows ---- */

#define ROWS_MAX 64
#define HELP	 (ROWS_MAX + 256) /* what getopt_long gives for --help; row i is i + 256 */

struct grammar {
	const struct command *command;
	struct option longs[ROWS_MAX + 2];
	char shorts[3 * ROWS_MAX + 4];
};

static int takes(const struct option_row *row)
{
	return row->type == OPTION_FLAG	    ? no_argument
	       : row->type == OPTION_OUTPUT ? optional_argument
					    : required_argument;
}

static void make_grammar(const struct command *c, struct grammar *g)
{
	struct option *l = g->longs;
	char *s = g->shorts;

	if (c->runs_command)
		*s++ = '+';
	*s++ = ':';
	for (int i = 0; i < c->n_rows && i < ROWS_MAX; i++) {
		const struct option_row *row = &c->rows[i];
		int has = takes(row);

		if (row->name)
			*l++ = (struct option){row->name, has, NULL, 256 + i};
		if (row->letter) {
			*s++ = row->letter;
			memcpy(s, "::", (size_t)has);
			s += has;
		}
	}
	*l = (struct option){"help", no_argument, NULL, HELP};
	memcpy(s, "h", 2);
}

/* The row behind what getopt_long has returned or left in optopt; NULL: none. */
static const struct option_row *row_of(const struct grammar *g, int value)
{
	if (value >= 256)
		return value < HELP ? &g->command->rows[value - 256] : NULL;
	for (int i = 0; value && i < g->command->n_rows; i++)
		if (g->command->rows[i].letter == value)
			return &g->command->rows[i];
	return NULL;
}

static void call_row(const struct option_row *row, int value, char ret[64])
{
	if (value >= 256)
		snprintf(ret, 64, "--%s", row->name);
	else
		snprintf(ret, 64, "-%c", value);
}

/* How many rows' names begin with the word, whose dashes and value don't count. */
static int beginners(const struct grammar *g, const char *word)
{
	size_t len = strcspn(word + 2, "=");
	int n = 0;

	for (const struct option *l = g->longs; l->name; l++)
		n += !strncmp(l->name, word + 2, len);
	return n;
}

/* Why getopt_long has stopped at `word`. */
static int refuse(const struct grammar *g, int got, const char *word, struct failure *f)
{
	const struct option_row *row = row_of(g, optopt);
	char what[64];

	if (row) {
		call_row(row, optopt, what);
		return got == ':' ? failure_set(f, -EINVAL, "%s: expected %s", what, row->argument)
				  : failure_set(f, -EINVAL, "%s takes no value", what);
	}
	if (optopt == HELP)
		return failure_set(f, -EINVAL, "--help takes no value");
	if (optopt)
		return failure_set(f, -EINVAL, "unknown option '-%c'; --help lists them", optopt);
	if (beginners(g, word) > 1)
		return failure_set(f, -EINVAL, "several options begin with '%s'; --help lists them",
				   word);
	return failure_set(f, -EINVAL, "unknown option '%s'; --help lists them", word);
}

/* One pass over the words. Without `store` it looks for --help alone. */
static int pass(const struct grammar *g, int argc, char **argv, bool store, struct failure *f,
		bool *ret_help)
{
	char what[64];
	int got, err;

	opterr = 0;
	optind = 0; /* begin again */
	while ((got = getopt_long(argc, argv, g->shorts, g->longs, NULL)) != -1) {
		const struct option_row *row = got == '?' || got == ':' ? NULL : row_of(g, got);

		if (got == HELP || (got == 'h' && !row)) {
			*ret_help = true;
			return optind;
		}
		if (!store)
			continue;
		if (!row)
			return refuse(g, got, argv[optind - 1], f);
		call_row(row, got, what);
		err = options_store(row, what, optarg, f);
		if (err)
			return err;
	}
	return optind;
}

static int check_operands(const struct command *c, int n, char **words, struct failure *f)
{
	if (n && !c->operands[0])
		return failure_set(f, -EINVAL, "unexpected word '%s'; --help shows the usage",
				   words[0]);
	if (n < c->least)
		return failure_set(f, -EINVAL, "expected %s%s%s%s; --help shows the usage",
				   c->operands, n ? ": nothing follows '" : "",
				   n ? words[n - 1] : "", n ? "'" : "");
	if (c->most && n > c->most)
		return failure_set(f, -EINVAL,
				   "unexpected word '%s': expected %s; --help shows the usage",
				   words[c->most], c->operands);
	for (int i = 0; i < n && !c->runs_command; i++)
		if (!words[i][0])
			return failure_set(f, -EINVAL,
					   "expected %s, not an empty word; --help shows the usage",
					   c->operands);
	return 0;
}

int options_parse(const struct command *c, int argc, char **argv, struct failure *f, bool *ret_help)
{
	struct grammar g = {.command = c};
	int first, err;

	make_grammar(c, &g);
	*ret_help = false;
	first = pass(&g, argc, argv, false, f, ret_help);
	if (*ret_help)
		return first;
	first = pass(&g, argc, argv, true, f, ret_help);
	if (first < 0)
		return first;
	err = check_operands(c, argc - first, argv + first, f);
	return err ? err : first;
}
