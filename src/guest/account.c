/* SPDX-License-Identifier: MIT */
#include "guest/account.h"

#include "base/units.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct account_process *account_find_process(struct account *a, pid_t pid)
{
	struct account_process *p;

	HASH_FIND_INT(a->processes, &pid, p);
	return p;
}

struct account_task *account_find_task(struct account *a, pid_t tid)
{
	struct account_task *t;

	HASH_FIND_INT(a->tasks, &tid, t);
	return t;
}

static void unhash_task(struct account *a, struct account_task *t)
{
	if (t->hashed)
		HASH_DEL(a->tasks, t);
	t->hashed = false;
}

/* Parents that were read from /proc may make a circle, since pids are used again: so far, no
 * further. */
#define ANCESTORS_MAX 64

struct account_process *account_heir(struct account *a, const struct account_process *p)
{
	for (int i = 0; i < ANCESTORS_MAX; i++) {
		struct account_process *parent = account_find_process(a, p->parent);

		if (!parent || parent->id != p->parent_id)
			return NULL;
		if (parent->n_live)
			return parent;
		p = parent;
	}
	return NULL;
}

/* An exited process leaves its time to its parent, as the kernel does with cutime and cstime. */
static void bury_process(struct account *a, struct account_process *p)
{
	struct account_process *heir = account_heir(a, p);
	struct amounts *to = heir ? &heir->children : &a->orphans;

	amounts_add(to, &p->own);
	amounts_add(to, &p->children);
	if (p->hashed)
		HASH_DEL(a->processes, p);
	free(p);
}

static void bury_task(struct account *a, struct account_task *t)
{
	struct account_process *p = t->process;

	unhash_task(a, t);
	account_cgroup_enter(&t->cgroup, NULL);
	free(t);
	if (--p->n_tasks == 0)
		bury_process(a, p);
}

/* Will not run again: buried now, or when its last run has been charged. */
static void retire_task(struct account *a, struct account_task *t)
{
	t->gone = true;
	t->process->n_live--;
	unhash_task(a, t);
	for (unsigned i = 0; i < a->n_cpus; i++)
		if (a->cpus[i].current == t)
			a->cpus[i].current = NULL;
	if (!t->pins)
		bury_task(a, t);
}

void account_release(struct account *a, struct account_task *task)
{
	if (--task->pins == 0 && task->gone)
		bury_task(a, task);
}

static struct account_process *new_process(struct account *a, pid_t pid, pid_t parent)
{
	struct account_process *old = account_find_process(a, pid);
	struct account_process *p = calloc(1, sizeof(*p));
	struct account_process *ancestor;

	if (!p)
		return NULL;
	if (old) {
		HASH_DEL(a->processes, old);
		old->hashed = false;
	}
	ancestor = account_find_process(a, parent);
	p->pid = pid;
	p->parent = parent;
	p->parent_id = ancestor ? ancestor->id : 0;
	p->id = ++a->next_id;
	HASH_ADD_INT(a->processes, pid, p);
	p->hashed = p->hh.tbl;
	if (p->hashed)
		return p;
	free(p);
	return NULL;
}

static void set_comm(char *to, const char *from)
{
	snprintf(to, ACCOUNT_COMM_SIZE, "%s", from);
}

static struct account_process *get_process(struct account *a, pid_t pid, pid_t parent)
{
	struct account_process *p = account_find_process(a, pid);

	return p ? p : new_process(a, pid, parent);
}

/* A thread is where its process's first one is, a process where its parent is. */
static struct account_cgroup *cgroup_of_parent(struct account *a, const struct account_process *p)
{
	const struct account_task *t = account_find_task(a, p->pid);

	if (!t)
		t = account_find_task(a, p->parent);
	return t && t->cgroup
		       ? t->cgroup
		       : account_cgroup_get(&a->cgroups, &a->counters.cgroups_folded, CGROUP_ROOT);
}

