/* SPDX-License-Identifier: MIT */
/*
 * Choosing one of several: the VM of a host's file, the machine of a guest's. Each has a name, and
 * an id where the file gives one (a group number, a UUID), which tells two of one name apart.
 */
#ifndef CORRECT_CHOICE_H
#define CORRECT_CHOICE_H

#include "base/failure.h"

#include <stdbool.h>
#include <stddef.h>

struct choice {
	const char *wanted; /* a name or an id; NULL: there is only one */
	const char *what;   /* "VM" */
	const char *option; /* "--vm" */
	struct candidate *list;
	size_t n;
};

/* Whether figures of this one are those to take: 1, 0, -ENOMEM, or -E2BIG for more than
 * 4,096 of them. `id` "" where there is none. */
int choice_take(struct choice *c, const char *id, const char *name);

/* 0, or a failure that names those that there are: none or several match. */
int choice_end(const struct choice *c, const char *path, struct failure *f);

void choice_done(struct choice *c);

#endif
