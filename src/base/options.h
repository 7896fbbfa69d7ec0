/* SPDX-License-Identifier: MIT */
/*
 * Command lines as tables. A command is one `struct command` with rows of options; parsing (by
 * getopt_long(3): options may follow operands, long names may be shortened), help with defaults,
 * and shell completion are made from the rows. base/command.h runs one.
 */
#ifndef BASE_OPTIONS_H
#define BASE_OPTIONS_H

#include "base/failure.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum option_type {
	OPTION_FLAG,	/* bool *, set to true */
	OPTION_STRING,	/* const char **, points into argv */
	OPTION_UINT,	/* uint64_t *, decimal, within [min, max] */
	OPTION_SECONDS, /* uint64_t * nanoseconds, typed as seconds, within [min, max] ns */
	OPTION_CHOICE,	/* struct option_choice *, one of its names */
	OPTION_LIST,	/* struct option_list *, a string each time */
	OPTION_OUTPUT,	/* struct option_output *, with "=FILE" or without */
};

/* The name of the i-th of a table's rows; NULL behind the last. */
typedef const char *(*option_name_fn)(size_t i);

struct option_choice {
	const char *value; /* a name, or NULL: not given */
	option_name_fn name;
};

#define OPTION_LIST_MAX 64

struct option_list {
	const char *at[OPTION_LIST_MAX]; /* point into argv */
	size_t n;
};

struct option_output {
	bool wanted;
	const char *file; /* NULL: standard output */
};

/* What `dest` holds before parsing is the default, and help shows it: a number, unless it is 0 or
 * UINT64_MAX; a string or a choice, unless it is NULL or "". */
struct option_row {
	char letter;	      /* 'n' for -n, 0 for none */
	const char *name;     /* "vms" for --vms, NULL for none */
	const char *argument; /* "N" in the help; NULL exactly for flags */
	enum option_type type;
	void *dest;
	uint64_t min, max; /* for numbers; max 0: no bound */
	const char *help;  /* without the default that `dest` holds, and without choices */
};

struct command {
	const char *name;     /* "lab" */
	const char *operands; /* "[PID...]" or "" */
	const char *summary;  /* one line */
	const char *examples; /* lines, each a whole command line; may be NULL */
	const struct option_row *rows;
	int n_rows;
	/* Options end at the first operand, which is a command with options of its own. */
	bool runs_command;
	int least, most;	     /* how many operands; most 0: any number */
	option_name_fn operand_name; /* what operands may be called, for completion; NULL: files */
	/* See base/command.h. */
	int (*run)(char **operands, int n, struct failure *f);
};

/*
 * Fills the destinations from argv[1..argc), and moves operands to the end of argv. Returns the
 * index of the first operand; -EINVAL with one line in `f` for what cannot be parsed. With `--help`
 * anywhere among the options, nothing is stored but *ret_help.
 */
int options_parse(const struct command *c, int argc, char **argv, struct failure *f,
		  bool *ret_help);

/* Stores a string or number into the row's destination; `what` is what a failure calls it. -EINVAL
 * for what is no such value or out of its bounds. */
int options_store(const struct option_row *row, const char *what, const char *value,
		  struct failure *f);

/* Prints usage, options and examples to standard output, for a program called `program`. */
void options_help(const struct command *c, const char *program);

/*
 * What completion asks for, a word a line. Without `word` the options, "--name" or "-n"; with an
 * option what its value may be; with "-" what operands may be. "<file>" stands for any file.
 */
void options_list(const struct command *c, const char *word);

/* "a, b or c" of all names; "" when they are too many for a line. */
void options_names(option_name_fn name, char *ret, size_t size);

/* Which of the names it is, or -EINVAL with a line in `f` that has them all; `what` is what that
 * calls the value. */
int options_find(option_name_fn name, const char *what, const char *value, struct failure *f);

/* A decimal number of seconds, such as "0.25", as nanoseconds. -EINVAL for anything else. */
int parse_seconds(const char *text, uint64_t *ret_ns);

/* A decimal number without sign. -EINVAL for anything else. */
int parse_uint(const char *text, uint64_t *ret);

#endif
