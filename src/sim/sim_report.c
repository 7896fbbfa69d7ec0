/* SPDX-License-Identifier: MIT */
#include "sim/sim_report.h"

#include "base/units.h"
#include "sim/names.h"

#include <errno.h>
#include <string.h>

/* Columns of the table, in this order; the last only where there is something to show. */
static const enum vm_metric columns[] = {METRIC_CPU,  METRIC_READY, METRIC_COSTOP, METRIC_LIMITED,
					 METRIC_HALT, METRIC_OPS,   METRIC_DELAY};

/* What can't be had, for lack of memory, is noted in *err. */
static double value_of(const struct run *r, uint32_t variant, uint32_t seed, const char *vm,
		       const char *metric, int *err)
{
	char name[192];
	double v = 0;

	snprintf(name, sizeof(name), "%s.%s", vm, metric);
	if (metric_value(r->variants[variant], run_results(r, variant, seed),
			 scenario_hosts(r->variants[variant]), name, &v) == -ENOMEM)
		*err = -ENOMEM;
	return v;
}

/* The mean over the seeds. */
static double mean_of(const struct run *r, uint32_t variant, const char *vm, const char *metric,
		      int *err)
{
	double sum = 0;

	for (uint32_t i = 0; i < r->seeds; i++)
		sum += value_of(r, variant, i, vm, metric, err);
	return sum / r->seeds;
}

/* Of the columns of names. */
struct widths {
	int variant, vm;
};

#define FIGURES_WIDTH 63 /* of a line, with the blanks before each */

static struct widths fit(const struct run *r, int room)
{
	struct widths w = {(int)strlen("variant"), (int)strlen("host")};

	for (uint32_t v = 0; v < r->n_variants; v++) {
		w.variant = names_widen(w.variant, r->names[v]);
		for (uint32_t i = 0; i < r->variants[v]->n_vms; i++)
			w.vm = names_widen(w.vm, r->variants[v]->vms[i].name);
		for (uint32_t i = 0; i < r->variants[v]->n_hosts; i++)
			w.vm = names_widen(w.vm, r->variants[v]->hosts[i].name);
	}
	while (room && w.variant + 1 + w.vm + FIGURES_WIDTH > room) {
		int *longer = w.variant > w.vm ? &w.variant : &w.vm;

		if (*longer <= NAMES_LEAST)
			break;
		--*longer;
	}
	return w;
}

/* The first host that was refused, or the first one. */
static const struct result *refused_or_first(const struct run *r, uint32_t v, uint32_t seed)
{
	const struct result *first = run_results(r, v, seed);

	for (uint32_t i = 0; i < scenario_hosts(r->variants[v]); i++) {
		if (first[i].refused)
			return &first[i];
	}
	return first;
}

/* What only some scenarios have: "NAME FIGURE ..." in a line of its own, where the first is not
 * 0. */
struct extra {
	const char *metrics[4];
};

static const struct extra vm_extras[] = {
	{{"swapwait", "faults", "present"}},
	{{"moved", "downtime"}},
};

static const struct extra host_extras[] = {
	{{"disk", "disk_wait", "faults", "memory"}},
	{{"moving"}},
};

static void extra_lines(const struct run *r, uint32_t v, const char *name,
			const struct extra *extras, size_t n, const struct widths *w, FILE *out,
			int *err)
{
	for (size_t i = 0; i < n; i++) {
		if (mean_of(r, v, name, extras[i].metrics[0], err) == 0)
			continue;
		names_put(out, r->names[v], w->variant);
		names_put(out, name, w->vm);
		fputs("     ", out);
		for (int k = 0; k < 4 && extras[i].metrics[k]; k++)
			fprintf(out, " %s %.4g", extras[i].metrics[k],
				mean_of(r, v, name, extras[i].metrics[k], err));
		fputc('\n', out);
	}
}

