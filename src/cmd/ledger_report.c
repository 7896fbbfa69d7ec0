/* SPDX-License-Identifier: MIT */
#include "cmd/ledger_report.h"

#include "base/json_out.h"
#include "base/text.h"
#include "base/units.h"
#include "screen/host.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* ---- figures ---- */

/* Of a vCPU, what it had in between. */
static struct host_frame_vcpu vcpu_span(const struct host_frame_vm *before,
					const struct host_frame_vm *vm, size_t v)
{
	struct host_frame_vcpu d = vm->vcpus[v];

	if (!before || v >= before->n_vcpus)
		return d;
	for (uint32_t s = 0; s < LEDGER_STATES; s++)
		d.ns[s] = u64_sub_floor(d.ns[s], before->vcpus[v].ns[s]);
	d.gaps_lost = u64_sub_floor(d.gaps_lost, before->vcpus[v].gaps_lost);
	return d;
}

static uint64_t wall_of(const uint64_t ns[LEDGER_STATES])
{
	uint64_t sum = 0;

	for (uint32_t s = 0; s < LEDGER_STATES; s++)
		sum += ns[s];
	return sum;
}

static void add_states(uint64_t into[LEDGER_STATES], const uint64_t ns[LEDGER_STATES])
{
	for (uint32_t s = 0; s < LEDGER_STATES; s++)
		into[s] += ns[s];
}

static struct host_frame_exit exits_span(const struct host_frame_vm *before,
					 const struct host_frame_exit *now)
{
	struct host_frame_exit d = *now;

	for (size_t i = 0; before && i < before->n_exits; i++) {
		const struct host_frame_exit *b = &before->exits[i];

		if (b->vcpu != now->vcpu || strcmp(b->class, now->class) != 0)
			continue;
		d.n = u64_sub_floor(d.n, b->n);
		d.ns = u64_sub_floor(d.ns, b->ns);
		d.trips = u64_sub_floor(d.trips, b->trips);
		d.trips_ns = u64_sub_floor(d.trips_ns, b->trips_ns);
	}
	return d;
}

static const struct host_frame_vm *before_of(const struct ledger_report *r,
					     const struct host_frame_vm *vm)
{
	size_t hint = 0;

	return host_frame_find(r->from, vm, &hint);
}

static uint64_t overhead_of(const struct host_frame_vm *before, const struct host_frame_vm *vm)
{
	return u64_sub_floor(vm->overhead, before ? before->overhead : 0);
}

static double seconds_of(const struct ledger_report *r)
{
	return ns_to_s(u64_sub_floor(r->to->elapsed, r->from ? r->from->elapsed : 0));
}

/* Of a total, those that have ended are among `ended`. */
static bool is_in_report(const struct ledger_report *r, const struct host_frame_vm *vm)
{
	return !r->ended || !vm->ended;
}

/* ---- what has ended ---- */

static void fold(struct ledger_ended *e, struct host_frame_vm *vm)
{
	e->vms++;
	e->vcpus += vm->n_vcpus;
	e->overhead += vm->overhead;
	for (size_t v = 0; v < vm->n_vcpus; v++)
		add_states(e->ns, vm->vcpus[v].ns);
	host_frame_vm_done(vm);
}

/* With what it had since `base`, in memory of its own. */
static int copy_vm(const struct host_frame_vm *vm, const struct host_frame *base,
		   struct host_frame_vm *ret)
{
	size_t hint = 0;
	const struct host_frame_vm *before = host_frame_find(base, vm, &hint);
	struct host_frame_vm copy;

	if (host_frame_vm_copy(vm, &copy))
		return -ENOMEM;
	for (size_t v = 0; v < vm->n_vcpus; v++)
		copy.vcpus[v] = vcpu_span(before, vm, v);
	for (size_t i = 0; i < vm->n_exits; i++)
		copy.exits[i] = exits_span(before, &vm->exits[i]);
	copy.overhead = overhead_of(before, vm);
	*ret = copy;
	return 0;
}

