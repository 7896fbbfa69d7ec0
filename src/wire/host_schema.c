/* SPDX-License-Identifier: MIT */
/*
 * A host's frame as JSON, schema desched-host/1 (deschedd(8)). A new member is a row here, a member
 * of a structure in host_frame.h, and a word in the page. All amounts of time are integers, ns: the
 * states of a ledger have its wall time as their sum, exactly.
 */
#include "wire/host_frame.h"

#include "base/text.h"
#include "base/units.h"
#include "wire/members.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define AT(type, member)   offsetof(struct type, member)
#define ROOM(type, member) sizeof(((struct type *)NULL)->member)

#define MEMBERS(rows, type, most)                                                                  \
	{                                                                                          \
		rows, ARRAY_SIZE(rows), sizeof(struct type), MEMBERS_NO_MORE, most                 \
	}
#define VALUE(name, kind, type, member)                                                            \
	{                                                                                          \
		name, kind, AT(type, member), WHEN_ALWAYS, NULL, 0, NULL                           \
	}
#define COUNT(name, type, member) VALUE(name, MEMBER_COUNT, type, member)
/* Left out where it is 0, or "". */
#define KNOWN(name, type, member)                                                                  \
	{                                                                                          \
		name, MEMBER_COUNT, AT(type, member), WHEN_KNOWN, NULL, 0, NULL                    \
	}
#define NAME(name, type, member, when)                                                             \
	{                                                                                          \
		name, MEMBER_NAME, AT(type, member), when, NULL, ROOM(type, member), NULL          \
	}
#define LIST(name, type, member, n, of)                                                            \
	{                                                                                          \
		name, MEMBER_LIST, AT(type, member), WHEN_ALWAYS, of, AT(type, n), NULL            \
	}

static const struct member vcpu_rows[] = {
	VALUE("index", MEMBER_CPU, host_frame_vcpu, index),
	VALUE("tid", MEMBER_PID, host_frame_vcpu, tid),
	NAME("name", host_frame_vcpu, name, WHEN_KNOWN),
	VALUE("ended", MEMBER_BOOL, host_frame_vcpu, ended),
	VALUE("state", MEMBER_STATE, host_frame_vcpu, state),
	VALUE("ns", MEMBER_STATES, host_frame_vcpu, ns),
	COUNT("longest_ns", host_frame_vcpu, longest),
	KNOWN("gaps_lost", host_frame_vcpu, gaps_lost),
	KNOWN("busy_ns", host_frame_vcpu, busy),
	KNOWN("quiet_ns", host_frame_vcpu, quiet),
	{"runaway", MEMBER_BOOL, AT(host_frame_vcpu, runaway), WHEN_KNOWN, NULL, 0, NULL},
};
static const struct members vcpu_members = MEMBERS(vcpu_rows, host_frame_vcpu,
						   HOST_FRAME_VCPUS_MAX);

static const char *const culprits[] = {
	[CULPRIT_VM] = "vm",	     [CULPRIT_PROCESS] = "process",
	[CULPRIT_KERNEL] = "kernel", [CULPRIT_INTERRUPT] = "interrupt",
	[CULPRIT_IDLE] = "idle",     [CULPRIT_UNKNOWN] = "unknown",
	[CULPRITS] = NULL,
};

static const struct member blame_rows[] = {
	{"kind", MEMBER_WORD, AT(host_frame_blame, kind), WHEN_ALWAYS, NULL, 0, culprits},
	VALUE("pid", MEMBER_PID, host_frame_blame, pid),
	NAME("name", host_frame_blame, name, WHEN_KNOWN),
	COUNT("ns", host_frame_blame, ns),
	COUNT("longest_ns", host_frame_blame, longest),
};
static const struct members blame_members = MEMBERS(blame_rows, host_frame_blame,
						    HOST_FRAME_BLAMES_MAX);

static const struct member page_rows[] = {
	NAME("device", host_frame_page, device, WHEN_ALWAYS),
	NAME("file", host_frame_page, file, WHEN_KNOWN),
	NAME("why", host_frame_page, why, WHEN_KNOWN),
};
static const struct members page_members = MEMBERS(page_rows, host_frame_page, 64);

