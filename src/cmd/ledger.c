/* SPDX-License-Identifier: MIT */
/*
 * desched ledger: where the time of this host's vCPUs goes, measured from outside, and the pages of
 * the VMs that have brought one (host/measure.h). A report is the difference of two readings, as a
 * table or as one line of JSON with schema "desched-ledger/1" (desched-ledger(1) has its fields).
 */
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/command.h"
#include "base/json_out.h"
#include "base/proc.h"
#include "base/text.h"
#include "base/units.h"
#include "cmd/commands.h"
#include "cmd/stream_socket.h"
#include "host/find.h"
#include "host/measure.h"
#include "screen/host.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define GAPS_SHOWN 10

static struct {
	uint64_t interval, count;
	struct option_choice source;
	const char *stream;
	bool gaps, json, no_pages;
} options = {.interval = NS_PER_SEC, .source = {NULL, host_source_name}};

static const struct option_row rows[] = {
	{'d', "delay", "S", OPTION_SECONDS, &options.interval, NS_PER_SEC / 20, 86400 * NS_PER_SEC,
	 "seconds between reports"},
	{'n', "count", "N", OPTION_UINT, &options.count, 1, 0, "reports, then end (until Ctrl-C)"},
	{0, "source", "S", OPTION_CHOICE, &options.source, 0, 0, "instead of the best that works"},
	{0, "gaps", NULL, OPTION_FLAG, &options.gaps, 0, 0,
	 "show the longest gaps and who ran before their ends"},
	{0, "no-pages", NULL, OPTION_FLAG, &options.no_pages, 0, 0,
	 "measure only: no pages, no streams"},
	{0, "stream", "PATH", OPTION_STRING, &options.stream, 0, 0,
	 "the socket for VMs that want a stream (/run/desched/stream)"},
	{0, "json", NULL, OPTION_FLAG, &options.json, 0, 0, "one JSON object a report"},
};

static int run(char **operands, int n, struct failure *f);

/* For completion: the VMs that there are, those without a name by their process. */
static const char *name_of_vm(size_t i)
{
	static struct host_vm *vms;
	static size_t n;

	if (!vms && host_find_all(&vms, &n))
		return NULL;
	if (i >= n)
		return NULL;
	return strncmp(vms[i].name, "pid ", 4) ? vms[i].name : vms[i].name + 4;
}

const struct command command_ledger = {
	.name = "ledger",
	.operands = "[NAME|ID|PID...]",
	.summary = "Where the time of this host's vCPUs goes: run, ready, halt and the rest.",
	.examples = "  desched ledger\n"
		    "  desched ledger -d 5 -n 12 --gaps\n"
		    "  desched ledger web1 'db*'\n"
		    "  desched ledger --json 1234 | jq .vms[0].vcpus[0].seconds.ready\n",
	.rows = rows,
	.n_rows = ARRAY_SIZE(rows),
	.operand_name = name_of_vm,
	.run = run,
};

/* With a copy of what it needs of its VM, which may be gone by the time of the report. */
struct long_gap {
	struct gap gap;
	char vm[64], who[PROC_COMM_SIZE];
	pid_t pid;
	uint32_t vcpu;
};

static struct {
	struct long_gap gap[GAPS_SHOWN]; /* longest first; since the last report */
	int n;
} longest;

static FILE *out; /* the report that is being written, in memory */

/* The states as `desched top --host` has them, in the order of esxtop's columns. */
static const struct column *columns;
static size_t n_columns;

static void name_of_thread(uint32_t tid, char *ret, size_t size)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%" PRIu32 "/comm", tid);
	if (tid == GAP_BY_HIDDEN)
		snprintf(ret, size, "(another PID namespace)");
	else if (!tid || file_read(path, ret, size) <= 0)
		snprintf(ret, size, tid ? "?" : "-"); /* gone by now, or not known */
	ret[strcspn(ret, "\n")] = '\0';
	text_clean(ret);
}

static uint64_t gap_ns(const struct gap *gap)
{
	return gap->end - gap->start;
}

