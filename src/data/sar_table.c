/* SPDX-License-Identifier: MIT */
#include "data/sar_table.h"

#include "base/units.h"

#include <errno.h>
#include <math.h>
#include <string.h>

#define SUM_SLACK  5	/* percent: ten columns without decimals */
#define ALL_STOLEN 99.9 /* percent */

/* ---- columns ---- */

#define NAMES(name, ...) static const char *const name[] = {__VA_ARGS__, NULL}

NAMES(names_idle, "%idle");
NAMES(names_wait, "%iowait", "%wio");
NAMES(names_steal, "%steal");
NAMES(names_user, "%user", "%usr");
NAMES(names_nice, "%nice");
NAMES(names_system, "%system", "%sys");
NAMES(names_irq, "%irq");
NAMES(names_soft, "%soft");
NAMES(names_guest, "%guest");
NAMES(names_gnice, "%gnice");

enum { PART_IDLE, PART_WAIT, PART_STEAL };

static const char *const *const part_names[SAR_PARTS] = {
	names_idle,   names_wait, names_steal, names_user,  names_nice,
	names_system, names_irq,  names_soft,  names_guest, names_gnice,
};

NAMES(key_cpu, "CPU");
NAMES(key_net, "IFACE");
NAMES(key_disk, "DEV");

/* What a table is about: a kind of part, by its column's name, or the machine itself. */
static const struct {
	enum data_kind kind;
	const char *const *key;
} tables[SAR_KINDS] = {
	[SAR_CPU] = {DATA_KIND_CPU, key_cpu},	    [SAR_MEMORY] = {DATA_KIND_MACHINE, NULL},
	[SAR_SWAP] = {DATA_KIND_MACHINE, NULL},	    [SAR_IO] = {DATA_KIND_MACHINE, NULL},
	[SAR_NET] = {DATA_KIND_INTERFACE, key_net}, [SAR_DISK] = {DATA_KIND_DISK, key_disk},
};

NAMES(memory_used, "kbmemused");
NAMES(memory_available, "kbavail");
NAMES(memory_active, "kbactive");
NAMES(swap_used, "kbswpused");
NAMES(io_reads, "rtps");
NAMES(io_writes, "wtps");
NAMES(io_read, "bread/s");
NAMES(io_written, "bwrtn/s");
NAMES(net_received_kb, "rxkB/s");
NAMES(net_received, "rxbyt/s");
NAMES(net_sent_kb, "txkB/s");
NAMES(net_sent, "txbyt/s");
NAMES(disk_read_kb, "rkB/s");
NAMES(disk_read, "rd_sec/s");
NAMES(disk_written_kb, "wkB/s");
NAMES(disk_written, "wr_sec/s");

/* A level, or what a second of the interval brought. */
static const struct {
	enum sar_kind table;
	const char *const *names;
	enum data_quantity quantity;
	double scale;
} figures[] = {
	{SAR_MEMORY, memory_used, DATA_MEMORY_USED, KIB},
	{SAR_MEMORY, memory_available, DATA_MEMORY_AVAILABLE, KIB},
	{SAR_MEMORY, memory_active, DATA_MEMORY_ACTIVE, KIB},
	{SAR_SWAP, swap_used, DATA_MEMORY_SWAPPED, KIB},
	{SAR_IO, io_reads, DATA_DISK_READS, 1},
	{SAR_IO, io_writes, DATA_DISK_WRITES, 1},
	{SAR_IO, io_read, DATA_DISK_READ, 512},
	{SAR_IO, io_written, DATA_DISK_WRITTEN, 512},
	{SAR_NET, net_received_kb, DATA_NET_RECEIVED, KIB},
	{SAR_NET, net_received, DATA_NET_RECEIVED, 1},
	{SAR_NET, net_sent_kb, DATA_NET_SENT, KIB},
	{SAR_NET, net_sent, DATA_NET_SENT, 1},
	{SAR_DISK, disk_read_kb, DATA_DISK_READ, KIB},
	{SAR_DISK, disk_read, DATA_DISK_READ, 512},
	{SAR_DISK, disk_written_kb, DATA_DISK_WRITTEN, KIB},
	{SAR_DISK, disk_written, DATA_DISK_WRITTEN, 512},
};
_Static_assert(ARRAY_SIZE(figures) == SAR_FIGURES, "a column each");

/* Whether the table is one of CPU time. */
static bool cpu_head(char **fields, size_t n, struct sar_head *h)
{
	size_t known = 0, percent = 0;

	/* With many columns `sadf` says "%idle[...]". */
	for (size_t i = 0; i < n; i++) {
		percent += fields[i][0] == '%';
		fields[i][strcspn(fields[i], "[")] = '\0';
	}
	for (size_t i = 0; i < SAR_PARTS; i++) {
		h->parts[i] = table_column(fields, n, part_names[i]);
		known += h->parts[i] >= 0;
	}
	h->whole = known == percent && known > 2;
	return h->parts[PART_IDLE] >= 0;
}

