/* SPDX-License-Identifier: MIT */
/*
 * Is this virtual machine set up well? A table of checks, each of which looks at a tree of files
 * and comes to a verdict. A check whose files are not there cannot tell, and says so.
 */
#ifndef DOCTOR_DOCTOR_H
#define DOCTOR_DOCTOR_H

#include "doctor/tree.h"

#include <stddef.h>
#include <stdint.h>

enum verdict {
	VERDICT_OK,
	VERDICT_BAD,
	VERDICT_CANNOT_TELL, /* a file is missing or is not what it should be */
	VERDICT_NOT_HERE,    /* the question makes no sense on this machine */
	VERDICTS,
};

/* What a bad verdict is worth. */
enum severity {
	SEVERITY_NOTE,	  /* could be better */
	SEVERITY_WARNING, /* costs speed or truth today */
	SEVERITY_SERIOUS, /* will break something: data, identity, the machine's life */
	SEVERITIES,
};

struct exam;

struct check {
	const char *id, *title;
	enum severity severity;
	enum verdict (*look)(struct exam *e);
	/* For the `look` functions that serve many rows; see checks.h. */
	const char *where, *what;
	uint64_t min, max;
	const char *why, *source; /* sources: see doctor_sources[] */
	const char *remedy;	  /* a command, or "host: ..." for who runs the host; may be NULL */
};

/* One check looking at one tree. */
struct exam {
	const struct check *check;
	const struct tree *tree;
	enum verdict verdict;
	char found[256]; /* one line of printable ASCII */
};

/* All rows, group after group. */
size_t doctor_count(void);
const struct check *doctor_check(size_t i);
const struct check *doctor_find(const char *id); /* NULL: there is none */
const char *doctor_group(const struct check *c); /* the name of the group that has it */

void doctor_look(const struct check *check, const struct tree *t, struct exam *ret);

/* "ok", "bad", "cannot tell", "does not apply"; "note", "warning", "serious". */
const char *verdict_name(enum verdict v);
const char *severity_name(enum severity s);

#endif
