/* SPDX-License-Identifier: MIT */
#include "screen/guest.h"

#include "base/cleanup.h"
#include "base/units.h"
#include "screen/model_arrange.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- finding again in the first frame what is in the second ---- */

struct found {
	int key; /* pid or tid */
	size_t at;
};

struct past {
	const struct snapshot *frame; /* NULL: nothing was before */
	struct found *processes, *threads;
};

static int by_key(const void *a, const void *b)
{
	int x = ((const struct found *)a)->key, y = ((const struct found *)b)->key;

	return x < y ? -1 : x > y;
}

static const struct found *look_up(const struct found *list, size_t n, int key)
{
	struct found wanted = {.key = key};

	return n ? bsearch(&wanted, list, n, sizeof(*list), by_key) : NULL;
}

static int past_make(const struct snapshot *frame, struct past *ret)
{
	struct past p = {.frame = frame};

	if (!frame) {
		*ret = p;
		return 0;
	}
	p.processes = calloc(frame->n_processes + 1, sizeof(*p.processes));
	p.threads = calloc(frame->n_threads + 1, sizeof(*p.threads));
	if (!p.processes || !p.threads) {
		free(p.processes);
		free(p.threads);
		return -ENOMEM;
	}
	for (size_t i = 0; i < frame->n_processes; i++)
		p.processes[i] = (struct found){frame->processes[i].pid, i};
	for (size_t i = 0; i < frame->n_threads; i++)
		p.threads[i] = (struct found){frame->threads[i].tid, i};
	qsort(p.processes, frame->n_processes, sizeof(*p.processes), by_key);
	qsort(p.threads, frame->n_threads, sizeof(*p.threads), by_key);
	*ret = p;
	return 0;
}

static void past_done(struct past *p)
{
	free(p->processes);
	free(p->threads);
}

static const struct snapshot_process *past_process(const struct past *p,
						   const struct snapshot_process *now)
{
	const struct found *f = p->frame ? look_up(p->processes, p->frame->n_processes, now->pid)
					 : NULL;

	return f && p->frame->processes[f->at].id == now->id ? &p->frame->processes[f->at] : NULL;
}

static struct figures process_delta(const struct past *p, const struct snapshot_process *now)
{
	const struct snapshot_process *before = past_process(p, now);
	struct figures d = now->own;

	if (before)
		figures_subtract(&d, &before->own);
	return d;
}

static struct figures thread_delta(const struct past *p, const struct snapshot_process *of,
				   const struct snapshot_thread *now)
{
	const struct snapshot_process *before = past_process(p, of);
	struct figures d = now->own;
	const struct found *f;

	if (!p->frame || !before)
		return d;
	f = look_up(p->threads, p->frame->n_threads, now->tid);
	if (f && f->at >= before->first_thread && f->at < before->first_thread + before->n_threads)
		figures_subtract(&d, &p->frame->threads[f->at].own);
	return d;
}

/* ---- rows ---- */

static void add_threads(struct model *m, const struct past *past, const struct snapshot_process *p,
			bool busy_only)
{
	size_t parent = m->n_rows - 1;

	for (size_t i = 0; i < p->n_threads; i++) {
		const struct snapshot_thread *t = &m->frame->threads[p->first_thread + i];
		struct figures own = thread_delta(past, p, t);
		struct model_row *row;

		if (busy_only && !figures_occupied(&own))
			continue;
		row = model_add_row(m, &row_thread, t->name);
		row->pid = p->pid;
		row->tid = t->tid;
		row->user = p->user;
		row->cgroup = p->cgroup;
		row->own = own;
		row->parent = parent;
	}
}

static struct model_row row_of(const struct snapshot_process *p)
{
	return (struct model_row){
		.kind = &row_process,
		.pid = p->pid > 0 ? p->pid : 0,
		.name = p->name,
		.user = p->user,
		.cgroup = p->cgroup,
		.command = p->command,
		.state = p->state,
		.rss = p->rss,
		.parent = SIZE_MAX,
	};
}

