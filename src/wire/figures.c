/* SPDX-License-Identifier: MIT */
#include "wire/figures.h"

#include "base/units.h"

uint64_t figures_away(const struct figures *f)
{
	return f->descheduled + f->wait;
}

uint64_t figures_occupied(const struct figures *f)
{
	return f->truth + figures_away(f) + f->unaccounted;
}

void figures_add(struct figures *into, const struct figures *from)
{
	into->truth += from->truth;
	into->descheduled += from->descheduled;
	into->wait += from->wait;
	into->unaccounted += from->unaccounted;
	into->reported += from->reported;
}

void figures_subtract(struct figures *from, const struct figures *what)
{
	from->truth = u64_sub_floor(from->truth, what->truth);
	from->descheduled = u64_sub_floor(from->descheduled, what->descheduled);
	from->wait = u64_sub_floor(from->wait, what->wait);
	from->unaccounted = u64_sub_floor(from->unaccounted, what->unaccounted);
	from->reported = u64_sub_floor(from->reported, what->reported);
}
