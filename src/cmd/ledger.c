/* SPDX-License-Identifier: MIT */
/*
 * desched ledger: where the time of this host's vCPUs goes, measured from outside.
 *
 * A measurement is a list of VMs with three readings of every ledger: when it began, at the last
 * report, now. A report is the difference of two of them, as a table or as one line of JSON with
 * schema "desched-ledger/1" (desched-ledger(1) has its fields).
 */
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/proc.h"
#include "base/units.h"
#include "cmd/commands.h"
#include "host/publish.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define GAPS_SHOWN 10

static struct {
	uint64_t interval, count;
	struct option_choice source;
	bool gaps, json;
} options = {.interval = NS_PER_SEC, .source = {NULL, host_source_name}};

static const struct option_row rows[] = {
	{'d', "delay", "S", OPTION_SECONDS, &options.interval, NS_PER_SEC / 20, 86400 * NS_PER_SEC,
	 "seconds between reports"},
	{'n', "count", "N", OPTION_UINT, &options.count, 1, 0, "reports, then end (until Ctrl-C)"},
	{0, "source", "S", OPTION_CHOICE, &options.source, 0, 0, "instead of the best that works"},
	{0, "gaps", NULL, OPTION_FLAG, &options.gaps, 0, 0,
	 "show the longest gaps and who ran before their ends"},
	{0, "json", NULL, OPTION_FLAG, &options.json, 0, 0, "one JSON object a report"},
};

static int run(char **pids, int n, struct failure *f);

const struct command command_ledger = {
	.name = "ledger",
	.operands = "[PID...]",
	.summary = "Where the time of this host's vCPUs goes: run, ready, halt and the rest.",
	.examples = "  desched ledger\n"
		    "  desched ledger -d 5 -n 12 --gaps\n"
		    "  desched ledger --json 1234 | jq .vms[0].vcpus[0].seconds.ready\n",
	.rows = rows,
	.n_rows = ARRAY_SIZE(rows),
	.run = run,
};

/* In the order of esxtop's columns. */
static const struct {
	enum ledger_state state;
	const char *heading;
} columns[] = {
	{LEDGER_RUN, "%RUN"},	    {LEDGER_READY, "%RDY"},	 {LEDGER_COSTOP, "%CSTP"},
	{LEDGER_LIMITED, "%MLMTD"}, {LEDGER_SWAPWAIT, "%SWPWT"}, {LEDGER_HALT, "%IDLE"},
	{LEDGER_WAIT, "%WAIT"},
};

enum reading { FIRST, LAST, NOW, READINGS };

struct measured_vcpu {
	struct ledger ledger[READINGS];
	bool ended;
};

struct measured {
	struct host_vm *vm;
	int id;
	uint64_t overhead[READINGS]; /* ns */
	struct measured_vcpu *vcpus;
};

struct long_gap {
	struct gap gap;
	const struct measured *of;
	char who[PROC_COMM_SIZE];
};

struct measurement {
	struct host_ledger *ledger;
	struct publisher *publisher; /* for the VMs that have brought a page */
	struct host_vm *vms;
	struct measured *measured; /* [n] */
	size_t n;
	uint64_t at[READINGS];		  /* ns */
	uint64_t real;			  /* ns, the date of the last reading */
	struct long_gap gaps[GAPS_SHOWN]; /* longest first; since the last report */
	int n_gaps;
};

static void name_of_thread(uint32_t tid, char *ret, size_t size)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%" PRIu32 "/comm", tid);
	if (!tid || file_read(path, ret, size) <= 0)
		snprintf(ret, size, tid ? "?" : "-"); /* gone by now, or not known */
	ret[strcspn(ret, "\n")] = '\0';
	for (char *c = ret; *c; c++)
		*c = *c < ' ' || *c > '~' ? '?' : *c;
}

static uint64_t gap_ns(const struct gap *gap)
{
	return gap->end - gap->start;
}

/* Keeps the longest gaps, in order. */
static void take_gap(int id, const struct gap *gap, void *data)
{
	struct measurement *m = data;
	struct long_gap *g = m->gaps;
	int at = m->n_gaps;

	while (at > 0 && gap_ns(&g[at - 1].gap) < gap_ns(gap))
		at--;
	if (at == GAPS_SHOWN)
		return;
	if (m->n_gaps < GAPS_SHOWN)
		m->n_gaps++;
	memmove(&g[at + 1], &g[at], (size_t)(m->n_gaps - at - 1) * sizeof(*g));
	g[at] = (struct long_gap){.gap = *gap};
	for (size_t i = 0; i < m->n; i++) {
		if (m->measured[i].id == id)
			g[at].of = &m->measured[i];
	}
	name_of_thread(gap->by, g[at].who, sizeof(g[at].who));
}

