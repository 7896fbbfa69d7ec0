/* SPDX-License-Identifier: MIT */
/* What a screen about a guest is made of: columns, kinds of rows, what stands above the table. The
 * rows themselves are guest_rows.c's. */
#include "screen/guest.h"

#include "base/json_out.h"
#include "base/units.h"
#include "wire/wire.h"

#include <inttypes.h>

bool guest_has_unknown(const struct model *m)
{
	struct model_bar sum = model_sum(m);

	return model_percent(m, sum.ns[MODEL_UNKNOWN]) >= 0.05 ||
	       model_percent(m, m->busy.unaccounted) >= 0.05;
}

/* ---- columns ---- */

static struct value known(uint64_t n)
{
	return (struct value){.is = VALUE_KNOWN, .n = n};
}

static struct value text_of(const char *text)
{
	return (struct value){.is = text ? VALUE_KNOWN : VALUE_NONE, .text = text};
}

static const struct value none = {.is = VALUE_NONE};

static struct value pid_of(const struct column *c, const struct model *m,
			   const struct model_row *row)
{
	(void)c;
	(void)m;
	if (row->kind == &row_group)
		return known(row->members);
	return row->pid ? known((uint64_t)(row->tid ? row->tid : row->pid)) : none;
}

static struct value user_of(const struct column *c, const struct model *m,
			    const struct model_row *row)
{
	(void)c;
	(void)m;
	if (row->kind == &row_group)
		return (struct value){.is = VALUE_EMPTY};
	return text_of(row->user);
}

static struct value reported_of(const struct column *c, const struct model *m,
				const struct model_row *row)
{
	(void)c;
	return row->kind == &row_vmdesched ? none : known(snapshot_reported(m->frame, &row->own));
}

/* Of processes it may be that only what is reported is known. */
static struct value split(const struct model *m, uint64_t ns)
{
	return (struct value){.is = m->frame->split ? VALUE_KNOWN : VALUE_UNKNOWN, .n = ns};
}

static struct value true_of(const struct column *c, const struct model *m,
			    const struct model_row *row)
{
	(void)c;
	return row->kind == &row_vmdesched ? known(row->own.truth) : split(m, row->own.truth);
}

static struct value descheduled_of(const struct column *c, const struct model *m,
				   const struct model_row *row)
{
	(void)c;
	return row->kind == &row_vmdesched ? none : split(m, figures_away(&row->own));
}

static struct value unaccounted_of(const struct column *c, const struct model *m,
				   const struct model_row *row)
{
	(void)c;
	return row->kind == &row_vmdesched ? none : split(m, row->own.unaccounted);
}

static struct value memory_of(const struct column *c, const struct model *m,
			      const struct model_row *row)
{
	(void)c;
	(void)m;
	return row->rss ? known(row->rss) : none;
}

static struct value state_of(const struct column *c, const struct model *m,
			     const struct model_row *row)
{
	(void)c;
	(void)m;
	return row->state ? known((unsigned char)row->state) : (struct value){.is = VALUE_EMPTY};
}

static struct value name_of(const struct column *c, const struct model *m,
			    const struct model_row *row)
{
	(void)c;
	(void)m;
	return text_of(row->name);
}

static struct value cgroup_of(const struct column *c, const struct model *m,
			      const struct model_row *row)
{
	(void)c;
	(void)m;
	return text_of(row->cgroup);
}

static bool has_processes(const struct model *m)
{
	return !m->view.groups;
}

