/* SPDX-License-Identifier: MIT */
/* One check, what it finds in a tree, and the functions with which checks say so. */
#ifndef DOCTOR_EXAM_H
#define DOCTOR_EXAM_H

#include "doctor/tree.h"

#include <stdbool.h>
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
	/* For the `look` functions that serve many rows; see below. */
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

/* "ok", "bad", "cannot tell", "does not apply"; "note", "warning", "serious". */
const char *verdict_name(enum verdict v);
const char *severity_name(enum severity s);

#define PRINTS __attribute__((format(printf, 2, 3)))

/* Write what was found, and return the verdict of that name. */
enum verdict exam_good(struct exam *e, const char *format, ...) PRINTS;
enum verdict exam_bad(struct exam *e, const char *format, ...) PRINTS;
enum verdict exam_cannot_tell(struct exam *e, const char *format, ...) PRINTS;
enum verdict exam_not_here(struct exam *e, const char *format, ...) PRINTS;
enum verdict exam_judge(struct exam *e, bool ok, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* Adds an item to a list of what was found, behind a comma. */
void exam_add(struct exam *e, const char *format, ...) PRINTS;

/* ---- functions that serve many rows ---- */

/* The file `where` holds a number, called `what`, which should lie within [min, max]. */
enum verdict exam_number(struct exam *e);

/* The kernel's command line should have none of the words of `what`, which are separated by blanks
 * and match as prefixes where they end in '='. */
enum verdict exam_parameters(struct exam *e);

/* Linux 5.18 or later, with type information. */
enum verdict exam_bpf(struct exam *e);

/* Tasks have a schedstat. */
enum verdict exam_schedstat(struct exam *e);

/* x86 only: the CPU should have all the flags of `what`. */
enum verdict exam_flags(struct exam *e);

#endif