/* ---- measuring ---- */

static int find_given(int n, char **pids, struct measurement *m, struct failure *f)
{
	m->vms = calloc((size_t)n, sizeof(*m->vms));
	if (!m->vms)
		return failure_errno(f, -ENOMEM, "the list of VMs");
	for (int i = 0; i < n; i++) {
		uint64_t pid;
		int err;

		if (parse_uint(pids[i], &pid) || !pid || pid > INT_MAX)
			return failure_set(f, -EINVAL, "'%s' is no process id", pids[i]);
		err = host_find_pid((pid_t)pid, f, &m->vms[i]);
		if (err)
			return err;
		m->n++;
	}
	return 0;
}

static int find_vms(int n, char **pids, struct measurement *m, struct failure *f)
{
	int err;

	if (n)
		return find_given(n, pids, m, f);
	err = host_find_all(&m->vms, &m->n);
	if (err)
		return failure_errno(f, err, "looking for VMs in /proc");
	if (!m->n)
		return failure_set(f, -ENOENT,
				   "no VM found: no process has KVM vCPUs or threads called like "
				   "vCPUs (QEMU TCG: start it with -name NAME,debug-threads=on)");
	return 0;
}

static int add_vms(struct measurement *m, struct failure *f)
{
	m->measured = calloc(m->n, sizeof(*m->measured));
	if (!m->measured || publisher_new(m->ledger, &m->publisher))
		return failure_errno(f, -ENOMEM, "the list of VMs");
	for (size_t i = 0; i < m->n; i++) {
		struct measured *x = &m->measured[i];
		int err;

		x->vm = &m->vms[i];
		x->vcpus = calloc(x->vm->n_vcpus, sizeof(*x->vcpus));
		if (!x->vcpus)
			return failure_errno(f, -ENOMEM, "VM %s", x->vm->name);
		f->text[0] = '\0';
		err = publisher_adopt(m->publisher, x->vm, f, &x->id);
		if (err)
			return err;
		if (f->text[0])
			fprintf(stderr, "desched ledger: page not written: %s\n", f->text);
	}
	publisher_on_gap(m->publisher, take_gap, m);
	return 0;
}

/* Reads all ledgers into `to`; one that cannot be read keeps its last reading. */
static void read_all(struct measurement *m, enum reading to)
{
	m->at[to] = clock_mono();
	m->real = clock_real();
	for (size_t i = 0; i < m->n; i++) {
		struct measured *x = &m->measured[i];

		for (uint32_t v = 0; v < x->vm->n_vcpus; v++) {
			struct measured_vcpu *c = &x->vcpus[v];

			if (host_ledger_read(m->ledger, x->id, v, &c->ledger[to]) == -ESRCH)
				c->ended = true;
		}
		host_ledger_overhead(m->ledger, x->id, &x->overhead[to]);
	}
}

static void keep_reading(struct measurement *m, enum reading to, enum reading from)
{
	m->at[to] = m->at[from];
	for (size_t i = 0; i < m->n; i++) {
		struct measured *x = &m->measured[i];

		x->overhead[to] = x->overhead[from];
		for (uint32_t v = 0; v < x->vm->n_vcpus; v++)
			x->vcpus[v].ledger[to] = x->vcpus[v].ledger[from];
	}
}

static bool all_ended(const struct measurement *m)
{
	for (size_t i = 0; i < m->n; i++) {
		for (uint32_t v = 0; v < m->measured[i].vm->n_vcpus; v++) {
			if (!m->measured[i].vcpus[v].ended)
				return false;
		}
	}
	return true;
}

/* Until the deadline or a signal. */
static void wait_polling(struct measurement *m, uint64_t deadline)
{
	for (uint64_t now = clock_mono(); !command_stop && now < deadline; now = clock_mono()) {
		uint64_t ns = u64_min(deadline - now, publisher_interval(m->publisher));
		const struct timespec ts = {.tv_nsec = (long)ns};

		nanosleep(&ts, NULL);
		publisher_tick(m->publisher);
	}
}

static struct ledger span(const struct measured_vcpu *c, enum reading from)
{
	struct ledger d = {0};

	ledger_delta(&c->ledger[from], &c->ledger[NOW], &d);
	return d;
}

static struct ledger sum_of(const struct measured *x, enum reading from)
{
	struct ledger sum = {0};

