/* SPDX-License-Identifier: MIT */
/*
 * The agent: this kernel's switches, one source, the account. `vmdesched`, `desched top` and the
 * lab ask it for snapshots.
 */
#ifndef GUEST_AGENT_H
#define GUEST_AGENT_H

#include "base/failure.h"
#include "guest/account.h"
#include "guest/source.h"
#include "guest/switches.h"

#define AGENT_POLL_NS	  (100 * 1000 * 1000ull)
#define AGENT_PATIENCE_NS (300 * 1000 * 1000ull) /* longest a snapshot waits for the source */

struct agent_config {
	const char *source; /* a row's name; NULL or "auto": the best that works here */
	struct source_config source_config;
};

struct agent;

/* Fails with what is missing, -EPERM, -ENODEV (the source is not to be had), -EINVAL (no such
 * source). For "auto" `f` tells of every row why not. */
int agent_open(const struct agent_config *config, struct failure *f, struct agent **ret);
struct agent *agent_close(struct agent *agent);

/* Readable when there is so much to do that agent_poll() should not wait for its time. */
int agent_fd(const struct agent *agent);

/* Takes what has come; to be called every AGENT_POLL_NS. */
int agent_poll(struct agent *agent);

/* The source's name, and what it says of its figures. */
const char *agent_source(const struct agent *agent);
void agent_report(const struct agent *agent, struct source_report *ret);

/* From now on gaps of this length are told of; 0: none. */
void agent_set_gap(struct agent *agent, uint64_t ns);

/* Everything up to now, as far as the source has told without waiting for it. Up to when that is,
 * by CLOCK_MONOTONIC, agent_time() says. */
int agent_settle(struct agent *agent);
uint64_t agent_time(const struct agent *agent);
const struct account *agent_account(const struct agent *agent);

struct snapshot_thread {
	pid_t tid;
	char comm[ACCOUNT_COMM_SIZE];
	struct amounts amounts;
};

struct snapshot_process {
	pid_t pid;
	uint64_t id; /* tells processes apart that have had the same pid */
	char comm[ACCOUNT_COMM_SIZE];
	struct amounts own;
	struct amounts children; /* exited descendants */
	size_t first_thread, n_threads;
};

struct snapshot_cgroup {
	char *path;
	uint32_t n_tasks;
	struct amounts amounts;
};

/* A source that was another one before: a session, and when it began. */
struct snapshot_session {
	uint64_t id;
	uint64_t since; /* ns since agent_open() */
};

#define SNAPSHOT_SESSIONS_MAX 16

/* Cumulative since agent_open(), complete up to `time`, which is before the present while the
 * source is silent: nothing in here ever falls from one snapshot to the next. */
struct snapshot {
	const char *source;
	const char *steal_clock;
	const char *not_seen;	/* by the source, in words */
	bool kernel_subtracts;	/* the kernel reports `true` as it is: nothing to correct there */
	uint64_t time, elapsed; /* ns, guest's CLOCK_MONOTONIC; since agent_open() */
	uint64_t lag;		/* ns, from `time` to when it was taken */
	unsigned n_cpus;
	struct account_cpu *cpus;  /* copies; their `current` is NULL */
	struct amounts busy, idle; /* sums over CPUs */
	struct snapshot_process *processes;
	size_t n_processes;
	struct snapshot_thread *threads;
	size_t n_threads;
	struct snapshot_cgroup *cgroups;
	size_t n_cgroups;
	struct amounts exited; /* of processes whose parent is gone, too */
	struct source_report report;
	json_t *details;  /* of the source, may be NULL */
	json_t *page;	  /* what the host tells of this machine, may be NULL */
	uint64_t session; /* never 0, 63 bits; changes when the agent or the host begins again */
	struct snapshot_session sessions[SNAPSHOT_SESSIONS_MAX]; /* of this agent, oldest first */
	size_t n_sessions;					 /* the last one is `session` */
	struct account_counters counters;
	struct switches_counters switches;
	bool complete; /* false: the source has not told all yet */
};

/* -ENOMEM. The snapshot is the caller's: snapshot_done(). */
int agent_snapshot(struct agent *agent, struct snapshot *ret);
void snapshot_done(struct snapshot *s);

/* What the kernel reports for these amounts: occupied, or less where it subtracts steal itself. Of
 * what is unaccounted nobody knows how much it subtracted: then that is in it. */
uint64_t snapshot_reported(const struct snapshot *s, const struct amounts *a);

/* Schema desched-agent/2, described in vmdesched(8). NULL without memory. */
json_t *snapshot_json(const struct snapshot *s);

#endif
