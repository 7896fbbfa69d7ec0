/* SPDX-License-Identifier: MIT */
/*
 * desched, and the programs beside it that hold the rest of its commands: finds the command's row
 * and runs it, in this process or by becoming the program that holds it.
 */
#include "base/units.h"
#include "cmd/commands.h"
#include "cmd/companion.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static const struct command_row {
	const char *name, *program;
	const struct command *command; /* NULL: another program holds it */
} rows[] = {
/* clang-format off */
#define COMMAND_ROW(name, program) {#name, program, &command_##name},
	COMMANDS(COMMAND_ROW)
	/* clang-format on */
};

static const struct command_row *find(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		if (!strcmp(name, rows[i].name))
			return &rows[i];
	return NULL;
}

static bool is_first_of_program(const struct command_row *row)
{
	return row == rows || strcmp(row->program, row[-1].program) != 0;
}

/* This program's part of the list of commands; the others print theirs for `--summaries`. */
static void summaries(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		if (rows[i].command)
			printf("  %-10s %s\n", rows[i].name, rows[i].command->summary);
}

static void print_absent(const struct command_row *first)
{
	printf("  ");
	for (const struct command_row *r = first;
	     r < rows + ARRAY_SIZE(rows) && !strcmp(r->program, first->program); r++)
		printf("%s%s", r == first ? "" : ", ", r->name);
	printf(": install the package %s\n", first->program);
}

static int usage(void)
{
	printf("Usage: desched COMMAND [OPTION...]\n\n"
	       "Where a virtual machine's CPU time went.\n\nCommands:\n");
	summaries();
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		if (!is_first_of_program(&rows[i]) || rows[i].command)
			continue;
		fflush(stdout);
		if (companion_run(rows[i].program, "--summaries"))
			print_absent(&rows[i]);
	}
	printf("\n'desched help COMMAND' and desched-COMMAND(1) tell more.\n");
	return COMMAND_OK;
}

static int complain(struct failure *f, int status)
{
	fprintf(stderr, "desched: %s\n", f->text);
	return status;
}

static int unknown(const char *name)
{
	struct failure f;

	failure_set(&f, -EINVAL, "no command '%s'; 'desched --help' lists them", name);
	return complain(&f, COMMAND_USAGE);
}

/* Becomes the program that holds the command, with the same words. */
static int hand_over(const struct command_row *row, char **argv)
{
	struct failure f;

	companion_become(row->program, argv, &f);
	return complain(&f, COMMAND_FAILED);
}

/* What desched itself is asked: words[0] may be the name of a command. `argv` has all the words. */
static int help(char **words, char **argv)
{
	const struct command_row *row = words[0] ? find(words[0]) : NULL;

	if (!words[0])
		return usage();
	if (!row)
		return unknown(words[0]);
	if (!row->command)
		return hand_over(row, argv);
	options_help(row->command, "desched");
	return COMMAND_OK;
}

/* `desched --list [COMMAND [OPTION]]`: the words that shell completion offers. */
static int list(char **words, char **argv)
{
	const struct command_row *row = words[0] ? find(words[0]) : NULL;

	for (size_t i = 0; !words[0] && i < ARRAY_SIZE(rows); i++)
		if (rows[i].command || companion_is_there(rows[i].program))
			puts(rows[i].name);
	if (row && !row->command)
		return hand_over(row, argv);
	if (row)
		options_list(row->command, words[1]);
	return COMMAND_OK;
}

static int version(void)
{
	printf("desched %s\n", DESCHED_VERSION);
	return COMMAND_OK;
}

static int own(char **argv)
{
	const char *name = argv[1];

	if (!strcmp(name, "--list"))
		return list(argv + 2, argv);
	if (!strcmp(name, "--version") || !strcmp(name, "-V"))
		return version();
	if (!strcmp(name, "--help") || !strcmp(name, "-h") || !strcmp(name, "help"))
		return help(argv + 2, argv);
	return unknown(name);
}

int main(int argc, char **argv)
{
	const struct command_row *row = argc > 1 ? find(argv[1]) : NULL;

	if (argc < 2) {
		fprintf(stderr, "desched: expected a command; 'desched --help' lists them\n");
		return COMMAND_USAGE;
	}
	if (row && row->command)
		return command_main(row->command, "desched", argc - 1, argv + 1);
	if (row)
		return hand_over(row, argv);
	if (!strcmp(argv[1], "--summaries")) {
		summaries();
		return command_exit(NULL, COMMAND_OK);
	}
	return command_exit("desched", own(argv));
}
