/* SPDX-License-Identifier: MIT */
/*
 * A new member is a row here, a member of a structure in snapshot.h, and a word in vmdesched(8).
 * What is a list, or has names that are not ours, is MEMBER_APART: encode.c and decode.c.
 */
#include "wire/schema.h"

#include "base/units.h"
#include "wire/snapshot.h"

#define AT(type, member) offsetof(struct type, member)

#define MEMBERS(rows, type, more_at)                                                               \
	{                                                                                          \
		rows, ARRAY_SIZE(rows), sizeof(struct type), more_at, 0                            \
	}

/* The five figures of a process, thread or control group. `at` is "own." or the like; `when` is for
 * all but what the kernel reports. */
#define FIGURES(type, at, when)                                                                    \
	{"reported_s", MEMBER_SECONDS, AT(type, at reported), WHEN_TOLD, NULL, 0, NULL},           \
		{"true_s", MEMBER_SECONDS, AT(type, at truth), when, NULL, 0, NULL},               \
		{"descheduled_s", MEMBER_SECONDS, AT(type, at descheduled), when, NULL, 0, NULL},  \
		{"wait_s", MEMBER_SECONDS, AT(type, at wait), when, NULL, 0, NULL},                \
	{                                                                                          \
		"unaccounted_s", MEMBER_SECONDS, AT(type, at unaccounted), when, NULL, 0, NULL     \
	}

static const struct member figures_rows[] = {
	FIGURES(figures, , WHEN_SPLIT),
};
static const struct members figures_members = MEMBERS(figures_rows, figures, MEMBERS_NO_MORE);

static const struct member totals_rows[] = {
	FIGURES(snapshot, busy., WHEN_TOLD),
	{"vmdesched_s", MEMBER_SECONDS, AT(snapshot, vmdesched), WHEN_TOLD, NULL, 0, NULL},
	{"idle_descheduled_s", MEMBER_SECONDS, AT(snapshot, idle.descheduled), WHEN_TOLD, NULL, 0,
	 NULL},
	{"idle_wait_s", MEMBER_SECONDS, AT(snapshot, idle.wait), WHEN_TOLD, NULL, 0, NULL},
	{"idle_unaccounted_s", MEMBER_SECONDS, AT(snapshot, idle.unaccounted), WHEN_TOLD, NULL, 0,
	 NULL},
	{"low_s", MEMBER_SECONDS, AT(snapshot, low), WHEN_ESTIMATED, NULL, 0, NULL},
	{"high_s", MEMBER_SECONDS, AT(snapshot, high), WHEN_ESTIMATED, NULL, 0, NULL},
};
static const struct members totals_members = MEMBERS(totals_rows, snapshot,
						     AT(snapshot, totals_more));

static const struct member counters_rows[] = {
	{"switches", MEMBER_COUNT, AT(snapshot_counters, switches), WHEN_TOLD, NULL, 0, NULL},
	{"lost_switches", MEMBER_COUNT, AT(snapshot_counters, lost_switches), WHEN_TOLD, NULL, 0,
	 NULL},
	{"lost_lives", MEMBER_COUNT, AT(snapshot_counters, lost_lives), WHEN_TOLD, NULL, 0, NULL},
	{"mismatches", MEMBER_COUNT, AT(snapshot_counters, mismatches), WHEN_TOLD, NULL, 0, NULL},
	{"lost_run_s", MEMBER_SECONDS, AT(snapshot_counters, lost_run), WHEN_TOLD, NULL, 0, NULL},
	{"backwards", MEMBER_COUNT, AT(snapshot_counters, backwards), WHEN_TOLD, NULL, 0, NULL},
	{"no_room", MEMBER_COUNT, AT(snapshot_counters, no_room), WHEN_TOLD, NULL, 0, NULL},
	{"cgroups_folded", MEMBER_COUNT, AT(snapshot_counters, cgroups_folded), WHEN_TOLD, NULL, 0,
	 NULL},
	{"overcharged_s", MEMBER_SECONDS, AT(snapshot_counters, overcharged), WHEN_TOLD, NULL, 0,
	 NULL},
	{"unseen_s", MEMBER_SECONDS, AT(snapshot_counters, unseen), WHEN_TOLD, NULL, 0, NULL},
	{"late_s", MEMBER_SECONDS, AT(snapshot_counters, late), WHEN_TOLD, NULL, 0, NULL},
	{"coarse_s", MEMBER_SECONDS, AT(snapshot_counters, coarse), WHEN_TOLD, NULL, 0, NULL},
	{"lost_gaps", MEMBER_COUNT, AT(snapshot_counters, lost_gaps), WHEN_TOLD, NULL, 0, NULL},
	{"steal_epochs", MEMBER_COUNT, AT(snapshot_counters, steal_epochs), WHEN_TOLD, NULL, 0,
	 NULL},
	{"bpf_runs", MEMBER_COUNT, AT(snapshot_counters, bpf_runs), WHEN_TOLD, NULL, 0, NULL},
	{"bpf_s", MEMBER_SECONDS, AT(snapshot_counters, bpf), WHEN_TOLD, NULL, 0, NULL},
	{"implausible", MEMBER_COUNT, AT(snapshot_counters, implausible), WHEN_KNOWN, NULL, 0,
	 NULL},
};
static const struct members counters_members = MEMBERS(counters_rows, snapshot_counters,
						       AT(snapshot_counters, more));

