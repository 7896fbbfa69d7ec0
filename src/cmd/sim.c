/* SPDX-License-Identifier: MIT */

#include "base/cleanup.h"
#include "base/units.h"
#include "cmd/commands.h"
#include "sim/plot.h"
#include "sim/report.h"
#include "sim/trace.h"

#include <errno.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#ifndef DESCHED_SCENARIOS
#define DESCHED_SCENARIOS "/usr/share/desched/sim"
#endif

static struct {
	bool list, keys, metrics, json, plot, test;
	const char *trace, *svg;
	struct option_list set;
	uint64_t seed, seeds, jobs, window;
} o = {.seed = 1, .window = NS_PER_SEC / 5};

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
	{0, "window", "SECONDS", OPTION_SECONDS, &o.window, 1000, 0,
	 "length of the timelines drawn"},
	{0, "set", "KEY=VALUE", OPTION_LIST, &o.set, 0, 0,
	 "change a key, such as host.cpus=4; may be given again"},
	{0, "seed", "N", OPTION_UINT, &o.seed, 0, 0, "first seed"},
	{0, "seeds", "N", OPTION_UINT, &o.seeds, 1, 1000, "how many seeds (as the scenario says)"},
	{'j', "jobs", "N", OPTION_UINT, &o.jobs, 1, 1024, "threads (one a CPU)"},
};

static int run(char **names, int n, struct failure *f);

const struct command command_sim = {
	.name = "sim",
	.operands = "[FILE|NAME...]",
	.summary =
		"Simulates hosts and virtual machines, by the policy that desched uses for real.",
	.examples = "  desched sim --list\n"
		    "  desched sim 01 --plot\n"
		    "  desched sim my.ini --set host.cosched=strict --json\n",
	.rows = rows,
	.n_rows = (int)ARRAY_SIZE(rows),
	.run = run,
};

/* All scenarios of a directory that match: "NAME", "NN-NAME" or "NN". */
static int find_scenarios(const char *name, glob_t *ret)
{
	const char *dirs[] = {getenv("DESCHED_SCENARIOS"), "tests/sim", DESCHED_SCENARIOS};
	static const char *const patterns[] = {"%s/%s.ini", "%s/[0-9][0-9]-%s.ini", "%s/%s-*.ini"};
	char path[512];

	for (size_t d = 0; d < ARRAY_SIZE(dirs); d++) {
		for (size_t p = 0; dirs[d] && p < ARRAY_SIZE(patterns); p++) {
			snprintf(path, sizeof(path), patterns[p], dirs[d], name);
			if (!glob(path, 0, NULL, ret))
				return 0;
			globfree(ret);
		}
	}
	return -ENOENT;
}

/* A file, or the scenario of this name. */
static int load(const char *name, struct failure *f, struct scenario **ret)
{
	glob_t found;
	int err;

	if (strchr(name, '/') || strchr(name, '.'))
		return scenario_load(name, f, ret);
	if (strpbrk(name, "*?[") || find_scenarios(name, &found))
		return failure_set(
			f, -ENOENT,
			"no scenario '%s'; --list shows them, a file is given with its path", name);
	err = scenario_load(found.gl_pathv[0], f, ret);
	globfree(&found);
	return err;
}

static int list_scenarios(struct failure *f)
{
	glob_t found;
	int status = 0;

	if (find_scenarios("[0-9][0-9]-*", &found))
		return failure_set(f, -ENOENT, "no scenarios in tests/sim or " DESCHED_SCENARIOS);
	for (size_t i = 0; i < found.gl_pathc; i++) {
		struct scenario *s;

		if (scenario_load(found.gl_pathv[i], f, &s)) {
			fprintf(stderr, "desched sim: %s\n", f->text);
			f->text[0] = '\0';
			status = COMMAND_FAILED;
			continue;
		}
		printf("%s (%u limits)\n%s\n", s->name, s->n_limits, s->head);
		scenario_free(s);
	}
	globfree(&found);
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

	if (o.trace)
		v->err = trace_open(s, o.trace, &v->f, &v->trace);
	if (!v->err && (o.plot || o.svg))
		v->err = plot_new(s, o.window, &v->plot);
	s->core->watch_data = v;
	s->core->watch = v->trace || v->plot ? watch : NULL;
}

static void after(struct sim *s, void *data)
{
	struct viewers *v = data;

	if (v->trace && !v->err)
		v->err = trace_close(v->trace, s, &v->f);
	if (v->plot && o.plot)
		plot_terminal(v->plot, s, stdout);
	if (v->plot && o.svg && !v->err)
		v->err = plot_svg(v->plot, s, o.svg, &v->f);
	plot_free(v->plot);
}

static void print(const struct run *r)
{
	json_t *json;

	if (o.json) {
		json = sim_report_json(r);
		json_dumpf(json, stdout, JSON_INDENT(1) | JSON_REAL_PRECISION(12));
		putchar('\n');
		json_decref(json);
	} else if (o.test) {
		report_limits(r, r->broken ? stderr : stdout);
	} else if (!o.plot) {
		sim_report_table(r, stdout);
	}
}

/* Returns 0, or COMMAND_FAILED for a broken limit; -errno where it couldn't be run. */
static int simulate(const char *name, struct failure *f)
{
	struct viewers viewers = {0};
	struct run_options options = {.seed = o.seed,
				      .seeds = (uint32_t)o.seeds,
				      .jobs = (uint32_t)o.jobs,
				      .before = before,
				      .after = after,
				      .data = &viewers};
	struct scenario *s = NULL;
	struct run *r = NULL;
	int err, broken = 0;

	err = load(name, f, &s);
	if (!err)
		err = apply_sets(s, f);
	if (!err)
		err = run_scenario(s, &options, f, &r);
	if (!err && viewers.err) {
		*f = viewers.f;
		err = viewers.err;
	}
	if (!err) {
		print(r);
		broken = r->broken ? COMMAND_FAILED : 0;
	}
	run_free(r);
	scenario_free(s);
	return err ? err : broken;
}

/* Each one is simulated, whatever becomes of the others. */
static int simulate_all(char **names, int n, struct failure *f)
{
	int status = 0;

	for (int i = 0; i < n; i++) {
		int one = simulate(names[i], f);

		if (one < 0)
			fprintf(stderr, "desched sim: %s\n", f->text);
		if (one)
			status = COMMAND_FAILED;
	}
	f->text[0] = '\0';
	return status;
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
	return simulate_all(names, n, f);
}
