/* SPDX-License-Identifier: MIT */
#include "view/kept.h"

#include "base/hash.h"
#include "base/units.h"

#include <errno.h>
#include <stdlib.h>

#define EPOCH_SLACK   NS_PER_SEC
#define ROUNDING      NS_PER_MS		/* seconds in a text are not exact */
#define FORGOTTEN     (60 * NS_PER_SEC) /* a task that nobody spoke of for so long has ended */
#define FORGET_PERIOD (10 * NS_PER_SEC)

/* A cumulative figure over several epochs. */
struct tally {
	uint64_t before, now; /* of the epochs that are over, of this one */
};

struct task {
	uint64_t key;
	uint64_t id; /* by which the agent tells processes of one number apart; 0: it does not */
	pid_t pid;
	struct tally excess, children_excess;
	uint64_t truth; /* ns, of this epoch of the task */
	uint64_t epoch; /* a new one with each agent, and when another task gets this number */
	uint64_t told;	/* the last snapshot that it was in */
	uint64_t seen;	/* ns: when anybody spoke of it last */
	struct task_shown shown;
	UT_hash_handle hh;
};

struct kept {
	struct task *tasks; /* by key */
	pid_t holder;
	struct tally held;		 /* what the holder shows */
	uint64_t taken, elapsed, forgot; /* elapsed: with the time that is not told yet */
	uint64_t session;
	uint64_t snapshots, epochs; /* how many there were */
	struct system_figures system;
	struct system_shown shown;
};

struct kept *kept_new(void)
{
	struct kept *k = calloc(1, sizeof(*k));

	if (k)
		k->system.epoch = 1;
	return k;
}

struct kept *kept_free(struct kept *k)
{
	struct task *t, *next;

	if (!k)
		return NULL;
	HASH_ITER (hh, k->tasks, t, next) {
		HASH_DEL(k->tasks, t);
		free(t);
	}
	free(k->system.cpu);
	free(k->shown.cpu);
	free(k);
	return NULL;
}

static uint64_t tally_sum(const struct tally *t)
{
	return t->before + t->now;
}

static void tally_end_epoch(struct tally *t)
{
	t->before += t->now;
	t->now = 0;
}

/* What the kernel reported and the task did not have: nothing on a kernel that subtracts steal. Time
 * of which nobody knows stays where the kernel has it. */
static uint64_t excess_of(const struct figures *f)
{
	return u64_sub_floor(f->reported, f->truth + f->unaccounted);
}

/* ---- tasks ---- */

static uint64_t key_of(pid_t pid, pid_t tid)
{
	return tid ? (uint64_t)tid << 1 | 1 : (uint64_t)pid << 1;
}

static struct task *find(struct kept *k, uint64_t key)
{
	struct task *t;

	HASH_FIND(hh, k->tasks, &key, sizeof(key), t);
	return t;
}

static struct task *obtain(struct kept *k, pid_t pid, pid_t tid, uint64_t now)
{
	uint64_t key = key_of(pid, tid);
	struct task *t = find(k, key);

	if (!t && HASH_COUNT(k->tasks) < KEPT_TASKS_MAX) {
		t = calloc(1, sizeof(*t));
		if (!t)
			return NULL;
		t->key = key;
		t->pid = pid;
		t->epoch = ++k->epochs;
		HASH_ADD(hh, k->tasks, key, sizeof(t->key), t);
		if (!t->hh.tbl) {
			free(t);
			return NULL;
		}
	}
	if (t)
		t->seen = now;
	return t;
}

/* Another task under this number. What was shown of the first one is found out by the kernel's own
 * figures. */
static void begin_anew(struct kept *k, struct task *t)
{
	t->excess = t->children_excess = (struct tally){0};
	t->truth = 0;
	t->epoch = ++k->epochs;
}

