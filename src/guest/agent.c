/* SPDX-License-Identifier: MIT */
#include "guest/agent.h"

#include "base/clock.h"
#include "base/proc.h"
#include "base/rows.h"
#include "base/units.h"
#include "guest/account_snapshot.h"
#include "guest/asked.h"
#include "guest/expected.h"
#include "guest/held.h"

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CGROUP_PATH_MAX	   1024
#define AGENT_SESSIONS_MAX 16

struct agent {
	struct switches *switches;
	struct account *account;
	struct source_context context;
	struct source_config config;
	const struct source_ops *ops;
	void *source;
	struct expected expected; /* what `source` stands in for */
	enum switches_steal steal_row;
	struct held held;    /* records behind `now` */
	uint64_t now;	     /* ns, up to which records are booked */
	uint64_t lost;	     /* records, when the account was last swept */
	uint64_t sweep_time; /* ns, when that was */
	uint64_t missed[2];  /* lost switches, by the rounds before */
	uint64_t epoch;	     /* ns, CLOCK_REALTIME at the start: no two agents have the same */
	uint64_t settled;    /* ns: everything is booked up to here */
	struct snapshot_session sessions[AGENT_SESSIONS_MAX];
	size_t n_sessions;
};

static void on_run(const struct account_run *run, void *data)
{
	struct agent *agent = data;

	agent->ops->run(agent->source, run);
}

static void on_switch(struct agent *agent, const struct switches_switch *r)
{
	account_prev_ran(agent->account, r->head.cpu, r->head.time, (pid_t)r->prev_tid,
			 r->prev_ran);
	account_switch(agent->account, r->head.cpu, r->head.time, (pid_t)r->prev_tid, r->prev_dead,
		       (pid_t)r->next_tid, (pid_t)r->next_tgid);
	if (agent->steal_row != SWITCHES_STEAL_NONE && r->head.cpu < agent->account->n_cpus)
		agent->ops->steal(agent->source, r->head.cpu, r->head.time, r->steal);
}

/* The record says that it moved; where to, stands in /proc, if it is still there. */
static void move(struct agent *agent, pid_t tid, bool all)
{
	char path[CGROUP_PATH_MAX];

	if (!proc_read_cgroup(tid, path, sizeof(path)))
		account_move(agent->account, tid, all, path);
}

static void on_life(struct agent *agent, const struct switches_life *r)
{
	struct account *a = agent->account;
	char comm[SWITCHES_COMM_LEN + 1];

	snprintf(comm, sizeof(comm), "%.*s", SWITCHES_COMM_LEN, r->comm);
	switch (r->head.kind) {
	case SWITCHES_FORK:
		account_fork(a, (pid_t)r->tid, (pid_t)r->tgid, (pid_t)r->parent, comm);
		if (r->moved)
			move(agent, (pid_t)r->tid, false);
		break;
	case SWITCHES_EXEC:
		account_exec(a, r->head.cpu, r->head.time, (pid_t)r->tid, (pid_t)r->tgid, comm);
		break;
	case SWITCHES_RENAME:
		account_rename(a, (pid_t)r->tid, comm);
		break;
	case SWITCHES_MOVE:
		move(agent, (pid_t)r->tid, r->moved);
		break;
	}
}

static int book(const struct switches_head *record, size_t size, void *data)
{
	if (record->kind == SWITCHES_SWITCH && size >= sizeof(struct switches_switch))
		on_switch(data, (const struct switches_switch *)record);
	else if (record->kind != SWITCHES_SWITCH && size >= sizeof(struct switches_life))
		on_life(data, (const struct switches_life *)record);
	return 0;
}

/* Without memory it is booked too early, rather than not at all. */
static int on_record(const struct switches_head *record, size_t size, void *data)
{
	struct agent *agent = data;
	int err = record->time > agent->now ? held_keep(&agent->held, record, size) : -ENOMEM;

	return err == -ENOMEM ? book(record, size, data) : err;
}

struct seed {
	struct account *account;
	pid_t pid;
};

