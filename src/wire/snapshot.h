/* SPDX-License-Identifier: MIT */
/*
 * A snapshot: what an agent knows of its guest at one instant, as vmdesched(8) describes it. The
 * agent fills it, screens, views and libraries take it; between processes and in files it is JSON,
 * made by snapshot_json() and read by snapshot_decode(), by one list of members (schema.c).
 *
 * Times are nanoseconds since the agent was started; what happened in an interval is the difference
 * of two snapshots, of which snapshot_goes_on() says whether it makes sense. Texts are any bytes
 * that a process or its owner chose. What a snapshot holds is its own: snapshot_done().
 */
#ifndef WIRE_SNAPSHOT_H
#define WIRE_SNAPSHOT_H

#include "base/failure.h"
#include "wire/figures.h"

#include <desched/ledger.h>
#include <desched/page.h>
#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define SNAPSHOT_SCHEMA	      "desched-agent/2"
#define SNAPSHOT_CPUS_MAX     4096
#define SNAPSHOT_TASKS_MAX    131072 /* processes; threads of all; control groups */
#define SNAPSHOT_SESSIONS_MAX 64
#define SNAPSHOT_TEXT_MAX     4095 /* bytes; longer ones are cut */

/* Whatever has a `more` keeps there the members that this version doesn't know: they are written
 * again. NULL for none. */

struct snapshot_session {
	uint64_t id;
	uint64_t since; /* ns since the agent was started */
};

struct snapshot_cpu {
	unsigned cpu;
	uint64_t busy, idle;		      /* ns with a task, with the idle task */
	uint64_t descheduled, wait;	      /* part of busy */
	uint64_t unaccounted;		      /* part of busy */
	uint64_t idle_descheduled, idle_wait; /* part of idle */
	uint64_t idle_unaccounted;	      /* part of idle */
	uint64_t ledger[LEDGER_STATES];	      /* all of it that is accounted, by the vCPU's state */
	json_t *more;
};

struct snapshot_thread {
	pid_t tid;
	const char *name;
	struct figures own;
	json_t *more;
};

struct snapshot_process {
	pid_t pid;    /* 0 or less for what is no process: (lost), (other) */
	pid_t parent; /* 0: not known */
	uint64_t id;  /* tells those apart that have had the same pid; 0: not known */
	const char *name;
	const char *user;	 /* NULL: not known */
	const char *cgroup;	 /* NULL: not known */
	const char *command;	 /* line; NULL: not known, or none */
	char state;		 /* as /proc has it; 0: not known */
	uint64_t rss;		 /* bytes; 0: not known, or none */
	struct figures own;	 /* of all its threads, exited ones too */
	struct figures children; /* exited descendants */
	size_t first_thread, n_threads;
	json_t *more;
};

struct snapshot_cgroup {
	const char *path;
	uint64_t n_tasks;
	struct figures own;
	json_t *more;
};

/* Most are 0 when all is well: vmdesched(8). */
struct snapshot_counters {
	uint64_t switches, lost_switches, lost_lives, mismatches, backwards, no_room;
	uint64_t cgroups_folded, lost_gaps, steal_epochs, bpf_runs, implausible;
	uint64_t lost_run, overcharged, unseen, late, coarse, bpf; /* ns */
	json_t *more;
};

struct snapshot_clock {
	bool stale;	       /* the host's clock isn't known well enough to be of use */
	uint64_t error;	       /* ns by which an edge may be wrong; 0 while it is stale */
	uint64_t contradicted; /* how often it was off by more than that */
	uint64_t monotonic;    /* ns, the guest's CLOCK_MONOTONIC of these figures; 0: not known */
	json_t *more;
};

/* What the host tells, desched-page(5): of `host` that is `updates`, `clock.ticks_hz` and what has
 * its `valid` bit. */
struct snapshot_page {
	struct page_host host;
	struct ledger *vcpus; /* `at` is 0 for one that could not be read */
	size_t n_vcpus;
	json_t *more;
};

struct snapshot {
	uint64_t time;		 /* ns, CLOCK_REALTIME: when it came; 0: not known. In no JSON */
	const char *source;	 /* "steal" */
	const char *steal_clock; /* "" for none */
	const char *not_seen;	 /* by the source, in words; NULL: not told */
	bool kernel_subtracts;	 /* what the kernel reports is true already */
	bool split;		 /* false: of processes and threads only `reported` is known, and is
				  * in `truth` as well */
	bool complete;		 /* false: the source has not told all yet */
	bool stale;		 /* the source has stopped telling */
	uint64_t session;	 /* changes when the agent or its host begins again; 0: not told */
	uint64_t elapsed;	 /* ns since the agent was started, up to where the source told */
	uint64_t lag;		 /* ns from there to when the snapshot was taken */
	struct figures busy;	 /* of all tasks but idle */
	struct figures idle;   /* of the idle tasks; what is known of it is away and unaccounted */
	uint64_t vmdesched;    /* ns, what `busy` has away */
	bool estimated;	       /* there are low and high, a 90 % interval of vmdesched */
	uint64_t low, high;    /* ns */
	struct figures exited; /* part of busy: processes whose parents are gone, too */
	struct snapshot_session sessions[SNAPSHOT_SESSIONS_MAX]; /* of this agent, oldest first */
	size_t n_sessions;
	struct snapshot_cpu *cpus;
	size_t n_cpus;
	struct snapshot_process *processes;
	size_t n_processes;
	struct snapshot_thread *threads; /* in the order of their processes */
	size_t n_threads;
	struct snapshot_cgroup *cgroups;
	size_t n_cgroups;
	struct snapshot_counters counters;
	struct snapshot_clock clock;
	struct snapshot_page *page; /* NULL: none */
	json_t *more;
	json_t *totals_more;
	struct snapshot_text *texts; /* the memory of all texts */
};

/* Nothing in it, and what goes without saying: it is split and complete, its source "?". */
void snapshot_init(struct snapshot *s);
void snapshot_done(struct snapshot *s);

/* A copy of the text that lives as long as `s`; NULL without memory. */
const char *snapshot_text(struct snapshot *s, const char *text);

/* `to` goes on the figures of a snapshot of this session: the difference of the two makes sense.
 * Where one of them tells no session, only the times since the agents were started say so. */
bool snapshot_goes_on(uint64_t session, uint64_t elapsed, const struct snapshot *to);

/* What the guest's kernel reports for these figures, by the snapshot they are of. */
uint64_t snapshot_reported(const struct snapshot *s, const struct figures *f);

/* Schema desched-agent/2. NULL without memory. */
json_t *snapshot_json(const struct snapshot *s);

/* Of this schema, or the one before, in which nothing was unaccounted. -EBADMSG for what isn't,
 * has a member that makes no sense, or tells of no CPU; what else is missing is 0. -ENOMEM. */
int snapshot_decode(const json_t *o, struct failure *f, struct snapshot *ret);

/* What a page says now; *ret is NULL where it can't be read. -ENOMEM. */
int snapshot_page_read(const struct page_reader *from, struct snapshot_page **ret);

#endif
