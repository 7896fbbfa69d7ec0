/* SPDX-License-Identifier: MIT */
/*
 * desched data: what a file of figures holds, whichever program wrote it: a table of its series, or
 * all of their samples as CSV or JSON. The samples are printed as they are read.
 */
#include "base/cleanup.h"
#include "base/json_out.h"
#include "base/text.h"
#include "base/units.h"
#include "cmd/commands.h"
#include "data/summary.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

static struct {
	const char *zone;
	struct option_choice dates;
	uint64_t cpus;
	bool all, csv, json;
} options = {.dates = {.name = times_order_name}};

static const struct option_row rows[] = {
	{'a', "all", NULL, OPTION_FLAG, &options.all, 0, 0,
	 "list processes, vCPUs, disks and interfaces, too, one by one"},
	{0, "csv", NULL, OPTION_FLAG, &options.csv, 0, 0, "print all samples as CSV"},
	{0, "json", NULL, OPTION_FLAG, &options.json, 0, 0,
	 "print all samples as JSON, an object a line (schema desched-data/1)"},
	{0, "cpus", "N", OPTION_UINT, &options.cpus, 1, 8192,
	 "CPUs of the machine (as the file says)"},
	{0, "zone", "Z", OPTION_STRING, &options.zone, 0, 0,
	 "zone of the file's times, such as +02:00 (as the file says)"},
	{0, "dates", "ORDER", OPTION_CHOICE, &options.dates, 0, 0,
	 "how the file writes 05/01/2026 (as can be seen)"},
};

static int run(char **files, int n, struct failure *f);

const struct command command_data = {
	.name = "data",
	.operands = "FILE",
	.summary = "Lists what a file of figures holds: machines, VMs, quantities, times.",
	.examples = "  desched data esxtop.csv\n"
		    "  desched data --all pidstat.txt\n"
		    "  desched data --csv sar.txt >sar.csv\n"
		    "  desched data --json ledger.json | jq 'select(.quantity == \"ready\")'\n",
	.rows = rows,
	.n_rows = ARRAY_SIZE(rows),
	.least = 1,
	.most = 1,
	.run = run,
};

/* ---- for people ---- */

/* A date where the file has dates; *ret is long enough for any. */
static const char *time_text(const struct data_file *file, double at, char ret[64])
{
	time_t time = (time_t)at;
	struct tm tm;

	if (!file->dated)
		snprintf(ret, 64, "%.0f s", at);
	else if (!gmtime_r(&time, &tm) || !strftime(ret, 64, "%Y-%m-%d %H:%M:%S", &tm))
		snprintf(ret, 64, "%.0f", at);
	return ret;
}

static void print_times(const struct data_file *file, const struct summary *s)
{
	double from = INFINITY, to = -INFINITY;
	char text[2][64];

	for (size_t i = 0; i < s->n; i++)
		for (int q = 0; q < DATA_QUANTITIES; q++) {
			const struct summary_series *x = s->entities[i].series[q];

			from = x ? fmin(from, x->from) : from;
			to = x ? fmax(to, x->to) : to;
		}
	printf("from %s to %s%s\n", time_text(file, from, text[0]), time_text(file, to, text[1]),
	       !file->dated		    ? ", without dates"
	       : file->zone == ZONE_UNKNOWN ? ", in a zone that it doesn't state"
					    : " UTC");
}

static void print_counts(const struct summary *s)
{
	size_t n[DATA_KINDS] = {0};
	bool any = false;

	for (size_t i = 0; i < s->n; i++)
		n[s->entities[i].e.kind]++;
	for (int k = 0; k < DATA_KINDS; k++) {
		if (!n[k])
			continue;
		printf("%s%s: %zu", any ? ", " : "", data_kind_name((enum data_kind)k), n[k]);
		any = true;
	}
	putchar('\n');
}

static void print_warnings(const struct data_file *file)
{
	char skipped[300];

	if (file->damage[0])
		printf("warning: %s\n", file->damage);
	if (file->note[0])
		printf("note: %s\n", file->note);
	skips_describe(&file->skips, skipped, sizeof(skipped));
	if (skipped[0])
		printf("%s: left out: %s\n", skips_lost(&file->skips) ? "warning" : "note",
		       skipped);
}

/* What CPU time is a second is a number of CPUs. */
static void print_amount(double v, enum data_quantity quantity)
{
	const struct data_quantity_row *q = &data_quantities[quantity];
	static const char *const prefixes[] = {"", "Ki", "Mi", "Gi", "Ti", "Pi"};
	bool bytes = !strcmp(q->unit, "bytes");
	size_t i = 0;

	for (; bytes && v >= 1024 && i + 1 < ARRAY_SIZE(prefixes); i++)
		v /= 1024;
	if (isnan(v))
		printf("%10s %-10s", "-", "");
	else if (q->unit[0] == 's')
		printf("%10.3f %-10s", v, "CPUs");
	else
		printf("%10.1f %s%s%-*s", v, prefixes[i], bytes ? "B" : "",
		       (int)(9 - strlen(prefixes[i])), q->level ? "" : "/s");
}