static const struct column columns[] = {
	{"pid", "PID", "PROCS", UNIT_ID, .width = 7, .key = 'p', .table = 8, .value = pid_of},
	{"user", "USER", NULL, UNIT_TEXT, .width = 8, .needs = 60, .key = 'u', .value = user_of},
	{"reported", "%REPORTED", NULL, UNIT_PERCENT, .width = 9, .key = 'r', .table = 9,
	 .json = true, .help = "what the kernel bills a process for, in percent of one CPU",
	 .value = reported_of},
	{"true", "%TRUE", NULL, UNIT_PERCENT, .width = 7, .key = 't', .table = 9, .json = true,
	 .help = "what it really had", .value = true_of},
	{"descheduled", "%DESCHED", NULL, UNIT_PERCENT, .width = 8, .key = 'd', .table = 9,
	 .json = true, .style = STYLE_AWAY, .help = "the rest: the virtual CPU was away meanwhile",
	 .value = descheduled_of},
	{"unaccounted", "%UNKNOWN", NULL, UNIT_PERCENT, .width = 8, .table = 9, .json = true,
	 .value = unaccounted_of, .there = guest_has_unknown},
	{"memory", "MEM", NULL, UNIT_BYTES, .width = 5, .needs = 92, .key = 'm',
	 .value = memory_of},
	{NULL, "S", "", UNIT_LETTER, .width = 1, .needs = 92, .value = state_of},
	{NULL, "SHARE", NULL, UNIT_BAR, .width = 12, .needs = 76},
	{"name", "COMMAND", "CGROUP", UNIT_NAME, .key = 'n', .table = 1, .json = true,
	 .value = name_of},
	{"cgroup", "CGROUP", NULL, UNIT_TEXT, .needs = 110, .style = STYLE_DIM, .value = cgroup_of,
	 .there = has_processes},
};

/* ---- kinds of rows ---- */

static void status_vmdesched(const struct model_row *row, struct pen *p)
{
	(void)row;
	pen_text(p, "reported for processes while their CPU was not running");
}

static void status_exited(const struct model_row *row, struct pen *p)
{
	(void)row;
	pen_text(p, "processes that were gone when the interval ended");
}

static void status_group(const struct model_row *row, struct pen *p)
{
	pen_printf(p, "%zu process%s in ", row->members, row->members == 1 ? "" : "es");
	pen_text(p, row->name);
}

static void status_process(const struct model_row *row, struct pen *p)
{
	if (row->pid)
		pen_printf(p, "%d", row->pid);
	if (row->tid)
		pen_printf(p, " thread %d", row->tid);
	pen_text(p, " ");
	pen_text(p, row->name);
	pen_text(p, row->cgroup ? "  in " : "");
	pen_text(p, row->cgroup ? row->cgroup : "");
}

static void put_process(const struct model *m, const struct model_row *row, json_t *o)
{
	(void)m;
	json_object_set_new(o, "pid", row->pid ? json_integer(row->pid) : json_null());
}

const struct row_kind row_vmdesched = {'V', STYLE_AWAY, status_vmdesched, NULL, NULL, NULL};
const struct row_kind row_group = {'G', STYLE_NORMAL, status_group, put_process, NULL, NULL};
const struct row_kind row_process = {'P', STYLE_NORMAL, status_process, put_process, NULL, NULL};
const struct row_kind row_thread = {'T', STYLE_NORMAL, status_process, put_process, NULL, NULL};
const struct row_kind row_exited = {'X', STYLE_DIM, status_exited, put_process, NULL, NULL};

static const struct row_kind *const kinds[] = {
	&row_vmdesched, &row_group, &row_process, &row_thread, &row_exited, NULL,
};

static void parts(const struct model_row *row, uint64_t ret[MODEL_PARTS])
{
	bool vmdesched = row->kind == &row_vmdesched;

	ret[LEDGER_RUN] = vmdesched ? 0 : row->own.truth;
	ret[LEDGER_READY] = vmdesched ? row->own.truth : row->own.descheduled;
	ret[LEDGER_WAIT] = row->own.wait;
	ret[MODEL_UNKNOWN] = row->own.unaccounted;
}

/* ---- above the table ---- */

static void title(const struct model *m, struct pen *p)
{
	pen_printf(p, ", source %s   %zu CPU%s   %.1f s", m->frame->source, m->n_bars,
		   m->n_bars == 1 ? "" : "s", ns_to_s(m->elapsed));
}