/* All hosts together ("host"), or one that has a name. */
static void host_line(const struct run *r, uint32_t v, const char *host, const struct widths *w,
		      FILE *out, int *err)
{
	names_put(out, r->names[v], w->variant);
	names_put(out, host, w->vm);
	fprintf(out, "      busy %.4f held %.4f switches %.0f/s waste %.4f\n",
		mean_of(r, v, host, "busy", err), mean_of(r, v, host, "held", err),
		mean_of(r, v, host, "switches", err), mean_of(r, v, host, "waste", err));
	extra_lines(r, v, host, host_extras, ARRAY_SIZE(host_extras), w, out, err);
}

static int variant_table(const struct run *r, uint32_t v, const struct widths *w, FILE *out)
{
	const struct scenario *sc = r->variants[v];
	const struct result *first = refused_or_first(r, v, 0);
	int err = 0;

	if (first->refused) {
		names_put(out, r->names[v], w->variant);
		fprintf(out, "%s\n", first->reason);
		return 0;
	}
	for (uint32_t i = 0; i < sc->n_vms; i++) {
		names_put(out, r->names[v], w->variant);
		names_put(out, sc->vms[i].name, w->vm);
		fprintf(out, "%5u", sc->vms[i].count);
		for (size_t c = 0; c < ARRAY_SIZE(columns); c++)
			fprintf(out, columns[c] == METRIC_OPS ? " %8.1f" : " %7.3f",
				mean_of(r, v, sc->vms[i].name, vm_metric_rows[columns[c]].name,
					&err));
		fputc('\n', out);
		extra_lines(r, v, sc->vms[i].name, vm_extras, ARRAY_SIZE(vm_extras), w, out, &err);
	}
	host_line(r, v, "host", w, out, &err);
	for (uint32_t i = 0; i < sc->n_hosts; i++)
		host_line(r, v, sc->hosts[i].name, w, out, &err);
	return err;
}

static void print_limit(const struct run *r, const struct limit_report *l, FILE *out)
{
	fprintf(out, "%s %s%s%s (seed %llu): %.6g, limit %.6g",
		l->outcome.kept ? "ok    " : "BROKEN", l->variant, l->variant[0] ? ": " : "",
		l->limit->label, (unsigned long long)(r->first_seed + l->seed), l->outcome.left,
		l->outcome.right);
	if (l->outcome.tolerance > 0)
		fprintf(out, " within %.3g", l->outcome.tolerance);
	fputc('\n', out);
}

int sim_report_table(const struct run *r, FILE *out)
{
	struct widths w = fit(r, names_terminal(out));
	int err = 0;

	fprintf(out, "%s\n%s\n", r->scenario->name, r->scenario->head ? r->scenario->head : "");
	names_put(out, "variant", w.variant);
	names_put(out, "vm", w.vm);
	fprintf(out, "%5s", "count");
	for (size_t c = 0; c < ARRAY_SIZE(columns); c++)
		fprintf(out, columns[c] == METRIC_OPS ? " %8s" : " %7s",
			vm_metric_rows[columns[c]].name);
	fputc('\n', out);
	for (uint32_t v = 0; v < r->n_variants && !err; v++)
		err = variant_table(r, v, &w, out);
	fputc('\n', out);
	for (uint32_t i = 0; i < r->n_reports; i++)
		print_limit(r, &r->reports[i], out);
	sim_report_limits(r, out);
	return err;
}

/* Events by the CPU time that they took, whatever else the machine does and however many threads
 * shared the work. */
static double rate(const struct run *r)
{
	return r->cpu_seconds > 0 ? (double)r->events / r->cpu_seconds : 0;
}

void sim_report_limits(const struct run *r, FILE *out)
{
	if (r->broken && out == stderr) {
		for (uint32_t i = 0; i < r->n_reports; i++) {
			if (!r->reports[i].outcome.kept)
				print_limit(r, &r->reports[i], out);
		}
	}
	fprintf(out, "%s: %u limits, %u broken; %llu events, %.3g a CPU second\n",
		r->scenario->name, r->n_reports, r->broken, (unsigned long long)r->events, rate(r));
}

