/* SPDX-License-Identifier: MIT */
/*
 * The subcommands: NAME has its file src/cmd/NAME.c, and what it is called, takes and does is
 * command_NAME. PROGRAM is the executable that holds it, and the package that brings it: desched
 * runs the others for what it does not hold. meson.build has the list (`programs`) and gives it to
 * the compiler as COMMANDS(row), which is row(NAME, "PROGRAM") for each, in the order of the help.
 */
#ifndef CMD_COMMANDS_H
#define CMD_COMMANDS_H

#include "base/command.h"

/* Weak: NULL in a program that does not hold it. */
#define COMMAND_DECLARE(name, program)                                                             \
	extern const struct command command_##name __attribute__((weak));
COMMANDS(COMMAND_DECLARE)

#endif
