/* SPDX-License-Identifier: MIT */
#include "cmd/blame_report.h"

#include "base/json_out.h"
#include "base/text.h"
#include "base/units.h"

#include <inttypes.h>
#include <jansson.h>
#include <string.h>
#include <time.h>

#define BAR	10 /* characters */
#define NAME	22
#define CULPRIT 3 /* of a minute */

static const char *const kinds[CULPRITS] = {
	[CULPRIT_VM] = "VM",	     [CULPRIT_PROCESS] = "process",
	[CULPRIT_KERNEL] = "kernel", [CULPRIT_INTERRUPT] = "interrupt",
	[CULPRIT_IDLE] = "idle",     [CULPRIT_UNKNOWN] = "unknown",
};

static double percent(uint64_t part, uint64_t whole)
{
	return whole ? 100.0 * (double)part / (double)whole : 0;
}

bool blame_report_has(const struct blame_report *r, const struct tally_vm *vm)
{
	struct host_vm names = {.pid = vm->process ? vm->process : vm->pid};

	memcpy(names.name, vm->name, sizeof(names.name));
	memcpy(names.called, vm->called, sizeof(names.called));
	memcpy(names.uuid, vm->uuid, sizeof(names.uuid));
	memcpy(names.id, vm->id, sizeof(names.id));
	return choice_takes(r->choice, &names);
}

/* A name in a column, whose characters may have several bytes each. */
static void print_name(const char *name, int width, FILE *to)
{
	const char *next = name;

	for (; *name && width > 0; width--) {
		utf8_next(&next);
		fwrite(name, 1, (size_t)(next - name), to);
		name = next;
	}
	fprintf(to, "%*s", width, "");
}

/* ---- the table ---- */

static void print_bar(const struct blame_report *r, uint64_t part, uint64_t whole, FILE *to)
{
	int n = (int)(percent(part, whole) * BAR / 100 + 0.5);

	if (n)
		fprintf(to, "  %s%.*s%s", r->colour ? "\033[33m" : "", n, "##########",
			r->colour ? "\033[0m" : "");
	fputc('\n', to);
}

static void print_row(const struct blame_report *r, const struct tally_vm *vm,
		      const struct host_frame_blame *row, FILE *to)
{
	fputs("  ", to);
	print_name(row->name, NAME, to);
	fprintf(to, " %-9s", kinds[row->kind]);
	if (row->pid)
		fprintf(to, " %7d", row->pid);
	else
		fprintf(to, " %7s", "-");
	fprintf(to, " %9.3f %5.1f%% %9.3f", ns_to_s(row->ns), percent(row->ns, vm->ready),
		(double)row->longest / NS_PER_MS);
	print_bar(r, row->ns, vm->ready, to);
}

/* What those that aren't shown one by one come to. */
static void print_rest(const struct blame_report *r, const struct tally_vm *vm, FILE *to)
{
	struct host_frame_blame rest = {.ns = 0};
	char name[48];

	for (size_t i = r->top; i < vm->n; i++) {
		rest.ns += vm->rows[i].ns;
		rest.longest = u64_max(rest.longest, vm->rows[i].longest);
	}
	snprintf(name, sizeof(name), "%zu more", vm->n - (size_t)r->top);
	fprintf(to, "  %-*s %-9s %7s %9.3f %5.1f%% %9.3f", NAME, name, "", "", ns_to_s(rest.ns),
		percent(rest.ns, vm->ready), (double)rest.longest / NS_PER_MS);
	print_bar(r, rest.ns, vm->ready, to);
}

static void print_vm(const struct blame_report *r, const struct tally_vm *vm, FILE *to)
{
	char who[96];

	snprintf(who, sizeof(who), "%s (%d)", vm->name, vm->pid);
	if (r->colour)
		fputs("\033[1m", to);
	print_name(who, 34, to);
	fprintf(to, " waited %.3f s, %.2f %% of its time%s%s\n", ns_to_s(vm->ready),
		percent(vm->ready, vm->wall), vm->ended ? ", ended" : "",
		r->colour ? "\033[0m" : "");
	for (size_t i = 0; i < vm->n && i < r->top; i++)
		print_row(r, vm, &vm->rows[i], to);
	if (vm->n > r->top)
		print_rest(r, vm, to);
}