static int seed_thread(pid_t tid, void *data)
{
	const struct seed *seed = data;
	struct proc_stat stat;

	char cgroup[CGROUP_PATH_MAX];

	if (proc_read_stat(seed->pid, tid, &stat))
		return 0;
	account_seed(seed->account, tid, seed->pid, stat.ppid, stat.comm);
	if (!proc_read_cgroup(tid, cgroup, sizeof(cgroup)))
		account_move(seed->account, tid, false, cgroup);
	return 0;
}

static int seed_process(pid_t pid, void *data)
{
	struct seed seed = {.account = data, .pid = pid};
	char tasks[64];

	snprintf(tasks, sizeof(tasks), "/proc/%d/task", pid);
	proc_each_id(tasks, seed_thread, &seed);
	return 0;
}

/* A process that spins is not switched out by anybody, and nothing would tell that it is there:
 * visit every CPU once, so that each has had a switch. */
static void visit_cpus(void)
{
	cpu_set_t before, one;

	if (sched_getaffinity(0, sizeof(before), &before))
		return;
	for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
		if (!CPU_ISSET(cpu, &before))
			continue;
		CPU_ZERO(&one);
		CPU_SET(cpu, &one);
		sched_setaffinity(0, sizeof(one), &one);
	}
	sched_setaffinity(0, sizeof(before), &before);
}

static int open_source(struct agent *agent, const struct source_ops *ops, struct failure *f)
{
	int err = ops->open(&agent->context, f, &agent->source);

	if (err)
		return err;
	agent->ops = ops;
	agent->steal_row = ops->steal_row ? ops->steal_row(agent->switches) : SWITCHES_STEAL_NONE;
	return 0;
}

static int choose_source(struct agent *agent, const char *name, struct failure *f)
{
	struct failure why, all = {.text = ""};
	int err = asked_source(name, agent->config.page_path, f, &name);
	bool any;

	if (err)
		return err;
	any = !name;
	err = -EINVAL;
	for (int i = 0; sources[i]; i++) {
		size_t used = strlen(all.text);

		if (name && strcmp(name, sources[i]->name) != 0)
			continue;
		err = open_source(agent, sources[i], &why);
		if (!err && any && sources[i]->stands_in)
			expected_open(&agent->expected);
		if (!err)
			return 0;
		snprintf(all.text + used, sizeof(all.text) - used, "%s%.160s", used ? "; " : "",
			 why.text);
	}
	if (err == -EINVAL) {
		names_of(source_name, all.text, sizeof(all.text));
		return failure_set(f, err, "no source '%s'; expected %s", name, all.text);
	}
	return failure_set(f, err, "%s", all.text);
}

/* `now` is read before the records: those that come after it end later runs, and are held. */
static int take(struct agent *agent, uint64_t now)
{
	uint64_t lost = switches_lost(agent->switches);
	int n;

	/* What was lost since the last round is missing in this one, or in the next. */
	agent->account->lossy = lost != agent->missed[0];
	agent->missed[0] = agent->missed[1];
	agent->missed[1] = lost;
	agent->now = now;
	held_give(&agent->held, now, book, agent);
	n = switches_drain(agent->switches, on_record, agent);
	account_cut(agent->account, now);
	return n < 0 && n != -ENOBUFS ? n : 0;
}

static uint64_t session_of(uint64_t epoch, uint64_t page)
{
	uint64_t session = (epoch ^ page) & INT64_MAX;

	return session ? session : 1;
}

/* The sessions that this agent has seen; the oldest are forgotten. */
static void note_session(struct agent *agent, uint64_t now)
{
	struct snapshot_session *list = agent->sessions;
	struct source_report report;
	uint64_t id;

	agent->ops->report(agent->source, &report);
	id = session_of(agent->epoch, report.session);
	if (agent->n_sessions && list[agent->n_sessions - 1].id == id)
		return;
	if (agent->n_sessions == AGENT_SESSIONS_MAX)
		memmove(list, list + 1, --agent->n_sessions * sizeof(*list));
	list[agent->n_sessions++] = (struct snapshot_session){
		id, u64_sub_floor(now, agent->account->start)};
}