/* `p` is NULL where there was no memory for it. */
static struct account_task *new_task(struct account *a, pid_t tid, struct account_process *p,
				     const char *comm)
{
	struct account_task *t = p ? calloc(1, sizeof(*t)) : NULL;
	/* Looked for before the task itself can be found there. */
	struct account_cgroup *home = p ? cgroup_of_parent(a, p) : NULL;

	if (t) {
		t->tid = tid;
		HASH_ADD_INT(a->tasks, tid, t);
		t->hashed = t->hh.tbl;
	}
	if (!t || !t->hashed) {
		free(t);
		a->counters.no_room++;
		if (p && !p->n_tasks)
			bury_process(a, p);
		return a->other;
	}
	if (!p->comm[0] || tid == p->pid)
		set_comm(p->comm, comm);
	p->n_tasks++;
	p->n_live++;
	t->process = p;
	account_cgroup_enter(&t->cgroup, home);
	set_comm(t->comm, comm);
	return t;
}

static bool full(struct account *a)
{
	if (HASH_COUNT(a->tasks) < ACCOUNT_TASKS_MAX)
		return false;
	a->counters.no_room++;
	return true;
}

static struct account_task *get_task(struct account *a, pid_t tid, pid_t tgid, pid_t parent,
				     const char *comm)
{
	struct account_task *t = tid ? account_find_task(a, tid) : a->idle;

	if (t && (!tid || t->process->pid == tgid))
		return t;
	if (t)
		retire_task(a, t);
	if (full(a))
		return a->other;
	return new_task(a, tid, get_process(a, tgid, parent), comm);
}

/* idle, lost and other are never hashed, never exit, and are freed with the account. */
static struct account_task *pseudo_task(pid_t pid, const char *comm)
{
	struct account_task *t = calloc(1, sizeof(*t));
	struct account_process *p = calloc(1, sizeof(*p));

	if (!t || !p) {
		free(t);
		free(p);
		return NULL;
	}
	p->pid = pid;
	p->n_tasks = 1;
	p->n_live = 1;
	t->tid = pid;
	t->process = p;
	set_comm(t->comm, comm);
	set_comm(p->comm, comm);
	return t;
}

static void free_pseudo_task(struct account_task *t)
{
	if (t)
		free(t->process);
	free(t);
}

int account_new(unsigned n_cpus, uint64_t start, account_run_fn run, void *data,
		struct account **ret)
{
	struct account *a;

	if (!n_cpus)
		return -EINVAL;
	a = calloc(1, sizeof(*a));
	if (!a)
		return -ENOMEM;
	a->n_cpus = n_cpus;
	a->start = start;
	a->run = run;
	a->run_data = data;
	a->cpus = calloc(n_cpus, sizeof(*a->cpus));
	a->idle = pseudo_task(0, "idle");
	a->lost = pseudo_task(-1, "(lost)");
	a->other = pseudo_task(-2, "(other)");
	if (!a->cpus || !a->idle || !a->lost || !a->other) {
		account_free(a);
		return -ENOMEM;
	}
	for (unsigned i = 0; i < n_cpus; i++)
		a->cpus[i].since = start;
	*ret = a;
	return 0;
}

struct account *account_free(struct account *a)
{
	struct account_task *t, *next_task;
	struct account_process *p, *next_process;

	if (!a)
		return NULL;
	HASH_ITER (hh, a->tasks, t, next_task) {
		struct account_process *of = t->process;

		HASH_DEL(a->tasks, t);
		free(t);
		if (--of->n_tasks == 0 && !of->hashed)
			free(of);
	}
	HASH_ITER (hh, a->processes, p, next_process) {
		HASH_DEL(a->processes, p);
		free(p);
	}
	account_cgroup_free_all(&a->cgroups);
	free_pseudo_task(a->idle);
	free_pseudo_task(a->lost);
	free_pseudo_task(a->other);
	free(a->cpus);
	free(a);
	return NULL;
}