static const struct member clock_rows[] = {
	{"error_s", MEMBER_SECONDS, AT(snapshot_clock, error), WHEN_FRESH, NULL, 0, NULL},
	{"stale", MEMBER_BOOL, AT(snapshot_clock, stale), WHEN_TOLD, NULL, 0, NULL},
	{"contradicted", MEMBER_COUNT, AT(snapshot_clock, contradicted), WHEN_TOLD, NULL, 0, NULL},
	{"monotonic_s", MEMBER_SECONDS, AT(snapshot_clock, monotonic), WHEN_KNOWN, NULL, 0, NULL},
};
static const struct members clock_members = MEMBERS(clock_rows, snapshot_clock,
						    AT(snapshot_clock, more));

static const struct member snapshot_rows[] = {
	{"schema", MEMBER_APART, 0, WHEN_TOLD, NULL, 0, NULL},
	{"source", MEMBER_TEXT, AT(snapshot, source), WHEN_ALWAYS, NULL, 0, NULL},
	{"steal_clock", MEMBER_TEXT, AT(snapshot, steal_clock), WHEN_SPLIT, NULL, 0, NULL},
	{"not_seen", MEMBER_TEXT, AT(snapshot, not_seen), WHEN_TOLD, NULL, 0, NULL},
	{"kernel_subtracts", MEMBER_BOOL, AT(snapshot, kernel_subtracts), WHEN_TOLD, NULL, 0, NULL},
	{"split", MEMBER_BOOL, AT(snapshot, split), WHEN_NOT_SPLIT, NULL, 0, NULL},
	{"complete", MEMBER_BOOL, AT(snapshot, complete), WHEN_ALWAYS, NULL, 0, NULL},
	{"stale", MEMBER_BOOL, AT(snapshot, stale), WHEN_TOLD, NULL, 0, NULL},
	{"session", MEMBER_ID, AT(snapshot, session), WHEN_KNOWN, NULL, 0, NULL},
	{"sessions", MEMBER_APART, 0, WHEN_TOLD, NULL, 0, NULL},
	{"elapsed_s", MEMBER_SECONDS, AT(snapshot, elapsed), WHEN_ALWAYS, NULL, 0, NULL},
	{"lag_s", MEMBER_SECONDS, AT(snapshot, lag), WHEN_TOLD, NULL, 0, NULL},
	{"totals", MEMBER_OBJECT, 0, WHEN_ALWAYS, &totals_members, 0, NULL},
	{"cpus", MEMBER_APART, 0, WHEN_TOLD, NULL, 0, NULL},
	{"processes", MEMBER_APART, 0, WHEN_TOLD, NULL, 0, NULL},
	{"exited", MEMBER_OBJECT, AT(snapshot, exited), WHEN_TOLD, &figures_members, 0, NULL},
	{"cgroups", MEMBER_APART, 0, WHEN_TOLD, NULL, 0, NULL},
	{"counters", MEMBER_OBJECT, AT(snapshot, counters), WHEN_TOLD, &counters_members, 0, NULL},
	{"clock", MEMBER_OBJECT, AT(snapshot, clock), WHEN_TOLD, &clock_members, 0, NULL},
	{"page", MEMBER_APART, 0, WHEN_TOLD, NULL, 0, NULL},
};
const struct members schema_snapshot = MEMBERS(snapshot_rows, snapshot, AT(snapshot, more));

static const struct member session_rows[] = {
	{"id", MEMBER_ID, AT(snapshot_session, id), WHEN_ALWAYS, NULL, 0, NULL},
	{"since_s", MEMBER_SECONDS, AT(snapshot_session, since), WHEN_TOLD, NULL, 0, NULL},
};
const struct members schema_session = MEMBERS(session_rows, snapshot_session, MEMBERS_NO_MORE);