static void totals(const struct model *m, struct pen *p)
{
	pen_printf(p, "busy %.1f %% = true ", model_percent(m, figures_occupied(&m->busy)));
	p->style = STYLE_RUN;
	pen_printf(p, "%.1f %%", model_percent(m, m->busy.truth));
	p->style = STYLE_NORMAL;
	pen_text(p, " + vmdesched ");
	p->style = STYLE_AWAY;
	pen_printf(p, "%.1f %%", model_percent(m, figures_away(&m->busy)));
	if (guest_has_unknown(m)) {
		p->style = STYLE_NORMAL;
		pen_text(p, " + ");
		p->style = STYLE_ALARM;
		pen_printf(p, "unaccounted %.1f %%", model_percent(m, m->busy.unaccounted));
	}
	p->style = STYLE_DIM;
	pen_text(p, "   ");
	pen_right(p, "away while idle %.1f %%", model_percent(m, figures_away(&m->idle)));
}

#define CLOCK_SHOWN_NS (100 * NS_PER_US) /* an error that begins to matter */

static void note_frame(const struct snapshot *f, struct notes *n)
{
	if (f->stale || !f->complete)
		notes_add(n, STYLE_ALARM,
			  f->stale ? "the host has said nothing for %.1f s: the figures end there"
				   : "the last %.1f s are not told yet: the figures end there",
			  ns_to_s(f->lag));
	if (f->clock.stale)
		notes_add(n, STYLE_ALARM,
			  "stale clock: away time waits and is unaccounted after 10 s");
	if (f->clock.error >= CLOCK_SHOWN_NS)
		notes_add(n, STYLE_DIM,
			  "clock +-%" PRIu64 " us: gaps begin and end that uncertainly",
			  f->clock.error / NS_PER_US);
	if (f->counters.lost_switches)
		notes_add(n, STYLE_ALARM,
			  "%" PRIu64 " switches were lost: %.3f s have no owner, see (lost)",
			  f->counters.lost_switches, ns_to_s(f->counters.lost_run));
	if (f->counters.no_room)
		notes_add(n, STYLE_ALARM, "more tasks than there is room for: some are in (other)");
	if (f->estimated && f->elapsed)
		notes_add(n, STYLE_DIM,
			  "estimated: vmdesched is between %.1f and %.1f %% since the start",
			  100 * ns_to_s(f->low) / ns_to_s(f->elapsed),
			  100 * ns_to_s(f->high) / ns_to_s(f->elapsed));
	if (f->kernel_subtracts)
		notes_add(n, STYLE_DIM,
			  "this kernel subtracts steal itself: what it reports is true already");
}

/* What the interval can't tell, then what the frame can't. */
static void notes(const struct model *m, struct notes *n)
{
	if (m->other)
		notes_add(n, STYLE_ALARM,
			  "another session of the agent or its host began in between");
	if (guest_has_unknown(m))
		notes_add(n, STYLE_ALARM,
			  "%.2f s of busy CPU time are unaccounted, neither true nor away",
			  ns_to_s(m->busy.unaccounted));
	note_frame(m->frame, n);
}

static double past(const struct model *m)
{
	return model_percent(m, figures_away(&m->busy));
}

/* ---- tables and JSON ---- */

static void print_warnings(const struct snapshot *f, FILE *to)
{
	if (f->kernel_subtracts)
		fprintf(to,
			"this kernel subtracts steal itself: what it reports is true already\n");
	if (f->estimated && f->elapsed)
		fprintf(to, "estimated: vmdesched between %.1f and %.1f %% since the start\n",
			100 * ns_to_s(f->low) / ns_to_s(f->elapsed),
			100 * ns_to_s(f->high) / ns_to_s(f->elapsed));
	if (!f->complete || f->stale)
		fprintf(to, "warning: the source has %s: the figures end %.1f s ago\n",
			f->stale ? "stopped telling (stale)" : "not told everything yet",
			ns_to_s(f->lag));
	if (f->clock.error)
		fprintf(to, "clock +-%" PRIu64 " us\n", f->clock.error / NS_PER_US);
	if (f->clock.stale)
		fprintf(to,
			"warning: stale clock, away time waits and is unaccounted after 10 s\n");
	if (f->counters.lost_switches)
		fprintf(to, "warning: %" PRIu64 " switches were lost, %.3f s have no owner\n",
			f->counters.lost_switches, ns_to_s(f->counters.lost_run));
}