static void tell(const struct kept *k, struct task *t, uint64_t excess, uint64_t truth)
{
	t->excess.now = u64_max(t->excess.now, excess);
	t->truth = u64_max(t->truth, truth);
	t->told = k->snapshots;
}

static bool went_back(uint64_t from, uint64_t to)
{
	return to + ROUNDING < from;
}

static void take_thread(struct kept *k, pid_t pid, const struct snapshot_thread *thread)
{
	struct task *t = thread->tid ? obtain(k, pid, thread->tid, k->taken) : NULL;
	uint64_t excess = excess_of(&thread->own);

	if (!t)
		return;
	if (t->pid != pid || went_back(t->excess.now, excess))
		begin_anew(k, t);
	t->pid = pid;
	tell(k, t, excess, thread->own.truth);
}

/* A process without a list of threads has one, but may have had more: what is new is that one's. */
static void take_lone_thread(struct kept *k, const struct task *before, const struct task *now)
{
	struct task *t = obtain(k, now->pid, now->pid, k->taken);

	if (!t)
		return;
	if (before->epoch != now->epoch)
		begin_anew(k, t);
	tell(k, t, t->excess.now + now->excess.now - before->excess.now,
	     t->truth + now->truth - before->truth);
}

static bool is_another(const struct task *t, uint64_t id, uint64_t excess)
{
	return t->id && id ? t->id != id : went_back(t->excess.now, excess);
}

static void take_process(struct kept *k, const struct snapshot *s, const struct snapshot_process *p)
{
	struct task *t = p->pid > 0 ? obtain(k, p->pid, 0, k->taken) : NULL, before;
	uint64_t excess = excess_of(&p->own);

	if (!t)
		return;
	before = *t;
	if (is_another(t, p->id, excess)) {
		begin_anew(k, t);
		before.excess.now = before.truth = 0;
	}
	t->id = p->id;
	tell(k, t, excess, p->own.truth);
	t->children_excess.now = u64_max(t->children_excess.now, excess_of(&p->children));
	if (!p->n_threads)
		take_lone_thread(k, &before, t);
	for (size_t i = 0; i < p->n_threads; i++)
		take_thread(k, p->pid, &s->threads[p->first_thread + i]);
}

static void forget(struct kept *k, uint64_t now)
{
	struct task *next;

	if (now - k->forgot < FORGET_PERIOD)
		return;
	k->forgot = now;
	for (struct task *t = k->tasks; t; t = next) {
		next = t->hh.next;
		if (now - t->seen < FORGOTTEN)
			continue;
		HASH_DEL(k->tasks, t);
		free(t);
	}
}

/* A thread's number may stand for its process, too: /proc has it, though it does not list it. */
static struct task *process_of_thread(struct kept *k, pid_t tid)
{
	struct task *thread = find(k, key_of(0, tid));

	return thread ? find(k, key_of(thread->pid, 0)) : NULL;
}

int kept_task(struct kept *k, pid_t pid, pid_t tid, uint64_t now, struct task_figures *ret_figures,
	      struct task_shown **ret_shown)
{
	struct task *t = find(k, key_of(pid, tid));
	bool holds;

	if (!t && !tid)
		t = process_of_thread(k, pid);
	if (!t)
		t = obtain(k, pid, tid, now);
	if (!t)
		return HASH_COUNT(k->tasks) < KEPT_TASKS_MAX ? -ENOMEM : -ENOSPC;
	t->seen = now;
	holds = k->holder && k->holder == pid && (!tid || tid == pid);
	*ret_figures = (struct task_figures){
		.live = k->system.live && (holds || t->told == k->snapshots),
		.epoch = t->epoch,
		.since = k->taken - k->elapsed,
		.truth = t->truth + (holds ? k->held.now : 0),
		.excess = tally_sum(&t->excess),
		.more = holds ? tally_sum(&k->held) : 0,
		.children_excess = tally_sum(&t->children_excess),
	};
	*ret_shown = &t->shown;
	return 0;
}

