/* SPDX-License-Identifier: MIT */
/*
 * desched correct: what a guest recorded about its processes, corrected by what its host measured.
 * Percent is of one CPU in tables; JSON (schema desched-correct/1) has seconds of CPU time.
 */
#include "correct/correct.h"
#include "base/cleanup.h"
#include "base/json_out.h"
#include "base/text.h"
#include "base/units.h"
#include "cmd/commands.h"
#include "data/table.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#define CORRELATION_POOR 0.5

static const char bias[] =
	"One factor for all is a compromise: who runs in short bursts had more than it says, who "
	"was\nbusy beside it had less (measured at 50 % steal: bursts -53 %, busy +14 %). LEAST "
	"and "
	"MOST are\nright however the time was spread, if nobody was reported less than it had. "
	"vmdesched in the\nguest has no such error.\n";

static struct {
	const char *vm, *machine, *lag;
	const char *guest_zone, *host_zone;
	struct option_choice guest_dates, host_dates;
	uint64_t cpus, max_lag, hz, top;
	bool json;
} options = {.max_lag = 60 * NS_PER_SEC,
	     .hz = 64,
	     .top = 20,
	     .guest_dates = {.name = times_order_name},
	     .host_dates = {.name = times_order_name}};

static const struct option_row rows[] = {
	{0, "vm", "NAME", OPTION_STRING, &options.vm, 0, 0,
	 "the VM, where the host's file has several"},
	{0, "machine", "NAME", OPTION_STRING, &options.machine, 0, 0,
	 "the guest, where its file has several machines"},
	{0, "cpus", "N", OPTION_UINT, &options.cpus, 1, 8192,
	 "vCPUs of the guest (as the files say)"},
	{0, "lag", "S", OPTION_STRING, &options.lag, 0, 0,
	 "seconds to add to the host's times (found by correlation)"},
	{0, "max-lag", "S", OPTION_SECONDS, &options.max_lag, 0, 86400 * NS_PER_SEC,
	 "look for the lag within so many seconds"},
	{0, "guest-zone", "Z", OPTION_STRING, &options.guest_zone, 0, 0,
	 "zone of the guest's times, such as +02:00 (as the file says)"},
	{0, "host-zone", "Z", OPTION_STRING, &options.host_zone, 0, 0,
	 "zone of the host's times (as the file says)"},
	{0, "guest-dates", "ORDER", OPTION_CHOICE, &options.guest_dates, 0, 0,
	 "how the guest's file writes 05/01/2026 (as can be seen)"},
	{0, "host-dates", "ORDER", OPTION_CHOICE, &options.host_dates, 0, 0,
	 "how the host's file does (as can be seen)"},
	{0, "hz", "N", OPTION_UINT, &options.hz, 0, 100000,
	 "samples a second behind the guest's figures, 0 for none"},
	{0, "top", "N", OPTION_UINT, &options.top, 1, 0, "show so many processes"},
	{0, "json", NULL, OPTION_FLAG, &options.json, 0, 0,
	 "print JSON (schema desched-correct/1)"},
};

static int run(char **files, int n, struct failure *f);

const struct command command_correct = {
	.name = "correct",
	.operands = "GUEST HOST",
	.summary = "Corrects a guest's recording by what its host measured.",
	.examples = "  desched correct guest.rec ledger.json\n"
		    "  desched correct pidstat.txt ledger.json\n"
		    "  desched correct --vm web1 perfmon.csv esxtop.csv\n"
		    "  desched correct --cpus 2 --json sar.csv domstats.csv\n",
	.rows = rows,
	.n_rows = ARRAY_SIZE(rows),
	.least = 2,
	.most = 2,
	.run = run,
};

/* Both recordings, and what came of them. */
struct job {
	struct usage guest, host;
	struct correction result;
};

static void job_done(struct job *j)
{
	correction_done(&j->result);
	usage_done(&j->guest);
	usage_done(&j->host);
}

/* ---- for people ---- */

static double percent(const struct correction *c, double seconds)
{
	return 100 * seconds / c->seconds;
}

