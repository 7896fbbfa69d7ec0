/* SPDX-License-Identifier: MIT */
#include "vmm/counters.h"

#include "base/units.h"
#include "vmm/vcpu_ticks.h"

#define SCHEMA "desched-vm/1"

static void put_count(json_t *o, const char *name, uint64_t n)
{
	json_object_set_new(o, name, json_integer((json_int_t)n));
}

static void put_seconds(json_t *o, const char *name, uint64_t ns)
{
	json_object_set_new(o, name, json_real(ns_to_s(ns)));
}

static json_t *ticks(const struct ticker *k)
{
	json_t *o = json_object();

	json_object_set_new(o, "policy", json_string(tick_rows[k->policy].name));
	put_seconds(o, "period_s", k->tick.period);
	put_count(o, "due", k->tick.due);
	put_count(o, "delivered", k->tick.delivered);
	put_count(o, "backlog", k->tick.backlog);
	put_count(o, "backlog_max", k->tick.worst);
	put_count(o, "lost", k->tick.lost);
	put_count(o, "resyncs", k->tick.resyncs);
	put_seconds(o, "clock_error_s", ticker_lag(k));
	put_seconds(o, "clock_error_max_s", k->lag_worst);
	put_count(o, "worst_backlog", k->worst_most);
	put_seconds(o, "worst_catchup_s", k->worst_ns);
	return o;
}

/* What counts by vCPU. */
static void put_vcpu(json_t *o, struct vcpu *v)
{
	const struct ticker *k = vcpu_ticker(v);

	put_count(o, "exits", v->exits);
	put_count(o, "vmdesched_runs", v->port.entered);
	put_seconds(o, "run_s", k->run_ns);
	put_seconds(o, "away_s", k->away_ns);
	put_seconds(o, "idle_s", k->idle_ns);
	put_seconds(o, "vmdesched_s", k->vmdesched_ns);
	json_object_set_new(o, "ticks", ticks(k));
}

static json_t *vcpus(struct machine *m)
{
	json_t *list = json_array();

	for (unsigned i = 0; i < m->cpus; i++) {
		json_t *o = json_object();

		put_count(o, "vcpu", i);
		put_vcpu(o, &m->cpu[i]);
		json_array_append_new(list, o);
	}
	return list;
}

json_t *counters_json(struct machine *m)
{
	json_t *o = json_object();

	machine_lock_first(m);
	json_object_set_new(o, "schema", json_string(SCHEMA));
	json_object_set_new(o, "state", json_string(machine_end_names[m->end]));
	put_count(o, "resets", m->resets);
	put_vcpu(o, &m->cpu[0]);
	json_object_set_new(o, "clock_ticks", ticks(&m->board.clock_ticker));
	json_object_set_new(o, "vcpus", vcpus(m));
	put_count(o, "input_dropped", m->board.serial.dropped);
	put_count(o, "output_lost", m->output_lost);
	put_count(o, "disk_requests", m->board.block.virtio.served);
	put_count(o, "disk_errors", m->board.block.virtio.tally);
	put_count(o, "ballooned_bytes", (uint64_t)m->board.balloon.config.actual * 4096);
	put_seconds(o, "started_s", m->ready_at);
	machine_unlock(m);
	return o;
}