	for (uint32_t v = 0; v < x->vm->n_vcpus; v++) {
		struct ledger d = span(&x->vcpus[v], from);

		ledger_merge(&sum, &d);
	}
	return sum;
}

/* ---- the table ---- */

static double percent(uint64_t part, uint64_t whole)
{
	return whole ? 100.0 * (double)part / (double)whole : 0;
}

static void print_ledger(const char *name, const char *vcpu, const struct ledger *l)
{
	printf("%-16.16s %5s", name, vcpu);
	for (size_t i = 0; i < ARRAY_SIZE(columns); i++)
		printf(" %7.2f", percent(l->ns[columns[i].state], ledger_wall(l)));
	printf("\n%16s %5s", "", "s");
	for (size_t i = 0; i < ARRAY_SIZE(columns); i++)
		printf(" %7.3f", ns_to_s(l->ns[columns[i].state]));
	putchar('\n');
}

static void print_vm(const struct measured *x, enum reading from, double seconds)
{
	uint64_t overhead = x->overhead[NOW] - x->overhead[from];
	uint32_t ended = 0;

	for (uint32_t v = 0; v < x->vm->n_vcpus; v++) {
		struct ledger d = span(&x->vcpus[v], from);
		char vcpu[16];

		snprintf(vcpu, sizeof(vcpu), "%" PRIu32, x->vm->vcpus[v].index);
		print_ledger(v ? "" : x->vm->name, vcpu, &d);
		ended += x->vcpus[v].ended;
	}
	if (x->vm->n_vcpus > 1) {
		struct ledger sum = sum_of(x, from);

		print_ledger("", "all", &sum);
	}
	printf("%22s overhead %.3f s (%.2f %% of a CPU)", "", ns_to_s(overhead),
	       seconds > 0 ? 100 * ns_to_s(overhead) / seconds : 0);
	printf(ended ? ", %" PRIu32 " of its vCPUs ended\n" : "\n", ended);
}

static void print_gaps(const struct measurement *m)
{
	printf("\n%-16s %5s %9s %9s  %-8s %s\n", m->n_gaps ? "longest gaps" : "no gaps", "VCPU",
	       "AT s", "MS", "STATE", "RAN BEFORE IT");
	for (int i = 0; i < m->n_gaps; i++) {
		const struct long_gap *g = &m->gaps[i];

		printf("%-16.16s %5" PRIu32 " %9.3f %9.3f  %-8s %" PRIu32 " %s\n", g->of->vm->name,
		       g->of->vm->vcpus[g->gap.vcpu].index,
		       ns_to_s(u64_sub_floor(g->gap.start, m->at[FIRST])),
		       (double)gap_ns(&g->gap) / 1e6, ledger_state_name(g->gap.state), g->gap.by,
		       g->who);
	}
}

static void print_table(const struct measurement *m, enum reading from, double seconds)
{
	struct host_ledger_counters c;

	host_ledger_counters(m->ledger, &c);
	printf("%s%.3f s, source %s, %zu VM%s", from == FIRST ? "total: " : "", seconds,
	       host_ledger_source(m->ledger), m->n, m->n == 1 ? "" : "s");
	printf(c.gaps_lost ? ", %" PRIu64 " gaps lost\n" : "\n", c.gaps_lost);
	printf("%-16s %5s", "VM", "VCPU");
	for (size_t i = 0; i < ARRAY_SIZE(columns); i++)
		printf(" %7s", columns[i].heading);
	putchar('\n');
	for (size_t i = 0; i < m->n; i++)
		print_vm(&m->measured[i], from, seconds);
	if (options.gaps && from == LAST)
		print_gaps(m);
	putchar('\n');
}

/* ---- JSON ---- */

static json_t *json_vcpu(const struct measured *x, uint32_t v, uint64_t lost, enum reading from)
{
	const struct measured_vcpu *c = &x->vcpus[v];
	struct ledger d = span(c, from);
	json_t *seconds = json_object();

	for (size_t i = 0; i < ARRAY_SIZE(columns); i++)
		json_object_set_new(seconds, ledger_state_name(columns[i].state),
				    json_real(ns_to_s(d.ns[columns[i].state])));
	return json_pack("{s:i, s:i, s:s, s:b, s:f, s:o, s:I}", "index", (int)x->vm->vcpus[v].index,
			 "tid", (int)x->vm->vcpus[v].tid, "state", ledger_state_name(d.state),
			 "ended", (int)c->ended, "wall_seconds", ns_to_s(ledger_wall(&d)),
			 "seconds", seconds, "gaps_lost", (json_int_t)lost);
}