/* Whether it is a table of this kind: it has the key, and figures that somebody wants. */
static bool figures_head(char **fields, size_t n, enum sar_kind kind, const struct out *out,
			 struct sar_head *h)
{
	bool any = false;

	h->key = tables[kind].key ? table_column(fields, n, tables[kind].key) : -1;
	if (tables[kind].key && h->key < 0)
		return false;
	for (size_t i = 0; i < SAR_FIGURES; i++) {
		bool wanted = figures[i].table == kind && out_takes(out, figures[i].quantity);

		h->figures[i] = wanted ? table_column(fields, n, figures[i].names) : -1;
		any |= h->figures[i] >= 0;
	}
	return any;
}

void sar_head(char **fields, size_t n, const struct out *out, struct sar_head *ret)
{
	*ret = (struct sar_head){.n = n, .key = -1};
	if (cpu_head(fields, n, ret)) {
		ret->kind = SAR_CPU;
		ret->key = table_column(fields, n, key_cpu);
		return;
	}
	for (int kind = SAR_MEMORY; kind < SAR_KINDS; kind++)
		if (figures_head(fields, n, (enum sar_kind)kind, out, ret)) {
			ret->kind = (enum sar_kind)kind;
			return;
		}
}

/* ---- when ---- */

/* Of one table of a machine: the interval of the rows that come now. */
struct interval {
	struct track track;
	bool any;
	double stated; /* the time as the last row had it */
	double from, to;
	enum follow follow;
	uint32_t turn; /* how many intervals there were */
};

/* What is kept of a machine; of a part, only the last turn. */
struct state {
	uint32_t seen[SAR_KINDS]; /* the last turn with a row of its own */
	struct interval intervals[SAR_KINDS];
};

struct part_state {
	uint32_t seen;
};

static void next_interval(struct interval *v, const struct instant *time)
{
	if (v->any && time->at == v->stated)
		return;
	v->any = true;
	v->stated = time->at;
	v->follow = times_follow(&v->track, time, &v->from, &v->to);
	v->turn++;
}

int sar_begin(struct reading *g, const struct sysstat_machine *m, const struct sar_head *h,
	      const char *clock)
{
	struct instant time;
	struct state *state;
	uint32_t turn;

	if (h->kind == SAR_NONE || !reading_time(g, clock, m->day, &time))
		return 0;
	state = out_state(g->out, m->entity, sizeof(*state));
	if (!state)
		return -ENOMEM;
	turn = state->intervals[h->kind].turn;
	next_interval(&state->intervals[h->kind], &time);
	/* A row of this very time has no interval. */
	if (state->intervals[h->kind].turn != turn)
		state->intervals[h->kind].follow = FOLLOW_SAME;
	return 0;
}

void sar_new_day(const struct out *out, const struct sysstat_machine *m)
{
	struct state *state = out_state_of(out, m->entity);

	for (int i = 0; state && i < SAR_KINDS; i++)
		state->intervals[i].track.shift = 0;
}

/* ---- figures of a row ---- */

struct cpu_time {
	double busy, steal, wait; /* 0 to 1 */
};

/* The parts that the row has, 0 for those that it has not. */
static bool take_parts(const struct sar_row *row, const struct sar_head *h, struct skips *skips,
		       double parts[SAR_PARTS])
{
	for (size_t i = 0; i < SAR_PARTS; i++) {
		size_t at = (size_t)h->parts[i];

		parts[i] = 0;
		if (h->parts[i] < 0)
			continue;
		if (table_figure(row->fields[at], true, &parts[i])) {
			skips_count(skips, table_blank(row->fields[at]) ? SKIP_BLANK : SKIP_NUMBER,
				    row->fields[at]);
			return false;
		}
	}
	return true;
}

static bool out_of_range(const double parts[SAR_PARTS])
{
	for (size_t i = 0; i < SAR_PARTS; i++)
		if (parts[i] < 0 || parts[i] > 100 + SUM_SLACK)
			return true;
	return false;
}

/* SKIP_N, or why the parts cannot be. */
static enum skip judge(const double parts[SAR_PARTS], bool whole)
{
	double sum = 0;

	for (size_t i = 0; i < SAR_PARTS; i++)
		sum += parts[i];
	if (sum == 0)
		return SKIP_ZEROS;
	if (out_of_range(parts))
		return SKIP_RANGE;
	if (sum > 100 + SUM_SLACK || (whole && sum < 100 - SUM_SLACK))
		return SKIP_SUM;
	return parts[PART_STEAL] >= ALL_STOLEN ? SKIP_STOLEN : SKIP_N;
}

/* What was busy: neither idle nor waiting nor stolen. False: the row cannot be used, and has been
 * counted. */
static bool cpu_time(const struct sar_row *row, const struct sar_head *h, struct skips *skips,
		     struct cpu_time *ret)
{
	double parts[SAR_PARTS], busy;
	enum skip why;

