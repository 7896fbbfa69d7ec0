/* SPDX-License-Identifier: MIT */
/*
 * Command lines as tables. A command is one `struct command` with rows of options; help text,
 * parsing and shell completion are made from the rows.
 */
#ifndef BASE_OPTIONS_H
#define BASE_OPTIONS_H

#include "base/failure.h"

#include <stdbool.h>
#include <stdint.h>

enum option_type {
	OPTION_FLAG,	/* bool *, set to true */
	OPTION_STRING,	/* const char **, points into argv */
	OPTION_UINT,	/* uint64_t *, decimal, within [min, max] */
	OPTION_SECONDS, /* uint64_t * nanoseconds, decimal fraction of seconds, within [min, max] ns
			 */
};

struct option_row {
	char letter;	      /* 'n' for -n, 0 for none */
	const char *name;     /* "vms" for --vms, NULL for none */
	const char *argument; /* "N" in the help; NULL exactly for flags */
	enum option_type type;
	void *dest;
	uint64_t min, max; /* for numbers; max 0: no bound */
	const char *help;  /* one line, with the default in it */
};

struct command {
	const char *name;     /* "lab" */
	const char *operands; /* "[PID...]" or "" */
	const char *summary;  /* one line */
	const char *examples; /* lines, each a whole command line; may be NULL */
	const struct option_row *rows;
	int n_rows;
};

/*
 * Fills the destinations from argv[1..argc). Returns the index of the first operand; -EINVAL with
 * one line in `f` for what cannot be parsed. `--help` sets *ret_help and stops there.
 */
int options_parse(const struct command *c, int argc, char **argv, struct failure *f,
		  bool *ret_help);

/* Stores a string or number into the row's destination; `what` is what a failure calls it. -EINVAL
 * for what is no such value or out of its bounds. */
int options_store(const struct option_row *row, const char *what, const char *value,
		  struct failure *f);

/* Prints usage, options and examples to standard output, for a program called `program`. */
void options_help(const struct command *c, const char *program);

/* Prints the command's options, one "--name" or "-n" a line: what completion asks for. */
void options_list(const struct command *c);

/* A decimal number of seconds, such as "0.25", as nanoseconds. -EINVAL for anything else. */
int parse_seconds(const char *text, uint64_t *ret_ns);

/* A decimal number without sign. -EINVAL for anything else. */
int parse_uint(const char *text, uint64_t *ret);

#endif