static const struct member stream_rows[] = {
	COUNT("frames", host_frame_stream, frames),
	COUNT("pings", host_frame_stream, pings),
	COUNT("lost_gaps", host_frame_stream, lost_gaps),
	COUNT("blocked", host_frame_stream, blocked),
	COUNT("garbage", host_frame_stream, garbage),
};
static const struct members stream_members = MEMBERS(stream_rows, host_frame_stream, 0);

static const struct member delay_rows[] = {
	COUNT("below_ns", host_frame_delay, below),
	COUNT("n", host_frame_delay, n),
};
static const struct members delay_members = MEMBERS(delay_rows, host_frame_delay, 64);

static const struct member interrupts_rows[] = {
	VALUE("recorded", MEMBER_BOOL, host_frame_interrupts, recorded),
	COUNT("taken", host_frame_interrupts, taken),
	COUNT("ns", host_frame_interrupts, ns),
	COUNT("at_once", host_frame_interrupts, at_once),
	COUNT("merged", host_frame_interrupts, merged),
	COUNT("longest_ns", host_frame_interrupts, longest),
	LIST("delays", host_frame_interrupts, delays, n_delays, &delay_members),
};
static const struct members interrupts_members = MEMBERS(interrupts_rows, host_frame_interrupts, 0);

static const struct member exit_rows[] = {
	VALUE("vcpu", MEMBER_CPU, host_frame_exit, vcpu),
	NAME("class", host_frame_exit, class, WHEN_ALWAYS),
	COUNT("n", host_frame_exit, n),
	COUNT("ns", host_frame_exit, ns),
	COUNT("trips", host_frame_exit, trips),
	COUNT("trips_ns", host_frame_exit, trips_ns),
};
static const struct members exit_members = MEMBERS(exit_rows, host_frame_exit,
						   HOST_FRAME_EXITS_MAX);

static const struct member vm_rows[] = {
	VALUE("pid", MEMBER_PID, host_frame_vm, pid),
	COUNT("since_ns", host_frame_vm, since),
	NAME("name", host_frame_vm, name, WHEN_ALWAYS),
	NAME("called", host_frame_vm, called, WHEN_KNOWN),
	NAME("id", host_frame_vm, id, WHEN_KNOWN),
	NAME("manager", host_frame_vm, manager, WHEN_KNOWN),
	NAME("uuid", host_frame_vm, uuid, WHEN_KNOWN),
	NAME("found_by", host_frame_vm, found_by, WHEN_KNOWN),
	VALUE("ended", MEMBER_BOOL, host_frame_vm, ended),
	COUNT("overhead_ns", host_frame_vm, overhead),
	KNOWN("rss_bytes", host_frame_vm, rss),
	{"cpu_limit", MEMBER_FRACTION, AT(host_frame_vm, cpu_limit), WHEN_KNOWN, NULL, 0, NULL},
	{"has_entitled", MEMBER_BOOL, AT(host_frame_vm, has_entitled), WHEN_KNOWN, NULL, 0, NULL},
	{"entitled", MEMBER_FRACTION, AT(host_frame_vm, entitled), WHEN_KNOWN, NULL, 0, NULL},
	VALUE("streamed", MEMBER_BOOL, host_frame_vm, streamed),
	{"stream", MEMBER_OBJECT, AT(host_frame_vm, stream), WHEN_ALWAYS, &stream_members, 0, NULL},
	LIST("vcpus", host_frame_vm, vcpus, n_vcpus, &vcpu_members),
	LIST("blames", host_frame_vm, blames, n_blames, &blame_members),
	LIST("pages", host_frame_vm, pages, n_pages, &page_members),
	{"exits", MEMBER_LIST, AT(host_frame_vm, exits), WHEN_KNOWN, &exit_members,
	 AT(host_frame_vm, n_exits), NULL},
	{"interrupts", MEMBER_OBJECT, AT(host_frame_vm, interrupts), WHEN_KNOWN,
	 &interrupts_members, 0, NULL},
};
static const struct members vm_members = MEMBERS(vm_rows, host_frame_vm, HOST_FRAME_VMS_MAX);

