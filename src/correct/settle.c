/* SPDX-License-Identifier: MIT */
/*
 * What of a file's pieces may be added up: times that several runs tell of, and intervals of which
 * a part is out of range.
 */
#include "correct/usage.h"

#include "base/cleanup.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

#define LONG  3	   /* usual lengths: what overlaps others and is longer ends at a stray time */
#define TOUCH 0.01 /* of the shorter: so much of an overlap is rounding */
#define SAME  1e-6 /* of the CPU time: the order in which it was added up */

/* What somebody had in one interval of one run. */
struct claim {
	struct piece p;
	bool twice; /* an earlier run says the same */
	bool bad;   /* nobody's piece of the interval can be used */
	bool gone;  /* done with */
};

static int order(double x, double y)
{
	return (x > y) - (x < y);
}

static int by_interval(const struct piece *x, const struct piece *y)
{
	int from = order(x->from, y->from);

	return from ? from : order(x->to, y->to);
}

static int by_claim(const void *a, const void *b)
{
	const struct piece *x = &((const struct claim *)a)->p, *y = &((const struct claim *)b)->p;
	int interval = by_interval(x, y);

	if (x->who != y->who)
		return x->who < y->who ? -1 : 1;
	return interval ? interval : (x->run > y->run) - (x->run < y->run);
}

static int by_span(const void *a, const void *b)
{
	return by_interval(&((const struct claim *)a)->p, &((const struct claim *)b)->p);
}

/* Claims in order, with pieces of one name, interval and run added up. Returns how many. */
static size_t make_claims(const struct usage *r, struct claim *claims)
{
	size_t n = 0;

	for (size_t i = 0; i < r->n; i++)
		claims[i] = (struct claim){.p = r->pieces[i]};
	qsort(claims, r->n, sizeof(*claims), by_claim);
	for (size_t i = 0; i < r->n; i++) {
		if (n && !by_claim(&claims[n - 1], &claims[i]))
			claims[n - 1].p.cpu += claims[i].p.cpu;
		else
			claims[n++] = claims[i];
	}
	for (size_t i = 0; i < n; i++)
		claims[i].bad = isnan(claims[i].p.cpu);
	return n;
}

static double length(const struct piece *p)
{
	return p->to - p->from;
}

static int by_number(const void *a, const void *b)
{
	return order(*(const double *)a, *(const double *)b);
}

/* The median length. -ENOMEM. */
static int usual_length(const struct claim *claims, size_t n, double *ret)
{
	double *lengths = calloc(n + 1, sizeof(*lengths));

	if (!lengths)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++)
		lengths[i] = length(&claims[i].p);
	qsort(lengths, n, sizeof(*lengths), by_number);
	*ret = lengths[n / 2];
	free(lengths);
	return 0;
}

static bool disputed(const struct piece *x, const struct piece *y)
{
	double common = fmin(x->to, y->to) - fmax(x->from, y->from);

	return x->who == y->who && x->run != y->run && common > TOUCH * fmin(length(x), length(y));
}

static void settle_two(struct claim *x, struct claim *y, double usual)
{
	double most = LONG * usual;
	bool long_x = length(&x->p) > most, long_y = length(&y->p) > most;

	if (!by_interval(&x->p, &y->p) && fabs(x->p.cpu - y->p.cpu) <= SAME * x->p.cpu) {
		y->twice = y->gone = true;
		return;
	}
	x->bad |= long_x || !long_y;
	y->bad |= long_y || !long_x;
	x->gone |= long_x;
	y->gone |= long_y;
}

/*
 * Claims of one run don't overlap, so it is enough to look at the one before that reaches farthest:
 * what else overlaps has been found to overlap that one. `longs`: only what is longer than usual.
 */
static void find_disputes(struct claim *claims, size_t n, double usual, bool longs)
{
	struct claim *farthest = NULL;

	for (size_t i = 0; i < n; i++) {
		struct claim *c = &claims[i];
		bool is_long = length(&c->p) > LONG * usual;

		if (c->gone)
			continue;
		if (farthest && disputed(&farthest->p, &c->p) &&
		    (!longs || is_long || length(&farthest->p) > LONG * usual))
			settle_two(farthest, c, usual);
		if (!farthest || farthest->gone || farthest->p.who != c->p.who ||
		    (!c->gone && c->p.to > farthest->p.to))
			farthest = c->gone ? NULL : c;
	}
}

/* The intervals that are bad, for everybody. Returns how many. */
static size_t bad_intervals(const struct claim *claims, size_t n, struct claim *ret)
{
	size_t bad = 0, kept = 0;

	for (size_t i = 0; i < n; i++)
		if (claims[i].bad)
			ret[bad++] = claims[i];
	if (bad)
		qsort(ret, bad, sizeof(*ret), by_span);
	for (size_t i = 0; i < bad; i++)
		if (!kept || by_span(&ret[kept - 1], &ret[i]))
			ret[kept++] = ret[i];
	return kept;
}

/* Those out of range were counted when they came. */
static void count(struct usage *r, const struct claim *claims, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		r->file.skips.n[SKIP_DUPLICATE] += claims[i].twice;
		r->file.skips.n[SKIP_CLOCK] += claims[i].bad && !isnan(claims[i].p.cpu);
	}
}

static void drop(struct usage *r, const struct claim *claims, size_t n, const struct claim *bad,
		 size_t n_bad)
{
	size_t kept = 0;

	for (size_t i = 0; i < r->n; i++) {
		struct claim key = {.p = r->pieces[i]};
		const struct claim *c = bsearch(&key, claims, n, sizeof(key), by_claim);

		if (c && !c->twice && !(n_bad && bsearch(&key, bad, n_bad, sizeof(key), by_span)))
			r->pieces[kept++] = r->pieces[i];
	}
	r->n = kept;
}

static bool is_settled(const struct usage *r)
{
	for (size_t i = 0; i < r->n; i++)
		if (isnan(r->pieces[i].cpu) || r->pieces[i].run != r->pieces[0].run)
			return false;
	return true;
}

int usage_settle(struct usage *r)
{
	_cleanup_(free_ptr) struct claim *claims = NULL;
	_cleanup_(free_ptr) struct claim *bad = NULL;
	double usual;
	size_t n;

	if (is_settled(r))
		return 0;
	claims = calloc(r->n + 1, sizeof(*claims));
	bad = calloc(r->n + 1, sizeof(*bad));
	if (!claims || !bad)
		return -ENOMEM;
	n = make_claims(r, claims);
	if (usual_length(claims, n, &usual))
		return -ENOMEM;
	find_disputes(claims, n, usual, true);
	find_disputes(claims, n, usual, false);
	count(r, claims, n);
	drop(r, claims, n, bad, bad_intervals(claims, n, bad));
	return 0;
}