int ledger_ended_take(struct ledger_ended *e, const struct host_frame *base,
		      const struct host_frame *now)
{
	for (size_t i = 0; i < now->n_vms; i++) {
		struct host_frame_vm copy;

		if (!now->vms[i].ended)
			continue;
		if (copy_vm(&now->vms[i], base, &copy))
			return -ENOMEM;
		if (e->n == LEDGER_ENDED_KEPT) {
			fold(e, &e->kept[0]);
			memmove(e->kept, e->kept + 1, --e->n * sizeof(e->kept[0]));
		}
		e->kept[e->n++] = copy;
	}
	return 0;
}

void ledger_ended_done(struct ledger_ended *e)
{
	for (size_t i = 0; i < e->n; i++)
		host_frame_vm_done(&e->kept[i]);
	*e = (struct ledger_ended){.n = 0};
}

/* ---- the table ---- */

/* The states as `desched top --host` has them, in the order of esxtop's columns. */
static const struct column *columns;
static size_t n_columns;

static double percent(uint64_t part, uint64_t whole)
{
	return whole ? 100.0 * (double)part / (double)whole : 0;
}

/* A name in a column of 16 characters, which may have several bytes each. */
static void print_name(const char *name, FILE *to)
{
	int shown = 0;

	for (; *name && (shown < 16 || (*name & 0xc0) == 0x80); name++) {
		shown += (*name & 0xc0) != 0x80;
		fputc(*name, to);
	}
	fprintf(to, "%*s", 16 - shown, "");
}

static void print_ledger(const char *name, const char *below, const char *vcpu,
			 const uint64_t ns[LEDGER_STATES], FILE *to)
{
	print_name(name, to);
	fprintf(to, " %5s", vcpu);
	for (size_t i = 0; i < n_columns; i++)
		fprintf(to, " %7.2f", percent(ns[columns[i].state], wall_of(ns)));
	fprintf(to, "\n%-16s %*s", below, 5 - (int)u64_sub_floor(strlen(below), 16), "s");
	for (size_t i = 0; i < n_columns; i++)
		fprintf(to, " %7.3f", ns_to_s(ns[columns[i].state]));
	fputc('\n', to);
}

static void print_cost(uint64_t n, uint64_t ns, double seconds, FILE *to)
{
	if (n)
		fprintf(to, " %10.1f %9.3f", (double)n / seconds,
			(double)ns / (double)n / NS_PER_US);
	else
		fprintf(to, " %10s %9s", "-", "");
}

/* By vCPU and class, of which there were any. */
static void print_exits(const struct host_frame_vm *before, const struct host_frame_vm *vm,
			double seconds, FILE *to)
{
	bool any = false;

	for (size_t i = 0; i < vm->n_exits; i++) {
		struct host_frame_exit d = exits_span(before, &vm->exits[i]);

		if (!d.n && !d.trips)
			continue;
		if (!any)
			fprintf(to, "%16s %5s  %-10s %10s %9s %10s %9s\n", "", "", "CLASS",
				"EXITS/s", "us EACH", "TRIPS/s", "us EACH");
		any = true;
		fprintf(to, "%16s %5u  %-10s", "", d.vcpu, d.class);
		print_cost(d.n, d.ns, seconds, to);
		print_cost(d.trips, d.trips_ns, seconds, to);
		fputc('\n', to);
	}
	if (!any)
		fprintf(to,
			"%22s no exits: none, or its vCPUs are not KVM's, or KVM doesn't report "
			"them\n",
			"");
}

/* Returns the longest that one of its vCPUs was measured, ns. */
static uint64_t print_vcpus(const struct host_frame_vm *before, const struct host_frame_vm *vm,
			    FILE *to)
{
	uint64_t sum[LEDGER_STATES] = {0}, longest = 0;
	char pid[64], vcpu[16];

	snprintf(pid, sizeof(pid), "  %s%spid %d", vm->id, vm->id[0] ? ", " : "", vm->pid);
	for (size_t v = 0; v < vm->n_vcpus; v++) {
		struct host_frame_vcpu d = vcpu_span(before, vm, v);

		snprintf(vcpu, sizeof(vcpu), "%u", d.index);
		print_ledger(v ? "" : vm->name, v ? "" : pid, vcpu, d.ns, to);
		add_states(sum, d.ns);
		longest = u64_max(longest, wall_of(d.ns));
	}
	if (vm->n_vcpus > 1)
		print_ledger("", "", "all", sum, to);
	return longest;
}

