/* SPDX-License-Identifier: MIT */
#include "correct/correct.h"

#include "base/cleanup.h"
#include "base/mean.h"
#include "base/units.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define BLOCKS_MAX 20
#define BLOCKS_MIN 5
#define Z	   1.959964 /* 97.5 % of the normal distribution */
#define SLACK	   1.05	    /* rounding and clocks: so much more than all CPUs is let pass */
#define BUSY_MIN   1e-9	    /* seconds */

/* What is worked with, and given back in one place. */
struct work {
	struct curve guest, host;
	struct alignment a;
	double *sums; /* CPU seconds of everybody within the common time */
};

static void work_done(struct work *w)
{
	curve_done(&w->guest);
	curve_done(&w->host);
	free(w->sums);
}

/* ---- which curves ---- */

static void share_to_seconds(struct usage *r, unsigned cpus)
{
	if (!r->per_cpu_share)
		return;
	for (size_t i = 0; i < r->n; i++)
		r->pieces[i].cpu *= r->pieces[i].who == WHO_TOTAL ? cpus : 1;
	r->per_cpu_share = false;
}

/* The machine's total or the sum over processes, whichever is more. */
static int guest_curve(const struct usage *r, struct curve *ret, bool *ret_by_processes)
{
	struct curve total = {.n = 0}, processes = {.n = 0};
	int err = curve_make(r, WHO_TOTAL, WHO_TOTAL, &total);
	int err2 = curve_make(r, WHO_FIRST, UINT32_MAX, &processes);

	if (err == -ENOMEM || err2 == -ENOMEM || (err && err2)) {
		curve_done(&total);
		curve_done(&processes);
		return err == -ENOMEM || !err2 ? err : err2;
	}
	*ret_by_processes = err ||
			    (!err2 && processes.cpu[processes.n - 1] > total.cpu[total.n - 1]);
	curve_done(*ret_by_processes ? &total : &processes);
	*ret = *ret_by_processes ? processes : total;
	return 0;
}

/* ---- sums over the common time ---- */

/* The cell that holds an instant; the first or the one behind the last where none does. */
static size_t cell_at(const struct alignment *a, double at)
{
	double cell = floor((at - a->from) / a->step);

	return (size_t)fmin(fmax(cell, 0), (double)a->n);
}

/* Adds what of a piece lies in covered cells. */
static void add_piece(const struct alignment *a, const struct piece *p, double shift, double *sum)
{
	double start = p->from + shift, end = p->to + shift;

	for (size_t i = cell_at(a, start); i < a->n; i++) {
		double cell = a->from + (double)i * a->step;
		double overlap = fmin(cell + a->step, end) - fmax(cell, start);

		if (cell >= end)
			break;
		if (overlap > 0 && a->guest[i] >= 0)
			*sum += p->cpu * overlap / (end - start);
	}
}

static int sum_processes(const struct usage *guest, struct work *w)
{
	w->sums = calloc(guest->n_names, sizeof(*w->sums));
	if (!w->sums)
		return -ENOMEM;
	for (size_t i = 0; i < guest->n; i++)
		add_piece(&w->a, &guest->pieces[i], 0, &w->sums[guest->pieces[i].who]);
	return 0;
}

static double sum_ready(const struct usage *host, const struct alignment *a)
{
	double sum = 0;
	bool any = false;

	for (size_t i = 0; i < host->n; i++) {
		if (host->pieces[i].who != WHO_READY)
			continue;
		any = true;
		add_piece(a, &host->pieces[i], a->lag, &sum);
	}
	return any ? sum : NAN;
}

/* ---- the factor and its spread ---- */

struct blocks {
	double guest[BLOCKS_MAX], host[BLOCKS_MAX];
	size_t n;
};

