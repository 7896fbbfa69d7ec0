/* SPDX-License-Identifier: MIT */
/* desched: finds the subcommand's row and runs it. */
#include "base/units.h"
#include "cmd/commands.h"

#include <stdio.h>
#include <string.h>

static const struct {
	const struct command *command;
	int (*run)(int argc, char **argv);
} commands[] = {
	{&command_top, cmd_top}, {&command_lab, cmd_lab},   {&command_ledger, cmd_ledger},
	{&command_sim, cmd_sim}, {&command_stat, cmd_stat},
};

static void usage(FILE *to)
{
	fprintf(to, "Usage: desched COMMAND [OPTION...]\n\n"
		    "Where a virtual machine's CPU time went.\n\nCommands:\n");
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
		fprintf(to, "  %-10s %s\n", commands[i].command->name,
			commands[i].command->summary);
	fprintf(to, "\n'desched COMMAND --help' and desched-COMMAND(1) tell more.\n");
}

/* `desched --list [COMMAND]`: the words that shell completion offers. */
static int list(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++) {
		if (!name)
			printf("%s\n", commands[i].command->name);
		else if (!strcmp(name, commands[i].command->name))
			options_list(commands[i].command);
	}
	return 0;
}

int main(int argc, char **argv)
{
	const char *name = argc > 1 ? argv[1] : "--help";

	if (!strcmp(name, "--list"))
		return list(argc > 2 ? argv[2] : NULL);
	if (!strcmp(name, "--version") || !strcmp(name, "-V")) {
		printf("desched %s\n", DESCHED_VERSION);
		return 0;
	}
	if (!strcmp(name, "--help") || !strcmp(name, "-h") || !strcmp(name, "help")) {
		usage(stdout);
		return argc > 1 ? 0 : 1;
	}
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
		if (!strcmp(name, commands[i].command->name))
			return commands[i].run(argc - 1, argv + 1);
	fprintf(stderr, "desched: no command '%s'; 'desched --help' lists them\n", name);
	return 2;
}