static const struct member unseen_rows[] = {
	VALUE("pid", MEMBER_PID, host_frame_unseen, pid),
	NAME("name", host_frame_unseen, name, WHEN_ALWAYS),
	NAME("why", host_frame_unseen, why, WHEN_ALWAYS),
};
static const struct members unseen_members = MEMBERS(unseen_rows, host_frame_unseen, 1024);

static const struct member counters_rows[] = {
	COUNT("vms_came", host_frame_counters, came),
	COUNT("gaps", host_frame_counters, gaps),
	COUNT("kvm_exits", host_frame_counters, kvm_exits),
	COUNT("missed", host_frame_counters, missed),
	COUNT("bpf_runs", host_frame_counters, bpf_runs),
	COUNT("bpf_ns", host_frame_counters, bpf),
	COUNT("no_memory", host_frame_counters, no_memory),
	COUNT("not_entered", host_frame_counters, not_entered),
	COUNT("beyond_bound", host_frame_counters, beyond),
	COUNT("runs_lost", host_frame_counters, runs_lost),
};
static const struct members counters_members = MEMBERS(counters_rows, host_frame_counters, 0);

static const struct member frame_rows[] = {
	VALUE("time_s", MEMBER_SECONDS, host_frame, time),
	COUNT("elapsed_ns", host_frame, elapsed),
	VALUE("session", MEMBER_ID, host_frame, session),
	NAME("source", host_frame, source, WHEN_ALWAYS),
	COUNT("gaps_lost", host_frame, gaps_lost),
	COUNT("not_measured", host_frame, n_unseen),
	LIST("unmeasured", host_frame, unmeasured, n_unmeasured, &unseen_members),
	{"counters", MEMBER_OBJECT, AT(host_frame, counters), WHEN_ALWAYS, &counters_members, 0,
	 NULL},
	VALUE("cpus", MEMBER_CPU, host_frame, cpus),
	VALUE("has_gaps", MEMBER_BOOL, host_frame, has_gaps),
	{"has_exits", MEMBER_BOOL, AT(host_frame, has_exits), WHEN_KNOWN, NULL, 0, NULL},
	LIST("vms", host_frame, vms, n_vms, &vm_members),
};
static const struct members frame_members = MEMBERS(frame_rows, host_frame, 0);

json_t *host_frame_json(const struct host_frame *f)
{
	json_t *o = members_write(&frame_members, NULL, f);

	if (o)
		json_object_set_new_nocheck(o, "schema", json_string(HOST_FRAME_SCHEMA));
	return o;
}

/* The first that isn't measured, for those who show one. */
static void copy_unseen(struct host_frame *f)
{
	f->n_unseen = u64_max(f->n_unseen, f->n_unmeasured);
	if (!f->n_unmeasured)
		return;
	snprintf(f->unseen, sizeof(f->unseen), "%s", f->unmeasured[0].name);
	snprintf(f->why, sizeof(f->why), "%s", f->unmeasured[0].why);
}

int host_frame_decode(const json_t *o, struct failure *f, struct host_frame *ret)
{
	const char *schema = json_string_value(json_object_get(o, "schema"));
	struct host_frame frame = {.source = "?"};
	struct members_in in = {.s = NULL};
	int err;

	if (!schema || strcmp(schema, HOST_FRAME_SCHEMA) != 0)
		members_complain(&in, "schema");
	else
		members_read(&in, &frame_members, o, &frame);
	err = in.err ? in.err : in.wrong ? -EBADMSG : 0;
	if (!err && !frame.vms)
		members_complain(&in, "vms"); /* it would look like a host without VMs */
	err = err ? err : in.wrong ? -EBADMSG : 0;
	if (err == -ENOMEM)
		failure_errno(f, err, "a frame");
	else if (err)
		failure_set(f, err,
			    "'%s' of a frame is not what " HOST_FRAME_SCHEMA
			    " says: see deschedd(8)",
			    in.wrong);
	if (err) {
		host_frame_done(&frame);
		return err;
	}
	copy_unseen(&frame);
	*ret = frame;
	return 0;
}
