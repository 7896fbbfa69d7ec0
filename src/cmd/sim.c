/* SPDX-License-Identifier: MIT */

#include "base/cleanup.h"
#include "base/json_out.h"
#include "base/units.h"
#include "cmd/commands.h"
#include "sim/plot.h"
#include "sim/scenario_keys.h"
#include "sim/sim_report.h"
#include "sim/trace.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define JSON_FORMAT (JSON_INDENT(1) | JSON_REAL_PRECISION(12))

#ifndef DESCHED_SCENARIOS
#define DESCHED_SCENARIOS "/usr/share/desched/sim"
#endif

static struct {
	bool list, keys, metrics, json, plot, test;
	const char *trace, *svg;
	struct option_list set;
	uint64_t seed, seeds, jobs, from, window;
} o = {.seed = 1};

#define DRAWN (NS_PER_SEC / 5) /* of a run, where --window doesn't say */

static const struct option_row rows[] = {
	{0, "list", NULL, OPTION_FLAG, &o.list, 0, 0, "list the scenarios, with what they show"},
	{0, "keys", NULL, OPTION_FLAG, &o.keys, 0, 0, "list the keys of scenario files"},
	{0, "metrics", NULL, OPTION_FLAG, &o.metrics, 0, 0, "list what limits can be about"},
	{0, "json", NULL, OPTION_FLAG, &o.json, 0, 0, "print JSON"},
	{0, "test", NULL, OPTION_FLAG, &o.test, 0, 0,
	 "print broken limits and one line a scenario"},
	{0, "trace", "FILE", OPTION_STRING, &o.trace, 0, 0,
	 "write a timeline of the first run for Perfetto"},
	{0, "plot", NULL, OPTION_FLAG, &o.plot, 0, 0, "draw the first run in the terminal"},
	{0, "svg", "FILE", OPTION_STRING, &o.svg, 0, 0, "draw the first run as SVG"},
	{0, "from", "SECONDS", OPTION_SECONDS, &o.from, 0, 0,
	 "where timelines begin, counted from the end of the warm-up"},
	{0, "window", "SECONDS", OPTION_SECONDS, &o.window, 1000, 0,
	 "how long they are (drawn: 0.2; traced: to the end)"},
	{0, "set", "KEY=VALUE", OPTION_LIST, &o.set, 0, 0,
	 "change a key, such as host.cpus=4; may be given again"},
	{0, "seed", "N", OPTION_UINT, &o.seed, 0, UINT64_C(1) << 53, /* what JSON holds */
	 "first seed"},
	{0, "seeds", "N", OPTION_UINT, &o.seeds, 1, 1000, "how many seeds (as the scenario says)"},
	{'j', "jobs", "N", OPTION_UINT, &o.jobs, 1, 1024, "threads (one a CPU)"},
};

static int run(char **names, int n, struct failure *f);

const struct command command_sim = {
	.name = "sim",
	.operands = "[FILE|NAME...]",
	.summary = "Simulates hosts and virtual machines, scheduled by the policy core of desched.",
	.examples = "  desched sim --list\n"
		    "  desched sim 01 --plot\n"
		    "  desched sim my.ini --set host.cosched=strict --json\n",
	.rows = rows,
	.n_rows = (int)ARRAY_SIZE(rows),
	.run = run,
};

/* "NAME", "NN-NAME" or "NN" of a file; "" is all of them. */
static const char *wanted;

static int is_wanted(const struct dirent *entry)
{
	const char *name = entry->d_name;
	size_t digits = strspn(name, "0123456789"), len = strlen(name);
	const char *rest = name[digits] == '-' ? name + digits + 1 : name;
	size_t n = strlen(wanted);

	if (len < 4 || strcmp(name + len - 4, ".ini") != 0)
		return 0;
	if (!n)
		return digits > 0 && rest != name;
	return (strlen(rest) == n + 4 && !strncmp(rest, wanted, n)) ||
	       (len == n + 4 && !strncmp(name, wanted, n)) ||
	       (rest != name && digits == n && !strncmp(name, wanted, n));
}

