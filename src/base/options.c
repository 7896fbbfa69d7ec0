/* SPDX-License-Identifier: MIT */
#include "base/options.h"

#include "base/units.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- what only a command line has ---- */

static int store_flag(const struct row *row, const char *text, void *to)
{
	(void)row;
	(void)text;
	*(bool *)to = true;
	return 0;
}

static int store_text(const struct row *row, const char *text, void *to)
{
	(void)row;
	*(const char **)to = text;
	return 0;
}

/* Of a file, a socket, a user: there is none without letters. */
static int store_string(const struct row *row, const char *text, void *to)
{
	return text[0] ? store_text(row, text, to) : -EINVAL;
}

static int store_choice(const struct row *row, const char *text, void *to)
{
	struct option_choice *choice = to;
	int found = names_find(row->names, row->name, text, NULL);

	if (found >= 0)
		choice->value = row->names((size_t)found);
	return found < 0 ? found : 0;
}

static void expect_choice(const struct row *row, char *ret, size_t size)
{
	names_of(row->names, ret, size);
	if (!ret[0])
		snprintf(ret, size, "another name; see --help");
}

static int store_listed(const struct row *row, const char *text, void *to)
{
	struct option_list *list = to;

	(void)row;
	if (!text[0])
		return -EINVAL;
	if (list->n == OPTION_LIST_MAX)
		return -E2BIG;
	list->at[list->n++] = text;
	return 0;
}

static int store_output(const struct row *row, const char *text, void *to)
{
	(void)row;
	if (text && !text[0])
		return -EINVAL;
	*(struct option_output *)to = (struct option_output){true, text};
	return 0;
}

static void expect_string(const struct row *row, char *ret, size_t size)
{
	snprintf(ret, size, "%s", row->help); /* what the help calls it */
}

const struct row_type option_flag = {store_flag, expect_string, NULL, sizeof(bool)};
const struct row_type option_string = {store_string, expect_string, NULL, sizeof(char *)};
const struct row_type option_text = {store_text, expect_string, NULL, sizeof(char *)};
const struct row_type option_choice = {store_choice, expect_choice, NULL,
				       sizeof(struct option_choice)};
const struct row_type option_list = {store_listed, expect_string, NULL, sizeof(struct option_list)};
const struct row_type option_output = {store_output, expect_string, NULL,
				       sizeof(struct option_output)};

static int store_option(const struct option_row *o, const char *what, const char *value,
			struct failure *f)
{
	const struct option_choice *choice = o->dest;
	const struct row row = {.name = what,
				.type = o->type,
				.min = (double)o->min,
				.max = (double)o->max,
				.help = o->argument,
				.names = o->type == OPTION_CHOICE ? choice->name : NULL};
	int err = row_read(&row, what, value, o->dest, f);

	return err == -E2BIG ? failure_set(f, -EINVAL, "%s: given more than %d times", what,
					   OPTION_LIST_MAX)
			     : err;
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
		err = store_option(row, what, optarg, f);
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