static void print_vm(const struct host_frame_vm *before, const struct host_frame_vm *vm, bool exits,
		     FILE *to)
{
	uint64_t overhead = overhead_of(before, vm), wall = print_vcpus(before, vm, to);
	size_t ended = 0;

	for (size_t v = 0; v < vm->n_vcpus; v++)
		ended += vm->vcpus[v].ended;
	fprintf(to, "%22s overhead %.3f s (%.2f %% of a CPU)", "", ns_to_s(overhead),
		percent(overhead, wall));
	if (host_frame_has_page(vm))
		fprintf(to, ", page written");
	if (vm->streamed)
		fprintf(to, ", streamed");
	if (vm->ended)
		fprintf(to, ", ended");
	else if (ended)
		fprintf(to, ", %zu of its vCPUs ended", ended);
	fputc('\n', to);
	if (exits)
		print_exits(before, vm, wall ? ns_to_s(wall) : 1, to);
}

static void print_ended(const struct ledger_ended *e, bool exits, FILE *to)
{
	char name[32], below[32];

	for (size_t i = 0; i < e->n; i++)
		print_vm(NULL, &e->kept[i], exits, to);
	if (!e->vms)
		return;
	snprintf(name, sizeof(name), "%" PRIu64 " others", e->vms);
	snprintf(below, sizeof(below), "  that ended");
	print_ledger(name, below, "all", e->ns, to);
}

static const char *const nobody[] = {[GAP_RAN_HIDDEN] = "(another PID namespace)",
				     [GAP_RAN_NOBODY] = "(nobody: the CPU was idle)",
				     [GAP_RAN_BLOCKED] = "(it was blocked, for no CPU)",
				     [GAP_RAN_UNKNOWN] = "(unknown)"};

static void print_gaps(const struct ledger_gaps *gaps, FILE *to)
{
	fprintf(to, "\n%-16s %5s %9s %9s  %-8s %s\n", gaps->n ? "longest gaps" : "no gaps", "VCPU",
		"AT s", "MS", "STATE", "RAN BEFORE IT");
	for (int i = 0; i < gaps->n; i++) {
		const struct ledger_gap *g = &gaps->gap[i];

		print_name(g->vm, to);
		fprintf(to, " %5u %9.3f %9.3f  %-8s ", g->vcpu, ns_to_s(g->at), (double)g->ns / 1e6,
			ledger_state_name(g->state));
		if (g->by.tid)
			fprintf(to, "%d %s\n", g->by.tid, g->by.name);
		else
			fprintf(to, "- %s\n", nobody[g->by.kind]);
	}
}

static size_t count_in_report(const struct ledger_report *r)
{
	size_t n = r->ended ? r->ended->vms + r->ended->n : 0;

	for (size_t i = 0; i < r->to->n_vms; i++)
		n += is_in_report(r, &r->to->vms[i]);
	return n;
}

static uint64_t gaps_lost(const struct ledger_report *r)
{
	return u64_sub_floor(r->to->gaps_lost, r->base->gaps_lost);
}

static void print_head(const struct ledger_report *r, FILE *to)
{
	size_t n = count_in_report(r);

	fprintf(to, "%s%.3f s, source %s, %zu VM%s", r->ended ? "total: " : "", seconds_of(r),
		r->to->source, n, n == 1 ? "" : "s");
	if (r->to->n_unseen)
		fprintf(to, ", %" PRIu64 " not measured", r->to->n_unseen);
	fprintf(to, gaps_lost(r) ? ", %" PRIu64 " gaps lost\n" : "\n", gaps_lost(r));
	fprintf(to, "%-16s %5s", "VM", "VCPU");
	for (size_t i = 0; i < n_columns; i++)
		fprintf(to, " %7s", columns[i].title);
	fputc('\n', to);
}