static void print_head(const struct job *j)
{
	const struct correction *c = &j->result;

	printf("guest: %s, host: %s; %.1f s in common, %zu intervals, %u vCPU%s\n",
	       j->guest.file.format, j->host.file.format, c->seconds, c->cells, c->cpus,
	       c->cpus == 1 ? "" : "s");
	if (c->by_correlation)
		printf("the host's times are moved by %.1f s, where the two correlate best "
		       "(%.2f)\n",
		       c->lag, c->correlation);
	else
		printf("the host's times are moved by %.1f s, as %s\n", c->lag,
		       options.lag ? "--lag says" : "their dates say");
	if (fabs(c->zone) > 0)
		printf("of that, %+.2f h are taken to be between the zones of the two clocks; "
		       "--guest-zone and --host-zone say it for sure\n",
		       c->zone / 3600);
	printf("a vCPU was busy %.1f %% by %s, and ran %.1f %% by the host\n",
	       percent(c, c->reported) / c->cpus,
	       c->by_processes ? "the guest's processes" : "the guest's total",
	       percent(c, c->measured) / c->cpus);
	if (!isnan(c->ready))
		printf("the host says that the vCPUs waited for a CPU for %.1f s; reported less "
		       "measured is %.1f s\n",
		       c->ready, c->reported - c->measured);
	printf("w = %.3f", c->w);
	if (!isnan(c->w_low))
		printf(" (%.3f to %.3f); %.3f to %.3f in parts of the time", c->w_low, c->w_high,
		       c->w_min, c->w_max);
	printf("\n");
}

/* What of a file was not used, and what it lacks. */
static void print_file_warnings(const char *side, const struct usage *u)
{
	bool lost = skips_lost(&u->file.skips) > 0;
	char skipped[300];

	if (u->file.damage[0])
		printf("warning: the %s's file: %s\n", side, u->file.damage);
	if (u->file.note[0])
		printf("note: the %s's file: %s\n", side, u->file.note);
	skips_describe(&u->file.skips, skipped, sizeof(skipped));
	if (skipped[0])
		printf("%s: the %s's file: left out: %s\n", lost ? "warning" : "note", side,
		       skipped);
}

static void print_warnings(const struct job *j)
{
	const struct correction *c = &j->result;

	if (c->seconds < CORRECT_LONG_ENOUGH)
		printf("warning: %.0f s are short: record for five minutes or more\n", c->seconds);
	if (isnan(c->w_low))
		printf("warning: fewer than five intervals with work in them: no interval for w\n");
	if (!c->by_correlation && !isnan(c->correlation) && c->correlation < CORRELATION_POOR)
		printf("warning: guest and host do not rise and fall together (correlation %.2f): "
		       "is it the right VM, are the clocks right, does the recording miss "
		       "processes "
		       "that were short?\n",
		       c->correlation);
	if (c->left_out)
		printf("warning: %" PRIu64 " intervals overlap others and were left out\n",
		       c->left_out);
	print_file_warnings("guest", &j->guest);
	print_file_warnings("host", &j->host);
}

static void print_processes(const struct correction *c)
{
	size_t shown = u64_min(c->n, options.top);

	printf("\n%10s %10s  %8s %8s  %8s %8s   PROCESS\n", "%REPORTED", "%CORRECTED", "95%:FROM",
	       "TO", "LEAST", "MOST");
	for (size_t i = 0; i < shown; i++) {
		const struct corrected *p = &c->processes[i];

		printf("%10.1f %10.1f  %8.1f %8.1f  %8.1f %8.1f   ", percent(c, p->reported),
		       percent(c, p->corrected), percent(c, p->low), percent(c, p->high),
		       percent(c, p->least), percent(c, p->most));
		text_put(p->name, stdout);
		putchar('\n');
	}
	if (c->n > shown)
		printf("%10s and %zu more (--top)\n", "", c->n - shown);
	printf("\n%s", bias);
}

static void print_text(const struct job *j)
{
	print_head(j);
	print_warnings(j);
	if (j->result.n)
		print_processes(&j->result);
}

/* ---- JSON ---- */

/* null for what is not known. */
static json_t *known(double v)
{
	return isfinite(v) ? json_real(v) : json_null();
}

static json_t *json_process(const struct corrected *p)
{
	return json_pack("{s:o, s:f, s:f, s:f, s:f, s:f, s:f}", "name", json_out_name(p->name),
			 "reported", p->reported, "corrected", p->corrected, "low", p->low, "high",
			 p->high, "least", p->least, "most", p->most);
}

