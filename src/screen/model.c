/* SPDX-License-Identifier: MIT */
#include "screen/model.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

void model_done(struct model *m)
{
	free(m->bars);
	free(m->rows);
	*m = (struct model){0};
}

double model_percent(const struct model *m, uint64_t ns)
{
	return m->elapsed ? 100.0 * (double)ns / (double)m->elapsed : 0;
}

uint64_t model_away(const uint64_t ns[LEDGER_STATES])
{
	uint64_t sum = 0;

	for (uint32_t s = 0; s < LEDGER_STATES; s++)
		sum += s == LEDGER_RUN || s == LEDGER_HALT ? 0 : ns[s];
	return sum;
}

struct model_bar model_sum(const struct model *m)
{
	struct model_bar sum = {.whole = 0};

	for (size_t i = 0; i < m->n_bars; i++) {
		sum.whole += m->bars[i].whole;
		for (int s = 0; s < MODEL_PARTS; s++)
			sum.ns[s] += m->bars[i].ns[s];
	}
	return sum;
}

struct model_mark model_mark_of(const struct model_row *row)
{
	struct model_mark mark = {.kind = row->kind, .pid = row->pid, .tid = row->tid};

	snprintf(mark.name, sizeof(mark.name), "%s", row->name);
	return mark;
}

bool model_same_mark(const struct model_mark *a, const struct model_mark *b)
{
	if (a->kind != b->kind || a->pid != b->pid || a->tid != b->tid)
		return false;
	return a->pid || !strcmp(a->name, b->name);
}

bool model_is_marked(const struct model_mark *mark, const struct model_row *row)
{
	if (row->kind != mark->kind || row->pid != mark->pid || row->tid != mark->tid)
		return false;
	return row->pid || !strncmp(row->name, mark->name, sizeof(mark->name) - 1);
}

/* ---- for those that make rows ---- */

static bool contains(const char *text, const char *part)
{
	return text && strcasestr(text, part);
}

bool model_is_filtered(const struct model_view *view)
{
	return view->filter[0] || view->user[0] || view->n_pids;
}

static bool is_listed(pid_t pid, const struct model_view *view)
{
	for (size_t i = 0; i < view->n_pids; i++)
		if (view->pids[i] == pid)
			return true;
	return !view->n_pids;
}

bool model_matches(const struct model_row *row, const struct model_view *view)
{
	char pid[16];

	if (!is_listed(row->pid, view) ||
	    (view->user[0] && (!row->user || strcmp(row->user, view->user))))
		return false;
	if (!view->filter[0])
		return true;
	snprintf(pid, sizeof(pid), "%d", row->pid);
	return contains(row->name, view->filter) || contains(row->user, view->filter) ||
	       contains(row->cgroup, view->filter) || contains(row->uuid, view->filter) ||
	       contains(pid, view->filter) ||
	       (view->command && contains(row->command, view->filter));
}

bool model_is_folded(const struct model *m, const struct model_row *row)
{
	for (size_t i = 0; i < m->view.n_folded; i++)
		if (model_is_marked(&m->view.folded[i], row))
			return true;
	return false;
}

struct model_row *model_add_row(struct model *m, const struct row_kind *kind, const char *name)
{
	struct model_row *row = &m->rows[m->n_rows++];

	*row = (struct model_row){.kind = kind, .name = name, .parent = SIZE_MAX};
	return row;
}
