/* SPDX-License-Identifier: MIT */
#include "screen/model_arrange.h"

#include "base/cleanup.h"
#include "base/units.h"
#include "screen/subject.h"

#include <errno.h>
#include <string.h>

struct arranger {
	const struct model *model;
	const struct model_row *rows;
	const struct column *sort;
	bool reverse;
};

static int compare_numbers(uint64_t a, uint64_t b)
{
	return a < b ? -1 : a > b;
}

/* By parent, so that siblings stand together; then by the key; then as nobody else can decide. */
static int compare(const void *x, const void *y, void *data)
{
	const struct arranger *r = data;
	size_t i = *(const size_t *)x, j = *(const size_t *)y;
	const struct model_row *a = &r->rows[i], *b = &r->rows[j];
	int c;

	if (a->parent != b->parent)
		return compare_numbers(a->parent, b->parent);
	c = column_compare(r->sort, r->model, a, b);
	if (!c)
		c = a->pid < b->pid ? -1 : a->pid > b->pid;
	if (!c)
		c = a->tid < b->tid ? -1 : a->tid > b->tid;
	if (c)
		return r->reverse ? -c : c;
	return compare_numbers(i, j);
}

/* Takes the parent from the first row of every circle that is met twice on one walk upwards. */
static void open_circles(struct model_row *rows, size_t n, size_t *walk_of)
{
	for (size_t i = 0; i < n; i++) {
		size_t at = i;

		while (!walk_of[at]) {
			walk_of[at] = i + 1;
			if (rows[at].parent == SIZE_MAX)
				break;
			if (walk_of[rows[at].parent] == i + 1)
				rows[at].parent = SIZE_MAX;
			else
				at = rows[at].parent;
		}
	}
}

struct placing {
	const struct model_row *rows; /* as they were */
	const size_t *order;	      /* sorted; the children of row i are order[first[i]..] */
	const size_t *first, *count;
	struct model_row *placed;
	size_t n_placed;
	size_t *stack; /* of rows, the next one on top */
	size_t n_stack;
	size_t *place; /* of a row that has one */
};

static void push_children(struct placing *p, size_t first, size_t count)
{
	while (count)
		p->stack[p->n_stack++] = p->order[first + --count];
}

static void inherit(struct model_row *row, const struct model_row *parent)
{
	row->depth = parent->depth + 1;
	row->rails = parent->rails;
	if (!parent->last && parent->depth < ROW_DEPTH_MAX)
		row->rails |= UINT32_C(1) << parent->depth;
}

static void place_next(struct placing *p)
{
	size_t from = p->stack[--p->n_stack];
	struct model_row *to = &p->placed[p->n_placed];
	const struct model_row *old = &p->rows[from];

	*to = *old;
	to->depth = 0;
	to->rails = 0;
	to->last = p->n_stack == 0 || p->rows[p->stack[p->n_stack - 1]].parent != old->parent;
	p->place[from] = p->n_placed++;
	if (old->parent != SIZE_MAX) {
		to->parent = p->place[old->parent];
		inherit(to, &p->placed[to->parent]);
	}
	push_children(p, p->first[from], p->count[from]);
}

/* Where the children of each row stand in the order; returns how many have no parent. */
static size_t find_children(const struct model_row *rows, const size_t *order, size_t n,
			    size_t *first, size_t *count)
{
	size_t roots = 0;

	for (size_t i = n; i-- > 0;) {
		size_t parent = rows[order[i]].parent;

		if (parent == SIZE_MAX) {
			roots++;
			continue;
		}
		first[parent] = i;
		count[parent]++;
	}
	return roots;
}

int model_arrange(const struct model *m, struct model_row *rows, size_t n)
{
	struct arranger arranger = {m, rows, subject_sort(m->subject, &m->view), m->view.reverse};
	_cleanup_(free_ptr) size_t *numbers = calloc(5 * n + 1, sizeof(*numbers));
	_cleanup_(free_ptr) struct model_row *placed = calloc(n + 1, sizeof(*placed));
	size_t *order = numbers, *first, *count, roots;
	struct placing p;

	if (!numbers || !placed)
		return -ENOMEM;
	first = order + n;
	count = first + n;
	p = (struct placing){rows, order, first, count, placed, 0, count + n, 0, count + 2 * n};
	open_circles(rows, n, count);
	memset(count, 0, n * sizeof(*count));
	for (size_t i = 0; i < n; i++)
		order[i] = i;
	qsort_r(order, n, sizeof(*order), compare, &arranger);
	roots = find_children(rows, order, n, first, count);
	push_children(&p, n - roots, roots);
	while (p.n_stack)
		place_next(&p);
	memcpy(rows, placed, n * sizeof(*rows));
	return 0;
}

/* The first row behind `at` that is not below it. */
static size_t end_of(const struct model *m, size_t at)
{
	size_t end = at + 1;

	while (end < m->n_rows && m->rows[end].depth > m->rows[at].depth)
		end++;
	return end;
}

int model_fold(struct model *m)
{
	_cleanup_(free_ptr) size_t *place = calloc(m->n_rows + 1, sizeof(*place));
	size_t n = 0;

	if (!place)
		return -ENOMEM;
	for (size_t i = 0, next; i < m->n_rows; i = next) {
		struct model_row *to = &m->rows[n];

		next = model_is_folded(m, &m->rows[i]) ? end_of(m, i) : i + 1;
		*to = m->rows[i];
		to->hidden = next - i - 1;
		if (to->parent != SIZE_MAX)
			to->parent = place[to->parent];
		place[i] = n++;
	}
	m->n_rows = n;
	return 0;
}
