/* SPDX-License-Identifier: MIT */
/* The subcommands, in the order of desched's help: NAME has its file src/cmd/NAME.c, with what it
 * is called and takes in command_NAME, and cmd_NAME(), which returns the exit status. */
#ifndef CMD_COMMANDS_H
#define CMD_COMMANDS_H

#include "base/options.h"

/* clang-format off */
#define COMMANDS(row) \
	row(top) \
	row(record) \
	row(history) \
	row(gaps) \
	row(stat) \
	row(view) \
	row(correct) \
	row(doctor) \
	row(lab) \
	row(ledger) \
	row(sim) \
	row(vm) \
	row(ticks)
/* clang-format on */

#define COMMAND_DECLARE(name)                                                                      \
	extern const struct command command_##name;                                                \
	int cmd_##name(int argc, char **argv);
COMMANDS(COMMAND_DECLARE)

#endif
