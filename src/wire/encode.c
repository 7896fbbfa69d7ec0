/* SPDX-License-Identifier: MIT */
/* A snapshot as JSON, schema desched-agent/2; docs/vmdesched.8 describes it. */
#include "wire/snapshot.h"

#include "base/units.h"
#include "ledger/page_fields.h"
#include "wire/schema.h"
#include "wire/wire.h"

static json_t *list_json(const struct snapshot *s, const struct members *m, const void *first,
			 size_t n)
{
	json_t *list = json_array();

	for (size_t i = 0; i < n; i++)
		json_array_append_new(list, members_write(m, s, (const char *)first + i * m->size));
	return list;
}

static json_t *cpu_json(const struct snapshot *s, const struct snapshot_cpu *c)
{
	json_t *o = members_write(&schema_cpu, s, c), *ledger = json_object();

	for (uint32_t state = 0; state < LEDGER_STATES; state++)
		if (s->split || c->ledger[state])
			json_object_set_new(ledger, ledger_state_name(state),
					    json_real(ns_to_s(c->ledger[state])));
	json_object_set_new(o, "ledger_s", ledger);
	return o;
}

static json_t *process_json(const struct snapshot *s, const struct snapshot_process *p)
{
	json_t *o = members_write(&schema_process, s, p);

	if (p->n_threads)
		json_object_set_new(
			o, "threads",
			list_json(s, &schema_thread, &s->threads[p->first_thread], p->n_threads));
	return o;
}

static json_t *vcpu_json(const struct snapshot *s, const struct ledger *l)
{
	json_t *o, *ns;

	if (!l->at)
		return json_null();
	o = members_write(&schema_vcpu, s, l);
	ns = json_object();
	for (uint32_t state = 0; state < LEDGER_STATES; state++)
		json_object_set_new(ns, ledger_state_name(state), wire_count_json(l->ns[state]));
	json_object_set_new(o, "state", json_string(ledger_state_name(l->state)));
	json_object_set_new(o, "ns", ns);
	return o;
}

static json_t *page_json(const struct snapshot *s, const struct snapshot_page *p)
{
	json_t *o = members_write(&schema_page, s, p), *vcpus = json_array();

	for (int i = 0; i < PAGE_FIELDS; i++) {
		const void *at = (const char *)&p->host + page_fields[i].offset;

		if (p->host.valid & page_fields[i].valid)
			json_object_set_new(o, page_fields[i].name,
					    wire_count_json(*(const uint64_t *)at));
	}
	for (size_t i = 0; i < p->n_vcpus; i++)
		json_array_append_new(vcpus, vcpu_json(s, &p->vcpus[i]));
	json_object_set_new(o, "vcpus", vcpus);
	return o;
}

static void put_lists(json_t *o, const struct snapshot *s)
{
	json_t *cpus = json_array(), *processes = json_array();

	for (size_t i = 0; i < s->n_cpus; i++)
		json_array_append_new(cpus, cpu_json(s, &s->cpus[i]));
	for (size_t i = 0; i < s->n_processes; i++)
		json_array_append_new(processes, process_json(s, &s->processes[i]));
	json_object_set_new(o, "cpus", cpus);
	json_object_set_new(o, "processes", processes);
	if (s->split || s->n_cgroups)
		json_object_set_new(o, "cgroups",
				    list_json(s, &schema_cgroup, s->cgroups, s->n_cgroups));
	if (s->n_sessions)
		json_object_set_new(o, "sessions",
				    list_json(s, &schema_session, s->sessions, s->n_sessions));
}

json_t *snapshot_json(const struct snapshot *s)
{
	json_t *o = members_write(&schema_snapshot, s, s);

	if (!o)
		return NULL;
	json_object_set_new(o, "schema", json_string(SNAPSHOT_SCHEMA));
	put_lists(o, s);
	if (s->page)
		json_object_set_new(o, "page", page_json(s, s->page));
	return o;
}