/* Every process that the view shows; `ret_exited` is what the others of the sum were. */
static void add_processes(struct model *m, const struct past *past, const struct model_view *view,
			  struct figures *ret_exited)
{
	*ret_exited = m->busy;
	m->n_all = m->frame->n_processes;
	for (size_t i = 0; i < m->frame->n_processes; i++) {
		const struct snapshot_process *p = &m->frame->processes[i];
		struct model_row row = row_of(p);

		row.own = process_delta(past, p);
		figures_subtract(ret_exited, &row.own);
		if (!model_matches(&row, view))
			continue;
		m->n_matching++;
		if (view->busy_only && !figures_occupied(&row.own))
			continue;
		row.members = i; /* for now: where its parent is asked for */
		m->rows[m->n_rows++] = row;
		if (view->threads && !(view->groups && !view->tree))
			add_threads(m, past, p, view->busy_only);
	}
}

/* Processes below their parents, as far as those are shown. */
static int link_parents(struct model *m)
{
	_cleanup_(free_ptr) struct found *places = calloc(m->n_rows + 1, sizeof(*places));
	size_t n = 0;

	if (!places)
		return -ENOMEM;
	for (size_t i = 0; i < m->n_rows; i++)
		if (m->rows[i].kind == &row_process && m->rows[i].pid)
			places[n++] = (struct found){m->rows[i].pid, i};
	qsort(places, n, sizeof(*places), by_key);
	for (size_t i = 0; i < m->n_rows; i++) {
		struct model_row *row = &m->rows[i];
		const struct found *f;

		if (row->kind != &row_process)
			continue;
		f = look_up(places, n, m->frame->processes[row->members].parent);
		if (f && f->at != i)
			row->parent = f->at;
	}
	return 0;
}

static int by_cgroup(const void *x, const void *y, void *rows)
{
	const struct model_row *a = (const struct model_row *)rows + *(const size_t *)x;
	const struct model_row *b = (const struct model_row *)rows + *(const size_t *)y;

	return strcmp(a->cgroup ? a->cgroup : "", b->cgroup ? b->cgroup : "");
}

/* A row for each cgroup behind the others, and its processes below it. */
static int add_groups(struct model *m)
{
	_cleanup_(free_ptr) size_t *order = calloc(m->n_rows + 1, sizeof(*order));
	size_t n = 0;

	if (!order)
		return -ENOMEM;
	for (size_t i = 0; i < m->n_rows; i++)
		if (m->rows[i].kind == &row_process)
			order[n++] = i;
	qsort_r(order, n, sizeof(*order), by_cgroup, m->rows);
	for (size_t i = 0; i < n; i++) {
		struct model_row *row = &m->rows[order[i]], *group = &m->rows[m->n_rows - 1];

		if (i == 0 || by_cgroup(&order[i - 1], &order[i], m->rows)) {
			group = model_add_row(m, &row_group,
					      row->cgroup ? row->cgroup : "(not known)");
			group->cgroup = row->cgroup;
		}
		row->parent = m->n_rows - 1;
		figures_add(&group->own, &row->own);
		group->rss += row->rss;
		group->members++;
	}
	return 0;
}

/* Only the groups are shown: their members have been summed up. */
static void drop_members(struct model *m)
{
	size_t n = 0;

	for (size_t i = 0; i < m->n_rows; i++)
		if (m->rows[i].kind == &row_group)
			m->rows[n++] = m->rows[i];
	m->n_rows = n;
}

static int link_rows(struct model *m, const struct model_view *view)
{
	int err = 0;

	if (view->groups)
		err = add_groups(m);
	else if (view->tree)
		err = link_parents(m);
	if (!err && view->groups && !view->tree)
		drop_members(m);
	for (size_t i = 0; i < m->n_rows; i++)
		if (m->rows[i].kind == &row_process)
			m->rows[i].members = 0;
	return err;
}