/* Keeps the longest gaps, in order. */
static void take_gap(const struct measured *x, const struct gap *gap, void *data)
{
	struct long_gap *g = longest.gap;
	int at = longest.n;

	(void)data;
	while (at > 0 && gap_ns(&g[at - 1].gap) < gap_ns(gap))
		at--;
	if (at == GAPS_SHOWN)
		return;
	if (longest.n < GAPS_SHOWN)
		longest.n++;
	memmove(&g[at + 1], &g[at], (size_t)(longest.n - at - 1) * sizeof(*g));
	g[at] = (struct long_gap){
		.gap = *gap, .pid = x->vm.pid, .vcpu = x->vm.vcpus[gap->vcpu].index};
	snprintf(g[at].vm, sizeof(g[at].vm), "%s", x->vm.name);
	name_of_thread(gap->by, g[at].who, sizeof(g[at].who));
	g[at].gap.by = gap->by == GAP_BY_HIDDEN ? 0 : gap->by;
}

/* ---- the table ---- */

static double percent(uint64_t part, uint64_t whole)
{
	return whole ? 100.0 * (double)part / (double)whole : 0;
}

/* A name in a column of 16 characters, which may have several bytes each. */
static void print_name(const char *name)
{
	int shown = 0;

	for (; *name && (shown < 16 || (*name & 0xc0) == 0x80); name++) {
		shown += (*name & 0xc0) != 0x80;
		fputc(*name, out);
	}
	fprintf(out, "%*s", 16 - shown, "");
}

static void print_ledger(const char *name, const char *below, const char *vcpu,
			 const struct ledger *l)
{
	print_name(name);
	fprintf(out, " %5s", vcpu);
	for (size_t i = 0; i < n_columns; i++)
		fprintf(out, " %7.2f", percent(l->ns[columns[i].state], ledger_wall(l)));
	fprintf(out, "\n%-16s %*s", below, 5 - (int)u64_sub_floor(strlen(below), 16), "s");
	for (size_t i = 0; i < n_columns; i++)
		fprintf(out, " %7.3f", ns_to_s(l->ns[columns[i].state]));
	fputc('\n', out);
}

static void print_vcpus(const struct measured *x, enum measure_reading from)
{
	char pid[64], vcpu[16];

	snprintf(pid, sizeof(pid), "  %s%spid %d", x->vm.id, x->vm.id[0] ? ", " : "", x->vm.pid);
	for (uint32_t v = 0; v < x->vm.n_vcpus; v++) {
		struct ledger d = measured_span(&x->vcpus[v], from);

		snprintf(vcpu, sizeof(vcpu), "%" PRIu32, x->vm.vcpus[v].index);
		print_ledger(v ? "" : x->vm.name, v ? "" : pid, vcpu, &d);
	}
	if (x->vm.n_vcpus > 1) {
		struct ledger sum = measured_sum(x, from);

		print_ledger("", "", "all", &sum);
	}
}

/* The longest that one of its vCPUs was measured. */
static uint64_t wall_of(const struct measured *x, enum measure_reading from)
{
	uint64_t wall = 0;

	for (uint32_t v = 0; v < x->vm.n_vcpus; v++) {
		struct ledger d = measured_span(&x->vcpus[v], from);

		wall = u64_max(wall, ledger_wall(&d));
	}
	return wall;
}

static bool has_page(const struct measured *x)
{
	for (unsigned i = 0; i < x->page.n; i++) {
		if (!x->page.verdicts[i].why[0])
			return !x->page_lost;
	}
	return false;
}

static void print_vm(const struct measurement *m, const struct measured *x,
		     enum measure_reading from)
{
	struct stream_counters stream;
	uint64_t overhead = x->overhead[MEASURE_NOW] - x->overhead[from];
	uint32_t ended = 0;

	print_vcpus(x, from);
	for (uint32_t v = 0; v < x->vm.n_vcpus; v++)
		ended += x->vcpus[v].ended;
	fprintf(out, "%22s overhead %.3f s (%.2f %% of a CPU)", "", ns_to_s(overhead),
		percent(overhead, wall_of(x, from)));
	if (has_page(x))
		fprintf(out, ", page written");
	if (measured_stream(m, x, &stream))
		fprintf(out, ", streamed");
	if (x->id < 0)
		fprintf(out, ", ended");
	else if (ended)
		fprintf(out, ", %" PRIu32 " of its vCPUs ended", ended);
	fputc('\n', out);
}

static void print_ended(const struct measurement *m)
{
	char name[32], below[32];

	if (!m->ended.vms)
		return;
	snprintf(name, sizeof(name), "%" PRIu64 " others", m->ended.vms);
	snprintf(below, sizeof(below), "  that ended");
	print_ledger(name, below, "all", &m->ended.ledger);
}

