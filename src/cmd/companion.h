/* SPDX-License-Identifier: MIT */
/* The programs that hold some of desched's commands, so that nobody has to install what they don't
 * use. They are beside the running program (a build folder), or in libexec. */
#ifndef CMD_COMPANION_H
#define CMD_COMPANION_H

#include "base/failure.h"

#include <stdbool.h>

bool companion_is_there(const char *program);

/* Runs it with one word, which prints to standard output. 0, or -errno if it can't be run. */
int companion_run(const char *program, const char *word);

/* Executes it with the words of `argv`. Returns only on failure, with one line in `f`. */
int companion_become(const char *program, char **argv, struct failure *f);

#endif
