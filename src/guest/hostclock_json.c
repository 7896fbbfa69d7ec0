/* SPDX-License-Identifier: MIT */
#include "guest/hostclock.h"

#include "wire/wire.h"

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
					"contradicted", wire_count_json(c->cpus[i].contradicted)));
	return list;
}

json_t *hostclock_json(const struct hostclock *c)
{
	const struct clockmap *m = &c->map;

	return json_pack("{s:s, s:o, s:o, s:o, s:o, s:f, s:o, s:o}", "form",
			 m->following ? "following" : "constant", "moved",
			 wire_count_json(clockmap_moved(m)), "contradicted",
			 wire_count_json(clockmap_contradicted(m)), "host",
			 wire_count_json(m->from), "guest", wire_count_json(m->to), "drift",
			 (double)m->rate / 1e9, "error_s", error_json(clockmap_error(m)), "cpus",
			 cpus_json(c));
}