static void print_gaps(const struct measurement *m)
{
	fprintf(out, "\n%-16s %5s %9s %9s  %-8s %s\n", longest.n ? "longest gaps" : "no gaps",
		"VCPU", "AT s", "MS", "STATE", "RAN BEFORE IT");
	for (int i = 0; i < longest.n; i++) {
		const struct long_gap *g = &longest.gap[i];

		print_name(g->vm);
		fprintf(out, " %5" PRIu32 " %9.3f %9.3f  %-8s %" PRIu32 " %s\n", g->vcpu,
			ns_to_s(u64_sub_floor(g->gap.start, m->at[MEASURE_FIRST])),
			(double)gap_ns(&g->gap) / 1e6, ledger_state_name(g->gap.state), g->gap.by,
			g->who);
	}
}

/* A VM whose end was reported is in the total alone. */
static bool is_in_report(const struct measured *x, enum measure_reading from)
{
	return !x->over || from == MEASURE_FIRST;
}

static size_t count_in_report(const struct measurement *m, enum measure_reading from)
{
	size_t n = from == MEASURE_FIRST ? m->ended.vms : 0;

	for (size_t i = 0; i < m->n; i++)
		n += is_in_report(m->vms[i], from);
	return n;
}

static void print_head(const struct measurement *m, enum measure_reading from, double seconds)
{
	size_t n = count_in_report(m, from);
	struct host_ledger_counters c;

	host_ledger_counters(m->ledger, &c);
	fprintf(out, "%s%.3f s, source %s, %zu VM%s", from == MEASURE_FIRST ? "total: " : "",
		seconds, host_ledger_source(m->ledger), n, n == 1 ? "" : "s");
	if (m->n_unseen)
		fprintf(out, ", %u not measured", m->n_unseen + m->more_unseen);
	fprintf(out, c.gaps_lost ? ", %" PRIu64 " gaps lost\n" : "\n", c.gaps_lost);
	fprintf(out, "%-16s %5s", "VM", "VCPU");
	for (size_t i = 0; i < n_columns; i++)
		fprintf(out, " %7s", columns[i].title);
	fputc('\n', out);
}

static void print_table(const struct measurement *m, enum measure_reading from, double seconds)
{
	print_head(m, from, seconds);
	for (size_t i = 0; i < m->n; i++) {
		if (is_in_report(m->vms[i], from))
			print_vm(m, m->vms[i], from);
	}
	if (from == MEASURE_FIRST)
		print_ended(m);
	if (options.gaps && from == MEASURE_LAST)
		print_gaps(m);
	fputc('\n', out);
}

/* ---- JSON ---- */

static json_t *json_states(const struct ledger *l)
{
	json_t *seconds = json_object();

	for (size_t i = 0; i < n_columns; i++)
		json_object_set_new(seconds, ledger_state_name(columns[i].state),
				    json_real(ns_to_s(l->ns[columns[i].state])));
	return seconds;
}

static json_t *json_vcpu(const struct measured *x, uint32_t v, enum measure_reading from)
{
	const struct measured_vcpu *c = &x->vcpus[v];
	struct ledger d = measured_span(c, from);

	return json_pack("{s:i, s:i, s:s, s:b, s:f, s:o, s:I}", "index", (int)x->vm.vcpus[v].index,
			 "tid", (int)x->vm.vcpus[v].tid, "state", ledger_state_name(d.state),
			 "ended", (int)c->ended, "wall_seconds", ns_to_s(ledger_wall(&d)),
			 "seconds", json_states(&d), "gaps_lost", (json_int_t)c->gaps_lost);
}

static json_t *json_pages(const struct measured *x)
{
	json_t *pages = json_array();

	for (unsigned i = 0; i < x->page.n; i++) {
		const struct page_verdict *v = &x->page.verdicts[i];
		const char *why = v->why[0] ? v->why : x->page_lost;

		json_array_append_new(pages,
				      json_pack("{s:s, s:s, s:b, s:s*}", "device", v->device,
						"file", v->file, "written", !why, "why", why));
	}
	return pages;
}

/* NULL, which is left out, where there is none. */
static json_t *json_stream(const struct measurement *m, const struct measured *x)
{
	struct stream_counters c;

	if (!measured_stream(m, x, &c))
		return NULL;
	return json_pack("{s:I, s:I, s:I, s:I, s:I}", "frames", (json_int_t)c.frames, "pings",
			 (json_int_t)c.pings, "lost_gaps", (json_int_t)c.lost_gaps, "blocked",
			 (json_int_t)c.blocked, "garbage", (json_int_t)c.garbage);
}

static json_t *json_vm(const struct measurement *m, const struct measured *x,
		       enum measure_reading from)
{
	json_t *vcpus = json_array();