	if (!take_parts(row, h, skips, parts))
		return false;
	why = judge(parts, h->whole);
	if (why != SKIP_N) {
		skips_count(skips, why, NULL);
		return false;
	}
	busy = 100 - parts[PART_IDLE] - parts[PART_WAIT] - parts[PART_STEAL];
	*ret = (struct cpu_time){busy > 0 ? busy / 100 : 0, parts[PART_STEAL] / 100,
				 parts[PART_WAIT] / 100};
	return true;
}

/* The mean of all CPUs: what is no CPU time is known only where their number is. */
static int put_cpu(struct out *out, uint32_t entity, bool sum, const struct out_span *span,
		   const struct cpu_time *t, const struct sar_head *h)
{
	double seconds = span->to - span->from, cpus = sum ? out_cpus(out, entity) : 1;
	int err = sum ? out_mean_cpu(out, entity, span, t->busy * seconds)
		      : out_sample(out, entity, DATA_CPU, span, t->busy * seconds);

	if (!err && cpus > 0 && h->parts[PART_STEAL] >= 0)
		err = out_sample(out, entity, DATA_STEAL, span, t->steal * seconds * cpus);
	if (!err && cpus > 0 && h->parts[PART_WAIT] >= 0)
		err = out_sample(out, entity, DATA_IOWAIT, span, t->wait * seconds * cpus);
	return err;
}

static int put_figures(struct out *out, uint32_t entity, const struct out_span *span,
		       const struct sar_row *row, const struct sar_head *h)
{
	int err = 0;

	for (size_t i = 0; i < SAR_FIGURES && !err; i++) {
		bool level = data_quantities[figures[i].quantity].level;
		const char *field = h->figures[i] < 0 ? NULL : row->fields[h->figures[i]];
		double value;

		if (!field)
			continue;
		if (table_figure(field, true, &value)) {
			skips_count(&out->file.skips, table_blank(field) ? SKIP_BLANK : SKIP_NUMBER,
				    field);
			continue;
		}
		value *= figures[i].scale * (level ? 1 : span->to - span->from);
		err = out_sample(out, entity, figures[i].quantity, span, value);
	}
	return err;
}

/* ---- rows ---- */

bool sar_row_is_sum(const struct sar_head *h, const struct sar_row *row)
{
	const char *key = h->key < 0 ? NULL : row->fields[h->key];

	return h->kind == SAR_CPU ? !key || !strcmp(key, "all") || !strcmp(key, "-1") : !key;
}

/* The entity of a row, and where its last turn is kept. 1: it is wanted, 0, -errno. */
static int entity_of(struct out *out, const struct sysstat_machine *m, const struct sar_head *h,
		     const struct sar_row *row, uint32_t *ret)
{
	struct data_entity e = {tables[h->kind].kind, m->entity, "", ""};

	*ret = m->entity;
	if (sar_row_is_sum(h, row))
		return 1;
	e.name = row->fields[h->key];
	return out_entity(out, &e, ret);
}

/* False: the row has no interval of its own, and has been counted. */
static bool find_span(const struct interval *v, uint32_t *seen, const struct sar_row *row,
		      struct skips *skips, struct out_span *ret)
{
	bool again = *seen == v->turn, back = v->follow == FOLLOW_BACK;
	bool clear = v->follow == FOLLOW_NEXT || (row->interval > 0 && v->follow != FOLLOW_SAME);

	*seen = v->turn;
	if (again || !clear) {
		skips_count(skips, !again && back ? SKIP_CLOCK : SKIP_SAME_TIME, row->clock);
		return false;
	}
	*ret = (struct out_span){row->interval > 0 ? v->to - row->interval : v->from, v->to,
				 v->track.run};
	return true;
}

static int put_row(struct out *out, const struct sar_head *h, const struct sar_row *row,
		   uint32_t entity, const struct out_span *span)
{
	struct cpu_time t;

	if (row->n < h->n || (row->n > h->n && !row->longer)) {
		skips_count(&out->file.skips, SKIP_FIELDS, row->clock);
		return 0;
	}
	if (h->kind != SAR_CPU)
		return put_figures(out, entity, span, row, h);
	if (!cpu_time(row, h, &out->file.skips, &t))
		return 0;
	return put_cpu(out, entity, sar_row_is_sum(h, row), span, &t, h);
}

int sar_take(struct reading *g, const struct sysstat_machine *m, const struct sar_head *h,
	     const struct sar_row *row)
{
	struct out *out = g->out;
	struct instant time;
	struct out_span span;
	struct state *state;
	struct part_state *part;
	uint32_t entity;
	int wanted = entity_of(out, m, h, row, &entity);

	if (wanted <= 0)
		return wanted;
	if (!reading_time(g, row->clock, m->day, &time))
		return 0;
	state = out_state(out, m->entity, sizeof(*state));
	part = state && entity != m->entity ? out_state(out, entity, sizeof(*part)) : NULL;
	if (!state || (entity != m->entity && !part))
		return -ENOMEM;
	next_interval(&state->intervals[h->kind], &time);
	if (!find_span(&state->intervals[h->kind], part ? &part->seen : &state->seen[h->kind], row,
		       &out->file.skips, &span))
		return 0;
	return put_row(out, h, row, entity, &span);
}
