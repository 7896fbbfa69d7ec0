/* SPDX-License-Identifier: MIT */
#include "guest/page_json.h"

#include "ledger/page_fields.h"

#include <limits.h>

/* JSON's integers here have a sign; no honest figure needs the 64th bit. */
static json_t *integer(uint64_t value)
{
	return json_integer(value > LLONG_MAX ? LLONG_MAX : (json_int_t)value);
}

static void put_host(json_t *o, const struct page_host *host)
{
	json_object_set_new(o, "updates", integer(host->updates));
	if (host->clock.ticks_hz)
		json_object_set_new(o, "ticks_hz", integer(host->clock.ticks_hz));
	for (int i = 0; i < PAGE_FIELDS; i++) {
		const void *at = (const char *)host + page_fields[i].offset;

		if (host->valid & page_fields[i].valid)
			json_object_set_new(o, page_fields[i].name, integer(*(const uint64_t *)at));
	}
}

static json_t *vcpu_json(const struct page_reader *page, uint32_t vcpu)
{
	struct page_vcpu record;
	struct ledger ledger;
	json_t *o, *ns;

	if (page_read_vcpu(page, vcpu, &record))
		return json_null();
	page_vcpu_ledger(&record, &ledger);
	o = json_object();
	ns = json_object();
	for (uint32_t s = 0; s < LEDGER_STATES; s++)
		json_object_set_new(ns, ledger_state_name(s), integer(ledger.ns[s]));
	json_object_set_new(o, "start", integer(ledger.start));
	json_object_set_new(o, "at", integer(ledger.at));
	json_object_set_new(o, "state", json_string(ledger_state_name(ledger.state)));
	json_object_set_new(o, "ns", ns);
	return o;
}

json_t *page_json(const struct page_reader *page)
{
	struct page_host host;
	json_t *o, *vcpus;

	if (page_read_host(page, &host))
		return NULL;
	o = json_object();
	vcpus = json_array();
	put_host(o, &host);
	for (uint32_t v = 0; v < page->header.vcpus; v++)
		json_array_append_new(vcpus, vcpu_json(page, v));
	json_object_set_new(o, "vcpus", vcpus);
	return o;
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

json_t *page_clock_json(const struct hostclock *c)
{
	const struct clockmap *m = &c->map;

	return json_pack("{s:s, s:o, s:o, s:o, s:o, s:f, s:o, s:o}", "form",
			 m->following ? "following" : "constant", "moved",
			 integer(clockmap_moved(m)), "contradicted",
			 integer(clockmap_contradicted(m)), "host", integer(m->from), "guest",
			 integer(m->to), "drift", (double)m->rate / 1e9, "error_s",
			 error_json(clockmap_error(m)), "cpus", cpus_json(c));
}
