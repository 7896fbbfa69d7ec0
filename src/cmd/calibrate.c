/* SPDX-License-Identifier: MIT */
/*
 * desched calibrate: what this host's VMs cost beyond their guests' work, as coefficients with
 * intervals (host/calibrate.h), for people or as JSON with schema "desched-calibration/1", which
 * `desched sim` takes.
 */
#include "host/calibrate.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/command.h"
#include "base/json_out.h"
#include "base/units.h"
#include "cmd/commands.h"
#include "host/find.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static struct {
	uint64_t duration;
	struct option_choice source;
	struct option_output json;
} options = {.duration = 10 * NS_PER_SEC, .source = {NULL, host_source_name}};

static const struct option_row rows[] = {
	{'d', "duration", "S", OPTION_SECONDS, &options.duration, CALIBRATE_WINDOW_NS,
	 86400 * NS_PER_SEC, "seconds to measure; Ctrl-C ends it with what there is"},
	{0, "source", "S", OPTION_CHOICE, &options.source, 0, 0, "instead of the best that works"},
	{0, "json", "FILE", OPTION_OUTPUT, &options.json, 0, 0,
	 "print JSON, or write it to =FILE (schema desched-calibration/1)"},
};

static int run(char **operands, int n, struct failure *f);

const struct command command_calibrate = {
	.name = "calibrate",
	.operands = "[PID|NAME...]",
	.summary = "Measures what this host's VMs cost beyond their guests' work.",
	.examples = "  desched calibrate\n"
		    "  desched calibrate -d 60 web1 'db*'\n"
		    "  desched calibrate --json=host.json && desched sim my.ini --set "
		    "host.calibration=host.json\n",
	.rows = rows,
	.n_rows = ARRAY_SIZE(rows),
	.operand_name = host_find_name,
	.run = run,
};

/* ---- for people ---- */

/* In units that fit: percent of a CPU, microseconds, a second. */
static double shown(const char *unit, double value)
{
	return !strcmp(unit, "CPUs") ? 100 * value : !strcmp(unit, "s") ? 1e6 * value : value;
}

static const char *shown_unit(const char *unit)
{
	return !strcmp(unit, "CPUs") ? "% CPU" : !strcmp(unit, "s") ? "us" : unit;
}

static void print_figure(const struct coefficient *c, const struct figure *g)
{
	char interval[32] = "";

	if (g->missing) {
		printf("  %-14s %10s %-6s %s\n", c->name, "-", "", g->missing);
		return;
	}
	if (!isnan(g->low))
		snprintf(interval, sizeof(interval), "%.3f to %.3f", shown(c->unit, g->low),
			 shown(c->unit, g->high));
	printf("  %-14s %10.3f %-6s %-21s %8" PRIu64 "\n", c->name, shown(c->unit, g->mean),
	       shown_unit(c->unit), interval, g->n);
}

static void print_cost(const struct figure *g, double seconds)
{
	if (g->missing)
		printf(" %11s %10s", "-", "");
	else
		printf(" %11.1f %10.3f", (double)g->n / seconds, 1e6 * g->mean);
}

static void print_classes(const struct calibrated *vm)
{
	double seconds = ns_to_s(vm->measured);
	bool any = false;

	for (int k = 0; k < EXIT_CLASSES; k++) {
		struct figure e = calibrate_exit(vm, k), t = calibrate_trip(vm, k);

		if (e.missing && t.missing)
			continue;
		if (!any)
			printf("  %-14s %11s %10s %11s %10s\n", "class", "exits/s", "us each",
			       "trips/s", "us each");
		any = true;
		printf("    %-12s", exit_class_name(k));
		print_cost(&e, seconds);
		print_cost(&t, seconds);
		printf("\n");
	}
}

/* Half, most and nearly all of them. */
static void print_delays(const struct interrupt_delays *d)
{
	if (d->n)
		printf("  %-14s %9.0f us, 95 %% %.0f us, 99 %% %.0f us, longest %.0f us\n",
		       "of these 50 %", interrupt_quantile(d, 0.5) / 1e3,
		       interrupt_quantile(d, 0.95) / 1e3, interrupt_quantile(d, 0.99) / 1e3,
		       (double)d->longest / 1e3);
}

