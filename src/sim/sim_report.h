/* SPDX-License-Identifier: MIT */
/* What a run came to: a table for people, JSON for programs. */
#ifndef SIM_SIM_REPORT_H
#define SIM_SIM_REPORT_H

#include "sim/runner.h"

#include <jansson.h>
#include <stdio.h>

int sim_report_table(const struct run *r, FILE *out); /* -ENOMEM */

/* One line per broken limit, and one in all: for `make test`. */
void sim_report_limits(const struct run *r, FILE *out);

/* A new reference; NULL without memory. Everything in it is reproducible but "seconds",
 * "cpu_seconds" and "events_per_second". */
json_t *sim_report_json(const struct run *r);

#endif
