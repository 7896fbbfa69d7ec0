/* SPDX-License-Identifier: MIT */
/*
 * What went wrong, for a person: one line that says what, where, what was expected, what to do.
 *
 * Library code never prints. A function that can fail in ways that a bare -errno does not explain
 * takes a `struct failure *` as its last argument before the ret_ parameters; NULL is accepted.
 * Programs print it once, where they handle it.
 */
#ifndef BASE_FAILURE_H
#define BASE_FAILURE_H

struct failure {
	char text[512];
};

/* Writes the text (cut to fit, and cleaned: base/text.h) unless f is NULL, and returns `code`, so
 * that a function can say `return failure_set(f, -ENOENT, "no such kernel: %s; give a bzImage",
 * path);`. */
int failure_set(struct failure *f, int code, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* As failure_set(), with ": " and the text of -code behind the format. */
int failure_errno(struct failure *f, int code, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* Adds one of the things that there are, with "; there are: " before the first and ", " before the
 * others; where there is no room, "..." once. */
void failure_list(struct failure *f, const char *name);

#endif
