/* SPDX-License-Identifier: MIT */
#include "vmdesched/metrics.h"

#include "base/cleanup.h"
#include "base/units.h"
#include "service/prometheus.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define VALUE(name, expression)                                                                    \
	static double name(const void *of)                                                         \
	{                                                                                          \
		const struct metrics_input *in = of;                                               \
                                                                                                   \
		return (double)(expression);                                                       \
	}

VALUE(elapsed, ns_to_s(in->snapshot->elapsed))
VALUE(subtracts, in->snapshot->kernel_subtracts)
VALUE(stale, in->snapshot->stale)
VALUE(clock_stale, in->snapshot->clock.stale)
VALUE(contradicted, in->snapshot->clock.contradicted)
VALUE(switches, in->snapshot->counters.switches)
VALUE(lost_records, in->snapshot->counters.lost_switches + in->snapshot->counters.lost_lives)
VALUE(lost_runs, ns_to_s(in->snapshot->counters.lost_run))
VALUE(no_room, in->snapshot->counters.no_room)
VALUE(lag_of_source, ns_to_s(in->snapshot->lag))
VALUE(late, ns_to_s(in->snapshot->counters.late))
VALUE(unaccounted, ns_to_s(in->snapshot->busy.unaccounted + in->snapshot->idle.unaccounted))
VALUE(unseen, ns_to_s(in->snapshot->counters.unseen))
VALUE(coarse, ns_to_s(in->snapshot->counters.coarse))
VALUE(epochs, in->snapshot->counters.steal_epochs)
VALUE(gaps, in->gaps->total)
VALUE(gap_seconds, ns_to_s(in->gaps->total_ns))
VALUE(gap_longest, ns_to_s(in->gaps->longest_ns))
VALUE(gaps_unlogged, in->gaps->unlogged)
VALUE(lag, (double)in->clock->reading.offset / 1e9)
VALUE(clock_error, ns_to_s(in->clock->reading.error))
VALUE(jumps, in->clock->policy.jumps)
VALUE(jump_seconds, ns_to_s(in->clock->policy.jump_ns))
VALUE(catching_up, in->clock->policy.catching_up)
VALUE(steps, in->clock->steps)
VALUE(slews, in->clock->slews)
VALUE(fed, in->clock->fed)
VALUE(pauses, in->clock->pauses)
VALUE(pause_seconds, ns_to_s(in->clock->pause_ns))
VALUE(suspends, in->clock->suspends)
VALUE(suspend_seconds, ns_to_s(in->clock->suspend_ns))
VALUE(sets, in->clock->sets)
VALUE(set_seconds, ns_to_s(in->clock->set_ns))