/* Of those that were not idle in the last second. */
static void print_busy(const struct calibrated *vm)
{
	static const char *const texts[] = {
		[BUSY_WORKS] = "works",
		[BUSY_SPINS] = "spins for locks: many exits for PAUSE",
		[BUSY_LOOPS] = "loops, polls, or only computes: no sign of work",
		[BUSY_UNKNOWN] = "not known what it does: its exits are not reported"};

	for (uint32_t v = 0; v < vm->n_vcpus; v++) {
		const struct busy *b = &vm->vcpus[v].busy;

		if (busy_for(b) >= NS_PER_SEC)
			printf("  vCPU %-9" PRIu32 " %10.1f s without a halt; %s\n",
			       vm->vcpus[v].index, ns_to_s(busy_for(b)), texts[busy_kind(b)]);
	}
}

static void print_vm(const struct calibration *c, const struct calibrated *vm)
{
	const struct coefficient *row;

	printf("\n%s (pid %d, %" PRIu32 " vCPU%s)\n", vm->name, vm->pid, vm->n_vcpus,
	       vm->n_vcpus == 1 ? "" : "s");
	for (size_t i = 0; (row = calibrate_coefficient(i)); i++) {
		struct figure g;

		if (!row->of_vm)
			continue;
		row->of_vm(c, vm, &g);
		print_figure(row, &g);
	}
	print_delays(&vm->delays);
	print_busy(vm);
	print_classes(vm);
}

static void print_table(const struct calibration *c, const struct measurement *m)
{
	const struct coefficient *row;

	printf("%.1f s, source %s, %zu VM%s\n%-16s %10s %-6s %-21s %8s\n",
	       ns_to_s(m->at[MEASURE_NOW] - m->at[MEASURE_FIRST]), host_ledger_source(m->ledger),
	       c->n, c->n == 1 ? "" : "s", "HOST, VMs", "MEAN", "", "95 % INTERVAL", "N");
	for (size_t i = 0; (row = calibrate_coefficient(i)); i++) {
		struct figure g;

		if (!row->of_host)
			continue;
		row->of_host(c, &g);
		print_figure(row, &g);
	}
	for (size_t i = 0; i < c->n; i++)
		print_vm(c, &c->vms[i]);
}

/* ---- JSON ---- */

static json_t *json_number_or_null(double value)
{
	return isnan(value) ? json_null() : json_real(value);
}

static json_t *json_figure(const struct figure *g, const char *unit, const char *how)
{
	return json_pack("{s:s, s:I, s:o, s:o, s:o, s:s*, s:s?}", "unit", unit, "n",
			 (json_int_t)g->n, "mean", json_number_or_null(g->mean), "low",
			 json_number_or_null(g->low), "high", json_number_or_null(g->high), "how",
			 how, "missing", g->missing);
}

/* Of a VM, or of the host where that is NULL. */
static json_t *json_coefficients(const struct calibration *c, const struct calibrated *vm)
{
	const struct coefficient *row;
	json_t *o = json_object();

	for (size_t i = 0; (row = calibrate_coefficient(i)); i++) {
		struct figure g;

		if (vm ? !row->of_vm : !row->of_host)
			continue;
		if (vm)
			row->of_vm(c, vm, &g);
		else
			row->of_host(c, &g);
		json_object_set_new(o, row->name, json_figure(&g, row->unit, row->how));
	}
	return o;
}

static json_t *json_classes(const struct calibrated *vm)
{
	json_t *list = json_array();

	for (int k = 0; k < EXIT_CLASSES; k++) {
		struct figure e = calibrate_exit(vm, k), t = calibrate_trip(vm, k);

		if (!e.missing || !t.missing)
			json_array_append_new(list, json_pack("{s:s, s:s, s:o, s:o}", "class",
							      exit_class_name(k), "help",
							      exit_class_help(k), "exit",
							      json_figure(&e, "s", NULL), "trip",
							      json_figure(&t, "s", NULL)));
	}
	return list;
}

static json_t *json_delays(const struct interrupt_delays *d)
{
	json_t *list = json_array();

	for (unsigned i = 0; i < INTERRUPT_BUCKETS; i++) {
		uint64_t bound = interrupt_bound(i);

		if (d->buckets[i])
			json_array_append_new(list, json_pack("{s:o, s:I}", "below_s",
							      bound == UINT64_MAX
								      ? json_null()
								      : json_real(ns_to_s(bound)),
							      "n", (json_int_t)d->buckets[i]));
	}
	return json_pack("{s:I, s:I, s:I, s:f, s:f, s:f, s:f, s:o}", "n", (json_int_t)d->n,
			 "at_once", (json_int_t)d->at_once, "merged", (json_int_t)d->merged,
			 "p50_s", interrupt_quantile(d, 0.5) / 1e9, "p95_s",
			 interrupt_quantile(d, 0.95) / 1e9, "p99_s",
			 interrupt_quantile(d, 0.99) / 1e9, "longest_s", ns_to_s(d->longest),
			 "delays", list);
}

