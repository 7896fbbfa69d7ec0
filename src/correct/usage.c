/* SPDX-License-Identifier: MIT */
#include "correct/usage.h"

#include "base/cleanup.h"
#include "base/hash.h"
#include "base/text.h"
#include "base/units.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Running out of memory is a result, not the end of the program. */

#define NAME_SIZE  128
#define NAMES_MAX  65536
#define PIECES_MAX (16 * MIB)
#define SLACK	   1.05 /* rounding, and a tick or two: so much more than all CPUs can be */
#define SLACK_S	   0.02
#define GLITCHES   3 /* one of so many intervals may be impossible */

struct known_name {
	uint32_t who;
	UT_hash_handle hh;
	char *raw;	      /* as the file has it */
	char name[NAME_SIZE]; /* no longer than this */
};

void usage_init(struct usage *r)
{
	*r = (struct usage){.n_names = WHO_FIRST};
}

void usage_done(struct usage *r)
{
	struct known_name *k, *next;

	HASH_ITER (hh, r->by_name, k, next) {
		HASH_DEL(r->by_name, k);
		free(k->raw);
		free(k);
	}
	free(r->pieces);
	free(r->names);
	usage_init(r);
}

static int grow_names(struct usage *r)
{
	size_t room = r->n_names < 64 ? 64 : 2 * r->n_names;
	char **names;

	/* Room is always a power of two: it is full when the number of names is one. */
	if (r->names && (r->n_names < 64 || (r->n_names & (r->n_names - 1))))
		return 0;
	names = reallocarray(r->names, room, sizeof(*names));
	if (!names)
		return -ENOMEM;
	if (!r->names)
		memset(names, 0, WHO_FIRST * sizeof(*names));
	r->names = names;
	return 0;
}

/* Cut behind a whole character. */
static void cut_name(const char *raw, char ret[NAME_SIZE])
{
	const char *end = raw, *next = raw;

	while (*next) {
		utf8_next(&next);
		if (next - raw >= NAME_SIZE)
			break;
		end = next;
	}
	memcpy(ret, raw, (size_t)(end - raw));
	ret[end - raw] = '\0';
}

/* NULL: no memory. */
static struct known_name *add_name(struct usage *r, const char *raw)
{
	struct known_name *k = grow_names(r) ? NULL : calloc(1, sizeof(*k));

	if (!k)
		return NULL;
	k->raw = strdup(raw);
	k->who = (uint32_t)r->n_names;
	cut_name(raw, k->name);
	if (k->raw)
		HASH_ADD_KEYPTR(hh, r->by_name, k->raw, strlen(k->raw), k);
	if (!k->hh.tbl) {
		free(k->raw);
		free(k);
		return NULL;
	}
	r->names[r->n_names++] = k->name;
	return k;
}

int usage_who(struct usage *r, const char *name, uint32_t *ret)
{
	struct known_name *k;

	HASH_FIND_STR(r->by_name, name, k);
	if (!k && r->n_names >= NAMES_MAX)
		return -E2BIG;
	if (!k)
		k = add_name(r, name);
	if (!k)
		return -ENOMEM;
	*ret = k->who;
	return 0;
}

int usage_add(struct usage *r, uint32_t who, double from, double to, double cpu)
{
	if (r->n >= PIECES_MAX)
		return -E2BIG;
	if (r->n == r->room) {
		size_t room = r->room ? 2 * r->room : 1024;
		struct piece *pieces = reallocarray(r->pieces, room, sizeof(*pieces));

		if (!pieces)
			return -ENOMEM;
		r->pieces = pieces;
		r->room = room;
	}
	r->pieces[r->n++] = (struct piece){from, to, cpu, who, r->run};
	return 0;
}

/* ---- what cannot be ---- */

static bool impossible(const struct piece *p, unsigned cpus, double blur)
{
	return p->cpu > cpus * (SLACK * (p->to - p->from) + SLACK_S + blur);
}