/* Figures of the whole machine. */
static const struct prometheus_row singles[] = {
	{"desched_elapsed_seconds_total", "counter", "time that the figures cover", elapsed},
	{"desched_kernel_subtracts", "gauge", "1: this kernel subtracts steal itself", subtracts},
	{"desched_source_stale", "gauge", "1: the source has stopped telling", stale},
	{"desched_source_lag_seconds", "gauge", "how far the figures are behind the present",
	 lag_of_source},
	{"desched_unaccounted_seconds_total", "counter", "CPU time that nobody can explain",
	 unaccounted},
	{"desched_late_seconds_total", "counter", "away time told when it was unaccounted already",
	 late},
	{"desched_source_clock_stale", "gauge", "1: the host's clock is not known to 5 ms",
	 clock_stale},
	{"desched_source_clock_contradictions_total", "counter",
	 "gaps and readings that contradicted what was known of it", contradicted},
	{"desched_switches_total", "counter", "context switches seen", switches},
	{"desched_lost_records_total", "counter", "records that found the buffer full",
	 lost_records},
	{"desched_lost_run_seconds_total", "counter", "CPU time whose owner is not known",
	 lost_runs},
	{"desched_no_room_total", "counter", "tasks charged to (other)", no_room},
	{"desched_unseen_seconds_total", "counter", "away time that nobody could be charged for",
	 unseen},
	{"desched_coarse_seconds_total", "counter", "away time that was spread in proportion",
	 coarse},
	{"desched_steal_epochs_total", "counter", "jumps of the steal clock", epochs},
	{"desched_gaps_total", "counter", "gaps longer than the threshold", gaps},
	{"desched_gap_seconds_total", "counter", "time in such gaps", gap_seconds},
	{"desched_gap_longest_seconds", "gauge", "the longest gap so far", gap_longest},
	{"desched_gaps_unlogged_total", "counter", "gaps that were too many to log", gaps_unlogged},
	{"desched_pauses_total", "counter", "times that vmdesched itself came too late", pauses},
	{"desched_pause_seconds_total", "counter", "by how much in all", pause_seconds},
	{"desched_clock_catching_up", "gauge", "1: the hypervisor delivers owed time", catching_up},
	{"desched_clock_jumps_total", "counter", "jumps of the clock against the host's", jumps},
	{"desched_clock_jump_seconds_total", "counter", "by how much in all", jump_seconds},
	{"desched_clock_steps_total", "counter", "steps that were made", steps},
	{"desched_clock_slews_total", "counter", "slews that were made", slews},
	{"desched_clock_samples_fed_total", "counter", "samples given to chronyd", fed},
	{"desched_suspends_total", "counter", "times that this machine was suspended", suspends},
	{"desched_suspended_seconds_total", "counter", "for how long in all", suspend_seconds},
	{"desched_clock_sets_total", "counter", "times that others set the clock", sets},
	{"desched_clock_set_seconds_total", "counter", "by how much in all", set_seconds},
};

struct figure {
	const char *name, *help;
	uint64_t (*value)(const struct figures *f);
};

static uint64_t descheduled(const struct figures *f)
{
	return f->descheduled;
}

static uint64_t host_wait(const struct figures *f)
{
	return f->wait;
}

static uint64_t unknown(const struct figures *f)
{
	return f->unaccounted;
}

static const struct figure cpu_figures[] = {
	{"desched_cpu_occupied_seconds_total", "CPU time that processes occupied",
	 figures_occupied},
	{"desched_cpu_descheduled_seconds_total", "of that, runnable and not running", descheduled},
	{"desched_cpu_wait_seconds_total", "of that, blocked on other work of the host", host_wait},
	{"desched_cpu_unaccounted_seconds_total", "of that, nobody knows", unknown},
};

static const struct figure cgroup_figures[] = {
	{"desched_cgroup_occupied_seconds_total", "CPU time that the control group occupied",
	 figures_occupied},
	{"desched_cgroup_vmdesched_seconds_total", "of that, the vCPU was away", figures_away},
	{"desched_cgroup_unaccounted_seconds_total", "of that, nobody knows", unknown},
};

static struct figures figures_of(const struct snapshot_cpu *c, bool idle)
{
	struct figures f = {.descheduled = c->descheduled, c->wait, c->unaccounted, c->busy};

	if (idle)
		f = (struct figures){.descheduled = c->idle_descheduled,
				     c->idle_wait,
				     c->idle_unaccounted,
				     c->idle};
	f.truth = u64_sub_floor(f.reported, f.descheduled + f.wait + f.unaccounted);
	return f;
}

static void put_time(FILE *to, const char *metric, const char *label, const char *value,
		     uint64_t ns)
{
	prometheus_sample(to, metric, &(struct prometheus_label){label, value}, 1, 9, ns_to_s(ns));
}

static void put_cpus(FILE *to, const struct snapshot *s, const char *prefix, bool idle)
{
	for (size_t i = 0; i < ARRAY_SIZE(cpu_figures); i++) {
		const struct figure *f = &cpu_figures[i];
		char name[64];

		snprintf(name, sizeof(name), "desched_%s%s", prefix, f->name + strlen("desched_"));
		prometheus_head(to, name, "counter", idle ? "the same while idle" : f->help);
		for (size_t k = 0; k < s->n_cpus; k++) {
			struct figures of = figures_of(&s->cpus[k], idle);
			char cpu[16];

			snprintf(cpu, sizeof(cpu), "%u", s->cpus[k].cpu);
			put_time(to, name, "cpu", cpu, f->value(&of));
		}
	}
}

