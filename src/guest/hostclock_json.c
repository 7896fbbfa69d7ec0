/* SPDX-License-Identifier: MIT */
#include "guest/hostclock.h"

#include <limits.h>

/* JSON's integers here have a sign; no honest figure needs the 64th bit. */
static json_t *integer(uint64_t value)
{
	return json_integer(value > LLONG_MAX ? LLONG_MAX : (json_int_t)value);
}

static json_t *error_json(uint64_t error)
{
	return error == CLOCKMAP_UNKNOWN ? json_null() : json_real((double)error / 1e9);
}

static json_t *cpus_json(const struct hostclock *c)
{
	json_t *list = json_array();

	for (unsigned i = 0; i < c->n_cpus; i++)
		json_array_append_new(
			list, json_pack("{s:o, s:o}", "error_s", error_json(hostclock_error(c, i)),
					"contradicted", integer(c->cpus[i].contradicted)));
	return list;
}

json_t *hostclock_json(const struct hostclock *c)
{
	const struct clockmap *m = &c->map;

	return json_pack("{s:s, s:o, s:o, s:o, s:o, s:f, s:o, s:o}", "form",
			 m->following ? "following" : "constant", "moved",
			 integer(clockmap_moved(m)), "contradicted",
			 integer(clockmap_contradicted(m)), "host", integer(m->from), "guest",
			 integer(m->to), "drift", (double)m->rate / 1e9, "error_s",
			 error_json(clockmap_error(m)), "cpus", cpus_json(c));
}