	for (uint32_t v = 0; v < x->vm.n_vcpus; v++)
		json_array_append_new(vcpus, json_vcpu(x, v, from));
	return json_pack("{s:s, s:s, s:s, s:s, s:s, s:i, s:s, s:b, s:f, s:o, s:o*, s:o}", "name",
			 x->vm.name, "called", x->vm.called, "uuid", x->vm.uuid, "id", x->vm.id,
			 "manager", x->vm.manager, "pid", (int)x->vm.pid, "found_by",
			 x->vm.found_by, "ended", x->id < 0, "overhead_seconds",
			 ns_to_s(x->overhead[MEASURE_NOW] - x->overhead[from]), "pages",
			 json_pages(x), "stream", json_stream(m, x), "vcpus", vcpus);
}

static json_t *json_vms(const struct measurement *m, enum measure_reading from)
{
	json_t *vms = json_array();

	for (size_t i = 0; i < m->n; i++) {
		if (is_in_report(m->vms[i], from))
			json_array_append_new(vms, json_vm(m, m->vms[i], from));
	}
	return vms;
}

static json_t *json_gaps(const struct measurement *m)
{
	json_t *gaps = json_array();

	for (int i = 0; i < longest.n; i++) {
		const struct long_gap *g = &longest.gap[i];

		json_array_append_new(
			gaps, json_pack("{s:s, s:i, s:i, s:f, s:f, s:s, s:i, s:s}", "vm", g->vm,
					"pid", (int)g->pid, "vcpu", (int)g->vcpu, "start_seconds",
					ns_to_s(u64_sub_floor(g->gap.start, m->at[MEASURE_FIRST])),
					"seconds", ns_to_s(gap_ns(&g->gap)), "state",
					ledger_state_name(g->gap.state), "by", (int)g->gap.by,
					"by_name", g->who));
	}
	return gaps;
}

static json_t *json_unseen(const struct measurement *m)
{
	json_t *unseen = json_array();

	for (unsigned i = 0; i < m->n_unseen; i++)
		json_array_append_new(unseen,
				      json_pack("{s:s, s:i, s:s}", "name", m->unseen[i].name, "pid",
						(int)m->unseen[i].pid, "why", m->unseen[i].why));
	return unseen;
}

static json_t *json_ended(const struct measure_ended *e)
{
	return json_pack("{s:I, s:I, s:f, s:o, s:f}", "vms", (json_int_t)e->vms, "vcpus",
			 (json_int_t)e->vcpus, "wall_seconds", ns_to_s(ledger_wall(&e->ledger)),
			 "seconds", json_states(&e->ledger), "overhead_seconds",
			 ns_to_s(e->overhead));
}

static json_t *json_counters(const struct measurement *m)
{
	struct host_ledger_counters c;

	host_ledger_counters(m->ledger, &c);
	return json_pack("{s:I, s:I, s:I, s:I, s:I}", "gaps", (json_int_t)c.gaps, "gaps_lost",
			 (json_int_t)c.gaps_lost, "kvm_exits", (json_int_t)c.kvm_exits,
			 "bpf_missed", (json_int_t)c.bpf_missed, "look_failures",
			 (json_int_t)measure_failures(m));
}

static int print_json(const struct measurement *m, enum measure_reading from, double seconds,
		      struct failure *f)
{
	bool total = from == MEASURE_FIRST;
	json_t *o = json_pack("{s:s, s:s, s:s, s:f, s:f, s:o, s:o, s:o}", "schema",
			      "desched-ledger/1", "kind", total ? "total" : "interval", "source",
			      host_ledger_source(m->ledger), "time_s", ns_to_s(m->real), "seconds",
			      seconds, "vms", json_vms(m, from), "unseen", json_unseen(m),
			      "counters", json_counters(m));

	if (total)
		json_object_set_new(o, "ended", json_ended(&m->ended));
	if (options.gaps && !total)
		json_object_set_new(o, "gaps", json_gaps(m));
	return json_out_print(o, JSON_COMPACT | JSON_REAL_PRECISION(15), out, "a report", f);
}

/* ---- the command ---- */

static void note(const char *text, void *data)
{
	(void)data;
	fprintf(stderr, "desched ledger: %s\n", text);
}

static struct stream_socket streams;

static void serve_streams(struct measurement *m)
{
	struct failure f = {""};

	if (!options.no_pages && stream_socket_step(&streams, m, &f))
		fprintf(stderr, "desched ledger: no streams: %s\n", f.text);
}