static void print_table(const struct ledger_report *r, FILE *to)
{
	print_head(r, to);
	for (size_t i = 0; i < r->to->n_vms; i++)
		if (is_in_report(r, &r->to->vms[i]))
			print_vm(before_of(r, &r->to->vms[i]), &r->to->vms[i], r->exits, to);
	if (r->ended)
		print_ended(r->ended, r->exits, to);
	if (r->gaps)
		print_gaps(r->gaps, to);
	fputc('\n', to);
}

/* ---- JSON ---- */

static json_t *json_states(const uint64_t ns[LEDGER_STATES])
{
	json_t *seconds = json_object();

	for (size_t i = 0; i < n_columns; i++)
		json_object_set_new(seconds, ledger_state_name(columns[i].state),
				    json_real(ns_to_s(ns[columns[i].state])));
	return seconds;
}

static json_t *json_vcpu(const struct host_frame_vcpu *d)
{
	return json_pack("{s:i, s:i, s:s, s:b, s:f, s:o, s:I}", "index", (int)d->index, "tid",
			 (int)d->tid, "state", ledger_state_name(d->state), "ended", (int)d->ended,
			 "wall_seconds", ns_to_s(wall_of(d->ns)), "seconds", json_states(d->ns),
			 "gaps_lost", (json_int_t)d->gaps_lost);
}

static json_t *json_pages(const struct host_frame_vm *vm)
{
	json_t *pages = json_array();

	for (size_t i = 0; i < vm->n_pages; i++) {
		const struct host_frame_page *p = &vm->pages[i];

		json_array_append_new(pages, json_pack("{s:s, s:s, s:b, s:s*}", "device", p->device,
						       "file", p->file, "written", !p->why[0],
						       "why", p->why[0] ? p->why : NULL));
	}
	return pages;
}

/* NULL, which is left out, where there is none. */
static json_t *json_stream(const struct host_frame_vm *vm)
{
	const struct host_frame_stream *c = &vm->stream;

	if (!vm->streamed)
		return NULL;
	return json_pack("{s:I, s:I, s:I, s:I, s:I}", "frames", (json_int_t)c->frames, "pings",
			 (json_int_t)c->pings, "lost_gaps", (json_int_t)c->lost_gaps, "blocked",
			 (json_int_t)c->blocked, "garbage", (json_int_t)c->garbage);
}

static json_t *json_exits(const struct host_frame_vm *before, const struct host_frame_vm *vm)
{
	json_t *exits = json_array();

	for (size_t i = 0; i < vm->n_exits; i++) {
		struct host_frame_exit d = exits_span(before, &vm->exits[i]);

		if (d.n || d.trips)
			json_array_append_new(exits,
					      json_pack("{s:i, s:s, s:I, s:f, s:I, s:f}", "vcpu",
							(int)d.vcpu, "class", d.class, "exits",
							(json_int_t)d.n, "exit_seconds",
							ns_to_s(d.ns), "trips", (json_int_t)d.trips,
							"trip_seconds", ns_to_s(d.trips_ns)));
	}
	return exits;
}

static json_t *json_vm(const struct host_frame_vm *before, const struct host_frame_vm *vm,
		       bool exits)
{
	json_t *vcpus = json_array();

	for (size_t v = 0; v < vm->n_vcpus; v++) {
		struct host_frame_vcpu d = vcpu_span(before, vm, v);

		json_array_append_new(vcpus, json_vcpu(&d));
	}
	return json_pack("{s:s, s:s, s:s, s:s, s:s, s:i, s:s, s:b, s:f, s:o, s:o*, s:o, s:o*}",
			 "name", vm->name, "called", vm->called, "uuid", vm->uuid, "id", vm->id,
			 "manager", vm->manager, "pid", (int)vm->pid, "found_by", vm->found_by,
			 "ended", vm->ended, "overhead_seconds", ns_to_s(overhead_of(before, vm)),
			 "pages", json_pages(vm), "stream", json_stream(vm), "vcpus", vcpus,
			 "exits", exits ? json_exits(before, vm) : NULL);
}

