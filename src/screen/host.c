/* SPDX-License-Identifier: MIT */
/* What a screen about a host is made of: columns, kinds of rows, what stands above the table. The
 * rows themselves are host_rows.c's. */
#include "screen/host.h"

#include "base/json_out.h"
#include "base/text.h"
#include "base/units.h"
#include "ledger/ready.h"
#include "screen/trails.h"

#include <inttypes.h>

/* ---- columns ---- */

static struct value known(uint64_t n)
{
	return (struct value){.is = VALUE_KNOWN, .n = n};
}

static const struct value none = {.is = VALUE_NONE};

static struct value pid_of(const struct column *c, const struct model *m,
			   const struct model_row *row)
{
	(void)c;
	(void)m;
	return known((uint64_t)(row->tid ? row->tid : row->pid));
}

static struct value used_of(const struct column *c, const struct model *m,
			    const struct model_row *row)
{
	(void)c;
	(void)m;
	return known(row->host.ns[LEDGER_RUN] + row->host.overhead);
}

static struct value state_of(const struct column *c, const struct model *m,
			     const struct model_row *row)
{
	(void)m;
	return known(row->host.ns[c->state]);
}

/* The figure is of the row, its alarm of the vCPU that waits most. */
static struct value ready_of(const struct column *c, const struct model *m,
			     const struct model_row *row)
{
	static const enum style styles[] = {STYLE_NORMAL, STYLE_WARNING, STYLE_ALARM};
	struct value v = state_of(c, m, row);

	v.style = styles[ready_level(row->host.ready_most, m->elapsed)];
	return v;
}

/* It wants more than its limit, and would get it. */
static bool is_limited(const struct model *m, const struct model_row *row)
{
	return row->host.limit > 0 &&
	       (double)row->host.entitled >= 0.98 * row->host.limit * (double)m->elapsed;
}

static struct value entitled_of(const struct column *c, const struct model *m,
				const struct model_row *row)
{
	struct value v = known(row->host.entitled);

	(void)c;
	v.style = is_limited(m, row) ? STYLE_WARNING : STYLE_NORMAL;
	return row->kind == &row_vcpu || !m->host->cpus ? none : v;
}

static struct value longest_of(const struct column *c, const struct model *m,
			       const struct model_row *row)
{
	(void)c;
	return m->host->has_gaps ? known(row->host.longest) : none;
}

static struct value by_of(const struct column *c, const struct model *m,
			  const struct model_row *row)
{
	(void)c;
	(void)m;
	if (row->kind == &row_vcpu)
		return (struct value){.is = VALUE_EMPTY};
	return row->host.by ? (struct value){.is = VALUE_KNOWN, .text = row->host.by} : none;
}

static struct value trail_of(const struct column *c, const struct model *m,
			     const struct model_row *row)
{
	(void)c;
	(void)m;
	if (row->kind == &row_vcpu)
		return (struct value){.is = VALUE_EMPTY};
	return known(row->host.since);
}

static bool has_entitled(const struct model *m)
{
	return m->host->cpus > 0;
}

static bool has_longest(const struct model *m)
{
	return m->host->has_gaps;
}

static bool has_by(const struct model *m)
{
	return m->has_blames;
}

static bool has_trails(const struct model *m)
{
	return m->trails;
}

static struct value overhead_of(const struct column *c, const struct model *m,
				const struct model_row *row)
{
	(void)c;
	(void)m;
	return row->kind == &row_vcpu ? none : known(row->host.overhead);
}

static struct value memory_of(const struct column *c, const struct model *m,
			      const struct model_row *row)
{
	(void)c;
	(void)m;
	return row->rss ? known(row->rss) : none;
}

static struct value name_of(const struct column *c, const struct model *m,
			    const struct model_row *row)
{
	(void)c;
	(void)m;
	return (struct value){.is = VALUE_KNOWN, .text = row->name};
}