static void forget_amounts(struct account_task *t)
{
	t->own = t->process->own = t->process->children = (struct amounts){.occupied = 0};
}

void account_restart(struct account *a, uint64_t time)
{
	for (struct account_task *t = a->tasks; t; t = t->hh.next)
		forget_amounts(t);
	for (struct account_cgroup *c = a->cgroups; c; c = c->hh.next)
		c->amounts = (struct amounts){.occupied = 0};
	forget_amounts(a->idle);
	forget_amounts(a->lost);
	forget_amounts(a->other);
	a->orphans = (struct amounts){.occupied = 0};
	a->counters = (struct account_counters){.switches = 0};
	a->start = time;
	for (unsigned i = 0; i < a->n_cpus; i++) {
		a->cpus[i].busy = a->cpus[i].idle = (struct amounts){.occupied = 0};
		a->cpus[i].since = time;
	}
}

static struct amounts *cpu_amounts(struct account *a, unsigned cpu, const struct account_task *t)
{
	return t == a->idle ? &a->cpus[cpu].idle : &a->cpus[cpu].busy;
}

/* The CPU's run ends at `time`; `task` had it. */
static void end_run(struct account *a, unsigned cpu, uint64_t time, struct account_task *task,
		    bool cut)
{
	struct account_cpu *c = &a->cpus[cpu];
	struct account_run run = {
		.cpu = cpu, .start = c->since, .end = time, .task = task, .cut = cut};
	uint64_t ns = time - c->since;

	c->since = time;
	if (!ns)
		return;
	if (!a->run) {
		account_book(a, task, cpu, ns);
		return;
	}
	task->pins++;
	a->run(&run, a->run_data);
}

static bool expected(const struct account *a, const struct account_cpu *c, pid_t prev)
{
	return c->current && (c->current->tid == prev || c->current == a->other);
}

/* Who had the CPU until `prev` was switched out. The first record of a CPU tells who had been there
 * since the start. */
static struct account_task *run_owner(struct account *a, struct account_cpu *c, uint64_t time,
				      pid_t prev)
{
	struct account_task *t;

	if (expected(a, c, prev))
		return c->current;
	if (!c->known) {
		t = prev ? account_find_task(a, prev) : a->idle;
		if (t)
			return t;
	}
	a->counters.mismatches++;
	a->counters.lost_ns += time - c->since;
	return a->lost;
}

void account_prev_ran(struct account *a, unsigned cpu, uint64_t time, pid_t prev, uint64_t ran)
{
	struct account_cpu *c = cpu < a->n_cpus ? &a->cpus[cpu] : NULL;
	struct account_task *t;

	if (!ran || !c || !c->known || expected(a, c, prev))
		return;
	t = account_find_task(a, prev);
	if (!t || time < c->since)
		return;
	ran = u64_min(ran, time - c->since);
	if (c->current && !a->lossy)
		a->counters.mismatches++;
	end_run(a, cpu, time - ran,
		c->current && !a->lossy ? c->current : run_owner(a, c, time - ran, prev), true);
	c->current = t;
}

void account_switch(struct account *a, unsigned cpu, uint64_t time, pid_t prev, bool prev_dead,
		    pid_t next, pid_t next_tgid)
{
	struct account_cpu *c;
	struct account_task *owner;
	bool late;

	if (cpu >= a->n_cpus)
		return;
	c = &a->cpus[cpu];
	a->counters.switches++;
	late = time < c->since;
	if (late) {
		a->counters.backwards++;
		time = c->since;
	}
	owner = run_owner(a, c, time, prev);
	end_run(a, cpu, time, owner, late);
	c->known = true;
	c->current = NULL;
	if (prev_dead && owner->hashed)
		retire_task(a, owner);
	c->current = get_task(a, next, next_tgid, 0, "");
}

