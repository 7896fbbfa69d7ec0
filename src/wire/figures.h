/* SPDX-License-Identifier: MIT */
/* Time on a guest's CPU by what became of it. */
#ifndef WIRE_FIGURES_H
#define WIRE_FIGURES_H

#include <stdint.h>

/* ns. Their sum, but for `reported`, is what was occupied. */
struct figures {
	uint64_t truth;	      /* the CPU ran */
	uint64_t descheduled; /* the vCPU wanted to run and did not */
	uint64_t wait;	      /* it waited for other host work */
	uint64_t unaccounted; /* the source knows nothing of it */
	uint64_t reported; /* what the kernel reports: the sum, or less where it subtracts steal */
};

uint64_t figures_away(const struct figures *f);
uint64_t figures_occupied(const struct figures *f); /* truth + away + unaccounted */
void figures_add(struct figures *into, const struct figures *from);
void figures_subtract(struct figures *from, const struct figures *what); /* never below 0 */

#endif
