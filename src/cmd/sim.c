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
#define SETS_MAX 32

static struct {
	bool list, keys, metrics, json, plot, test;
	const char *trace, *svg, *set;
	uint64_t seed, seeds, jobs, window;
} o;

static const char *sets[SETS_MAX];
static int n_sets;

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
	 "length of the timelines drawn (0.2)"},
	{0, "set", "KEY=VALUE", OPTION_STRING, &o.set, 0, 0,
	 "change a key, such as host.cpus=4; may be given again"},
	{0, "seed", "N", OPTION_UINT, &o.seed, 0, 0, "first seed (1)"},
	{0, "seeds", "N", OPTION_UINT, &o.seeds, 1, 1000, "how many seeds (as the scenario says)"},
	{'j', "jobs", "N", OPTION_UINT, &o.jobs, 1, 1024, "threads (one a CPU)"},
};

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
};

static int complain(const struct failure *f)
{
	fprintf(stderr, "desched sim: %s\n", f->text);
	return 2;
}

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

static int list_scenarios(void)
{
	struct failure f;
	glob_t found;

	if (find_scenarios("[0-9][0-9]-*", &found)) {
		failure_set(&f, -ENOENT, "no scenarios in tests/sim or " DESCHED_SCENARIOS);
		return complain(&f);
	}
	for (size_t i = 0; i < found.gl_pathc; i++) {
		struct scenario *s;

		if (scenario_load(found.gl_pathv[i], &f, &s)) {
			complain(&f);
			continue;
		}
		printf("%s (%u limits)\n%s\n", s->name, s->n_limits, s->head);
		scenario_free(s);
	}
	globfree(&found);
	return 0;
}

static int apply_sets(struct scenario *s, struct failure *f)
{
	int err = 0;

	for (int i = 0; i < n_sets && !err; i++)
		err = scenario_set(s, sets[i], f);
	return err || !n_sets ? err : scenario_check(s, f);
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
		v->err = plot_new(s, o.window ? o.window : NS_PER_SEC / 5, &v->plot);
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

/* Exit status: 0, 1 if a limit is broken, 2 if it could not be run. */
static int simulate(const char *name)
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
	struct failure f;
	int err, broken = 0;

	err = load(name, &f, &s);
	if (!err)
		err = apply_sets(s, &f);
	if (!err)
		err = run_scenario(s, &options, &f, &r);
	if (!err && viewers.err)
		f = viewers.f;
	if (err || viewers.err)
		complain(&f);
	if (r && !viewers.err) {
		print(r);
		broken = r->broken > 0;
	}
	run_free(r);
	scenario_free(s);
	return err || viewers.err ? 2 : broken;
}

/* --set may be given again, which the table of options does not know: notes the present one. */
static int note_set(struct failure *f)
{
	if (!o.set)
		return 0;
	if (n_sets == SETS_MAX)
		return failure_set(f, -E2BIG, "--set: at most %d", SETS_MAX);
	sets[n_sets++] = o.set;
	o.set = NULL;
	return 0;
}

/* Where the next --set begins, at least one word on; argc if there is none. */
static int next_set(int argc, char **argv, int i)
{
	for (i++; i < argc; i++) {
		if (!strcmp(argv[i], "--set") || !strncmp(argv[i], "--set=", 6))
			return i;
	}
	return argc;
}

/* Options may stand behind scenarios. The words go to the table of options piece by piece, a piece
 * ending where the next --set or behind a scenario begins. Returns how many scenarios. */
static int parse_words(int argc, char **argv, char **names, struct failure *f, bool *ret_help)
{
	int n = 0, i = 0; /* argv[i] is a word that has been dealt with */

	while (i + 1 < argc) {
		int end = next_set(argc, argv, i + 1);
		int used = options_parse(&command_sim, end - i, argv + i, f, ret_help);

		if (used < 0)
			return used;
		if (note_set(f))
			return -E2BIG;
		if (*ret_help)
			return n;
		i += used;
		if (i < end)
			names[n++] = argv[i];
		else
			i--;
	}
	return n;
}

int cmd_sim(int argc, char **argv)
{
	_cleanup_(free_ptr) char **names = calloc((size_t)argc + 1, sizeof(*names));
	struct failure f;
	bool help = false;
	int n, status = 0;

	memset(&o, 0, sizeof(o));
	o.seed = 1;
	o.jobs = (uint64_t)sysconf(_SC_NPROCESSORS_ONLN);
	n = names ? parse_words(argc, argv, names, &f, &help) : -ENOMEM;
	if (n < 0)
		return complain(&f);
	if (help)
		options_help(&command_sim, "desched");
	if (o.keys)
		scenario_list_keys();
	if (o.metrics)
		metrics_list();
	if (o.list)
		return list_scenarios();
	if (!n && !help && !o.keys && !o.metrics) {
		failure_set(&f, -EINVAL, "expected a scenario; --list shows them");
		return complain(&f);
	}
	for (int i = 0; i < n; i++) {
		int one = simulate(names[i]);

		status = one > status ? one : status;
	}
	return status;
}