void account_seed(struct account *a, pid_t tid, pid_t tgid, pid_t parent, const char *comm)
{
	struct account_task *t = get_task(a, tid, tgid, parent, "");
	struct account_process *ancestor = account_find_process(a, parent);

	/* It may have been seen by then in a record that told neither its name nor its parent. */
	if (t->comm[0])
		return;
	set_comm(t->comm, comm);
	t->process->parent = parent;
	t->process->parent_id = ancestor ? ancestor->id : 0;
	if (!t->process->comm[0])
		set_comm(t->process->comm, comm);
}

void account_fork(struct account *a, pid_t tid, pid_t tgid, pid_t parent, const char *comm)
{
	struct account_task *old = account_find_task(a, tid);

	if (old)
		retire_task(a, old); /* its exit was lost */
	if (!full(a))
		new_task(a, tid,
			 tid == tgid ? new_process(a, tgid, parent) : get_process(a, tgid, parent),
			 comm);
}

void account_rename(struct account *a, pid_t tid, const char *comm)
{
	struct account_task *t = account_find_task(a, tid);

	if (!t)
		return;
	set_comm(t->comm, comm);
	if (t->process->pid == tid)
		set_comm(t->process->comm, comm);
}

/* A thread that calls exec takes over its process's first thread id. */
void account_exec(struct account *a, unsigned cpu, uint64_t time, pid_t tid, pid_t tgid,
		  const char *comm)
{
	struct account_cpu *c = cpu < a->n_cpus ? &a->cpus[cpu] : NULL;
	struct account_task *t = get_task(a, tid, tgid, 0, comm);

	if (c && c->current && c->current != t && c->current->process == t->process &&
	    time >= c->since) {
		end_run(a, cpu, time, c->current, true);
		retire_task(a, c->current);
		c->current = t;
	}
	account_rename(a, tid, comm);
}

void account_move(struct account *a, pid_t tid, bool all, const char *path)
{
	struct account_task *t = account_find_task(a, tid), *other;
	struct account_cgroup *c = t ? account_cgroup_get(&a->cgroups, &a->counters.cgroups_folded,
							  path)
				     : NULL;

	if (!c)
		return;
	account_cgroup_enter(&t->cgroup, c);
	if (!all || t->process->n_live < 2)
		return;
	for (other = a->tasks; other; other = other->hh.next)
		if (other->process == t->process)
			account_cgroup_enter(&other->cgroup, c);
}

void account_sweep(struct account *a, bool (*alive)(pid_t tid))
{
	struct account_task *t, *next;

	HASH_ITER (hh, a->tasks, t, next)
		if (!alive(t->tid))
			retire_task(a, t);
}

void account_cut(struct account *a, uint64_t time)
{
	for (unsigned cpu = 0; cpu < a->n_cpus; cpu++) {
		struct account_cpu *c = &a->cpus[cpu];

		if (time > c->since && c->known)
			end_run(a, cpu, time, c->current ? c->current : a->lost, true);
	}
}

void account_book(struct account *a, struct account_task *task, unsigned cpu, uint64_t ns)
{
	task->own.occupied += ns;
	task->process->own.occupied += ns;
	cpu_amounts(a, cpu, task)->occupied += ns;
	if (task->cgroup)
		task->cgroup->amounts.occupied += ns;
}

uint64_t account_charge(struct account *a, struct account_task *task, unsigned cpu, uint32_t state,
			uint64_t ns)
{
	struct amounts *c = cpu_amounts(a, cpu, task);
	uint64_t taken = u64_min(ns, u64_min(amounts_true(&task->own), amounts_true(c)));

	a->counters.overcharged_ns += ns - taken;
	*amounts_in(&task->own, state) += taken;
	*amounts_in(&task->process->own, state) += taken;
	*amounts_in(c, state) += taken;
	if (task->cgroup)
		*amounts_in(&task->cgroup->amounts, state) += taken;
	return taken;
}
