/* SPDX-License-Identifier: MIT */
/* Reports of `desched blame`: a tally (host/tally.h) as a table, as lines of minutes, as JSON. */
#ifndef CMD_BLAME_REPORT_H
#define CMD_BLAME_REPORT_H

#include "base/failure.h"
#include "host/choice.h"
#include "host/tally.h"

#include <stdbool.h>
#include <stdio.h>

struct blame_report {
	struct tally *tally; /* sorted */
	struct choice *choice;
	const char *source;
	uint64_t time;	    /* ns, CLOCK_REALTIME: its end */
	uint64_t runs_lost; /* since measuring began */
	uint64_t top;	    /* culprits of a VM that are shown one by one */
	bool colour;
};

/* Whether the report has this VM; that an operand has fitted is noted in the choice. */
bool blame_report_has(const struct blame_report *r, const struct tally_vm *vm);

void blame_report_table(const struct blame_report *r, FILE *to);

/* A line for each VM, behind a line of titles where it is the first report. */
void blame_report_minute(const struct blame_report *r, bool first, FILE *to);

/* One line, schema desched-blame/1. */
int blame_report_json(const struct blame_report *r, FILE *to, struct failure *f);

#endif