/* The used cells in up to twenty runs of equal length: neighbours are alike, blocks hardly. */
static void make_blocks(const struct alignment *a, struct blocks *ret)
{
	size_t seen = 0;

	*ret = (struct blocks){.n = a->used < BLOCKS_MAX ? a->used : BLOCKS_MAX};
	for (size_t i = 0; i < a->n; i++) {
		size_t block;

		if (a->guest[i] < 0)
			continue;
		block = seen++ * ret->n / a->used;
		ret->guest[block] += a->guest[i];
		ret->host[block] += a->host[i];
	}
}

static void find_extremes(const struct blocks *b, struct correction *c)
{
	c->w_min = c->w_max = c->w;
	for (size_t i = 0; i < b->n; i++) {
		if (b->guest[i] < 0.01 * c->reported / (double)b->n)
			continue; /* nearly idle: its ratio is noise */
		c->w_min = fmin(c->w_min, b->host[i] / b->guest[i]);
		c->w_max = fmax(c->w_max, b->host[i] / b->guest[i]);
	}
}

/* The interval of a ratio, by leaving out one block at a time (jackknife). */
static void find_w(const struct alignment *a, struct correction *c)
{
	struct blocks b;
	double n, mean = 0, square = 0, half;
	double w[BLOCKS_MAX];

	c->w = c->measured / c->reported;
	c->w_low = c->w_high = NAN;
	make_blocks(a, &b);
	find_extremes(&b, c);
	if (b.n < BLOCKS_MIN)
		return;
	n = (double)b.n;
	for (size_t i = 0; i < b.n; i++) {
		if (c->reported - b.guest[i] < BUSY_MIN)
			return; /* all the work was in one block */
		w[i] = (c->measured - b.host[i]) / (c->reported - b.guest[i]);
		mean += w[i] / n;
	}
	for (size_t i = 0; i < b.n; i++)
		square += (w[i] - mean) * (w[i] - mean);
	half = mean_student(n - 1) * sqrt((n - 1) / n * square);
	c->w_low = fmax(c->w - half, 0);
	c->w_high = c->w + half;
}

/* ---- processes ---- */

/* Wilson's interval for a share of `n` samples. */
static void wilson(double share, double n, double *ret_low, double *ret_high)
{
	double middle = (share + Z * Z / (2 * n)) / (1 + Z * Z / n);
	double half = Z / (1 + Z * Z / n) * sqrt(share * (1 - share) / n + Z * Z / (4 * n * n));

	*ret_low = fmax(middle - half, 0);
	*ret_high = fmin(middle + half, 1);
}

/* Sampling and the spread of w are independent: their relative errors add up as squares. */
static void find_interval(const struct correction *c, double sampled_hz, struct corrected *p)
{
	double share = fmin(p->reported / c->reported, 1), low = share, high = share;
	double spread = isnan(c->w_low) ? 0 : (c->w_high - c->w) / c->w;
	double down, up;

	if (sampled_hz > 0)
		wilson(share, fmax(c->reported * sampled_hz, 1), &low, &high);
	down = hypot((share - low) * c->measured, spread * p->corrected);
	up = hypot((high - share) * c->measured, spread * p->corrected);
	p->low = fmax(p->corrected - down, 0);
	p->high = fmin(p->corrected + up, c->measured);
}

/* All or none of the difference may be this process's. */
static void find_bounds(const struct correction *c, struct corrected *p)
{
	double difference = c->measured - c->reported;

	p->least = fmax(p->reported + fmin(difference, 0), 0);
	p->most = fmin(p->reported + fmax(difference, 0), c->measured);
}

static int by_reported(const void *a, const void *b)
{
	double x = ((const struct corrected *)a)->reported;
	double y = ((const struct corrected *)b)->reported;

	return (x < y) - (x > y);
}

static int correct_processes(const struct usage *guest, const double *sums,
			     const struct correct_options *o, struct correction *c)
{
	c->processes = calloc(guest->n_names, sizeof(*c->processes));
	if (!c->processes)
		return -ENOMEM;
	for (size_t i = WHO_FIRST; i < guest->n_names; i++) {
		struct corrected *p = &c->processes[c->n];

		if (!(sums[i] > 0))
			continue;
		p->name = guest->names[i];
		p->reported = sums[i];
		p->corrected = c->w * p->reported;
		find_interval(c, guest->file.measured ? 0 : o->sampled_hz, p);
		find_bounds(c, p);
		c->n++;
	}
	qsort(c->processes, c->n, sizeof(*c->processes), by_reported);
	return 0;
}