/* The directory's scenarios of this name, in order. -ENOENT: in none of the places is one. */
static int find_scenarios(const char *name, const char **ret_dir, struct dirent ***ret, int *ret_n)
{
	const char *dirs[] = {getenv("DESCHED_SCENARIOS"), "tests/sim", DESCHED_SCENARIOS};

	wanted = name;
	for (size_t d = 0; d < ARRAY_SIZE(dirs); d++) {
		int n = dirs[d] ? scandir(dirs[d], ret, is_wanted, alphasort) : 0;

		if (n < 0 && errno == ENOMEM)
			return -ENOMEM;
		if (n > 0) {
			*ret_dir = dirs[d];
			*ret_n = n;
			return 0;
		}
		if (!n && dirs[d])
			free(*ret);
	}
	return -ENOENT;
}

static void free_found(struct dirent **found, int n)
{
	while (n)
		free(found[--n]);
	free(found);
}

static int load_from(const char *dir, const char *name, struct failure *f, struct scenario **ret)
{
	char path[512];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	return scenario_load(path, f, ret);
}

/* A file, or the scenario of this name. */
static int load(const char *name, struct failure *f, struct scenario **ret)
{
	struct dirent **found;
	const char *dir;
	int n, err;

	if (strchr(name, '/') || strchr(name, '.'))
		return scenario_load(name, f, ret);
	err = name[0] ? find_scenarios(name, &dir, &found, &n) : -ENOENT;
	if (err == -ENOENT) {
		failure_set(f, err,
			    "no scenario '%s'; --list shows them, a file is given with its path",
			    name);
		return -ENOENT;
	}
	if (err) {
		failure_errno(f, err, "the scenarios");
		return err;
	}
	err = load_from(dir, found[0]->d_name, f, ret);
	free_found(found, n);
	return err;
}

static int print_scenario(const char *dir, const char *name, struct failure *f)
{
	struct scenario *s;
	int err = load_from(dir, name, f, &s);

	if (err)
		return err;
	printf("%s (%u limits)\n%s\n", s->name, s->n_limits, s->head);
	scenario_free(s);
	return 0;
}

static int list_scenarios(struct failure *f)
{
	struct dirent **found;
	const char *dir;
	int n, status = 0, err = find_scenarios("", &dir, &found, &n);

	if (err == -ENOENT)
		return failure_set(f, err, "no scenarios in tests/sim or " DESCHED_SCENARIOS);
	if (err)
		return failure_errno(f, err, "the scenarios");
	for (int i = 0; i < n; i++) {
		if (!print_scenario(dir, found[i]->d_name, f))
			continue;
		fprintf(stderr, "desched sim: %s\n", f->text);
		f->text[0] = '\0';
		status = COMMAND_FAILED;
	}
	free_found(found, n);
	return status;
}

static int apply_sets(struct scenario *s, struct failure *f)
{
	int err = 0;

	for (size_t i = 0; i < o.set.n && !err; i++)
		err = scenario_set(s, o.set.at[i], f);
	return err || !o.set.n ? err : scenario_check(s, f);
}

/* What --trace, --plot and --svg see of the first unit. */
struct viewers {
	struct trace *trace;
	struct plot *plot;
	char title[160];
	struct failure f;
	int err;
};

static void watch(void *data, uint32_t vcpu, uint64_t now, enum ledger_state state)
{
	struct viewers *v = data;

	if (v->trace)
		trace_state(v->trace, vcpu, now, state);
	if (v->plot)
		plot_state(v->plot, vcpu, now, state);
}

static void before(struct sim *s, void *data)
{
	struct viewers *v = data;

	if (o.from >= s->scenario->run.duration)
		v->err = failure_set(&v->f, -EINVAL,
				     "--from %g: the run lasts %g s; expected less than that",
				     ns_to_s(o.from), ns_to_s(s->scenario->run.duration));
	if (!v->err && o.trace)
		v->err = trace_open(s, o.trace, o.from, o.window ? o.window : UINT64_MAX, &v->f,
				    &v->trace);
	if (!v->err && (o.plot || o.svg))
		v->err = plot_new(s, o.from, o.window ? o.window : DRAWN, &v->plot);
	if (v->trace || v->plot)
		core_set_watch(s->core, (struct core_watch){watch, v});
}

