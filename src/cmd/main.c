/* SPDX-License-Identifier: MIT */
#include "cmd/sim.h"

#include <stdio.h>
#include <string.h>

static const struct {
	const struct command *command;
	int (*run)(int argc, char **argv);
} commands[] = {
	{&command_sim, cmd_sim},
};

int main(int argc, char **argv)
{
	for (size_t i = 0; argc > 1 && i < sizeof(commands) / sizeof(commands[0]); i++) {
		if (!strcmp(argv[1], commands[i].command->name))
			return commands[i].run(argc - 1, argv + 1);
	}
	fprintf(stderr, "desched: expected a command: sim\n");
	return 2;
}
