/* SPDX-License-Identifier: MIT */
/*
 * Running a command: what all programs of desched do alike. Options and operands are parsed, help
 * is printed, what went wrong is printed once, and output that is lost is a failure, too.
 *
 * `run` gets the operands (a NULL follows the last) and returns an exit status, or -errno for a
 * failure, which exits with 1. Where the status is not 0, the text in `f` is printed, unless it is
 * empty.
 */
#ifndef BASE_COMMAND_H
#define BASE_COMMAND_H

#include "base/options.h"

#include <signal.h>

enum {
	COMMAND_OK = 0,
	COMMAND_FAILED = 1,
	COMMAND_USAGE = 2, /* the command line is wrong: nothing was done */
};

/*
 * The whole of a main(). `program` is what comes before the command's name: "desched"; the name may
 * be "", and then `--list [OPTION]` as the only words serves completion.
 */
int command_main(const struct command *c, const char *program, int argc, char **argv);

/* Puts the text into `f` and returns COMMAND_USAGE. */
int command_usage(struct failure *f, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Flushes standard output: 0, or -errno and a line in `f` when something of it is lost. For
 * commands that print until they are interrupted; the others are asked at their end. */
int command_flush(struct failure *f);

/* Says in `f` that standard output is lost, for the reason `err` (0: not known), and returns it.
 * The end of the command does not say so again. */
int command_lost(struct failure *f, int err);

/* Ends a program that isn't a command: `status`, or 1 and a line when standard output was lost. The
 * line begins with `program`; NULL: no line. */
int command_exit(const char *program, int status);

/* Set by SIGINT, SIGTERM and, unless it is ignored, SIGHUP after command_catch_signals(). */
extern volatile sig_atomic_t command_stop;
void command_catch_signals(void);

#endif
