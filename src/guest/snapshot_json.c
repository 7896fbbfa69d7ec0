/* SPDX-License-Identifier: MIT */
/* A snapshot as JSON, schema desched-agent/2; docs/vmdesched.8 describes it. */
#include "guest/agent.h"

#include "base/units.h"
#include "wire/wire.h"

static json_t *seconds(uint64_t ns)
{
	return json_real(ns_to_s(ns));
}

static void put_amounts(json_t *to, const struct snapshot *s, const struct amounts *a)
{
	json_object_set_new(to, "reported_s", seconds(snapshot_reported(s, a)));
	json_object_set_new(to, "true_s", seconds(amounts_true(a)));
	json_object_set_new(to, "descheduled_s", seconds(amounts_descheduled(a)));
	json_object_set_new(to, "wait_s", seconds(a->away[LEDGER_WAIT]));
	json_object_set_new(to, "unaccounted_s", seconds(a->unaccounted));
}

/* Names are bytes that a process chose: what is no UTF-8 is shown as '?'. */
static json_t *name_json(const char *name)
{
	char copy[1024];
	json_t *text = json_string(name);
	size_t i;

	if (text)
		return text;
	for (i = 0; i < sizeof(copy) - 1 && name[i]; i++)
		copy[i] = (signed char)name[i] < ' ' ? '?' : name[i];
	copy[i] = '\0';
	return json_string(copy);
}

static json_t *thread_json(const struct snapshot *s, const struct snapshot_thread *t)
{
	json_t *o = json_object();

	json_object_set_new(o, "tid", json_integer(t->tid));
	json_object_set_new(o, "name", name_json(t->comm));
	put_amounts(o, s, &t->amounts);
	return o;
}

static json_t *process_json(const struct snapshot *s, const struct snapshot_process *p)
{
	json_t *o = json_object(), *children = json_object(), *threads;

	json_object_set_new(o, "pid", json_integer(p->pid));
	json_object_set_new(o, "id", json_integer((json_int_t)p->id));
	json_object_set_new(o, "name", name_json(p->comm));
	put_amounts(o, s, &p->own);
	put_amounts(children, s, &p->children);
	json_object_set_new(o, "children", children);
	if (!p->n_threads)
		return o;
	threads = json_array();
	for (size_t i = 0; i < p->n_threads; i++)
		json_array_append_new(threads, thread_json(s, &s->threads[p->first_thread + i]));
	json_object_set_new(o, "threads", threads);
	return o;
}

/* The vCPU's ledger as far as its guest can tell, which is idle by its own will: HALT. */
static json_t *ledger_json(const struct account_cpu *c)
{
	json_t *o = json_object();

	for (uint32_t i = 0; i < LEDGER_STATES; i++) {
		uint64_t ns = c->busy.away[i] + c->idle.away[i];

		if (i == LEDGER_RUN)
			ns = amounts_true(&c->busy);
		else if (i == LEDGER_HALT)
			ns = amounts_true(&c->idle);
		json_object_set_new(o, ledger_state_name(i), seconds(ns));
	}
	return o;
}

static json_t *cpu_json(const struct snapshot *s, unsigned cpu)
{
	const struct account_cpu *c = &s->cpus[cpu];
	json_t *o = json_object();

	json_object_set_new(o, "cpu", json_integer(cpu));
	json_object_set_new(o, "busy_s", seconds(c->busy.occupied));
	json_object_set_new(o, "idle_s", seconds(c->idle.occupied));
	json_object_set_new(o, "descheduled_s", seconds(amounts_descheduled(&c->busy)));
	json_object_set_new(o, "wait_s", seconds(c->busy.away[LEDGER_WAIT]));
	json_object_set_new(o, "unaccounted_s", seconds(c->busy.unaccounted));
	json_object_set_new(o, "idle_descheduled_s", seconds(amounts_descheduled(&c->idle)));
	json_object_set_new(o, "idle_wait_s", seconds(c->idle.away[LEDGER_WAIT]));
	json_object_set_new(o, "idle_unaccounted_s", seconds(c->idle.unaccounted));
	json_object_set_new(o, "ledger_s", ledger_json(c));
	return o;
}

static json_t *totals_json(const struct snapshot *s)
{
	json_t *o = json_object();

	put_amounts(o, s, &s->busy);
	json_object_set_new(o, "vmdesched_s", seconds(amounts_away(&s->busy)));
	json_object_set_new(o, "idle_descheduled_s", seconds(amounts_descheduled(&s->idle)));
	json_object_set_new(o, "idle_wait_s", seconds(s->idle.away[LEDGER_WAIT]));
	json_object_set_new(o, "idle_unaccounted_s", seconds(s->idle.unaccounted));
	if (s->report.estimated) {
		json_object_set_new(o, "low_s", seconds(s->report.low_ns));
		json_object_set_new(o, "high_s", seconds(s->report.high_ns));
	}
	return o;
}

