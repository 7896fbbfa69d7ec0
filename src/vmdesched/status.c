/* SPDX-License-Identifier: MIT */
#include "vmdesched/status.h"

#include "base/units.h"

#include <stdio.h>

static double percent(uint64_t part, uint64_t whole)
{
	return whole ? 100 * (double)part / (double)whole : 0;
}

void status_line(const struct status *s, char ret[STATUS_MAX])
{
	char interval[64] = "";

	if (s->estimated)
		snprintf(interval, sizeof(interval), " (90 %% interval: %.1f to %.1f %%)",
			 percent(s->low, s->busy), percent(s->high, s->busy));
	snprintf(ret, STATUS_MAX, "source %s%s: of %.1f s of CPU time %.1f %% was descheduled%s%s",
		 s->source, s->estimated ? ", an estimate" : "", ns_to_s(s->busy),
		 percent(s->away, s->busy), interval,
		 s->stale ? "; the source has stopped reporting" : "");
}