static void put_names(FILE *to, const struct names *n)
{
	static const struct {
		const char *metric, *help;
		size_t at; /* in the entry */
	} rows[] = {
		{"desched_process_occupied_seconds_total",
		 "CPU time that processes of this name occupied",
		 offsetof(struct names_entry, occupied)},
		{"desched_process_vmdesched_seconds_total", "of that, the vCPU was away",
		 offsetof(struct names_entry, away)},
		{"desched_process_unaccounted_seconds_total", "of that, nobody knows",
		 offsetof(struct names_entry, unaccounted)},
	};
	const struct names_entry *e;

	for (size_t r = 0; r < ARRAY_SIZE(rows); r++) {
		prometheus_head(to, rows[r].metric, "counter", rows[r].help);
		for (size_t i = 0; (e = names_get(n, i)); i++)
			put_time(to, rows[r].metric, "name", e->name,
				 *(const uint64_t *)((const char *)e + rows[r].at));
	}
}

static int busier(const void *a, const void *b)
{
	const struct snapshot_cgroup *const *x = a, *const *y = b;
	uint64_t i = figures_occupied(&(*x)->own), k = figures_occupied(&(*y)->own);

	return i < k ? 1 : i > k ? -1 : 0;
}

/* The busiest of those that have tasks: what is gone has no series. */
static int put_cgroups(FILE *to, const struct snapshot *s, uint64_t max)
{
	_cleanup_(free_ptr) const struct snapshot_cgroup **list = calloc(
		s->n_cgroups + 1, sizeof(const struct snapshot_cgroup *));
	size_t n = 0;

	if (!list)
		return -ENOMEM;
	for (size_t i = 0; i < s->n_cgroups; i++)
		if (s->cgroups[i].n_tasks)
			list[n++] = &s->cgroups[i];
	qsort(list, n, sizeof(*list), busier);
	n = u64_min(n, max);
	for (size_t i = 0; n && i < ARRAY_SIZE(cgroup_figures); i++) {
		const struct figure *f = &cgroup_figures[i];

		prometheus_head(to, f->name, "counter", f->help);
		for (size_t k = 0; k < n; k++)
			put_time(to, f->name, "cgroup", list[k]->path, f->value(&list[k]->own));
	}
	return 0;
}

/* Only where there is a host's clock to lag behind. */
static void put_lag(FILE *to, const struct metrics_input *in)
{
	prometheus_head(to, "desched_clock_lag_seconds", "gauge",
			"the host's time minus this clock's");
	fprintf(to, "desched_clock_lag_seconds %.9f\n", lag(in));
	prometheus_head(to, "desched_clock_error_seconds", "gauge",
			"by how much that may be wrong");
	fprintf(to, "desched_clock_error_seconds %.9f\n", clock_error(in));
}

int metrics_put(FILE *to, const struct metrics_input *in)
{
	const struct snapshot *s = in->snapshot;
	const struct prometheus_label info[] = {{"version", DESCHED_VERSION},
						{"source", s->source},
						{"steal_clock", s->steal_clock}};

	prometheus_head(to, "desched_info", "gauge", "where the figures come from");
	prometheus_sample(to, "desched_info", info, ARRAY_SIZE(info), 9, 1);
	prometheus_rows(to, singles, ARRAY_SIZE(singles), in);
	if (in->clock->known)
		put_lag(to, in);
	if (!s->clock.stale) {
		prometheus_head(to, "desched_source_clock_error_seconds", "gauge",
				"by how much the host's clock may be off for the source");
		fprintf(to, "desched_source_clock_error_seconds %.9f\n", ns_to_s(s->clock.error));
	}
	put_cpus(to, s, "", false);
	put_cpus(to, s, "idle_", true);
	if (in->names)
		put_names(to, in->names);
	return put_cgroups(to, s, in->cgroups);
}
