/* SPDX-License-Identifier: MIT */
#include "base/json_out.h"
#include "base/units.h"
#include "lab/lab_report.h"

#include <errno.h>
#include <math.h>
#include <string.h>

#define DIGITS 9

static void put(json_t *o, const char *key, double value)
{
	json_object_set_new(o, key, isfinite(value) ? json_real(value) : json_null());
}

/* ns as seconds. */
static void put_ns(json_t *o, const char *key, int64_t ns)
{
	put(o, key, (double)ns / 1e9);
}

static void put_text(json_t *o, const char *key, const char *text)
{
	json_object_set_new(o, key, json_string(text));
}

static void put_count(json_t *o, const char *key, uint64_t n)
{
	json_object_set_new(o, key, json_integer((json_int_t)n));
}

static json_t *process_json(const struct lab_process *p)
{
	json_t *o = json_object();

	put_text(o, "name", p->kind);
	put_text(o, "kind", p->kind);
	put_count(o, "pid", (uint64_t)p->pid);
	put_count(o, "units", p->units);
	json_object_set_new(o, "judged", json_boolean(p->judged));
	put(o, "reported_s", p->alive ? ns_to_s(p->reported) : NAN);
	put(o, "top_s", p->has_top ? ns_to_s(p->top) : NAN);
	put(o, "true_s", p->has_agent ? (double)p->true_ns / 1e9 : NAN);
	put(o, "descheduled_s", p->has_agent ? (double)p->descheduled / 1e9 : NAN);
	put(o, "wait_s", p->has_agent ? (double)p->wait / 1e9 : NAN);
	put_ns(o, "truth_s", (int64_t)p->truth);
	put(o, "error_reported", p->error_reported);
	put(o, "error_true", p->error_true);
	return o;
}

static json_t *ledger_json(const struct ledger *l)
{
	json_t *o = json_object();
	char key[32];

	for (uint32_t i = 0; i < LEDGER_STATES; i++) {
		snprintf(key, sizeof(key), "%s_s", ledger_state_name(i));
		put_ns(o, key, (int64_t)l->ns[i]);
	}
	return o;
}

static json_t *host_json(const struct lab_host *h)
{
	json_t *o = json_object();

	put_ns(o, "run_s", (int64_t)lab_host_run(h));
	put_ns(o, "ready_s", (int64_t)lab_host_ready(h));
	put_ns(o, "schedstat_run_s", (int64_t)h->run);
	put_ns(o, "schedstat_ready_s", (int64_t)h->ready);
	put_ns(o, "overhead_s", (int64_t)h->overhead);
	put_ns(o, "window_s", (int64_t)h->window);
	if (h->has_ledger)
		json_object_set_new(o, "ledger", ledger_json(&h->ledger));
	return o;
}

static json_t *guest_json(const struct lab_guest *g)
{
	json_t *o = json_object();

	put(o, "descheduled_s", g->has_agent ? (double)g->descheduled / 1e9 : NAN);
	put_ns(o, "proc_stat_busy_s", g->busy);
	if (!g->has_agent)
		return o;
	put_text(o, "source", g->source);
	put_ns(o, "idle_descheduled_s", g->idle_descheduled);
	put_ns(o, "unaccounted_s", g->unaccounted);
	put_ns(o, "true_s", g->true_ns);
	put_ns(o, "vmdesched_s", g->vmdesched);
	json_object_set_new(o, "kernel_subtracts", json_boolean(g->kernel_subtracts));
	put(o, "clock_error_s", g->clock_error_s);
	if (g->has_interval) {
		put_ns(o, "low_s", g->low);
		put_ns(o, "high_s", g->high);
	}
	if (g->counters)
		json_object_set(o, "counters", g->counters);
	return o;
}

static json_t *trace_json(const struct lab_trace *t)
{
	json_t *o = json_object();

	put_ns(o, "run_s", (int64_t)t->run);
	put_ns(o, "idle_s", (int64_t)t->idle);
	put_ns(o, "ready_s", (int64_t)t->ready);
	put_count(o, "switches", t->switches);
	put_count(o, "gaps", t->gaps);
	put_count(o, "inside", t->inside);
	put_ns(o, "doubt_s", (int64_t)t->doubt);
	put_ns(o, "drift_s", t->drift);
	put_ns(o, "uncertain_s", (int64_t)t->uncertain);
	return o;
}

static json_t *vm_json(const struct lab_vm *vm)
{
	json_t *o = json_object(), *processes = json_array();

	put_text(o, "name", vm->name);
	put_count(o, "vcpus", vm->vcpus);
	put_count(o, "boots", (uint64_t)vm->boots);
	if (vm->failure[0])
		put_text(o, "failure", vm->failure);
	if (!vm->measured) {
		json_decref(processes);
		return o;
	}
	json_object_set_new(o, "host", host_json(&vm->host));
	json_object_set_new(o, "guest", guest_json(&vm->guest));
	if (vm->trace.has)
		json_object_set_new(o, "trace", trace_json(&vm->trace));
	put_ns(o, "others_s", (int64_t)vm->others);
	put_ns(o, "others_spread_s", (int64_t)vm->others_spread);
	put_ns(o, "truth_s", (int64_t)vm->truth);
	put(o, "cost_scale", vm->scale);
	put(o, "error_descheduled", vm->error_descheduled);
	put(o, "error_sum", vm->error_sum);
	for (int i = 0; i < vm->n_processes; i++)
		json_array_append_new(processes, process_json(&vm->processes[i]));
	json_object_set_new(o, "processes", processes);
	return o;
}

