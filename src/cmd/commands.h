/* SPDX-License-Identifier: MIT */
/*
 * The subcommands, in the order of desched's help: NAME has its file src/cmd/NAME.c, and what it is
 * called, takes and does is command_NAME. PROGRAM is the executable that holds it, and the package
 * that brings it; meson.build reads these rows. desched runs the others for what it does not hold.
 */
#ifndef CMD_COMMANDS_H
#define CMD_COMMANDS_H

#include "base/command.h"

/* clang-format off */
#define COMMANDS(row) \
	row(top, "desched") \
	row(record, "desched") \
	row(history, "desched") \
	row(gaps, "desched") \
	row(stat, "desched") \
	row(view, "desched") \
	row(correct, "desched") \
	row(doctor, "desched") \
	row(ledger, "desched") \
	row(lab, "desched-lab") \
	row(sim, "desched-lab") \
	row(vm, "desched-vm") \
	row(ticks, "desched-vm")
/* clang-format on */

/* Weak: NULL in a program that does not hold it. */
#define COMMAND_DECLARE(name, program)                                                             \
	extern const struct command command_##name __attribute__((weak));
COMMANDS(COMMAND_DECLARE)

#endif
