/* SPDX-License-Identifier: MIT */
#include "sim/runner.h"

#include "base/clock.h"
#include "base/proc.h"
#include "base/units.h"
#include "sim/calibration.h"
#include "sim/cluster.h"
#include "sim/demand.h"

#include <errno.h>
#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct crew {
	struct run *run;
	const struct run_options *options;
	uint32_t units;
	atomic_uint next;
	atomic_int err;
	_Atomic uint64_t cpu_ns;
};

static uint32_t hosts(const struct run *r)
{
	return scenario_hosts(r->scenario);
}

const struct result *run_results(const struct run *r, uint32_t variant, uint32_t seed)
{
	return &r->results[((size_t)variant * r->seeds + seed) * hosts(r)];
}

static void refuse(struct result *result, int err, const char *host, const char *why)
{
	result->refused = err;
	result->host[HOST_REFUSED] = result->host[HOST_VALID] = 1;
	snprintf(result->reason, sizeof(result->reason), "%s%s%s", host, host[0] ? ": " : "", why);
}

/* One host, one seed, one variant. A host that is not admitted is a result too. */
static int run_host(struct crew *crew, uint32_t unit, const struct scenario *sc)
{
	struct run *r = crew->run;
	uint64_t seed = r->first_seed + unit / hosts(r) % r->seeds;
	struct result *result = &r->results[unit];
	struct failure why;
	struct sim *s;
	int err = sim_new(sc, seed, unit % hosts(r), &why, &s);

	if (err == -ENOMEM)
		return err;
	if (err) {
		refuse(result, err, sc->n_hosts ? sc->hosts[unit % hosts(r)].name : "", why.text);
		return 0;
	}
	if (sc->run.warmup) {
		sim_run(s, sc->run.warmup);
		sim_restart_counters(s);
	}
	if (!unit && crew->options->before)
		crew->options->before(s, crew->options->data);
	if (r->waits)
		err = waits_start(s);
	if (!err) {
		sim_run(s, sc->run.warmup + sc->run.duration);
		err = result_take(s, result);
	}
	if (!unit && crew->options->after)
		crew->options->after(s, crew->options->data);
	waits_free(s->waits);
	sim_free(s);
	return err;
}

static int play_cluster(struct crew *crew, uint32_t unit, struct cluster *c)
{
	const struct run_options *o = crew->options;
	struct run *r = crew->run;
	const struct run_spec *run = &r->variants[unit / hosts(r) / r->seeds]->run;
	int err = 0;

	if (run->warmup) {
		err = cluster_run(c, run->warmup);
		cluster_restart_counters(c);
	}
	if (!unit && o->before)
		o->before(cluster_host(c, 0), o->data);
	if (!err && r->waits)
		err = cluster_measure_waits(c);
	if (!err)
		err = cluster_run(c, run->warmup + run->duration);
	if (!err)
		err = cluster_take(c, &r->results[unit]);
	if (!unit && o->after)
		o->after(cluster_host(c, 0), o->data);
	return err;
}

/* All hosts, one seed, one variant. */
static int run_cluster(struct crew *crew, uint32_t unit, const struct scenario *sc)
{
	struct run *r = crew->run;
	struct cluster *c;
	struct failure why;
	int err = cluster_new(sc, r->first_seed + unit / hosts(r) % r->seeds, &why, &c);

	if (err == -ENOMEM)
		return err;
	if (err) {
		for (uint32_t i = 0; i < hosts(r); i++)
			refuse(&r->results[unit + i], err, "", why.text);
		return 0;
	}
	err = play_cluster(crew, unit, c);
	cluster_free(c);
	return err;
}

static int run_unit(struct crew *crew, uint32_t unit)
{
	const struct run *r = crew->run;
	const struct scenario *sc = r->variants[unit / hosts(r) / r->seeds];
	struct scenario *own;
	int err;

	if (cluster_wanted(sc))
		return unit % hosts(r) ? 0 : run_cluster(crew, unit, sc);
	if (!sc->n_hosts)
		return run_host(crew, unit, sc);
	err = scenario_on_host(sc, unit % hosts(r), NULL, &own);
	if (err)
		return err;
	err = run_host(crew, unit, own);
	scenario_free(own);
	return err;
}

static void *work(void *data)
{
	struct crew *crew = data;
	uint64_t began = clock_thread();
	uint32_t unit;

	while ((unit = atomic_fetch_add(&crew->next, 1)) < crew->units) {
		int err = run_unit(crew, unit);

		if (err)
			atomic_store(&crew->err, err);
	}
	atomic_fetch_add(&crew->cpu_ns, clock_thread() - began);
	return NULL;
}