static json_t *json_busy(const struct calibrated *vm)
{
	json_t *list = json_array();

	for (uint32_t v = 0; v < vm->n_vcpus; v++) {
		const struct busy *b = &vm->vcpus[v].busy;

		json_array_append_new(list, json_pack("{s:i, s:s, s:f, s:f}", "index",
						      (int)vm->vcpus[v].index, "does",
						      busy_kind_name(busy_kind(b)), "busy_s",
						      ns_to_s(busy_for(b)), "quiet_s",
						      ns_to_s(busy_quiet_for(b))));
	}
	return list;
}

static json_t *json_vms(const struct calibration *c)
{
	json_t *vms = json_array();

	for (size_t i = 0; i < c->n; i++) {
		const struct calibrated *vm = &c->vms[i];

		json_array_append_new(
			vms,
			json_pack("{s:s, s:s, s:i, s:i, s:f, s:o, s:o, s:o, s:o}", "name", vm->name,
				  "uuid", vm->uuid, "pid", (int)vm->pid, "vcpus", (int)vm->n_vcpus,
				  "vcpu_seconds", ns_to_s(vm->measured), "coefficients",
				  json_coefficients(c, vm), "classes", json_classes(vm),
				  "interrupts", json_delays(&vm->delays), "busy", json_busy(vm)));
	}
	return vms;
}

static int put_json(const struct calibration *c, const struct measurement *m, struct failure *f)
{
	const size_t flags = JSON_INDENT(1) | JSON_REAL_PRECISION(9);
	json_t *o = json_pack("{s:s, s:f, s:f, s:I, s:s, s:i, s:{s:o}, s:o}", "schema",
			      "desched-calibration/1", "time_s", ns_to_s(m->real), "seconds",
			      ns_to_s(m->at[MEASURE_NOW] - m->at[MEASURE_FIRST]), "windows",
			      (json_int_t)c->windows, "source", host_ledger_source(m->ledger),
			      "cpus", (int)sysconf(_SC_NPROCESSORS_ONLN), "host", "coefficients",
			      json_coefficients(c, NULL), "vms", json_vms(c));

	return options.json.file ? json_out_write(o, flags, options.json.file, f)
				 : json_out_print(o, flags, stdout, "standard output", f);
}

/* ---- the command ---- */

static void note(const char *text, void *data)
{
	(void)data;
	fprintf(stderr, "desched calibrate: %s\n", text);
}

static void progress(uint64_t done)
{
	if (isatty(STDERR_FILENO))
		fprintf(stderr, "\r%.0f of %.0f s ", ns_to_s(done), ns_to_s(options.duration));
}

static void measure_until(struct measurement *m, uint64_t end)
{
	for (uint64_t now = clock_mono(); now < end && !command_stop; now = clock_mono()) {
		uint64_t ns = u64_min(end - now, measure_interval(m));

		nanosleep(&(struct timespec){.tv_nsec = (long)ns}, NULL);
		measure_step(m);
	}
}

/* The first window has no length: it is what the others are differences from. */
static int take_windows(struct calibration *c, struct measurement *m, struct failure *f)
{
	uint64_t start = clock_mono(), end = start + options.duration, next = start;
	int err = calibrate_window(c, m);

	while (!err && next + CALIBRATE_WINDOW_NS <= end && !measure_is_over(m)) {
		next += CALIBRATE_WINDOW_NS;
		measure_until(m, next);
		if (command_stop)
			break;
		err = calibrate_window(c, m);
		progress(next - start);
	}
	if (isatty(STDERR_FILENO))
		fprintf(stderr, "\r%20s\r", "");
	return err ? failure_errno(f, err, "calibrating") : 0;
}

static void close_measurement(struct measurement **m)
{
	measure_close(*m);
}

static int run(char **operands, int n, struct failure *f)
{
	_cleanup_(close_measurement) struct measurement *m = NULL;
	_cleanup_(calibrate_done) struct calibration c = {.vms = NULL};
	const struct measure_setup setup = {.source = options.source.value,
					    .operands = operands,
					    .n_operands = n,
					    .no_pages = true,
					    .no_blame = true,
					    .interrupts = INTERRUPTS_OF_ALL,
					    .note = note};
	int err;

	command_catch_signals();
	err = measure_open(&setup, f, &m);
	if (err)
		return err;
	calibrate_begin(&c, m);
	err = take_windows(&c, m, f);
	if (err)
		return err;
	if (options.json.wanted)
		return put_json(&c, m, f);
	print_table(&c, m);
	return 0;
}