static void put_vmdesched(struct model *m)
{
	struct model_row *row = &m->rows[0];

	*row = (struct model_row){
		.kind = &row_vmdesched, .name = "vmdesched", .last = true, .parent = SIZE_MAX};
	row->own.truth = figures_away(&m->busy);
}

/* A snapshot's seconds are rounded to ns, four for each process: that much is nobody. */
static void add_exited(struct model *m, const struct model_view *view, const struct figures *exited)
{
	if (m->frame->split && figures_occupied(exited) > 4 * m->n_all && !model_is_filtered(view))
		model_add_row(m, &row_exited, "(exited)")->own = *exited;
}

static int make_rows(struct model *m, const struct past *past, const struct model_view *view)
{
	struct figures exited;
	int err;

	m->rows = calloc(2 * m->frame->n_processes + m->frame->n_threads + 2, sizeof(*m->rows));
	if (!m->rows)
		return -ENOMEM;
	m->rows++; /* the place of vmdesched, which no other row is above or below of */
	add_processes(m, past, view, &exited);
	err = link_rows(m, view);
	if (!err)
		add_exited(m, view, &exited);
	if (!err)
		err = model_arrange(m, m->rows, m->n_rows);
	for (size_t i = 0; i < m->n_rows; i++)
		m->rows[i].parent += m->rows[i].parent != SIZE_MAX;
	m->rows--;
	m->n_rows++;
	if (err)
		return err;
	put_vmdesched(m);
	return model_fold(m);
}

static uint64_t part_of(const struct snapshot_cpu *c, int part)
{
	return part == MODEL_UNKNOWN ? c->unaccounted + c->idle_unaccounted : c->ledger[part];
}

static void make_bars(struct model *m, const struct past *past)
{
	for (size_t i = 0; i < m->frame->n_cpus; i++) {
		const struct snapshot_cpu *now = &m->frame->cpus[i];
		const struct snapshot_cpu *before = past->frame && i < past->frame->n_cpus
							    ? &past->frame->cpus[i]
							    : NULL;
		struct model_bar *c = &m->bars[m->n_bars++];

		snprintf(c->name, sizeof(c->name), "CPU %u", now->cpu);
		c->whole = m->elapsed;
		for (int part = 0; part < MODEL_PARTS; part++)
			c->ns[part] = part_of(now, part);
		for (int part = 0; before && before->cpu == now->cpu && part < MODEL_PARTS; part++)
			c->ns[part] = u64_sub_floor(c->ns[part], part_of(before, part));
	}
}

#define SESSION_SLACK NS_PER_SEC /* dates and the agent's clock differ by less */

/* The agent of `to` was started after `from`, as far as dates say. */
static bool began_since(const struct snapshot *from, const struct snapshot *to)
{
	if (!from->time || to->time <= from->time)
		return to->elapsed < from->elapsed;
	return to->elapsed + to->lag <= u64_sub_floor(to->time, from->time) + SESSION_SLACK;
}

int guest_model(const struct snapshot *from, const struct snapshot *to,
		const struct model_view *view, struct model *ret)
{
	bool same = from && snapshot_goes_on(from->session, from->elapsed, to);
	struct model m = {.subject = &subject_guest, .view = *view, .time = to->time};
	_cleanup_(past_done) struct past past = {.frame = NULL};
	int err = !from || same || began_since(from, to) ? past_make(same ? from : NULL, &past)
							 : -ESTALE;

	if (err)
		return err;
	m.elapsed = to->elapsed;
	m.frame = to;
	m.busy = to->busy;
	m.idle = to->idle;
	m.other = from && from->session != to->session;
	if (same) {
		m.elapsed -= from->elapsed;
		figures_subtract(&m.busy, &from->busy);
		figures_subtract(&m.idle, &from->idle);
	}
	m.bars = calloc(to->n_cpus + 1, sizeof(*m.bars));
	err = m.bars ? make_rows(&m, &past, view) : -ENOMEM;
	if (err) {
		model_done(&m);
		return err;
	}
	make_bars(&m, &past);
	*ret = m;
	return 0;
}
