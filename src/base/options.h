/* SPDX-License-Identifier: MIT */
/*
 * Command lines as tables. A command is one `struct command` with rows of options; parsing (by
 * getopt_long(3): options may follow operands, long names may be shortened), help with defaults,
 * and shell completion are made from the rows. base/command.h runs one.
 */
#ifndef BASE_OPTIONS_H
#define BASE_OPTIONS_H

#include "base/rows.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What an option's value may be: types of base/rows.h, and those that only a command line has. */
#define OPTION_FLAG    (&option_flag)	/* bool *, set to true */
#define OPTION_STRING  (&option_string) /* const char **, points into argv; never empty */
#define OPTION_TEXT    (&option_text)	/* the same, which may be empty */
#define OPTION_CHOICE  (&option_choice) /* struct option_choice *, one of its names */
#define OPTION_LIST    (&option_list)	/* struct option_list *, a string each time */
#define OPTION_OUTPUT  (&option_output) /* struct option_output *, with "=FILE" or without */
#define OPTION_UINT    (&row_count)	/* uint64_t *, within [min, max] */
#define OPTION_SECONDS (&row_seconds)	/* uint64_t * nanoseconds, within [min, max] ns */
#define OPTION_MIB     (&row_mib)	/* uint64_t * bytes, within [min, max] bytes */

extern const struct row_type option_flag, option_string, option_text, option_choice, option_list,
	option_output;

struct option_choice {
	const char *value; /* a name, or NULL: not given */
	name_fn name;
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

/* A row of base/rows.h whose value goes to `dest`. What `dest` holds before parsing is the default, and help shows it: a number, unless it is 0 or
 * UINT64_MAX; a string or a choice, unless it is NULL or "". */
struct option_row {
	char letter;	      /* 'n' for -n, 0 for none */
	const char *name;     /* "vms" for --vms, NULL for none */
	const char *argument; /* "N" in the help; NULL exactly for flags */
	const struct row_type *type;
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
	int least, most;      /* how many operands; most 0: any number */
	name_fn operand_name; /* what operands may be called, for completion; NULL: files */
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

/* Prints usage, options and examples to standard output, for a program called `program`. */
void options_help(const struct command *c, const char *program);

/*
 * What completion asks for, a word a line. Without `word` the options, "--name" or "-n"; with an
 * option what its value may be; with "-" what operands may be. "<file>" stands for any file.
 */
void options_list(const struct command *c, const char *word);

#endif
