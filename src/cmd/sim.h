/* SPDX-License-Identifier: MIT */
#ifndef CMD_SIM_H
#define CMD_SIM_H

#include "base/options.h"

extern const struct command command_sim;
int cmd_sim(int argc, char **argv);

#endif