/* What is over by `now` is booked, as far as it is told within `patience`. False: not all of it. */
static bool settle(struct agent *agent, uint64_t now, uint64_t patience)
{
	bool all = !agent->ops->settle || !agent->ops->settle(agent->source, now, patience);
	uint64_t settled = agent->ops->settled ? agent->ops->settled(agent->source) : now;

	agent->settled = u64_max(agent->settled, settled);
	note_session(agent, now);
	return all;
}

/* The first switch of each CPU has shown who is there and what its clock says: figures begin then.
 * A source that waits for another's word needs no such thing. */
static int start_figures(struct agent *agent)
{
	uint64_t now = clock_mono();
	int err = take(agent, now);

	if (err || agent->ops->settled)
		return err;
	settle(agent, now, 0);
	account_restart(agent->account, now);
	return 0;
}

/* Records flow first, what is there is read second: nobody is missed, and who is seen twice is
 * recognized. */
static int begin(struct agent *agent, struct failure *f)
{
	int err = switches_attach(agent->switches, agent->steal_row, f);

	if (err)
		return err;
	proc_each_id("/proc", seed_process, agent->account);
	visit_cpus();
	return start_figures(agent);
}

int agent_open(const struct agent_config *config, struct failure *f, struct agent **ret)
{
	struct agent *agent = calloc(1, sizeof(*agent));
	long cpus = sysconf(_SC_NPROCESSORS_CONF);
	int err;

	if (!agent)
		return failure_errno(f, -ENOMEM, "agent");
	agent->config = config->source_config;
	err = switches_open(f, &agent->switches);
	if (!err && account_new((unsigned)cpus, clock_mono(), on_run, agent, &agent->account))
		err = failure_errno(f, -ENOMEM, "agent");
	agent->context = (struct source_context){
		.config = &agent->config, .account = agent->account, .switches = agent->switches};
	if (!err)
		err = choose_source(agent, config->source, f);
	if (!err) {
		agent->account->start = clock_mono();
		agent->epoch = clock_real();
		for (long i = 0; i < cpus; i++)
			agent->account->cpus[i].since = agent->account->start;
		err = begin(agent, f);
	}
	if (err) {
		agent_close(agent);
		return err;
	}
	*ret = agent;
	return 0;
}

struct agent *agent_close(struct agent *agent)
{
	if (!agent)
		return NULL;
	if (agent->source)
		agent->ops->close(agent->source);
	expected_close(&agent->expected);
	switches_close(agent->switches);
	held_done(&agent->held);
	account_free(agent->account);
	free(agent);
	return NULL;
}

int agent_fd(const struct agent *agent)
{
	return switches_fd(agent->switches);
}

static bool task_alive(pid_t tid)
{
	char path[32];

	snprintf(path, sizeof(path), "/proc/%d",
		 tid); /* there for threads, too, though not listed */
	return access(path, F_OK) == 0;
}

/* Lost records may have told of exits. */
static void sweep(struct agent *agent, uint64_t now)
{
	struct switches_counters counters;
	uint64_t lost;

	if (now - agent->sweep_time < NS_PER_SEC)
		return;
	switches_counters(agent->switches, &counters);
	lost = counters.lost_lives + counters.lost_switches;
	agent->sweep_time = now;
	if (lost == agent->lost)
		return;
	agent->lost = lost;
	account_sweep(agent->account, task_alive);
}

/* The page has come: what is over is the stand-in's, what begins is the page's. Opening it takes
 * part of a second, in which the stand-in has the runs. */
static void change_source(struct agent *agent)
{
	const struct source_ops *before = agent->ops;
	const struct source_ops *next = agent->expected.mapping.line ? &source_stream
								     : &source_page;
	void *stand_in = agent->source, *page;
	uint64_t now;

	agent->context.page = &agent->expected.mapping;
	if (next->open(&agent->context, NULL, &page)) {
		agent->context.page = NULL;
		return;
	}
	now = clock_mono();
	take(agent, now);
	settle(agent, now, 0);
	agent->ops = next;
	agent->source = page;
	before->close(stand_in);
	note_session(agent, now);
}