/* The states in the order of esxtop's, with its names. */
static const struct column columns[] = {
	{"pid", "PID", NULL, UNIT_ID, .width = 7, .key = 'p', .table = 8, .value = pid_of},
	{"used", "%USED", NULL, UNIT_PERCENT, .width = 6, .key = 'u', .table = 7, .json = true,
	 .help = "run and overhead (%OVHD, other threads), in percent of one CPU",
	 .value = used_of},
	{"run", "%RUN", NULL, UNIT_PERCENT, .width = 6, .table = 7, .json = true,
	 .state = LEDGER_RUN, .value = state_of},
	{"ready", "%RDY", NULL, UNIT_PERCENT, .width = 6, .key = 'r', .table = 7, .json = true,
	 .help = "ready; yellow, red: one vCPU waited 5 %, 10 % of the time or more",
	 .state = LEDGER_READY, .value = ready_of},
	{"costop", "%CSTP", NULL, UNIT_PERCENT, .width = 6, .needs = 140, .wanted = true,
	 .table = 7, .json = true, .style = STYLE_AWAY, .state = LEDGER_COSTOP, .value = state_of},
	{"limited", "%MLMTD", NULL, UNIT_PERCENT, .width = 6, .needs = 140, .wanted = true,
	 .table = 7, .json = true, .style = STYLE_AWAY, .state = LEDGER_LIMITED, .value = state_of},
	{"swapwait", "%SWPWT", NULL, UNIT_PERCENT, .width = 6, .needs = 140, .wanted = true,
	 .table = 7, .json = true, .style = STYLE_AWAY, .state = LEDGER_SWAPWAIT,
	 .value = state_of},
	{"halt", "%IDLE", NULL, UNIT_PERCENT, .width = 6, .yields = 8, .key = 'i', .table = 7,
	 .json = true, .style = STYLE_DIM, .state = LEDGER_HALT, .value = state_of},
	{"wait", "%WAIT", NULL, UNIT_PERCENT, .width = 6, .yields = 6, .key = 'w', .table = 7,
	 .json = true, .state = LEDGER_WAIT, .value = state_of},
	{"overhead", "%OVHD", NULL, UNIT_PERCENT, .width = 6, .yields = 3, .key = 'o', .table = 7,
	 .json = true, .value = overhead_of},
	{"entitled", "~%ENTL", NULL, UNIT_PERCENT, .width = 6, .yields = 2, .key = 'e', .table = 7,
	 .json = true, .help = "computed: what it ought to get of what it wants; yellow: its limit",
	 .value = entitled_of, .there = has_entitled},
	{"longest", "LONGEST", NULL, UNIT_TIME, .width = 7, .yields = 1, .key = 'l', .table = 8,
	 .json = true, .help = "the longest single wait; BY: who ran most while it waited",
	 .value = longest_of, .there = has_longest},
	{"by", "BY", NULL, UNIT_TEXT, .width = 16, .needs = 92, .yields = 4, .table = 16,
	 .json = true, .value = by_of, .there = has_by},
	{"memory", "MEM", NULL, UNIT_BYTES, .width = 5, .needs = 86, .yields = 5, .key = 'm',
	 .json = true, .value = memory_of},
	{NULL, "SHARE", NULL, UNIT_BAR, .width = 12, .needs = 100, .yields = 9},
	{NULL, "DESCHED 2MIN", NULL, UNIT_TRAIL, .width = TRAIL_CELLS, .needs = 92, .yields = 7,
	 .value = trail_of, .there = has_trails},
	{"name", "VM", NULL, UNIT_NAME, .key = 'n', .table = 1, .json = true, .value = name_of},
};

const struct column *host_state_columns(size_t *ret_n)
{
	const struct column *first = NULL;

	*ret_n = 0;
	for (size_t i = 0; i < ARRAY_SIZE(columns); i++) {
		if (columns[i].value != state_of && columns[i].value != ready_of)
			continue;
		first = first ? first : &columns[i];
		++*ret_n;
	}
	return first;
}

/* ---- kinds of rows ---- */