static void put_name(const struct data_entity *e)
{
	text_put(e->name[0] ? e->name : "-", stdout);
	if (e->id[0]) {
		fputs(" (", stdout);
		text_put(e->id, stdout);
		putchar(')');
	}
}

static void print_name(const struct summary *s, const struct summary_entity *x)
{
	const struct data_entity *e = &x->e;
	const struct data_entity *owner = e->owner == DATA_NONE ? NULL : &s->entities[e->owner].e;

	if (owner && (owner->name[0] || owner->id[0])) {
		put_name(owner);
		fputs(" / ", stdout);
	}
	put_name(e);
	if (x->cpus)
		printf(", %u CPU%s", x->cpus, x->cpus == 1 ? "" : "s");
	putchar('\n');
}

static void print_entity(const struct summary *s, const struct summary_entity *x)
{
	for (int q = 0; q < DATA_QUANTITIES; q++) {
		const struct summary_series *series = x->series[q];

		if (!series)
			continue;
		printf("%-9s %-17s %7" PRIu64 " %7.1f s ", data_kind_name(x->e.kind),
		       data_quantities[q].name, series->n, summary_step(series));
		print_amount(summary_mean(series), (enum data_quantity)q);
		putchar(' ');
		print_name(s, x);
	}
}

static void print_table(const char *path, const struct data_file *file, const struct summary *s)
{
	size_t hidden = 0;

	text_put(path, stdout);
	printf(": %s, %" PRIu64 " samples, ", file->format, file->samples);
	print_times(file, s);
	print_counts(s);
	print_warnings(file);
	printf("\n%-9s %-17s %7s %9s %10s %-10s %s\n", "KIND", "QUANTITY", "SAMPLES", "EVERY",
	       "MEAN", "", "NAME");
	for (size_t i = 0; i < s->n; i++) {
		bool part = s->entities[i].e.owner != DATA_NONE;

		if (options.all || !part)
			print_entity(s, &s->entities[i]);
		hidden += part && !options.all;
	}
	if (hidden)
		printf("\n--all lists %zu part%s, too\n", hidden, hidden == 1 ? "" : "s");
}

static int list(const char *path, const struct data_options *o, struct failure *f)
{
	_cleanup_(summary_done) struct summary s = {.n = 0};
	const struct data_sink sink = summary_sink(&s);
	struct data_file file;
	int err = data_read(path, o, &sink, f, &file);

	if (!err && !file.samples)
		err = data_nothing(&file, path, f);
	if (!err)
		print_table(path, &file, &s);
	return err;
}

/* 0, or why standard output takes no more. */
static int written(void)
{
	return !ferror(stdout) ? 0 : errno > 0 ? -errno : -EIO;
}

/* ---- CSV ---- */

/* Quoted, with everything in it that a terminal may see. */
static void put_quoted(const char *text)
{
	putchar('"');
	while (*text) {
		size_t n = strcspn(text, "\"");
		char part[256];

		snprintf(part, sizeof(part), "%.*s", (int)u64_min(n, sizeof(part) - 1), text);
		text_put(part, stdout);
		text += strlen(part);
		if (*text == '"') {
			fputs("\"\"", stdout);
			text++;
		}
	}
	putchar('"');
}

static int csv_sample(void *of, const struct data_sample *sample)
{
	const struct summary *s = of;
	const struct data_entity *e = &s->entities[sample->entity].e;
	const struct data_entity *owner = e->owner == DATA_NONE ? NULL : &s->entities[e->owner].e;
	const struct data_quantity_row *q = &data_quantities[sample->quantity];

	printf("%s,", data_kind_name(e->kind));
	put_quoted(owner ? owner->name : "");
	putchar(',');
	put_quoted(owner ? owner->id : "");
	putchar(',');
	put_quoted(e->name);
	putchar(',');
	put_quoted(e->id);
	printf(",%s,%s,%" PRIu32 ",%.15g,%.15g,", q->name, q->unit, sample->run, sample->from,
	       sample->to);
	if (!isnan(sample->value))
		printf("%.15g", sample->value);
	putchar('\n');
	return written();
}

/* ---- JSON ---- */

static int print_line(json_t *o, struct failure *f)
{
	return json_out_print(o, JSON_COMPACT | JSON_REAL_PRECISION(15), stdout, "standard output",
			      f);
}

static json_t *owner_json(const struct data_entity *e)
{
	return e->owner == DATA_NONE ? json_null() : json_integer(e->owner);
}