static bool page_has_come(struct agent *agent, uint64_t now)
{
	return agent->ops->stands_in && expected_has_come(&agent->expected, now);
}

int agent_poll(struct agent *agent)
{
	uint64_t now = clock_mono();
	int err = take(agent, now);

	sweep(agent, now);
	if (!err && page_has_come(agent, now))
		change_source(agent);
	if (!err && agent->ops->poll)
		err = agent->ops->poll(agent->source, now);
	return err;
}

const char *agent_source(const struct agent *agent)
{
	return agent->ops->name;
}

void agent_report(const struct agent *agent, struct source_report *ret)
{
	agent->ops->report(agent->source, ret);
}

void agent_set_gap(struct agent *agent, uint64_t ns)
{
	agent->config.gap_ns = ns;
}

int agent_settle(struct agent *agent)
{
	uint64_t now = clock_mono();
	int err = take(agent, now);

	if (!err)
		settle(agent, now, 0);
	return err;
}

uint64_t agent_time(const struct agent *agent)
{
	return u64_max(agent->settled, agent->account->start);
}

const struct account *agent_account(const struct agent *agent)
{
	return agent->account;
}

/* What the source and the switches tell. */
static void take_report(struct agent *agent, struct snapshot *s)
{
	struct switches_counters switches;
	struct source_report r;

	agent->ops->report(agent->source, &r);
	switches_counters(agent->switches, &switches);
	s->stale = r.stale;
	s->estimated = r.estimated;
	s->low = r.low_ns;
	s->high = r.high_ns;
	s->clock.stale = r.clock_error == SOURCE_CLOCK_STALE;
	s->clock.error = s->clock.stale ? 0 : r.clock_error;
	s->clock.contradicted = r.contradicted;
	s->counters.unseen = r.unseen_ns;
	s->counters.late = r.late_ns;
	s->counters.coarse = r.coarse_ns;
	s->counters.lost_gaps = r.lost_gaps;
	s->counters.steal_epochs = r.epochs;
	s->counters.lost_switches = switches.lost_switches;
	s->counters.lost_lives = switches.lost_lives;
	s->counters.bpf_runs = switches.bpf_runs;
	s->counters.bpf = switches.bpf_ns;
}

/* What the host tells beside gaps, and how the source came to its figures. */
static int take_more(struct agent *agent, struct snapshot *s)
{
	const struct source_ops *ops = agent->ops;

	if (ops->details) {
		s->more = json_object();
		json_object_set_new(s->more, "details", ops->details(agent->source));
	}
	return ops->page ? ops->page(agent->source, &s->page) : 0;
}

int agent_snapshot(struct agent *agent, struct snapshot *ret)
{
	uint64_t now = clock_mono();
	struct snapshot s;
	int err = take(agent, now);

	if (err)
		return err;
	snapshot_init(&s);
	s.source = agent->ops->name;
	s.complete = settle(agent, now, AGENT_PATIENCE_NS);
	s.lag = u64_sub_floor(now, agent_time(agent));
	s.clock.monotonic = agent_time(agent);
	s.elapsed = agent_time(agent) - agent->account->start;
	s.steal_clock = agent->ops->clock_name ? agent->ops->clock_name(agent->source)
					       : switches_steal_name(SWITCHES_STEAL_NONE);
	s.not_seen = agent->ops->not_seen;
	s.kernel_subtracts = switches_kernel_subtracts(agent->switches);
	memcpy(s.sessions, agent->sessions, sizeof(agent->sessions));
	s.n_sessions = agent->n_sessions;
	s.session = s.sessions[s.n_sessions - 1].id;
	take_report(agent, &s);
	err = take_more(agent, &s);
	if (!err)
		err = account_snapshot(agent->account, &s);
	if (err) {
		snapshot_done(&s);
		return err;
	}
	*ret = s;
	return 0;
}
