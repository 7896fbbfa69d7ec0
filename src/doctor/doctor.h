/* SPDX-License-Identifier: MIT */
/*
 * Is this virtual machine, or this host of VMs, set up well? A table of checks, each of which looks at a tree of files
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

bool doctor_of_host(const struct check *c); /* a check of a host, not of a guest */

/* What a machine may be; a VM that runs VMs is both. */
enum doctor_side { DOCTOR_GUEST = 1, DOCTOR_HOST = 2 };

/* What the tree's machine is: a host where VMs run. Never 0. */
unsigned doctor_sides(const struct tree *t);

/* A check of a side that isn't among `sides` does not apply. */
void doctor_look(const struct check *check, const struct tree *t, unsigned sides, struct exam *ret);

#endif