/* ---- the machine ---- */

const struct system_figures *kept_system(const struct kept *k)
{
	return &k->system;
}

struct system_shown *kept_system_shown(struct kept *k)
{
	return &k->shown;
}

static int grow_cpus(struct kept *k, size_t n)
{
	struct cpu_figures *cpu;
	struct cpu_shown *shown;

	if (n <= k->system.n_cpus)
		return 0;
	cpu = realloc(k->system.cpu, n * sizeof(*cpu));
	if (!cpu)
		return -ENOMEM;
	k->system.cpu = cpu;
	shown = realloc(k->shown.cpu, n * sizeof(*shown));
	if (!shown)
		return -ENOMEM;
	k->shown.cpu = shown;
	for (size_t i = k->system.n_cpus; i < n; i++) {
		cpu[i] = (struct cpu_figures){0};
		shown[i] = (struct cpu_shown){0};
	}
	k->system.n_cpus = (unsigned)n;
	return 0;
}

static void take_cpu(const struct snapshot_cpu *c, struct cpu_figures *into,
		     struct cpu_figures *all)
{
	uint64_t busy_away = c->descheduled + c->wait;
	uint64_t idle_away = c->idle_descheduled + c->idle_wait;

	*into = (struct cpu_figures){
		.ended_away = into->ended_away,
		.busy = u64_sub_floor(c->busy, busy_away),
		.idle = u64_sub_floor(c->idle, idle_away),
		.away = busy_away + idle_away,
		.busy_away = busy_away,
	};
	all->busy += into->busy;
	all->idle += into->idle;
	all->away += into->away;
	all->busy_away += busy_away;
}

static void take_cpus(struct kept *k, const struct snapshot *s)
{
	k->system.all = (struct cpu_figures){0};
	for (size_t i = 0; i < s->n_cpus; i++)
		take_cpu(&s->cpus[i], &k->system.cpu[i], &k->system.all);
}

/* ---- snapshots ---- */

/* An agent that was started since the last snapshot does not know its session; or, where it tells
 * none, has seen less time than went by. */
static bool is_new_epoch(const struct kept *k, const struct snapshot *s, uint64_t elapsed,
			 uint64_t now)
{
	if (!k->taken)
		return false;
	if (k->session && s->session)
		return !snapshot_goes_on(k->session, 0, s);
	return elapsed + EPOCH_SLACK < k->elapsed + (now - k->taken);
}

static void begin_epoch(struct kept *k)
{
	k->system.epoch++;
	for (unsigned i = 0; i < k->system.n_cpus; i++)
		k->system.cpu[i].ended_away += k->system.cpu[i].busy_away;
	tally_end_epoch(&k->held);
	for (struct task *t = k->tasks; t; t = t->hh.next) {
		tally_end_epoch(&t->excess);
		tally_end_epoch(&t->children_excess);
		t->id = 0;
		t->truth = 0;
		t->epoch = ++k->epochs;
	}
}

int kept_update(struct kept *k, const struct snapshot *s, pid_t holder, uint64_t now)
{
	uint64_t elapsed = s->elapsed + s->lag;
	int err = s->n_cpus > VIEW_CPUS_MAX ? -E2BIG : grow_cpus(k, s->n_cpus);

	if (err)
		return err;
	if (is_new_epoch(k, s, elapsed, now))
		begin_epoch(k);
	k->session = s->session;
	k->snapshots++;
	k->taken = now;
	k->elapsed = elapsed;
	k->holder = holder;
	k->held.now = u64_max(k->held.now, s->vmdesched);
	k->system.live = true;
	k->system.kernel_subtracts = s->kernel_subtracts;
	take_cpus(k, s);
	for (size_t i = 0; i < s->n_processes; i++)
		take_process(k, s, &s->processes[i]);
	forget(k, now);
	return 0;
}

void kept_stale(struct kept *k)
{
	k->system.live = false;
}
