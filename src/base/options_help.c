/* SPDX-License-Identifier: MIT */
/* What the rows of a command's options say: to people (help) and to shells (completion). */
#include "base/options.h"
#include "base/text.h"
#include "base/units.h"

#include <stdio.h>
#include <string.h>

/* ---- help ---- */

#define HELP_AT	   25
#define HELP_WIDTH 80

static void default_number(const struct option_row *row, char *ret, size_t size)
{
	uint64_t v = *(const uint64_t *)row->dest;
	char text[64];

	if (!v || v == UINT64_MAX)
		return;
	row->type->show(NULL, row->dest, text, sizeof(text));
	snprintf(ret, size, " (%s)", text);
}

static void default_string(const char *value, char *ret, size_t size)
{
	if (value && value[0])
		snprintf(ret, size, " (%s)", value);
}

static void default_choice(const struct option_choice *choice, char *ret, size_t size)
{
	char names[256];
	size_t used;

	names_of(choice->name, names, sizeof(names));
	used = (size_t)snprintf(ret, size, "%s%s", names[0] ? ": " : "", names);
	default_string(choice->value, ret + used, size - used);
}

/* What may be given, and what is taken otherwise. */
static void describe(const struct option_row *row, char *ret, size_t size)
{
	ret[0] = '\0';
	if (!row->dest)
		return;
	if (row->type->show)
		default_number(row, ret, size);
	else if (row->type == OPTION_STRING)
		default_string(*(const char **)row->dest, ret, size);
	else if (row->type == OPTION_CHOICE)
		default_choice(row->dest, ret, size);
}

static void print_left(const struct option_row *row, char *ret, size_t size)
{
	char letter[8] = "";

	if (row->letter)
		snprintf(letter, sizeof(letter), "-%c%s", row->letter, row->name ? ", " : "");
	snprintf(ret, size, "%s%s%s%s%s%s", letter, row->name ? "--" : "",
		 row->name ? row->name : "",
		 row->type == OPTION_OUTPUT ? "[="
		 : row->argument	    ? " "
					    : "",
		 row->argument ? row->argument : "", row->type == OPTION_OUTPUT ? "]" : "");
}

static void print_row(const struct option_row *row)
{
	char left[64], more[384], text[768];

	print_left(row, left, sizeof(left));
	describe(row, more, sizeof(more));
	snprintf(text, sizeof(text), "%s%s", row->help, more);
	printf("  %-22s ", left);
	if (strlen(left) > 22)
		printf("\n%*s", HELP_AT, "");
	text_wrap(text, HELP_AT, HELP_WIDTH, stdout);
}

void options_help(const struct command *c, const char *program)
{
	static const struct option_row help = {'h',  "help", NULL, OPTION_FLAG,
					       NULL, 0,	     0,	   "show this text"};

	printf("Usage: %s%s%s [OPTION...]%s%s\n\n%s\n\nOptions:\n", program, c->name[0] ? " " : "",
	       c->name, c->operands[0] ? " " : "", c->operands, c->summary);
	for (int i = 0; i < c->n_rows; i++)
		print_row(&c->rows[i]);
	print_row(&help);
	if (c->examples)
		printf("\nExamples:\n%s", c->examples);
}

/* ---- completion ---- */

static void list_names(name_fn name)
{
	for (size_t i = 0; name(i); i++)
		puts(name(i));
}

static bool is_called(const struct option_row *row, const char *word)
{
	if (word[0] == '-' && word[1] == '-')
		return row->name && !strcmp(row->name, word + 2);
	return row->letter && word[0] == '-' && word[1] == row->letter && !word[2];
}

static void list_values(const struct option_row *row)
{
	static const char *const files[] = {"FILE", "PATH", "DIR"};

	if (row->type == OPTION_CHOICE)
		list_names(((const struct option_choice *)row->dest)->name);
	for (size_t i = 0; row->argument && i < ARRAY_SIZE(files); i++)
		if (!strcmp(row->argument, files[i]))
			puts("<file>");
}

static void list_options(const struct command *c)
{
	for (int i = 0; i < c->n_rows; i++) {
		if (c->rows[i].name)
			printf("--%s\n", c->rows[i].name);
		else
			printf("-%c\n", c->rows[i].letter);
	}
	printf("--help\n");
}

void options_list(const struct command *c, const char *word)
{
	if (!word)
		list_options(c);
	else if (!strcmp(word, "-") && c->operand_name)
		list_names(c->operand_name);
	else if (!strcmp(word, "-") && c->operands[0])
		puts("<file>");
	for (int i = 0; word && i < c->n_rows; i++)
		if (is_called(&c->rows[i], word))
			list_values(&c->rows[i]);
}