/* ---- all of it ---- */

static int check(const struct correction *c, struct failure *f)
{
	double all = SLACK * c->cpus * c->seconds;

	if (c->reported < BUSY_MIN)
		return failure_set(f, -ERANGE,
				   "the guest reports no CPU time in the %.0f s in common: there "
				   "is nothing to correct",
				   c->seconds);
	if (c->measured < BUSY_MIN)
		return failure_set(f, -ERANGE,
				   "the host measured no CPU time in the %.0f s in common: is it "
				   "the right VM?",
				   c->seconds);
	if (c->measured > all || c->reported > all)
		return failure_set(f, -ERANGE,
				   "%.1f s of CPU time %s in %.1f s on %u vCPU%s cannot be: is it "
				   "the right VM, and the number of its vCPUs (--cpus)?",
				   fmax(c->measured, c->reported),
				   c->measured > all ? "measured by the host"
						     : "reported by the guest",
				   c->seconds, c->cpus, c->cpus == 1 ? "" : "s");
	return 0;
}

static void take_sums(const struct alignment *a, struct correction *c)
{
	c->seconds = (double)a->used * a->step;
	c->lag = a->lag;
	c->correlation = a->correlation;
	c->by_correlation = a->by_correlation;
	c->zone = a->zone;
	c->cells = a->used;
	for (size_t i = 0; i < a->n; i++) {
		c->reported += fmax(a->guest[i], 0);
		c->measured += fmax(a->host[i], 0);
	}
}

static int make_curves(struct usage *guest, struct usage *host, struct failure *f, struct work *w,
		       struct correction *c)
{
	int err = usage_check(guest, c->cpus, "guest", f);

	if (!err)
		err = usage_check(host, c->cpus, "host", f);
	if (err)
		return err == -ENOMEM ? failure_errno(f, err, "correcting") : err;
	err = guest_curve(guest, &w->guest, &c->by_processes);
	if (err)
		return failure_errno(f, err, "the guest's recording");
	err = curve_make(host, WHO_TOTAL, WHO_TOTAL, &w->host);
	return err ? failure_errno(f, err, "the host's recording") : 0;
}

static int prepare(struct usage *guest, struct usage *host, const struct correct_options *o,
		   struct failure *f, struct work *w, struct correction *c)
{
	const struct align_dates dates = {.dated = guest->file.dated && host->file.dated,
					  .guest = guest->file.zone,
					  .host = host->file.zone};
	int err;

	c->cpus = o->cpus ? o->cpus : guest->cpus ? guest->cpus : host->cpus ? host->cpus : 1;
	share_to_seconds(guest, c->cpus);
	err = make_curves(guest, host, f, w, c);
	if (err)
		return err;
	c->left_out = w->guest.left_out + w->host.left_out;
	return align(&w->guest, &w->host, &dates, &o->align, f, &w->a);
}

int correct(struct usage *guest, struct usage *host, const struct correct_options *o,
	    struct failure *f, struct correction *ret)
{
	_cleanup_(work_done) struct work w = {.sums = NULL};
	struct correction c = {.n = 0};
	int err = prepare(guest, host, o, f, &w, &c);

	if (err)
		return err;
	take_sums(&w.a, &c);
	err = check(&c, f);
	if (err)
		return err;
	c.ready = sum_ready(host, &w.a);
	find_w(&w.a, &c);
	err = sum_processes(guest, &w);
	if (!err)
		err = correct_processes(guest, w.sums, o, &c);
	if (err)
		return failure_errno(f, err, "correcting");
	*ret = c;
	return 0;
}

void correction_done(struct correction *c)
{
	free(c->processes);
	c->processes = NULL;
}