static json_t *json_vm(const struct measurement *m, const struct measured *x, enum reading from)
{
	json_t *vcpus = json_array();

	for (uint32_t v = 0; v < x->vm->n_vcpus; v++)
		json_array_append_new(
			vcpus, json_vcpu(x, v, host_ledger_gaps_lost(m->ledger, x->id, v), from));
	return json_pack("{s:s, s:i, s:s, s:f, s:o}", "name", x->vm->name, "pid", (int)x->vm->pid,
			 "found_by", x->vm->found_by, "overhead_seconds",
			 ns_to_s(x->overhead[NOW] - x->overhead[from]), "vcpus", vcpus);
}

static json_t *json_gap(const struct measurement *m, const struct long_gap *g)
{
	return json_pack("{s:s, s:i, s:f, s:f, s:s, s:i, s:s}", "vm", g->of->vm->name, "vcpu",
			 (int)g->of->vm->vcpus[g->gap.vcpu].index, "start_seconds",
			 ns_to_s(u64_sub_floor(g->gap.start, m->at[FIRST])), "seconds",
			 ns_to_s(gap_ns(&g->gap)), "state", ledger_state_name(g->gap.state), "by",
			 (int)g->gap.by, "by_name", g->who);
}

static json_t *json_counters(const struct measurement *m)
{
	struct host_ledger_counters c;

	host_ledger_counters(m->ledger, &c);
	return json_pack("{s:I, s:I, s:I, s:I}", "gaps", (json_int_t)c.gaps, "gaps_lost",
			 (json_int_t)c.gaps_lost, "kvm_exits", (json_int_t)c.kvm_exits,
			 "bpf_missed", (json_int_t)c.bpf_missed);
}

static void print_json(const struct measurement *m, enum reading from, double seconds)
{
	json_t *vms = json_array(), *gaps = json_array(), *o;

	for (size_t i = 0; i < m->n; i++)
		json_array_append_new(vms, json_vm(m, &m->measured[i], from));
	for (int i = 0; i < m->n_gaps; i++)
		json_array_append_new(gaps, json_gap(m, &m->gaps[i]));
	o = json_pack("{s:s, s:s, s:s, s:f, s:f, s:o, s:o}", "schema", "desched-ledger/1", "kind",
		      from == FIRST ? "total" : "interval", "source", host_ledger_source(m->ledger),
		      "time_s", ns_to_s(m->real), "seconds", seconds, "vms", vms, "counters",
		      json_counters(m));
	if (options.gaps && from == LAST)
		json_object_set(o, "gaps", gaps);
	json_decref(gaps);
	json_dumpf(o, stdout, JSON_COMPACT | JSON_REAL_PRECISION(15));
	json_decref(o);
	putchar('\n');
}

/* ---- the command ---- */

static int report(const struct measurement *m, enum reading from, struct failure *f)
{
	double seconds = ns_to_s(m->at[NOW] - m->at[from]);

	if (options.json)
		print_json(m, from, seconds);
	else
		print_table(m, from, seconds);
	return command_flush(f);
}

static int watch(struct measurement *m, struct failure *f)
{
	uint64_t reports = 0;
	int err = 0;

	read_all(m, FIRST);
	keep_reading(m, LAST, FIRST);
	keep_reading(m, NOW, FIRST);
	while (!err && !command_stop && !all_ended(m) &&
	       (!options.count || reports < options.count)) {
		wait_polling(m, m->at[FIRST] + ++reports * options.interval);
		read_all(m, NOW);
		publisher_tick(m->publisher);
		err = report(m, LAST, f);
		keep_reading(m, LAST, NOW);
		m->n_gaps = 0;
	}
	return !err && reports > 1 ? report(m, FIRST, f) : err;
}

static void measurement_done(struct measurement *m)
{
	publisher_free(m->publisher);
	host_ledger_close(m->ledger);
	for (size_t i = 0; m->measured && i < m->n; i++)
		free(m->measured[i].vcpus);
	free(m->measured);
	host_vms_free(m->vms, m->n);
}

static int run(char **pids, int n, struct failure *f)
{
	_cleanup_(measurement_done) struct measurement m = {.ledger = NULL};
	int err = find_vms(n, pids, &m, f);

	if (!err)
		err = host_ledger_open(options.source.value, f, &m.ledger);
	if (err)
		return err;
	if (f->text[0])
		fprintf(stderr, "desched ledger: no gaps, only run and ready: %s\n", f->text);
	err = add_vms(&m, f);
	if (err)
		return err;
	command_catch_signals();
	return watch(&m, f);
}