/* One step of measuring, after `ns` or when standard output takes something: whether it does. */
static bool step(struct measurement *m, uint64_t ns, bool printing)
{
	struct pollfd p = {.fd = printing ? STDOUT_FILENO : -1, .events = POLLOUT};
	const struct timespec ts = {.tv_nsec = (long)ns};
	bool ready = ppoll(&p, 1, &ts, NULL) > 0;

	if (ready)
		return true;
	serve_streams(m);
	measure_step(m);
	return false;
}

/*
 * Pages are written on while whoever reads the reports takes its time. Where a pipe has room for
 * anything, it has room for PIPE_BUF bytes. After a signal it has another second.
 */
static int put(struct measurement *m, const char *text, size_t size, struct failure *f)
{
	uint64_t last = UINT64_MAX;

	while (size) {
		ssize_t n;

		if (command_stop && last == UINT64_MAX)
			last = clock_mono() + NS_PER_SEC;
		if (clock_mono() > last)
			return failure_set(f, -EAGAIN,
					   "nobody reads standard output; a report is lost");
		if (!step(m, measure_interval(m), true))
			continue;
		n = write(STDOUT_FILENO, text, size < PIPE_BUF ? size : PIPE_BUF);
		if (n < 0 && errno != EINTR && errno != EAGAIN)
			return failure_errno(f, -errno, "standard output");
		text += n > 0 ? n : 0;
		size -= n > 0 ? (size_t)n : 0;
	}
	return 0;
}

static int make_report(const struct measurement *m, enum measure_reading from, struct failure *f,
		       char **ret, size_t *ret_size)
{
	double seconds = ns_to_s(m->at[MEASURE_NOW] - m->at[from]);
	int err = 0;

	out = open_memstream(ret, ret_size);
	if (!out)
		return -errno;
	if (options.json)
		err = print_json(m, from, seconds, f);
	else
		print_table(m, from, seconds);
	return fclose(out) || err ? -ENOMEM : 0;
}

/* What was read has been reported before it is printed: while it is, there are new readings. */
static int report(struct measurement *m, enum measure_reading from, struct failure *f)
{
	_cleanup_(free_ptr) char *text = NULL;
	size_t size = 0;
	int err = make_report(m, from, f, &text, &size);

	measure_reported(m);
	longest.n = 0;
	return err ? failure_errno(f, err, "a report") : put(m, text, size, f);
}

/* Until the deadline or a signal. */
static void wait_measuring(struct measurement *m, uint64_t deadline)
{
	for (uint64_t now = clock_mono(); !command_stop && now < deadline; now = clock_mono())
		step(m, u64_min(deadline - now, measure_interval(m)), false);
}

static int watch(struct measurement *m, struct failure *f)
{
	uint64_t reports = 0, next = m->at[MEASURE_FIRST];
	int err = 0;

	while (!err && !command_stop && !measure_is_over(m) &&
	       (!options.count || reports < options.count)) {
		next += options.interval;
		if (next <= clock_mono()) /* what is late is not made up */
			next = clock_mono() + options.interval;
		wait_measuring(m, next);
		measure_read(m);
		err = report(m, MEASURE_LAST, f);
		reports++;
	}
	return !err && reports > 1 ? report(m, MEASURE_FIRST, f) : err;
}

static const char no_vm[] = "no VM found: no process has KVM vCPUs or threads called like vCPUs "
			    "(QEMU TCG: start it with -name NAME,debug-threads=on)";

static void close_measurement(struct measurement **m)
{
	measure_close(*m);
}

static int measure(char **operands, int n, struct failure *f)
{
	_cleanup_(close_measurement) struct measurement *m = NULL;
	const struct measure_setup setup = {.source = options.source.value,
					    .operands = operands,
					    .n_operands = n,
					    .no_pages = options.no_pages,
					    .note = note,
					    .gap = options.gaps ? take_gap : NULL};
	int err;

	err = measure_open(&setup, f, &m);
	if (err)
		return err;
	if (!m->came)
		fprintf(stderr, "desched ledger: %s; waiting for one\n", no_vm);
	err = watch(m, f);
	if (!err && !m->came)
		err = failure_set(f, -ENOENT, "%s", no_vm);
	return err;
}

static int run(char **operands, int n, struct failure *f)
{
	int err;

	columns = host_state_columns(&n_columns);
	command_catch_signals();
	stream_socket_open(&streams, options.stream);
	err = measure(operands, n, f);
	stream_socket_close(&streams);
	return err;
}