static json_t *vm_json(const struct run *r, uint32_t v, uint32_t seed, const struct vm_spec *vm)
{
	json_t *o = json_pack("{s:s, s:i, s:i}", "name", vm->name, "count", (int)vm->count, "vcpus",
			      (int)vm->vcpus);
	char metric[96];
	int err = 0;

	for (int m = 0; m < VM_METRICS; m++)
		json_object_set_new(
			o, vm_metric_rows[m].name,
			json_real(value_of(r, v, seed, vm->name, vm_metric_rows[m].name, &err)));
	for (uint32_t p = 0; vm->n_processes && p < vm->n_processes + 2; p++) {
		const char *name = p < vm->n_processes	  ? vm->processes[p].name
				   : p == vm->n_processes ? "idle"
							  : "vmdesched";

		for (int m = 0; m < PROCESS_METRICS; m++) {
			snprintf(metric, sizeof(metric), "%s.%s", name,
				 process_metric_rows[m].name);
			json_object_set_new(
				o, metric, json_real(value_of(r, v, seed, vm->name, metric, &err)));
		}
	}
	if (!err)
		return o;
	json_decref(o);
	return NULL;
}

static json_t *host_json(const struct run *r, uint32_t v, uint32_t seed, const char *name)
{
	json_t *o = json_object();
	int err = 0;

	for (int m = 0; m < HOST_METRICS; m++)
		json_object_set_new(
			o, host_metric_rows[m].name,
			json_real(value_of(r, v, seed, name, host_metric_rows[m].name, &err)));
	if (!err)
		return o;
	json_decref(o);
	return NULL;
}

/* NULL for lack of memory, which spoils what it would have been a part of. */
static json_t *run_json(const struct run *r, uint32_t v, uint32_t seed)
{
	const struct result *first = refused_or_first(r, v, seed);
	const struct scenario *sc = r->variants[v];
	json_t *host = host_json(r, v, seed, "host"), *vms = json_array(), *hosts = json_object();
	json_t *o;
	int err = host ? 0 : -ENOMEM;

	for (uint32_t i = 0; !err && i < sc->n_hosts; i++)
		err = json_object_set_new(hosts, sc->hosts[i].name,
					  host_json(r, v, seed, sc->hosts[i].name));
	for (uint32_t i = 0; !first->refused && !err && i < r->variants[v]->n_vms; i++)
		err = json_array_append_new(vms, vm_json(r, v, seed, &r->variants[v]->vms[i]));
	o = json_pack("{s:s, s:I, s:o, s:o, s:o}", "variant", r->names[v], "seed",
		      (json_int_t)(r->first_seed + seed), "host", host, "hosts", hosts, "vms", vms);
	if (first->refused)
		json_object_set_new(o, "refused", json_string(first->reason));
	if (!err)
		return o;
	json_decref(o);
	return NULL;
}

json_t *sim_report_json(const struct run *r)
{
	json_t *runs = json_array(), *limits = json_array(), *o;
	int err = 0;

	for (uint32_t v = 0; v < r->n_variants && !err; v++) {
		for (uint32_t seed = 0; seed < r->seeds && !err; seed++)
			err = json_array_append_new(runs, run_json(r, v, seed));
	}
	for (uint32_t i = 0; i < r->n_reports; i++) {
		const struct limit_report *l = &r->reports[i];

		json_array_append_new(
			limits,
			json_pack("{s:s, s:s, s:s, s:I, s:f, s:f, s:f, s:b}", "label",
				  l->limit->label, "condition", l->limit->condition, "variant",
				  l->variant, "seed", (json_int_t)(r->first_seed + l->seed), "left",
				  l->outcome.left, "right", l->outcome.right, "tolerance",
				  l->outcome.tolerance, "kept", l->outcome.kept));
	}
	o = json_pack("{s:s, s:s, s:o, s:o, s:i, s:I, s:f, s:f, s:f}", "scenario",
		      r->scenario->name, "head", r->scenario->head ? r->scenario->head : "", "runs",
		      runs, "limits", limits, "broken", (int)r->broken, "events",
		      (json_int_t)r->events, "seconds", r->seconds, "cpu_seconds", r->cpu_seconds,
		      "events_per_second", rate(r));
	if (!err)
		return o;
	json_decref(o);
	return NULL;
}
