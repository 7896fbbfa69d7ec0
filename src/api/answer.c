/* SPDX-License-Identifier: MIT */
/* vmdesched's answer as the structures of <desched/desched.h>. */
#include "api/answer.h"

#include "wire/snapshot.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct desched_amounts amounts(const struct figures *f)
{
	return (struct desched_amounts){
		.reported = f->reported,
		.true_time = f->truth,
		.descheduled = f->descheduled,
		.wait = f->wait,
		.unaccounted = f->unaccounted,
	};
}

static void take_summary(const struct snapshot *from, struct desched_snapshot *s)
{
	snprintf(s->source, sizeof(s->source), "%s", from->source);
	snprintf(s->steal_clock, sizeof(s->steal_clock), "%s", from->steal_clock);
	s->summary = (struct desched_summary){
		.session = from->session,
		.source = s->source,
		.steal_clock = s->steal_clock,
		.kernel_subtracts = from->kernel_subtracts,
		.complete = from->complete,
		.stale = from->stale,
		.estimated = from->estimated,
		.elapsed = from->elapsed,
		.busy = amounts(&from->busy),
		.exited = amounts(&from->exited),
		.idle_descheduled = from->idle.descheduled,
		.idle_wait = from->idle.wait,
		.low = from->low,
		.high = from->high,
		.lost_switches = from->counters.lost_switches,
		.lost_time = from->counters.lost_run,
		.unseen = from->counters.unseen,
		.idle_unaccounted = from->idle.unaccounted,
		.late = from->counters.late,
		.lag = from->lag,
	};
}

static int take_cpus(const struct snapshot *from, struct desched_snapshot *s)
{
	s->cpus = calloc(from->n_cpus + 1, sizeof(*s->cpus));
	if (!s->cpus)
		return -ENOMEM;
	for (; s->n_cpus < from->n_cpus; s->n_cpus++) {
		const struct snapshot_cpu *c = &from->cpus[s->n_cpus];

		s->cpus[s->n_cpus] = (struct desched_cpu){
			.cpu = c->cpu,
			.busy = c->busy,
			.idle = c->idle,
			.descheduled = c->descheduled,
			.wait = c->wait,
			.idle_descheduled = c->idle_descheduled,
			.idle_wait = c->idle_wait,
			.unaccounted = c->unaccounted,
			.idle_unaccounted = c->idle_unaccounted,
		};
	}
	return 0;
}

static void take_name(const char *from, char to[DESCHED_NAME_SIZE])
{
	snprintf(to, DESCHED_NAME_SIZE, "%s", from);
}

/* Time whose owner is not known stands under a number below 0. */
static void take_process(const struct snapshot_process *from, struct answer_process *p)
{
	p->public.pid = from->pid > 0 ? from->pid : 0;
	p->public.id = from->id;
	take_name(from->name, p->public.name);
	p->public.own = amounts(&from->own);
	p->public.children = amounts(&from->children);
	p->public.n_threads = from->n_threads;
	p->first_thread = from->first_thread;
}

static int take_processes(const struct snapshot *from, struct desched_snapshot *s)
{
	s->processes = calloc(from->n_processes + 1, sizeof(*s->processes));
	s->threads = calloc(from->n_threads + 1, sizeof(*s->threads));
	if (!s->processes || !s->threads)
		return -ENOMEM;
	for (; s->n_processes < from->n_processes; s->n_processes++)
		take_process(&from->processes[s->n_processes], &s->processes[s->n_processes]);
	for (; s->n_threads < from->n_threads; s->n_threads++) {
		const struct snapshot_thread *t = &from->threads[s->n_threads];
		struct desched_thread *to = &s->threads[s->n_threads];

		to->tid = t->tid;
		take_name(t->name, to->name);
		to->amounts = amounts(&t->own);
	}
	return 0;
}

/* The page's ledgers change hands. */
static void take_page(struct snapshot_page *page, struct desched_snapshot *s)
{
	if (!page)
		return;
	s->has_page = true;
	s->page = page->host;
	s->ledgers = page->vcpus;
	s->n_ledgers = page->n_vcpus;
	page->vcpus = NULL;
	page->n_vcpus = 0;
}

int answer_make(struct snapshot *from, struct desched_snapshot **ret)
{
	struct desched_snapshot *s = calloc(1, sizeof(*s));
	int err = s ? take_cpus(from, s) : -ENOMEM;

	if (!err)
		err = take_processes(from, s);
	if (err) {
		desched_snapshot_free(s);
		return err;
	}
	take_summary(from, s);
	take_page(from->page, s);
	*ret = s;
	return 0;
}

uint64_t answer_speed(const char *cpuinfo)
{
	const char *line = strstr(cpuinfo, "\ncpu MHz");
	const char *colon = line ? strchr(line, ':') : NULL;
	double mhz = colon ? strtod(colon + 1, NULL) : 0;

	return mhz > 0 && mhz < 1e6 ? (uint64_t)llround(mhz * 1e6) : 0;
}
