/* SPDX-License-Identifier: MIT */
#include "data/domstats.h"

#include "base/units.h"
#include "data/table.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define INDEX_MAX 1024 /* vCPUs, disks, interfaces */

/* A row each: counters of a part number N are called GROUP.N.LEAF, those of the VM LEAF. */
static const struct {
	const char *group, *leaf;
	enum data_kind part;
	enum data_quantity quantity;
	double scale; /* to the quantity's unit */
} rows[] = {
	{"vcpu", "time", DATA_KIND_VCPU, DATA_CPU, 1e-9},
	{"vcpu", "wait", DATA_KIND_VCPU, DATA_READY, 1e-9},
	{"vcpu", "delay", DATA_KIND_VCPU, DATA_READY, 1e-9},
	{NULL, "cpu.time", DATA_KIND_VM, DATA_CPU, 1e-9},
	{NULL, "balloon.maximum", DATA_KIND_VM, DATA_MEMORY_SIZE, KIB},
	{NULL, "balloon.current", DATA_KIND_VM, DATA_MEMORY_GRANTED, KIB},
	{NULL, "balloon.rss", DATA_KIND_VM, DATA_MEMORY_USED, KIB},
	{NULL, "balloon.usable", DATA_KIND_VM, DATA_MEMORY_AVAILABLE, KIB},
	{"block", "rd.bytes", DATA_KIND_DISK, DATA_DISK_READ, 1},
	{"block", "wr.bytes", DATA_KIND_DISK, DATA_DISK_WRITTEN, 1},
	{"block", "rd.reqs", DATA_KIND_DISK, DATA_DISK_READS, 1},
	{"block", "wr.reqs", DATA_KIND_DISK, DATA_DISK_WRITES, 1},
	{"net", "rx.bytes", DATA_KIND_INTERFACE, DATA_NET_RECEIVED, 1},
	{"net", "tx.bytes", DATA_KIND_INTERFACE, DATA_NET_SENT, 1},
};

enum { ROW_RUN, ROW_WAIT, ROW_DELAY, ROW_PROCESS, ROW_OTHERS, ROWS = ARRAY_SIZE(rows) };

/* Slots below 0 are those of names: "block.N.name", "net.N.name". */
enum { NAME_BLOCK, NAME_NET, NAME_KINDS };
#define NAME_SLOT(i) (-2 - (i))

/* What is kept of a VM. */
struct domain {
	struct track track;
	double *last; /* [n_last], by slot: of the last sample that was used */
	size_t n_last;
	double *held; /* [n_held] */
	size_t n_held;
	bool any, is_held, bad;
	double last_at;
	char **names; /* [n_names], by index and kind */
	size_t n_names;
};

void domstats_init(struct domstats *d, struct out *out)
{
	*d = (struct domstats){.out = out};
	out->file.blur = 1; /* `date +%s`, and then virsh, which takes its time */
}

void domstats_done(struct domstats *d)
{
	free(d->now);
	free(d->held);
	*d = (struct domstats){.out = d->out};
}

void domstats_state_done(void *state)
{
	struct domain *domain = state;

	for (size_t i = 0; i < domain->n_names; i++)
		free(domain->names[i]);
	free(domain->names);
	free(domain->last);
	free(domain->held);
}

/* ---- values ---- */

/* "block.0.name" with its slot; DOMSTATS_NONE. */
static int name_slot(const char *name)
{
	static const char *const groups[NAME_KINDS] = {"block", "net"};

	for (int i = 0; i < NAME_KINDS; i++) {
		size_t n = strlen(groups[i]);
		unsigned index;
		int used = 0;

		if (strncasecmp(name, groups[i], n) != 0)
			continue;
		if (sscanf(name + n, ".%4u.name%n", &index, &used) == 1 && used &&
		    !name[n + used] && index < INDEX_MAX)
			return NAME_SLOT((int)index * NAME_KINDS + i);
	}
	return DOMSTATS_NONE;
}

/* "0.time" behind "vcpu.": the index, where the leaf is the one. */
static bool is_leaf(const char *text, const char *leaf, unsigned *ret)
{
	int used = 0;

	return sscanf(text, ".%4u.%n", ret, &used) == 1 && used && *ret < INDEX_MAX &&
	       !strcasecmp(text + used, leaf);
}