static int run_units(struct run *r, const struct run_options *o)
{
	struct crew crew = {.run = r, .options = o};
	uint32_t jobs = o->jobs ? o->jobs : 1, started = 0;
	pthread_t *threads;

	crew.units = r->n_variants * r->seeds * hosts(r);
	if (jobs > crew.units)
		jobs = crew.units;
	threads = calloc(jobs + 1, sizeof(*threads));
	if (!threads)
		return -ENOMEM;
	while (started + 1 < jobs && !pthread_create(&threads[started], NULL, work, &crew))
		started++;
	work(&crew);
	while (started)
		pthread_join(threads[--started], NULL);
	free(threads);
	r->cpu_seconds = ns_to_s(atomic_load(&crew.cpu_ns));
	return atomic_load(&crew.err);
}

/* Bytes of memory that can be had, 0 if not known. */
static uint64_t available_memory(void)
{
	char text[8192];
	const char *line;
	unsigned long long kib = 0;

	if (file_read("/proc/meminfo", text, sizeof(text)) < 0)
		return 0;
	line = strstr(text, "MemAvailable:");
	if (!line || sscanf(line, "MemAvailable: %llu", &kib) != 1)
		return 0;
	return kib * KIB;
}

/* Says so before a simulation that is too large starts. */
static int check_memory(const struct run *r, uint32_t jobs, struct failure *f)
{
	uint64_t have = available_memory(), largest = 0, results = 0;

	for (uint32_t i = 0; i < r->n_variants; i++) {
		const struct scenario *sc = r->variants[i];

		uint64_t bytes = sim_bytes(sc) + (r->waits ? waits_bytes(sc) : 0);

		if (cluster_wanted(sc))
			bytes = cluster_bytes(sc) +
				(r->waits ? hosts(r) * (uint64_t)waits_bytes(sc) : 0);
		largest = u64_max(largest, bytes);
		results += (uint64_t)r->seeds * hosts(r) * scenario_vms_per_host(sc) *
			   sizeof(struct vm_result);
	}
	if (!have || largest * jobs + results < have)
		return 0;
	return failure_set(
		f, -ENOMEM,
		"%s: would need %.1f GiB (%u jobs of %.1f, results %.1f), %.1f are free; use "
		"fewer --jobs, hosts, VMs or changes",
		r->scenario->path, (double)(largest * jobs + results) / 1073741824.0, jobs,
		(double)largest / 1073741824.0, (double)results / 1073741824.0,
		(double)have / 1073741824.0);
}

/* The names of a condition mean one variant, unless they say "variant:name". */
struct scope {
	const struct run *run;
	uint32_t variant;
	uint32_t seed;
	bool names_only;
};

static int look_up(void *data, const char *name, double *ret)
{
	const struct scope *scope = data;
	const struct run *r = scope->run;
	const char *colon = strchr(name, ':');
	uint32_t v = scope->variant;
	int err;

	for (v = colon ? 0 : v; colon && v < r->n_variants; v++) {
		if (strlen(r->names[v]) == (size_t)(colon - name) &&
		    !strncmp(r->names[v], name, (size_t)(colon - name)))
			break;
	}
	if (v == r->n_variants)
		return -ENOENT;
	name = colon ? colon + 1 : name;
	if (scope->names_only)
		return metric_value(r->variants[v], NULL, 0, name, ret);
	err = metric_value(r->variants[v], run_results(r, v, scope->seed), hosts(r), name, ret);
	if (err != METRIC_NO_DATA)
		return err;
	*ret = NAN; /* keeps no limit */
	return 0;
}

static uint32_t times_of(const struct run *r, const struct limit *l)
{
	return strchr(l->condition, ':') ? 1 : r->n_variants;
}

/* Complains about unknown metrics before anything runs. */
static int check_names(const struct run *r, struct failure *f)
{
	const struct scenario *s = r->scenario;

	for (uint32_t i = 0; i < s->n_limits; i++) {
		for (uint32_t v = 0; v < times_of(r, &s->limits[i]); v++) {
			struct scope scope = {.run = r, .variant = v, .names_only = true};
			struct limit_outcome ignored;
			struct failure why;
			int err = limit_evaluate(s->limits[i].condition, look_up, &scope, &why,
						 &ignored);

			if (err)
				return failure_set(f, err, "%s:%d: %s", s->path, s->limits[i].line,
						   why.text);
		}
	}
	return 0;
}