static void after(struct sim *s, void *data)
{
	struct viewers *v = data;

	if (v->trace && !v->err)
		v->err = trace_close(v->trace, s, &v->f);
	if (v->plot && o.plot)
		plot_terminal(v->plot, s, stdout);
	if (v->plot && o.svg && !v->err)
		v->err = plot_svg(v->plot, s, v->title, o.svg, &v->f);
	plot_free(v->plot);
}

/* "NAME, variant V, seed 1": the first of all units. */
static void name_run(const struct scenario *s, char *ret, size_t size)
{
	bool varied = s->n_variants > 0;

	snprintf(ret, size, "%s%s%s, seed %" PRIu64, s->name, varied ? ", variant " : "",
		 varied ? s->variants[0].name : "", o.seed);
}

/* What --json prints of all scenarios, when there are several. */
static json_t *documents;

static int print(const struct run *r, struct failure *f)
{
	int err = 0;

	if (documents)
		err = json_array_append_new(documents, sim_report_json(r)) ? -ENOMEM : 0;
	else if (o.json)
		return json_out_print(sim_report_json(r), JSON_FORMAT, stdout, "standard output",
				      f);
	else if (o.test)
		sim_report_limits(r, r->broken ? stderr : stdout);
	else if (!o.plot)
		err = sim_report_table(r, stdout);
	return err ? failure_errno(f, err, "the table") : 0;
}

/* Returns 0, or COMMAND_FAILED for a broken limit; -errno where it couldn't be run. */
static int simulate(const char *name, struct failure *f)
{
	struct viewers viewers = {0};
	struct run_options options = {.seed = o.seed,
				      .seeds = (uint32_t)o.seeds,
				      .jobs = (uint32_t)o.jobs,
				      .waits = o.json,
				      .before = before,
				      .after = after,
				      .data = &viewers};
	struct scenario *s = NULL;
	struct run *r = NULL;
	int err, broken = 0;

	err = load(name, f, &s);
	if (!err)
		err = apply_sets(s, f);
	if (!err) {
		name_run(s, viewers.title, sizeof(viewers.title));
		err = run_scenario(s, &options, f, &r);
	}
	if (!err && viewers.err) {
		*f = viewers.f;
		err = viewers.err;
	}
	if (!err) {
		err = print(r, f);
		broken = r->broken ? COMMAND_FAILED : 0;
	}
	run_free(r);
	scenario_free(s);
	return err ? err : broken;
}

/* Reports a scenario that couldn't be run; the others are. */
static void report_failure(const char *name, const struct failure *f)
{
	fprintf(stderr, "desched sim: %s\n", f->text);
	if (documents)
		json_array_append_new(documents,
				      json_pack("{s:s, s:s}", "scenario", name, "error", f->text));
}

/* Each one is simulated, whatever becomes of the others. */
static int simulate_all(char **names, int n, struct failure *f)
{
	int status = 0, err = 0;

	for (int i = 0; i < n; i++) {
		int one = simulate(names[i], f);

		if (one < 0)
			report_failure(names[i], f);
		if (one)
			status = COMMAND_FAILED;
	}
	f->text[0] = '\0';
	if (documents)
		err = json_out_print(documents, JSON_FORMAT, stdout, "standard output", f);
	documents = NULL;
	return err ? err : status;
}

/* What can't be done with these words together. */
static int check_words(int n, struct failure *f)
{
	if (o.json && o.plot)
		return command_usage(f, "--json and --plot: both print; expected one of them");
	if (n > 1 && (o.trace || o.svg))
		return command_usage(f, "--%s: one file for %d scenarios; expected one scenario",
				     o.trace ? "trace" : "svg", n);
	return 0;
}

static int run(char **names, int n, struct failure *f)
{
	bool lists = o.keys || o.metrics || o.list;

	if (!o.jobs)
		o.jobs = (uint64_t)sysconf(_SC_NPROCESSORS_ONLN);
	if (o.keys)
		scenario_list_keys();
	if (o.metrics)
		metrics_list();
	if (o.list)
		return list_scenarios(f);
	if (!n && !lists)
		return command_usage(f, "expected a scenario; --list shows them");
	if (check_words(n, f))
		return COMMAND_USAGE;
	if (o.json && n > 1) {
		documents = json_array();
		if (!documents)
			return failure_errno(f, -ENOMEM, "standard output");
	}
	return simulate_all(names, n, f);
}