static void local_time(uint64_t ns, const char *format, char *ret, size_t size)
{
	time_t seconds = (time_t)(ns / NS_PER_SEC);
	struct tm tm;

	if (!localtime_r(&seconds, &tm) || !strftime(ret, size, format, &tm))
		ret[0] = '\0';
}

void blame_report_table(const struct blame_report *r, FILE *to)
{
	char time[32];

	local_time(r->time, "%Y-%m-%d %H:%M:%S", time, sizeof(time));
	fprintf(to, "%.3f s until %s, source %s", ns_to_s(r->tally->span), time, r->source);
	if (r->runs_lost)
		fprintf(to, ", %" PRIu64 " records lost (unknown)", r->runs_lost);
	fprintf(to, "\n  %-*s %-9s %7s %9s %6s %9s\n", NAME, "WHO RAN MEANWHILE", "KIND", "PID",
		"SECONDS", "SHARE", "MAX ms");
	for (size_t i = 0; i < r->tally->n; i++) {
		if (blame_report_has(r, &r->tally->vms[i]))
			print_vm(r, &r->tally->vms[i], to);
	}
	fputc('\n', to);
}

/* ---- minutes ---- */

void blame_report_minute(const struct blame_report *r, bool first, FILE *to)
{
	char time[32];

	if (first)
		fprintf(to, "%-16s %-16s %8s %6s  %s\n", "MINUTE", "VM", "READY s", "%RDY",
			"WHO RAN MEANWHILE");
	local_time(r->time - 1, "%Y-%m-%d %H:%M", time, sizeof(time));
	for (size_t i = 0; i < r->tally->n; i++) {
		const struct tally_vm *vm = &r->tally->vms[i];

		if (!blame_report_has(r, vm))
			continue;
		fprintf(to, "%s ", time);
		print_name(vm->name, 16, to);
		fprintf(to, " %8.3f %6.2f ", ns_to_s(vm->ready), percent(vm->ready, vm->wall));
		for (size_t n = 0; n < vm->n && n < CULPRIT && vm->rows[n].ns; n++)
			fprintf(to, "%s %s %.0f%%", n ? "," : "", vm->rows[n].name,
				percent(vm->rows[n].ns, vm->ready));
		fputc('\n', to);
	}
}

/* ---- JSON ---- */

static json_t *json_rows(const struct tally_vm *vm)
{
	json_t *rows = json_array();

	for (size_t i = 0; i < vm->n; i++) {
		const struct host_frame_blame *row = &vm->rows[i];

		json_array_append_new(rows,
				      json_pack("{s:s, s:o, s:i, s:f, s:f, s:f}", "kind",
						kinds[row->kind], "name", json_out_name(row->name),
						"pid", (int)row->pid, "seconds", ns_to_s(row->ns),
						"share", percent(row->ns, vm->ready) / 100,
						"longest_seconds", ns_to_s(row->longest)));
	}
	return rows;
}

static json_t *json_vms(const struct blame_report *r)
{
	json_t *vms = json_array();

	for (size_t i = 0; i < r->tally->n; i++) {
		const struct tally_vm *vm = &r->tally->vms[i];

		if (blame_report_has(r, vm))
			json_array_append_new(
				vms, json_pack("{s:o, s:s, s:i, s:b, s:f, s:f, s:o}", "name",
					       json_out_name(vm->name), "uuid", vm->uuid, "pid",
					       (int)vm->pid, "ended", (int)vm->ended,
					       "ready_seconds", ns_to_s(vm->ready), "wall_seconds",
					       ns_to_s(vm->wall), "culprits", json_rows(vm)));
	}
	return vms;
}

int blame_report_json(const struct blame_report *r, FILE *to, struct failure *f)
{
	json_t *o = json_pack("{s:s, s:s, s:f, s:f, s:o, s:I}", "schema", "desched-blame/1",
			      "source", r->source, "time_s", ns_to_s(r->time), "seconds",
			      ns_to_s(r->tally->span), "vms", json_vms(r), "runs_lost",
			      (json_int_t)r->runs_lost);

	return json_out_print(o, JSON_COMPACT | JSON_REAL_PRECISION(15), to, "a report", f);
}