static json_t *counters_json(const struct snapshot *s)
{
	json_t *o = json_object();

	json_object_set_new(o, "switches", json_integer((json_int_t)s->counters.switches));
	json_object_set_new(o, "lost_switches",
			    json_integer((json_int_t)s->switches.lost_switches));
	json_object_set_new(o, "lost_lives", json_integer((json_int_t)s->switches.lost_lives));
	json_object_set_new(o, "mismatches", json_integer((json_int_t)s->counters.mismatches));
	json_object_set_new(o, "lost_run_s", seconds(s->counters.lost_ns));
	json_object_set_new(o, "backwards", json_integer((json_int_t)s->counters.backwards));
	json_object_set_new(o, "no_room", json_integer((json_int_t)s->counters.no_room));
	json_object_set_new(o, "cgroups_folded",
			    json_integer((json_int_t)s->counters.cgroups_folded));
	json_object_set_new(o, "overcharged_s", seconds(s->counters.overcharged_ns));
	json_object_set_new(o, "unseen_s", seconds(s->report.unseen_ns));
	json_object_set_new(o, "late_s", seconds(s->report.late_ns));
	json_object_set_new(o, "coarse_s", seconds(s->report.coarse_ns));
	json_object_set_new(o, "lost_gaps", json_integer((json_int_t)s->report.lost_gaps));
	json_object_set_new(o, "steal_epochs", json_integer((json_int_t)s->report.epochs));
	json_object_set_new(o, "bpf_runs", json_integer((json_int_t)s->switches.bpf_runs));
	json_object_set_new(o, "bpf_s", seconds(s->switches.bpf_ns));
	return o;
}

static json_t *cgroup_json(const struct snapshot *s, const struct snapshot_cgroup *c)
{
	json_t *o = json_object();

	json_object_set_new(o, "path", name_json(c->path));
	json_object_set_new(o, "tasks", json_integer(c->n_tasks));
	put_amounts(o, s, &c->amounts);
	return o;
}

static void put_lists(json_t *o, const struct snapshot *s)
{
	json_t *cpus = json_array(), *processes = json_array(), *exited = json_object();
	json_t *cgroups = json_array();

	for (unsigned i = 0; i < s->n_cpus; i++)
		json_array_append_new(cpus, cpu_json(s, i));
	for (size_t i = 0; i < s->n_processes; i++)
		json_array_append_new(processes, process_json(s, &s->processes[i]));
	for (size_t i = 0; i < s->n_cgroups; i++)
		json_array_append_new(cgroups, cgroup_json(s, &s->cgroups[i]));
	put_amounts(exited, s, &s->exited);
	json_object_set_new(o, "cpus", cpus);
	json_object_set_new(o, "processes", processes);
	json_object_set_new(o, "exited", exited);
	json_object_set_new(o, "cgroups", cgroups);
}

static json_t *sessions_json(const struct snapshot *s)
{
	json_t *list = json_array();

	for (size_t i = 0; i < s->n_sessions; i++)
		json_array_append_new(list,
				      json_pack("{s:o, s:f}", "id", wire_id_json(s->sessions[i].id),
						"since_s", ns_to_s(s->sessions[i].since)));
	return list;
}

/* How well the host's clock is known. */
static json_t *clock_json(const struct snapshot *s)
{
	bool stale = s->report.clock_error == SOURCE_CLOCK_STALE;

	return json_pack("{s:o, s:b, s:I, s:f}", "error_s",
			 stale ? json_null() : json_real(ns_to_s(s->report.clock_error)), "stale",
			 stale, "contradicted", (json_int_t)s->report.contradicted, "monotonic_s",
			 ns_to_s(s->time));
}

json_t *snapshot_json(const struct snapshot *s)
{
	json_t *o = json_object();

	if (!o)
		return NULL;
	json_object_set_new(o, "schema", json_string(WIRE_SCHEMA));
	json_object_set_new(o, "source", json_string(s->source));
	json_object_set_new(o, "steal_clock", json_string(s->steal_clock));
	json_object_set_new(o, "not_seen", json_string(s->not_seen));
	json_object_set_new(o, "kernel_subtracts", json_boolean(s->kernel_subtracts));
	json_object_set_new(o, "complete", json_boolean(s->complete));
	json_object_set_new(o, "stale", json_boolean(s->report.stale));
	json_object_set_new(o, "session", wire_id_json(s->session));
	json_object_set_new(o, "sessions", sessions_json(s));
	json_object_set_new(o, "elapsed_s", seconds(s->elapsed));
	json_object_set_new(o, "lag_s", seconds(s->lag));
	json_object_set_new(o, "totals", totals_json(s));
	put_lists(o, s);
	json_object_set_new(o, "counters", counters_json(s));
	json_object_set_new(o, "clock", clock_json(s));
	if (s->details)
		json_object_set(o, "details", s->details);
	if (s->page)
		json_object_set(o, "page", s->page);
	return o;
}
