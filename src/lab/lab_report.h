/* SPDX-License-Identifier: MIT */
/* A lab's result for people and for programs. */
#ifndef LAB_LAB_REPORT_H
#define LAB_LAB_REPORT_H

#include "base/failure.h"
#include "lab/result.h"

#include <jansson.h>
#include <stdio.h>

/* The table, 80 columns, and the verdict. */
void lab_report_table(const struct lab_result *r, bool colour, FILE *out);

/* Schema desched-lab/1, docs/desched-lab.1. `failure` is "" when all went well. A new reference. */
json_t *lab_report_json(const struct lab_result *r, const char *failure);

/* The same to a file, "-" for standard output. */
int lab_report_json_write(const struct lab_result *r, const char *failure, const char *path,
			  struct failure *f);

/* Agents' snapshots and the JSON into the directory of --keep. */
int lab_report_keep(const struct lab_result *r, const char *failure, const char *dir,
		    struct failure *f);

#endif