/* CPU and ready time are judged together, and read for each other. */
static bool is_read(const struct domstats *d, enum data_quantity quantity)
{
	if (quantity == DATA_CPU || quantity == DATA_READY)
		return out_takes(d->out, DATA_CPU) || out_takes(d->out, DATA_READY);
	return out_takes(d->out, quantity);
}

int domstats_slot(struct domstats *d, const char *name)
{
	for (int i = 0; i < ROWS; i++) {
		size_t n = rows[i].group ? strlen(rows[i].group) : 0;
		unsigned index = 0;
		bool is = n ? !strncasecmp(name, rows[i].group, n) &&
					  is_leaf(name + n, rows[i].leaf, &index)
			    : !strcasecmp(name, rows[i].leaf);

		if (is && !is_read(d, rows[i].quantity))
			return DOMSTATS_NONE;
		d->cpu_time |= is && i < ROW_OTHERS;
		if (is)
			return (int)index * ROWS + i;
	}
	return name_slot(name);
}

/* Room for a slot; new ones are NaN. -ENOMEM. */
static int reserve(double **values, size_t *n, size_t slot)
{
	size_t more = (slot / ROWS + 1) * ROWS;
	double *grown;

	if (slot < *n)
		return 0;
	grown = reallocarray(*values, more, sizeof(double));
	if (!grown)
		return -ENOMEM;
	for (size_t i = *n; i < more; i++)
		grown[i] = NAN;
	*values = grown;
	*n = more;
	return 0;
}

static int copy_values(double **to, size_t *n_to, const double *from, size_t n)
{
	if (n && reserve(to, n_to, n - 1))
		return -ENOMEM;
	for (size_t i = 0; i < *n_to; i++)
		(*to)[i] = i < n ? from[i] : NAN;
	return 0;
}

int domstats_begin(struct domstats *d, uint32_t entity)
{
	d->entity = entity;
	d->domain = out_state(d->out, entity, sizeof(*d->domain));
	d->bad = false;
	for (size_t i = 0; i < d->n_now; i++)
		d->now[i] = NAN;
	return d->domain ? 0 : -ENOMEM;
}

static int set_name(struct domain *domain, size_t i, const char *text)
{
	if (i >= domain->n_names) {
		char **names = reallocarray(domain->names, i + 1, sizeof(*names));

		if (!names)
			return -ENOMEM;
		memset(names + domain->n_names, 0, (i + 1 - domain->n_names) * sizeof(*names));
		domain->names = names;
		domain->n_names = i + 1;
	}
	if (domain->names[i])
		return 0;
	domain->names[i] = strdup(text);
	return domain->names[i] ? 0 : -ENOMEM;
}

int domstats_set(struct domstats *d, int slot, const char *text)
{
	double value;

	if (slot <= NAME_SLOT(0))
		return table_blank(text) ? 0 : set_name(d->domain, (size_t)(-2 - slot), text);
	if (slot < 0 || table_blank(text))
		return 0;
	if (table_figure(text, false, &value) || value < 0) {
		d->bad = true;
		return 0;
	}
	if (reserve(&d->now, &d->n_now, (size_t)slot))
		return -ENOMEM;
	d->now[slot] = value;
	return 0;
}

/* ---- between two samples ---- */

struct change {
	double sum; /* seconds, over the vCPUs */
	bool any;   /* a counter is in both samples */
	bool gone;  /* one is no more, or not this time */
	bool falls; /* the VM was started again */
};

static double value_of(const double *values, size_t n, size_t slot)
{
	return slot < n ? values[slot] : NAN;
}

/* A counter that is new has counted since its vCPU was plugged in, if that can have been within the
 * interval. */
static void add_change(double before, double now, double seconds, struct change *c)
{
	if (isnan(now)) {
		c->gone |= !isnan(before);
		return;
	}
	if (isnan(before))
		before = now / 1e9 <= seconds ? 0 : now;
	c->any = true;
	c->falls |= now < before;
	c->sum += (now - before) / 1e9;
}

static struct change change_of_slot(const struct domstats *d, size_t slot, double seconds)
{
	struct change c = {.any = false};