static int by_instant(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* How many different ones there are; `at` is in order. */
static size_t distinct(double *at, size_t n)
{
	size_t kept = 0;

	qsort(at, n, sizeof(*at), by_instant);
	for (size_t i = 0; i < n; i++)
		if (!kept || at[i] > at[kept - 1])
			at[kept++] = at[i];
	return kept;
}

/* Everybody's pieces that begin at one of these instants go. */
static void drop_intervals(struct usage *r, const double *from, size_t n)
{
	size_t kept = 0;

	for (size_t i = 0; i < r->n; i++)
		if (!bsearch(&r->pieces[i].from, from, n, sizeof(*from), by_instant))
			r->pieces[kept++] = r->pieces[i];
	r->n = kept;
}

int usage_check(struct usage *r, unsigned cpus, const char *side, struct failure *f)
{
	_cleanup_(free_ptr) double *bad = calloc(r->n + 1, sizeof(*bad));
	_cleanup_(free_ptr) double *all = calloc(r->n + 1, sizeof(*all));
	size_t n_bad = 0, n_all;
	double most = 0;

	if (!bad || !all)
		return -ENOMEM;
	for (size_t i = 0; i < r->n; i++) {
		const struct piece *p = &r->pieces[i];

		all[i] = p->from;
		if (!impossible(p, cpus, r->file.blur))
			continue;
		bad[n_bad++] = p->from;
		most = fmax(most, p->cpu / (p->to - p->from));
	}
	n_bad = distinct(bad, n_bad);
	n_all = distinct(all, r->n);
	if (n_bad > n_all / GLITCHES)
		return failure_set(f, -ERANGE,
				   "%zu of %zu intervals of the %s have more CPU time (up to %.0f "
				   "%%) than %u vCPU%s can give, which cannot be: is it the right "
				   "VM, and the number of its vCPUs (--cpus)?",
				   n_bad, n_all, side, 100 * most, cpus, cpus == 1 ? "" : "s");
	drop_intervals(r, bad, n_bad);
	r->file.skips.n[SKIP_TOO_MUCH] += n_bad;
	return 0;
}

/* ---- curves ---- */

static int by_from(const void *a, const void *b)
{
	double x = ((const struct piece *)a)->from, y = ((const struct piece *)b)->from;

	return (x > y) - (x < y);
}

/* The pieces that are asked for, in order, those of one start made one. Returns how many. */
static size_t gather(const struct usage *r, uint32_t first, uint32_t last, struct piece *out,
		     uint64_t *left_out)
{
	size_t n = 0, kept = 0;

	for (size_t i = 0; i < r->n; i++)
		if (r->pieces[i].who >= first && r->pieces[i].who <= last)
			out[n++] = r->pieces[i];
	qsort(out, n, sizeof(*out), by_from);
	for (size_t i = 0; i < n; i++) {
		struct piece *before = kept ? &out[kept - 1] : NULL;

		if (before && out[i].from <= before->from && out[i].to <= before->to)
			before->cpu += out[i].cpu;
		else if (!before || out[i].from >= before->to)
			out[kept++] = out[i];
		else
			(*left_out)++;
	}
	return kept;
}

static void curve_point(struct curve *c, double at, double cpu, double covered)
{
	c->at[c->n] = at;
	c->cpu[c->n] = cpu;
	c->covered[c->n++] = covered;
}

static void fill(struct curve *c, const struct piece *pieces, size_t n)
{
	double cpu = 0, covered = 0;

	for (size_t i = 0; i < n; i++) {
		curve_point(c, pieces[i].from, cpu, covered);
		cpu += pieces[i].cpu;
		covered += pieces[i].to - pieces[i].from;
		curve_point(c, pieces[i].to, cpu, covered);
	}
}

static int by_length(const void *a, const void *b)
{
	double x = ((const struct piece *)a)->to - ((const struct piece *)a)->from;
	double y = ((const struct piece *)b)->to - ((const struct piece *)b)->from;

	return (x > y) - (x < y);
}

int curve_make(const struct usage *r, uint32_t first, uint32_t last, struct curve *ret)
{
	struct piece *pieces = calloc(r->n + 1, sizeof(*pieces));
	struct curve c = {.n = 0};
	size_t n;

	if (!pieces)
		return -ENOMEM;
	n = gather(r, first, last, pieces, &c.left_out);
	c.at = calloc(2 * n + 1, sizeof(double));
	c.cpu = calloc(2 * n + 1, sizeof(double));
	c.covered = calloc(2 * n + 1, sizeof(double));
	if (c.at && c.cpu && c.covered && n) {
		fill(&c, pieces, n);
		qsort(pieces, n, sizeof(*pieces), by_length);
		c.step = pieces[n / 2].to - pieces[n / 2].from;
	}
	free(pieces);
	if (c.n) {
		*ret = c;
		return 0;
	}
	n = c.at && c.cpu && c.covered;
	curve_done(&c);
	return n ? -ENODATA : -ENOMEM;
}

void curve_done(struct curve *c)
{
	free(c->at);
	free(c->cpu);
	free(c->covered);
	*c = (struct curve){.n = 0};
}

/* The last point at or before an instant that lies within the curve, and not its last one. */
static size_t point_before(const struct curve *c, double at)
{
	size_t low = 0, high = c->n - 1;

	while (high - low > 1) {
		size_t middle = low + (high - low) / 2;

		if (c->at[middle] <= at)
			low = middle;
		else
			high = middle;
	}
	return low;
}

struct sums curve_sums(const struct curve *c, double at)
{
	size_t i, last = c->n - 1;
	double part;

	if (at <= c->at[0])
		return (struct sums){c->cpu[0], c->covered[0]};
	if (at >= c->at[last])
		return (struct sums){c->cpu[last], c->covered[last]};
	i = point_before(c, at);
	part = (at - c->at[i]) / (c->at[i + 1] - c->at[i]);
	return (struct sums){c->cpu[i] + (c->cpu[i + 1] - c->cpu[i]) * part,
			     c->covered[i] + (c->covered[i + 1] - c->covered[i]) * part};
}