static const struct member cpu_rows[] = {
	{"cpu", MEMBER_CPU, AT(snapshot_cpu, cpu), WHEN_ALWAYS, NULL, 0, NULL},
	{"busy_s", MEMBER_SECONDS, AT(snapshot_cpu, busy), WHEN_TOLD, NULL, 0, NULL},
	{"idle_s", MEMBER_SECONDS, AT(snapshot_cpu, idle), WHEN_TOLD, NULL, 0, NULL},
	{"descheduled_s", MEMBER_SECONDS, AT(snapshot_cpu, descheduled), WHEN_TOLD, NULL, 0, NULL},
	{"wait_s", MEMBER_SECONDS, AT(snapshot_cpu, wait), WHEN_TOLD, NULL, 0, NULL},
	{"unaccounted_s", MEMBER_SECONDS, AT(snapshot_cpu, unaccounted), WHEN_TOLD, NULL, 0, NULL},
	{"idle_descheduled_s", MEMBER_SECONDS, AT(snapshot_cpu, idle_descheduled), WHEN_TOLD, NULL,
	 0, NULL},
	{"idle_wait_s", MEMBER_SECONDS, AT(snapshot_cpu, idle_wait), WHEN_TOLD, NULL, 0, NULL},
	{"idle_unaccounted_s", MEMBER_SECONDS, AT(snapshot_cpu, idle_unaccounted), WHEN_TOLD, NULL,
	 0, NULL},
	{"ledger_s", MEMBER_APART, 0, WHEN_TOLD, NULL, 0, NULL},
};
const struct members schema_cpu = MEMBERS(cpu_rows, snapshot_cpu, AT(snapshot_cpu, more));

static const struct member process_rows[] = {
	{"pid", MEMBER_OWNER, AT(snapshot_process, pid), WHEN_ALWAYS, NULL, 0, NULL},
	{"id", MEMBER_COUNT, AT(snapshot_process, id), WHEN_ALWAYS, NULL, 0, NULL},
	{"name", MEMBER_TEXT, AT(snapshot_process, name), WHEN_ALWAYS, NULL, 0, NULL},
	FIGURES(snapshot_process, own., WHEN_SPLIT),
	{"children", MEMBER_OBJECT, AT(snapshot_process, children), WHEN_TOLD, &figures_members, 0,
	 NULL},
	{"threads", MEMBER_APART, 0, WHEN_TOLD, NULL, 0, NULL},
	{"user", MEMBER_TEXT, AT(snapshot_process, user), WHEN_TOLD, NULL, 0, NULL},
	{"cgroup", MEMBER_TEXT, AT(snapshot_process, cgroup), WHEN_TOLD, NULL, 0, NULL},
	{"ppid", MEMBER_PID, AT(snapshot_process, parent), WHEN_KNOWN, NULL, 0, NULL},
	{"command", MEMBER_TEXT, AT(snapshot_process, command), WHEN_TOLD, NULL, 0, NULL},
	{"state", MEMBER_LETTER, AT(snapshot_process, state), WHEN_KNOWN, NULL, 0, NULL},
	{"rss_bytes", MEMBER_COUNT, AT(snapshot_process, rss), WHEN_KNOWN, NULL, 0, NULL},
};
const struct members schema_process = MEMBERS(process_rows, snapshot_process,
					      AT(snapshot_process, more));

static const struct member thread_rows[] = {
	{"tid", MEMBER_PID, AT(snapshot_thread, tid), WHEN_ALWAYS, NULL, 0, NULL},
	{"name", MEMBER_TEXT, AT(snapshot_thread, name), WHEN_ALWAYS, NULL, 0, NULL},
	FIGURES(snapshot_thread, own., WHEN_SPLIT),
};
const struct members schema_thread = MEMBERS(thread_rows, snapshot_thread,
					     AT(snapshot_thread, more));

static const struct member cgroup_rows[] = {
	{"path", MEMBER_TEXT, AT(snapshot_cgroup, path), WHEN_ALWAYS, NULL, 0, NULL},
	{"tasks", MEMBER_COUNT, AT(snapshot_cgroup, n_tasks), WHEN_TOLD, NULL, 0, NULL},
	FIGURES(snapshot_cgroup, own., WHEN_TOLD),
};
const struct members schema_cgroup = MEMBERS(cgroup_rows, snapshot_cgroup,
					     AT(snapshot_cgroup, more));

/* The members of struct page_host that have a valid bit: ledger/page_fields.h. */
static const struct member page_rows[] = {
	{"updates", MEMBER_COUNT, AT(snapshot_page, host.updates), WHEN_ALWAYS, NULL, 0, NULL},
	{"ticks_hz", MEMBER_COUNT, AT(snapshot_page, host.clock.ticks_hz), WHEN_KNOWN, NULL, 0,
	 NULL},
	{"vcpus", MEMBER_APART, 0, WHEN_TOLD, NULL, 0, NULL},
};
const struct members schema_page = MEMBERS(page_rows, snapshot_page, AT(snapshot_page, more));

static const struct member vcpu_rows[] = {
	{"start", MEMBER_COUNT, AT(ledger, start), WHEN_ALWAYS, NULL, 0, NULL},
	{"at", MEMBER_COUNT, AT(ledger, at), WHEN_ALWAYS, NULL, 0, NULL},
	{"state", MEMBER_APART, 0, WHEN_TOLD, NULL, 0, NULL},
	{"ns", MEMBER_APART, 0, WHEN_TOLD, NULL, 0, NULL},
};
const struct members schema_vcpu = MEMBERS(vcpu_rows, ledger, MEMBERS_NO_MORE);