static int judge(struct run *r, struct failure *f)
{
	const struct scenario *s = r->scenario;
	int err = 0;

	r->reports = calloc((size_t)s->n_limits * r->n_variants * r->seeds + 1,
			    sizeof(*r->reports));
	if (!r->reports)
		return -ENOMEM;
	for (uint32_t i = 0; i < s->n_limits; i++) {
		uint32_t times = times_of(r, &s->limits[i]);

		for (uint32_t k = 0; !err && k < times * r->seeds; k++) {
			struct scope scope = {
				.run = r, .variant = k / r->seeds, .seed = k % r->seeds};
			struct limit_report *report = &r->reports[r->n_reports++];

			report->limit = &s->limits[i];
			report->variant = times == 1 ? "" : r->names[scope.variant];
			report->seed = scope.seed;
			err = limit_evaluate(s->limits[i].condition, look_up, &scope, f,
					     &report->outcome);
			r->broken += !report->outcome.kept;
		}
	}
	return err;
}

static int set_variants(struct run *r, struct failure *f)
{
	const struct scenario *s = r->scenario;
	uint32_t n = s->n_variants ? s->n_variants : 1;

	r->variants = calloc(n, sizeof(*r->variants));
	r->names = calloc(n, sizeof(*r->names));
	if (!r->variants || !r->names)
		return -ENOMEM;
	r->n_variants = n;
	r->names[0] = "";
	if (!s->n_variants)
		r->variants[0] = (struct scenario *)s;
	for (uint32_t i = 0; i < s->n_variants; i++) {
		int err = scenario_vary(s, i, f, &r->variants[i]);

		if (err)
			return err;
		r->names[i] = s->variants[i].name;
		if (r->variants[i]->host.hosts != s->host.hosts ||
		    r->variants[i]->run.seeds != s->run.seeds)
			return failure_set(
				f, -EINVAL,
				"%s:%d: variant %s: hosts and seeds are the same in all variants",
				s->path, s->variants[i].line, r->names[i]);
	}
	return 0;
}

/* Whether some limit is about waits for a CPU. */
static bool limits_waits(const struct scenario *s)
{
	bool any = false;

	for (uint32_t i = 0; i < s->n_limits; i++)
		any |= strstr(s->limits[i].condition, ".ready_") != NULL;
	return any;
}

/* What the files say that a scenario names. */
static int prepare(struct scenario *s, struct failure *f)
{
	int err = calibration_apply(s, f);

	return err ? err : demand_load(s, f);
}

int run_scenario(const struct scenario *s, const struct run_options *o, struct failure *f,
		 struct run **ret)
{
	struct run *r = calloc(1, sizeof(*r));
	uint64_t began = clock_mono();
	int err;

	if (!r)
		return -ENOMEM;
	r->scenario = s;
	r->first_seed = o->seed;
	r->seeds = o->seeds ? o->seeds : s->run.seeds;
	r->waits = o->waits || limits_waits(s);
	err = set_variants(r, f);
	for (uint32_t i = 0; i < r->n_variants && !err; i++)
		err = prepare(r->variants[i], f);
	if (!err)
		err = check_names(r, f);
	if (!err)
		err = check_memory(r, o->jobs ? o->jobs : 1, f);
	if (!err) {
		r->results = calloc((size_t)r->n_variants * r->seeds * hosts(r) + 1,
				    sizeof(*r->results));
		err = r->results ? run_units(r, o) : -ENOMEM;
		if (err == -ENOMEM)
			failure_set(f, err, "%s: out of memory; use fewer --jobs, hosts or VMs",
				    s->path);
	}
	for (uint32_t i = 0; !err && i < r->n_variants * r->seeds * hosts(r); i++)
		r->events += r->results[i].events;
	r->seconds = ns_to_s(clock_mono() - began);
	if (!err)
		err = judge(r, f);
	if (err) {
		run_free(r);
		return err;
	}
	*ret = r;
	return 0;
}

struct run *run_free(struct run *r)
{
	if (!r)
		return NULL;
	for (uint32_t i = 0; r->results && i < r->n_variants * r->seeds * hosts(r); i++)
		result_free(&r->results[i]);
	for (uint32_t i = 0; r->variants && i < r->n_variants; i++) {
		if (r->variants[i] != r->scenario)
			scenario_free(r->variants[i]);
	}
	free(r->variants);
	free(r->names);
	free(r->results);
	free(r->reports);
	free(r);
	return NULL;
}