/* NULL: no memory, as in all that makes JSON. */
static json_t *json_processes(const struct correction *c)
{
	json_t *list = json_array();

	for (size_t i = 0; i < c->n; i++)
		if (json_array_append_new(list, json_process(&c->processes[i]))) {
			json_decref(list);
			return NULL;
		}
	return list;
}

static json_t *json_head(const struct job *j)
{
	const struct correction *c = &j->result;

	return json_pack("{s:s, s:s, s:s, s:f, s:f, s:f, s:o, s:b, s:i, s:i, s:b}", "schema",
			 "desched-correct/1", "guest_format", j->guest.file.format, "host_format",
			 j->host.file.format, "seconds", c->seconds, "lag_seconds", c->lag,
			 "zone_seconds", c->zone, "correlation", known(c->correlation),
			 "aligned_by_correlation", (int)c->by_correlation, "vcpus", (int)c->cpus,
			 "intervals", (int)c->cells, "reported_by_processes", (int)c->by_processes);
}

static json_t *json_figures(const struct correction *c)
{
	return json_pack("{s:f, s:f, s:o, s:f, s:o, s:o, s:f, s:f, s:b, s:I, s:o}", "reported",
			 c->reported, "measured", c->measured, "ready", known(c->ready), "w", c->w,
			 "w_low", known(c->w_low), "w_high", known(c->w_high), "w_min", c->w_min,
			 "w_max", c->w_max, "short", (int)(c->seconds < CORRECT_LONG_ENOUGH),
			 "left_out", (json_int_t)c->left_out, "processes", json_processes(c));
}

static const char *or_null(const char *text)
{
	return text[0] ? text : NULL;
}

static json_t *json_files(const struct job *j)
{
	return json_pack("{s:I, s:I, s:o, s:o, s:s?, s:s?, s:s?, s:s?}", "skipped_guest",
			 (json_int_t)skips_lost(&j->guest.file.skips), "skipped_host",
			 (json_int_t)skips_lost(&j->host.file.skips), "skipped_guest_by",
			 skips_json(&j->guest.file.skips), "skipped_host_by",
			 skips_json(&j->host.file.skips), "damage_guest",
			 or_null(j->guest.file.damage), "damage_host", or_null(j->host.file.damage),
			 "note_guest", or_null(j->guest.file.note), "note_host",
			 or_null(j->host.file.note));
}

static int print_json(const struct job *j, struct failure *f)
{
	json_t *o = json_head(j), *figures = json_figures(&j->result), *files = json_files(j);

	json_object_update(o, figures);
	json_object_update(o, files);
	json_decref(figures);
	json_decref(files);
	return json_out_print(o, JSON_INDENT(1) | JSON_REAL_PRECISION(12), stdout,
			      "standard output", f);
}

/* ---- the command ---- */

static int correct_files(const char *guest, const char *host, const struct correct_options *o,
			 const struct source sides[2], struct failure *f)
{
	_cleanup_(job_done) struct job j = {.result = {.n = 0}};
	int err;

	usage_init(&j.guest);
	usage_init(&j.host);
	err = usage_read(guest, &sides[0], f, &j.guest);
	if (!err)
		err = usage_read(host, &sides[1], f, &j.host);
	if (!err)
		err = correct(&j.guest, &j.host, o, f, &j.result);
	if (!err && options.json)
		err = print_json(&j, f);
	else if (!err)
		print_text(&j);
	return err == -ENOMEM ? failure_set(f, err, "out of memory") : err;
}

static int run(char **files, int n, struct failure *f)
{
	struct correct_options o = {
		.cpus = (unsigned)options.cpus,
		.sampled_hz = (double)options.hz,
		.align = {.max_lag = ns_to_s(options.max_lag), .fixed = options.lag}};
	struct source sides[2] = {
		{.host = false, .chosen = options.machine, .cpus = (unsigned)options.cpus},
		{.host = true, .chosen = options.vm}};

	(void)n;
	if (options.lag && (table_number(options.lag, &o.align.lag) || fabs(o.align.lag) > 1e11))
		return command_usage(f, "--lag: '%s' given, expected seconds", options.lag);
	if (times_parse_options(options.guest_zone, options.guest_dates.value, &sides[0].times) ||
	    times_parse_options(options.host_zone, options.host_dates.value, &sides[1].times))
		return command_usage(f,
				     "--guest-zone, --host-zone: an offset from UTC such as +02:00 "
				     "is expected");
	return correct_files(files[0], files[1], &o, sides, f);
}
