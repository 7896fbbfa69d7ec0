/* SPDX-License-Identifier: MIT */
/* A lab's result for people and for programs. */
#ifndef LAB_REPORT_H
#define LAB_REPORT_H

#include "base/failure.h"
#include "lab/result.h"

#include <jansson.h>
#include <stdio.h>

/* The table, 80 columns, and the verdict. */
void report_table(const struct lab_result *r, bool colour, FILE *out);

/* Schema desched-lab/1, docs/desched-lab.1. `failure` is "" when all went well. A new reference. */
json_t *report_json(const struct lab_result *r, const char *failure);

/* The same to a file, "-" for standard output. */
int report_json_write(const struct lab_result *r, const char *failure, const char *path,
		      struct failure *f);

/* Agents' snapshots and the JSON into the directory of --keep. */
int report_keep(const struct lab_result *r, const char *failure, const char *dir,
		struct failure *f);

#endif
