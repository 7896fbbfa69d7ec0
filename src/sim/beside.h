/* SPDX-License-Identifier: MIT */
/* Files that a scenario names: they are beside it. */
#ifndef SIM_BESIDE_H
#define SIM_BESIDE_H

#include "base/failure.h"
#include "sim/spec.h"

#include <stdio.h>

/* Relative to the scenario's folder. -ENAMETOOLONG. */
int beside_path(const struct scenario *s, const char *file, char *ret, size_t size);

/* Opens one for reading, if it is a plain file: reading a pipe could wait for ever. `what` is in it,
 * as a message says it. */
int beside_open(const char *path, const char *what, struct failure *f, FILE **ret);

#endif