static void status_vm(const struct model_row *row, struct pen *p)
{
	pen_printf(p, "%d ", row->pid);
	pen_text(p, row->name);
	pen_printf(p, ", %zu vCPU%s", row->members, row->members == 1 ? "" : "s");
	if (row->uuid)
		pen_text(p, ", ");
	pen_text(p, row->uuid ? row->uuid : "");
	if (row->host.limit > 0)
		pen_printf(p, ", limit %.3g CPUs", row->host.limit);
	pen_text(p, row->host.by ? ", waited for " : "");
	pen_text(p, row->host.by ? row->host.by : "");
	pen_text(p, row->ended ? ", ended in this interval" : "");
}

static void status_vcpu(const struct model_row *row, struct pen *p)
{
	pen_printf(p, "%d thread %d, ", row->pid, row->tid);
	pen_text(p, row->name);
	pen_text(p, row->ended ? ", ended" : "");
}

static json_t *alarm_of(const struct model *m, const struct model_row *row)
{
	static const char *const names[] = {NULL, "warning", "alarm"};
	const char *name = names[ready_level(row->host.ready_most, m->elapsed)];

	return name ? json_string(name) : json_null();
}

static void put_vm(const struct model *m, const struct model_row *row, json_t *o)
{
	json_object_set_new(o, "pid", json_integer(row->pid));
	json_object_set_new(o, "uuid", row->uuid ? json_out_name(row->uuid) : json_null());
	json_object_set_new(o, "ended", json_boolean(row->ended));
	json_object_set_new(o, "cpu_limit",
			    row->host.limit > 0 ? json_real(row->host.limit) : json_null());
	json_object_set_new(o, "alarm", alarm_of(m, row));
}

static void put_vcpu(const struct model *m, const struct model_row *row, json_t *o)
{
	json_object_set_new(o, "index", json_integer((json_int_t)row->members));
	json_object_set_new(o, "tid", json_integer(row->tid));
	json_object_set_new(o, "ended", json_boolean(row->ended));
	json_object_set_new(o, "alarm", alarm_of(m, row));
}

const struct row_kind row_vm = {'M', STYLE_NORMAL, status_vm, put_vm, "vcpus", NULL};
const struct row_kind row_vcpu = {'C', STYLE_NORMAL, status_vcpu, put_vcpu, NULL, &row_vm};

static const struct row_kind *const kinds[] = {&row_vm, &row_vcpu, NULL};

static void parts(const struct model_row *row, uint64_t ret[MODEL_PARTS])
{
	for (int s = 0; s < LEDGER_STATES; s++)
		ret[s] = row->host.ns[s];
}

/* ---- above the table ---- */

static uint64_t descheduled(const uint64_t ns[LEDGER_STATES])
{
	uint64_t sum = 0;

	for (uint32_t s = 0; s < LEDGER_STATES; s++)
		sum += ledger_state_descheduled(s) ? ns[s] : 0;
	return sum;
}

static void title(const struct model *m, struct pen *p)
{
	pen_printf(p, ", source %s   %zu VM%s   %.1f s", m->host->source, m->n_all,
		   m->n_all == 1 ? "" : "s", ns_to_s(m->elapsed));
}

static void totals(const struct model *m, struct pen *p)
{
	pen_text(p, "run ");
	p->style = STYLE_RUN;
	pen_printf(p, "%.1f %%", model_percent(m, m->ns[LEDGER_RUN]));
	p->style = STYLE_NORMAL;
	pen_text(p, " + descheduled ");
	p->style = STYLE_AWAY;
	pen_printf(p, "%.1f %%", model_percent(m, descheduled(m->ns)));
	p->style = STYLE_NORMAL;
	pen_printf(p, " + wait %.1f %% + idle %.1f %%", model_percent(m, m->ns[LEDGER_WAIT]),
		   model_percent(m, m->ns[LEDGER_HALT]));
	p->style = STYLE_DIM;
	pen_text(p, "   ");
	pen_right(p, "overhead %.1f %%", model_percent(m, m->overhead));
}

static const char no_vm[] = "no VM found: no process has KVM vCPUs, or threads called like vCPUs "
			    "(QEMU TCG: start it with -name NAME,debug-threads=on)";
static const char lost[] = "%" PRIu64 " gaps were lost; their time is counted";