static json_t *json_vms(const struct ledger_report *r)
{
	json_t *vms = json_array();

	for (size_t i = 0; i < r->to->n_vms; i++) {
		const struct host_frame_vm *vm = &r->to->vms[i];

		if (is_in_report(r, vm))
			json_array_append_new(vms, json_vm(before_of(r, vm), vm, r->exits));
	}
	for (size_t i = 0; r->ended && i < r->ended->n; i++)
		json_array_append_new(vms, json_vm(NULL, &r->ended->kept[i], r->exits));
	return vms;
}

static json_t *json_gaps(const struct ledger_gaps *from)
{
	json_t *gaps = json_array();

	for (int i = 0; i < from->n; i++) {
		const struct ledger_gap *g = &from->gap[i];

		json_array_append_new(
			gaps, json_pack("{s:s, s:i, s:i, s:f, s:f, s:s, s:s, s:i, s:s}", "vm",
					g->vm, "pid", (int)g->pid, "vcpu", (int)g->vcpu,
					"start_seconds", ns_to_s(g->at), "seconds", ns_to_s(g->ns),
					"state", ledger_state_name(g->state), "by_kind",
					gap_by_kind_name(g->by.kind), "by", (int)g->by.tid,
					"by_name", g->by.name));
	}
	return gaps;
}

static json_t *json_unseen(const struct host_frame *f)
{
	json_t *unseen = json_array();

	for (size_t i = 0; i < f->n_unmeasured; i++)
		json_array_append_new(
			unseen, json_pack("{s:s, s:i, s:s}", "name", f->unmeasured[i].name, "pid",
					  (int)f->unmeasured[i].pid, "why", f->unmeasured[i].why));
	return unseen;
}

static json_t *json_ended(const struct ledger_ended *e)
{
	return json_pack("{s:I, s:I, s:f, s:o, s:f}", "vms", (json_int_t)e->vms, "vcpus",
			 (json_int_t)e->vcpus, "wall_seconds", ns_to_s(wall_of(e->ns)), "seconds",
			 json_states(e->ns), "overhead_seconds", ns_to_s(e->overhead));
}

/* Since the command was started, whoever measures. */
static json_t *json_counters(const struct ledger_report *r)
{
	const struct host_frame_counters *now = &r->to->counters, *base = &r->base->counters;

	return json_pack("{s:I, s:I, s:I, s:I, s:I}", "gaps",
			 (json_int_t)u64_sub_floor(now->gaps, base->gaps), "gaps_lost",
			 (json_int_t)gaps_lost(r), "kvm_exits",
			 (json_int_t)u64_sub_floor(now->kvm_exits, base->kvm_exits), "bpf_missed",
			 (json_int_t)u64_sub_floor(now->missed, base->missed), "look_failures",
			 (json_int_t)u64_sub_floor(now->no_memory, base->no_memory));
}

static int print_json(const struct ledger_report *r, FILE *to, struct failure *f)
{
	json_t *o = json_pack("{s:s, s:s, s:s, s:f, s:f, s:o, s:o, s:o}", "schema",
			      "desched-ledger/1", "kind", r->ended ? "total" : "interval", "source",
			      r->to->source, "time_s", ns_to_s(r->to->time), "seconds",
			      seconds_of(r), "vms", json_vms(r), "unseen", json_unseen(r->to),
			      "counters", json_counters(r));

	if (r->ended)
		json_object_set_new(o, "ended", json_ended(r->ended));
	if (r->gaps)
		json_object_set_new(o, "gaps", json_gaps(r->gaps));
	return json_out_print(o, JSON_COMPACT | JSON_REAL_PRECISION(15), to, "a report", f);
}

int ledger_report_put(const struct ledger_report *r, bool json, FILE *to, struct failure *f)
{
	columns = host_state_columns(&n_columns);
	if (json)
		return print_json(r, to, f);
	print_table(r, to);
	return 0;
}
