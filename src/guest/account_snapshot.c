/* SPDX-License-Identifier: MIT */
#include "guest/account_snapshot.h"

#include <errno.h>
#include <stdlib.h>

/* What the kernel reports is occupied, or less where it subtracts steal itself. Of what is
 * unaccounted nobody knows how much it subtracted: then that is in it. */
static struct figures figures_of(const struct snapshot *s, const struct amounts *a)
{
	return (struct figures){
		.truth = amounts_true(a),
		.descheduled = amounts_descheduled(a),
		.wait = a->away[LEDGER_WAIT],
		.unaccounted = a->unaccounted,
		.reported = s->kernel_subtracts ? a->occupied - amounts_away(a) : a->occupied,
	};
}

static void add(struct snapshot *s, struct figures *into, const struct amounts *a)
{
	struct figures f = figures_of(s, a);

	figures_add(into, &f);
}

/* ---- processes ---- */

/* NULL texts, for want of memory, are found when all are there. */
static void copy_thread(struct snapshot *s, const struct account_task *t)
{
	s->threads[s->n_threads++] = (struct snapshot_thread){
		.tid = t->tid, .name = snapshot_text(s, t->comm), .own = figures_of(s, &t->own)};
}

static void copy_process(struct snapshot *s, struct account_process *p)
{
	p->index = s->n_processes++;
	s->processes[p->index] = (struct snapshot_process){
		.pid = p->pid,
		.id = p->id,
		.name = snapshot_text(s, p->comm),
		.own = figures_of(s, &p->own),
		.children = figures_of(s, &p->children),
	};
}

/* Threads are listed process by process, for those that have more than one. */
static void copy_threads(const struct account *a, struct snapshot *s,
			 const struct account_process *p)
{
	struct snapshot_process *to = &s->processes[p->index];
	const struct account_task *t = p->n_live > 1 ? a->tasks : NULL;

	to->first_thread = s->n_threads;
	for (; t; t = t->hh.next)
		if (t->process == p)
			copy_thread(s, t);
	to->n_threads = s->n_threads - to->first_thread;
}

/* A process that has exited, while a source still has runs of it to charge. */
static void copy_dead(struct account *a, struct snapshot *s, const struct account_process *p)
{
	const struct account_process *heir = account_heir(a, p);
	struct figures *to = heir ? &s->processes[heir->index].children : &s->exited;

	add(s, to, &p->own);
	add(s, to, &p->children);
}

static bool has_names(const struct snapshot *s)
{
	for (size_t i = 0; i < s->n_processes; i++)
		if (!s->processes[i].name)
			return false;
	for (size_t i = 0; i < s->n_threads; i++)
		if (!s->threads[i].name)
			return false;
	return true;
}

static int copy_processes(struct account *a, struct snapshot *s)
{
	struct account_process *p;

	s->processes = calloc(HASH_COUNT(a->processes) + 2, sizeof(*s->processes));
	s->threads = calloc(HASH_COUNT(a->tasks) + 1, sizeof(*s->threads));
	if (!s->processes || !s->threads)
		return -ENOMEM;
	add(s, &s->exited, &a->orphans);
	for (p = a->processes; p; p = p->hh.next)
		if (p->n_live)
			copy_process(s, p);
	for (p = a->processes; p; p = p->hh.next) {
		if (p->n_live)
			copy_threads(a, s, p);
		else
			copy_dead(a, s, p);
	}
	if (a->lost->own.occupied)
		copy_process(s, a->lost->process);
	if (a->other->own.occupied)
		copy_process(s, a->other->process);
	return has_names(s) ? 0 : -ENOMEM;
}

/* ---- CPUs, control groups ---- */

/* The vCPU's ledger as far as its guest can tell, which is idle by its own will: HALT. */
static void copy_ledger(const struct account_cpu *c, uint64_t ret[LEDGER_STATES])
{
	for (uint32_t i = 0; i < LEDGER_STATES; i++)
		ret[i] = c->busy.away[i] + c->idle.away[i];
	ret[LEDGER_RUN] = amounts_true(&c->busy);
	ret[LEDGER_HALT] = amounts_true(&c->idle);
}

static int copy_cpus(const struct account *a, struct snapshot *s)
{
	s->cpus = calloc(a->n_cpus + 1u, sizeof(*s->cpus));
	if (!s->cpus)
		return -ENOMEM;
	for (; s->n_cpus < a->n_cpus; s->n_cpus++) {
		const struct account_cpu *c = &a->cpus[s->n_cpus];
		struct snapshot_cpu *to = &s->cpus[s->n_cpus];

		*to = (struct snapshot_cpu){
			.cpu = (unsigned)s->n_cpus,
			.busy = c->busy.occupied,
			.idle = c->idle.occupied,
			.descheduled = amounts_descheduled(&c->busy),
			.wait = c->busy.away[LEDGER_WAIT],
			.unaccounted = c->busy.unaccounted,
			.idle_descheduled = amounts_descheduled(&c->idle),
			.idle_wait = c->idle.away[LEDGER_WAIT],
			.idle_unaccounted = c->idle.unaccounted,
		};
		copy_ledger(c, to->ledger);
		add(s, &s->busy, &c->busy);
		add(s, &s->idle, &c->idle);
		s->vmdesched += amounts_away(&c->busy);
	}
	return 0;
}

static int copy_cgroups(const struct account *a, struct snapshot *s)
{
	const struct account_cgroup *c = a->cgroups;

	s->cgroups = calloc(HASH_COUNT(a->cgroups) + 1, sizeof(*s->cgroups));
	for (; c && s->cgroups; c = c->hh.next) {
		const char *path = snapshot_text(s, c->path);

		if (!path)
			return -ENOMEM;
		s->cgroups[s->n_cgroups++] = (struct snapshot_cgroup){
			.path = path, .n_tasks = c->n_tasks, .own = figures_of(s, &c->amounts)};
	}
	return s->cgroups ? 0 : -ENOMEM;
}

static void copy_counters(const struct account *a, struct snapshot_counters *c)
{
	c->switches = a->counters.switches;
	c->mismatches = a->counters.mismatches;
	c->lost_run = a->counters.lost_ns;
	c->backwards = a->counters.backwards;
	c->no_room = a->counters.no_room;
	c->cgroups_folded = a->counters.cgroups_folded;
	c->overcharged = a->counters.overcharged_ns;
}

int account_snapshot(struct account *a, struct snapshot *s)
{
	int err = copy_cpus(a, s);

	if (!err)
		err = copy_processes(a, s);
	if (!err)
		err = copy_cgroups(a, s);
	copy_counters(a, &s->counters);
	return err;
}