	add_change(value_of(d->domain->last, d->domain->n_last, slot),
		   value_of(d->now, d->n_now, slot), seconds, &c);
	return c;
}

static struct change change_of(const struct domstats *d, int row, double seconds)
{
	size_t n = d->n_now > d->domain->n_last ? d->n_now : d->domain->n_last;
	struct change c = {.any = false};

	for (size_t slot = (size_t)row; slot < n; slot += ROWS)
		add_change(value_of(d->domain->last, d->domain->n_last, slot),
			   value_of(d->now, d->n_now, slot), seconds, &c);
	return c;
}

/* The whole process's CPU time counts only where there are no vCPUs: emulation is in it. */
static struct change change_of_run(const struct domstats *d, double seconds)
{
	struct change c = change_of(d, ROW_RUN, seconds);

	return c.any || c.gone ? c : change_of(d, ROW_PROCESS, seconds);
}

/* The row of what vCPUs waited, too. */
static struct change change_of_ready(const struct domstats *d, double seconds, int *ret_row)
{
	struct change c = change_of(d, ROW_DELAY, seconds);

	*ret_row = c.any || c.gone ? ROW_DELAY : ROW_WAIT;
	return c.any || c.gone ? c : change_of(d, ROW_WAIT, seconds);
}

/* 1: there is an interval; 0: this sample begins one; -1: it is left out, for the reason. */
static int judge(const struct domstats *d, const struct change *run, const struct change *ready,
		 enum skip *ret_why)
{
	bool any = d->domain->any, falls = run->falls || ready->falls;

	*ret_why = SKIP_BLANK;
	if (!run->any || run->gone || ready->gone)
		return -1;
	*ret_why = SKIP_ZEROS;
	/* Not a nanosecond: figures that are repeated, or a VM that is paused. */
	if (any && run->sum <= 0 && ready->sum <= 0 && !falls)
		return -1;
	*ret_why = any && falls ? SKIP_BACKWARDS : SKIP_N;
	return any && !falls;
}

/* ---- samples ---- */

static int put_vcpus(struct domstats *d, const struct out_span *span, int row)
{
	int err = 0;

	for (size_t i = 0; i * ROWS < d->n_now && err >= 0; i++) {
		struct change c = change_of_slot(d, i * ROWS + (size_t)row, span->to - span->from);
		uint32_t vcpu;

		if (!c.any)
			continue;
		err = out_vcpu(d->out, d->entity, i, &vcpu);
		if (err > 0)
			err = out_sample(d->out, vcpu, rows[row].quantity, span, c.sum);
	}
	return err < 0 ? err : 0;
}

static int put_cpu(struct domstats *d, const struct out_span *span, const struct change *run,
		   const struct change *ready, int ready_row)
{
	int err = out_sample(d->out, d->entity, DATA_CPU, span, run->sum);

	if (!err && ready->any)
		err = out_sample(d->out, d->entity, DATA_READY, span, ready->sum);
	if (!err)
		err = put_vcpus(d, span, ROW_RUN);
	return err ? err : put_vcpus(d, span, ready_row);
}

/* Whose a slot is: the VM's, a disk's or an interface's. */
static int part_of(struct domstats *d, size_t slot, uint32_t *ret)
{
	size_t row = slot % ROWS, index = slot / ROWS;
	size_t name = index * NAME_KINDS +
		      (rows[row].part == DATA_KIND_DISK ? NAME_BLOCK : NAME_NET);
	struct data_entity e = {rows[row].part, d->entity, "", ""};
	char text[24];

	*ret = d->entity;
	if (rows[row].part == DATA_KIND_VM)
		return 1;
	snprintf(text, sizeof(text), "%zu", index);
	e.name = text;
	if (name < d->domain->n_names && d->domain->names[name])
		e.name = d->domain->names[name];
	return out_entity(d->out, &e, ret);
}

static int put_other(struct domstats *d, size_t slot, const struct out_span *span)
{
	double before = value_of(d->domain->last, d->domain->n_last, slot), now = d->now[slot];
	bool level = data_quantities[rows[slot % ROWS].quantity].level;
	uint32_t part;
	int wanted;

	if (isnan(now) || (!level && isnan(before))) {
		if (isnan(now) && !isnan(before))
			skips_count(&d->out->file.skips, SKIP_BLANK, NULL);
		return 0;
	}
	if (!level && now < before) {
		skips_count(&d->out->file.skips, SKIP_BACKWARDS, NULL);
		return 0;
	}
	wanted = part_of(d, slot, &part);
	if (wanted <= 0)
		return wanted;
	return out_sample(d->out, part, rows[slot % ROWS].quantity, span,
			  (level ? now : now - before) * rows[slot % ROWS].scale);
}