static void notes(const struct model *m, struct notes *n)
{
	const struct host_frame *f = m->host;

	if (!f->n_vms)
		notes_add(n, STYLE_DIM, "%s", no_vm);
	if (f->n_unseen)
		notes_add(n, STYLE_ALARM, "%" PRIu64 " VM%s not measured: %s: %s", f->n_unseen,
			  f->n_unseen == 1 ? "" : "s", f->unseen, f->why);
	if (f->gaps_lost)
		notes_add(n, STYLE_DIM, lost, f->gaps_lost);
}

static double past(const struct model *m)
{
	return model_percent(m, descheduled(m->ns));
}

/* ---- tables and JSON ---- */

/* What notes() has on the screen. */
static void print_notes(const struct host_frame *f, FILE *to)
{
	if (!f->n_vms)
		fprintf(to, "%s\n", no_vm);
	if (f->n_unseen) {
		fprintf(to, "%" PRIu64 " not measured: ", f->n_unseen);
		text_put(f->unseen, to);
		fprintf(to, ": %s\n", f->why);
	}
	if (f->gaps_lost) {
		fprintf(to, lost, f->gaps_lost);
		putc('\n', to);
	}
}

static void print_head(const struct model *m, const char *until, FILE *to)
{
	const struct host_frame *f = m->host;

	fprintf(to, "desched top - this host, source %s, %zu VM%s, %.1f s%s\n", f->source, m->n_all,
		m->n_all == 1 ? "" : "s", ns_to_s(m->elapsed), until);
	fprintf(to,
		"%zu vCPU%s: run %.1f %%, descheduled %.1f %%, wait %.1f %%, idle %.1f %%; "
		"overhead "
		"%.1f %%\n",
		m->n_vcpus, m->n_vcpus == 1 ? "" : "s", model_percent(m, m->ns[LEDGER_RUN]),
		model_percent(m, descheduled(m->ns)), model_percent(m, m->ns[LEDGER_WAIT]),
		model_percent(m, m->ns[LEDGER_HALT]), model_percent(m, m->overhead));
	print_notes(f, to);
}

static void put_head(const struct model *m, json_t *o)
{
	json_object_set_new(o, "source", json_string(m->host->source));
	json_object_set_new(o, "time_s", json_real(ns_to_s(m->time)));
	json_object_set_new(o, "seconds", json_real(ns_to_s(m->elapsed)));
	json_object_set_new(o, "cpus", m->host->cpus ? json_integer(m->host->cpus) : json_null());
	json_object_set_new(o, "gaps_lost", json_integer((json_int_t)m->host->gaps_lost));
	json_object_set_new(o, "not_measured", json_integer((json_int_t)m->host->n_unseen));
}

/* ---- the subject ---- */

static uint64_t elapsed(const struct frame *f)
{
	return f->host.elapsed;
}

/* It is measured when it is taken. */
static uint64_t lag(const struct frame *f)
{
	(void)f;
	return 0;
}

static bool is_news(const struct frame *shown, const struct frame *now)
{
	(void)shown;
	(void)now;
	return true;
}

static void done(struct frame *f)
{
	host_frame_done(&f->host);
}

static int make(const struct frame *from, const struct frame *to, const struct model_view *view,
		struct model *ret)
{
	return host_model(from ? &from->host : NULL, &to->host, view, ret);
}

static void leave_trails(const struct frame *from, const struct frame *to, struct trails *t)
{
	host_leave_trails(&from->host, &to->host, t);
}

const struct subject subject_host = {
	.name = "host",
	.one = "VM",
	.several = "VMs",
	.history = "desched.",
	.sort = "used",
	.schema = "desched-top-host/1",
	.list = "vms",
	.columns = columns,
	.n_columns = ARRAY_SIZE(columns),
	.kinds = kinds,
	.elapsed = elapsed,
	.lag = lag,
	.is_news = is_news,
	.done = done,
	.make = make,
	.parts = parts,
	.past = past,
	.leave_trails = leave_trails,
	.title = title,
	.totals = totals,
	.notes = notes,
	.print_head = print_head,
	.put_head = put_head,
};