/* What prints JSON, and keeps entities as the summary does. */
struct json_sink {
	struct summary s;
	struct data_sink keep;
	struct failure *f;
};

static int json_entity(void *of, uint32_t number, const struct data_entity *e)
{
	struct json_sink *j = of;
	int err = j->keep.entity(&j->s, number, e);

	if (err < 0)
		return err;
	err = print_line(json_pack("{s:s, s:s, s:i, s:s, s:o, s:o, s:o}", "schema",
				   "desched-data/1", "kind", "entity", "entity", (int)number, "is",
				   data_kind_name(e->kind), "owner", owner_json(e), "name",
				   json_out_name(e->name), "id", json_out_name(e->id)),
			 j->f);
	return err ? err : 1;
}

/* Numbers and names of rows: nothing to be quoted. */
static int json_sample(void *of, const struct data_sample *s)
{
	const struct data_quantity_row *q = &data_quantities[s->quantity];
	char value[32] = "null";

	(void)of;
	if (!isnan(s->value))
		snprintf(value, sizeof(value), "%.15g", s->value);
	printf("{\"kind\":\"sample\",\"entity\":%" PRIu32 ",\"quantity\":\"%s\",\"unit\":\"%s\","
	       "\"level\":%s,\"run\":%" PRIu32 ",\"from\":%.15g,\"to\":%.15g,\"value\":%s}\n",
	       s->entity, q->name, q->unit, q->level ? "true" : "false", s->run, s->from, s->to,
	       value);
	return written();
}

static void json_cpus(void *of, uint32_t entity, unsigned n)
{
	struct json_sink *j = of;

	j->keep.cpus(&j->s, entity, n);
}

static json_t *json_all_cpus(const struct summary *s)
{
	json_t *list = json_array();

	for (size_t i = 0; i < s->n; i++)
		if (s->entities[i].cpus)
			json_array_append_new(list, json_pack("{s:i, s:i}", "entity", (int)i,
							      "cpus", (int)s->entities[i].cpus));
	return list;
}

static json_t *json_file(const struct data_file *file, const struct summary *s)
{
	static const char *const zones[] = {
		[ZONE_UNKNOWN] = "unknown", [ZONE_HEAD] = "head", [ZONE_STATED] = "stated"};

	return json_pack("{s:s, s:s, s:s, s:I, s:b, s:s, s:b, s:I, s:o, s:s?, s:s?, s:o}", "schema",
			 "desched-data/1", "kind", "file", "format", file->format, "samples",
			 (json_int_t)file->samples, "dated", (int)file->dated, "zone",
			 zones[file->zone], "measured", (int)file->measured, "skipped",
			 (json_int_t)skips_lost(&file->skips), "skipped_by",
			 skips_json(&file->skips), "damage", file->damage[0] ? file->damage : NULL,
			 "note", file->note[0] ? file->note : NULL, "cpus", json_all_cpus(s));
}

/* ---- all samples ---- */

static int print_csv(const char *path, const struct data_options *o, struct failure *f)
{
	_cleanup_(summary_done) struct summary s = {.n = 0};
	struct data_sink sink = summary_sink(&s);
	struct data_file file;
	int err;

	sink.sample = csv_sample;
	puts("kind,owner,owner_id,name,id,quantity,unit,run,from,to,value");
	err = data_read(path, o, &sink, f, &file);
	return !err && !file.samples ? data_nothing(&file, path, f) : err;
}

static int print_json(const char *path, const struct data_options *o, struct failure *f)
{
	struct json_sink j = {.f = f};
	const struct data_sink sink = {&j, DATA_ALL, json_entity, json_sample, json_cpus};
	struct data_file file;
	int err;

	j.keep = summary_sink(&j.s);
	err = data_read(path, o, &sink, f, &file);
	if (!err)
		err = print_line(json_file(&file, &j.s), f);
	if (!err && !file.samples)
		err = data_nothing(&file, path, f);
	summary_done(&j.s);
	return err;
}

static int run(char **files, int n, struct failure *f)
{
	struct data_options o = {.cpus = (unsigned)options.cpus};
	int err;

	(void)n;
	if (options.csv && options.json)
		return command_usage(f, "--csv and --json: one of the two");
	if (times_parse_options(options.zone, options.dates.value, &o.times))
		return command_usage(f, "--zone: an offset from UTC such as +02:00 is expected");
	err = options.csv    ? print_csv(files[0], &o, f)
	      : options.json ? print_json(files[0], &o, f)
			     : list(files[0], &o, f);
	if (err && ferror(stdout))
		return command_lost(f, err); /* not a fault of the file */
	return err == -ENOMEM ? failure_set(f, err, "out of memory") : err;
}