static int put_others(struct domstats *d, const struct out_span *span)
{
	int err = 0;

	for (size_t i = 0; i < d->n_now && !err; i++)
		if (i % ROWS >= ROW_OTHERS)
			err = put_other(d, i, span);
	return err;
}

static void count_vcpus(const struct domstats *d)
{
	unsigned n = 0;

	for (size_t i = ROW_RUN; i < d->n_now; i += ROWS)
		n += !isnan(d->now[i]);
	if (n > out_own_cpus(d->out, d->entity))
		out_set_cpus(d->out, d->entity, n);
}

/* The figures since the sample before, where there are any. 0, 1 where this one isn't to be the one
 * before the next, -errno. */
static int put_all(struct domstats *d, const struct out_span *span)
{
	int ready_row = ROW_WAIT, take = d->domain->any, err = 0;
	double seconds = span->to - span->from;
	struct change run = change_of_run(d, seconds);
	struct change ready = change_of_ready(d, seconds, &ready_row);
	enum skip why = SKIP_N;

	if (d->cpu_time)
		take = judge(d, &run, &ready, &why);
	if (why != SKIP_N)
		skips_count(&d->out->file.skips, why, NULL);
	if (take < 0)
		return 1;
	if (take && d->cpu_time)
		err = put_cpu(d, span, &run, &ready, ready_row);
	return take && !err ? put_others(d, span) : err;
}

int domstats_sample(struct domstats *d, const struct instant *time)
{
	struct domain *domain = d->domain;
	struct out_span span = {.from = domain->last_at};
	double last;
	enum follow follow = times_follow(&domain->track, time, &last, &span.to);
	int err;

	span.run = domain->track.run;
	if (follow == FOLLOW_SAME) {
		skips_count(&d->out->file.skips, SKIP_SAME_TIME, NULL);
		return 0;
	}
	if (follow == FOLLOW_BACK) {
		skips_count(&d->out->file.skips, SKIP_CLOCK, NULL);
		domain->any = false;
	}
	err = put_all(d, &span);
	if (err)
		return err < 0 ? err : 0;
	count_vcpus(d);
	domain->last_at = span.to;
	domain->any = true;
	return copy_values(&domain->last, &domain->n_last, d->now, d->n_now);
}

/* ---- samples whose time comes later ---- */

static int list_held(struct domstats *d)
{
	if (d->n_held == d->room_held) {
		size_t room = d->room_held ? 2 * d->room_held : 16;
		uint32_t *held = reallocarray(d->held, room, sizeof(*held));

		if (!held)
			return -ENOMEM;
		d->held = held;
		d->room_held = room;
	}
	d->held[d->n_held++] = d->entity;
	return 0;
}

int domstats_hold(struct domstats *d)
{
	struct domain *domain = d->domain;
	bool again = domain->is_held;

	if (!again && list_held(d))
		return -ENOMEM;
	domain->is_held = true;
	domain->bad = d->bad;
	if (copy_values(&domain->held, &domain->n_held, d->now, d->n_now))
		return -ENOMEM;
	return again;
}

static int release(struct domstats *d, uint32_t entity, const struct instant *time)
{
	struct domain *domain = out_state_of(d->out, entity);

	domain->is_held = false;
	if (!time)
		return 0;
	if (domain->bad) {
		skips_count(&d->out->file.skips, SKIP_NUMBER, NULL);
		return 0;
	}
	d->entity = entity;
	d->domain = domain;
	if (copy_values(&d->now, &d->n_now, domain->held, domain->n_held))
		return -ENOMEM;
	return domstats_sample(d, time);
}

int domstats_release(struct domstats *d, const struct instant *time)
{
	int err = 0;

	for (size_t i = 0; i < d->n_held && !err; i++)
		err = release(d, d->held[i], time);
	d->n_held = 0;
	return err;
}
