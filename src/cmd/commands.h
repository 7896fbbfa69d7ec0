/* SPDX-License-Identifier: MIT */
/* The subcommands: one file each, one row each in main.c. */
#ifndef CMD_COMMANDS_H
#define CMD_COMMANDS_H

#include "base/options.h"

extern const struct command command_lab, command_ledger, command_sim, command_stat, command_top;

int cmd_lab(int argc, char **argv);
int cmd_ledger(int argc, char **argv);
int cmd_sim(int argc, char **argv);
int cmd_stat(int argc, char **argv);
int cmd_top(int argc, char **argv);

#endif