static json_t *calibration_json(const struct lab_result *r)
{
	json_t *o = json_object(), *kinds = json_object();
	uint64_t cpu = 0;

	for (int i = 0; i < r->n_costs; i++) {
		json_t *one = json_object();

		put(one, "unit_s", r->costs[i].unit_ns / 1e9);
		put_count(one, "units", r->costs[i].units);
		json_object_set_new(kinds, r->costs[i].kind, one);
		cpu += r->costs[i].cpu;
	}
	put_ns(o, "run_s", (int64_t)r->calibration.run);
	put_ns(o, "ready_s", (int64_t)r->calibration.ready);
	put_ns(o, "reported_s", (int64_t)cpu);
	put_ns(o, "others_s", (int64_t)r->calibration_others);
	json_object_set_new(o, "kinds", kinds);
	return o;
}

static json_t *counters_json(const struct host_ledger_counters *c)
{
	json_t *o = json_object();

	put_count(o, "gaps", c->gaps);
	put_count(o, "gaps_lost", c->gaps_lost);
	put_count(o, "kvm_exits", c->kvm_exits);
	put_count(o, "bpf_runs", c->bpf_runs);
	put_ns(o, "bpf_s", (int64_t)c->bpf_ns);
	return o;
}

static json_t *summary_json(const struct lab_result *r)
{
	const struct lab_summary *s = &r->summary;
	json_t *o = json_object();

	put(o, "overcommit", s->overcommit);
	put(o, "max_error_reported", s->max_error_reported);
	put(o, "max_error_true", s->max_error_true);
	put(o, "max_error_descheduled", s->max_error_descheduled);
	put(o, "max_error_sum", s->max_error_sum);
	put_count(o, "judged", (uint64_t)s->judged);
	json_object_set_new(o, "within_limits", s->limits ? json_boolean(s->met) : json_null());
	return o;
}

static int boot_retries(const struct lab_result *r)
{
	int n = 0;

	for (int i = 0; i < r->n_vms; i++)
		n += r->vms[i].boots > 1 ? r->vms[i].boots - 1 : 0;
	return n;
}

json_t *lab_report_json(const struct lab_result *r, const char *failure)
{
	json_t *o = json_object(), *vms = json_array();

	put_text(o, "schema", "desched-lab/1");
	put_text(o, "source", r->source);
	put_text(o, "machines", r->machines);
	put_text(o, "accel", r->accel);
	put_text(o, "accel_reason", r->accel_why);
	put_text(o, "kernel", r->kernel);
	put_text(o, "cpus", r->cpus);
	put_ns(o, "seconds", (int64_t)r->seconds);
	put_text(o, "truth", r->traced ? "trace" : "units");
	put_text(o, "host_source", r->host_source);
	put_ns(o, "host_steal_s", (int64_t)r->steal);
	put_count(o, "boot_retries", (uint64_t)boot_retries(r));
	if (r->note[0])
		put_text(o, "note", r->note);
	if (failure[0])
		put_text(o, "failure", failure);
	json_object_set_new(o, "calibration", calibration_json(r));
	json_object_set_new(o, "host_counters", counters_json(&r->counters));
	for (int i = 0; i < r->n_vms; i++)
		json_array_append_new(vms, vm_json(&r->vms[i]));
	json_object_set_new(o, "vms", vms);
	json_object_set_new(o, "summary", summary_json(r));
	return o;
}

#define FLAGS (JSON_INDENT(1) | JSON_REAL_PRECISION(DIGITS))

int lab_report_json_write(const struct lab_result *r, const char *failure, const char *path,
			  struct failure *f)
{
	json_t *o = lab_report_json(r, failure);

	if (strcmp(path, "-") != 0)
		return json_out_write(o, FLAGS, path, f);
	return json_out_print(o, FLAGS, stdout, "standard output", f);
}

int lab_report_keep(const struct lab_result *r, const char *failure, const char *dir,
		    struct failure *f)
{
	char path[512];

	for (int i = 0; i < r->n_vms; i++) {
		const struct lab_vm *vm = &r->vms[i];
		json_t *o;
		int err;

		if (!vm->after)
			continue;
		o = json_pack("{s:O*, s:O*}", "before", vm->before, "after", vm->after);
		snprintf(path, sizeof(path), "%s/%s.agent.json", dir, vm->name);
		err = json_out_write(o, FLAGS, path, f);
		if (err)
			return err;
	}
	snprintf(path, sizeof(path), "%s/lab.json", dir);
	return json_out_write(lab_report_json(r, failure), FLAGS, path, f);
}
