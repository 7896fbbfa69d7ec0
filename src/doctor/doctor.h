/* SPDX-License-Identifier: MIT */
/*
 * Is this virtual machine set up well? A table of checks, each of which looks at a tree of files
 * and comes to a verdict. A check whose files are not there cannot tell, and says so.
 */
#ifndef DOCTOR_DOCTOR_H
#define DOCTOR_DOCTOR_H

#include "doctor/exam.h"

#include <stddef.h>

/* All rows, group after group. */
size_t doctor_count(void);
const struct check *doctor_check(size_t i);
const struct check *doctor_find(const char *id); /* NULL: there is none */
const char *doctor_group(const struct check *c); /* the name of the group that has it */

void doctor_look(const struct check *check, const struct tree *t, struct exam *ret);

#endif