static void print_head(const struct model *m, const char *until, FILE *to)
{
	fprintf(to, "desched top - source %s, %zu CPU%s, %.1f s%s\n", m->frame->source, m->n_bars,
		m->n_bars == 1 ? "" : "s", ns_to_s(m->elapsed), until);
	fprintf(to,
		"busy %.1f %%: true %.1f %%, vmdesched %.1f %%; while idle %.1f %% descheduled\n",
		model_percent(m, figures_occupied(&m->busy)), model_percent(m, m->busy.truth),
		model_percent(m, figures_away(&m->busy)), model_percent(m, figures_away(&m->idle)));
	if (guest_has_unknown(m))
		fprintf(to, "unaccounted %.1f %%, while idle %.1f %%: nobody knows what that was\n",
			model_percent(m, m->busy.unaccounted),
			model_percent(m, m->idle.unaccounted));
	if (m->other)
		fprintf(to, "another session of the agent or its host began in between\n");
	print_warnings(m->frame, to);
}

static json_t *fraction(const struct model *m, uint64_t ns)
{
	return json_real(model_percent(m, ns) / 100);
}

static void put_head(const struct model *m, json_t *o)
{
	const struct snapshot *f = m->frame;

	json_object_set_new(o, "source", json_out_name(f->source));
	json_object_set_new(o, "kernel_subtracts", json_boolean(f->kernel_subtracts));
	json_object_set_new(o, "complete", json_boolean(f->complete && !f->stale));
	json_object_set_new(o, "time_s", json_real(ns_to_s(f->time)));
	json_object_set_new(o, "seconds", json_real(ns_to_s(m->elapsed)));
	json_object_set_new(o, "cpus", json_integer((json_int_t)m->n_bars));
	json_object_set_new(o, "busy", fraction(m, figures_occupied(&m->busy)));
	json_object_set_new(o, "vmdesched", fraction(m, figures_away(&m->busy)));
	json_object_set_new(o, "unaccounted", fraction(m, m->busy.unaccounted));
	json_object_set_new(o, "idle_descheduled", fraction(m, figures_away(&m->idle)));
	json_object_set_new(o, "idle_unaccounted", fraction(m, m->idle.unaccounted));
	json_object_set_new(o, "lag_s", json_real(ns_to_s(f->lag)));
	json_object_set_new(o, "session", wire_id_json(f->session));
	json_object_set_new(o, "other_session", json_boolean(m->other));
}

/* ---- the subject ---- */

static uint64_t elapsed(const struct frame *f)
{
	return f->guest.elapsed;
}

static uint64_t lag(const struct frame *f)
{
	return f->guest.lag;
}

static bool is_news(const struct frame *shown, const struct frame *now)
{
	const struct snapshot *s = &shown->guest;

	return !snapshot_goes_on(s->session, s->elapsed, &now->guest) ||
	       now->guest.elapsed > s->elapsed;
}

static void done(struct frame *f)
{
	snapshot_done(&f->guest);
}

static int make(const struct frame *from, const struct frame *to, const struct model_view *view,
		struct model *ret)
{
	return guest_model(from ? &from->guest : NULL, &to->guest, view, ret);
}

const struct subject subject_guest = {
	.name = "top",
	.one = "process",
	.several = "processes",
	.history = "vmdesched",
	.sort = "reported",
	.schema = "desched-top/2",
	.list = "processes",
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
	.title = title,
	.totals = totals,
	.notes = notes,
	.print_head = print_head,
	.put_head = put_head,
};
