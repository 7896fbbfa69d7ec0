/* SPDX-License-Identifier: MIT */
#include "correct/align.h"

#include "data/times.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define WORK_MAX	1e6 /* cells to be looked at over all lags of the first search */
#define LAGS_PER_CELL	4
#define CELLS_MIN	8 /* fewer say nothing about a correlation */
#define CORRELATION_MIN 0.5
/* In standard deviations: the best of a thousand lags is as good as the first by luck alone. */
#define CLEAR_LAG    4
#define CLEARLY_MORE 3
#define COVERED_MIN  0.99

#define HOUR	   3600.0
#define ZONE_STEP  (HOUR / 4) /* zones are whole quarters of an hour apart */
#define ZONES_EACH 56	      /* and at most 14 hours, either way */

static double start_of(const struct curve *c)
{
	return c->at[0];
}

static double end_of(const struct curve *c)
{
	return c->at[c->n - 1];
}

/* No intervals are shorter. */
static double natural_cell(const struct curve *guest, const struct curve *host)
{
	return fmax(guest->step, host->step);
}

/* Fills the cells, which are about so long, for one lag. */
static void lay(const struct curve *guest, const struct curve *host, double lag, double cell,
		struct alignment *a)
{
	double to = fmin(end_of(guest), end_of(host) + lag);
	struct sums g, h;

	a->lag = lag;
	a->from = fmax(start_of(guest), start_of(host) + lag);
	a->n = 0;
	a->used = 0;
	if (!(to > a->from))
		return;
	a->n = (size_t)fmin(fmax(floor((to - a->from) / cell + 1e-6), 1), ALIGN_CELLS_MAX);
	a->step = (to - a->from) / (double)a->n;
	g = curve_sums(guest, a->from);
	h = curve_sums(host, a->from - lag);
	for (size_t i = 0; i < a->n; i++) {
		double end = a->from + a->step * (double)(i + 1);
		struct sums g2 = curve_sums(guest, end), h2 = curve_sums(host, end - lag);
		bool covered = g2.covered - g.covered >= COVERED_MIN * a->step &&
			       h2.covered - h.covered >= COVERED_MIN * a->step;

		a->guest[i] = covered ? fmax(g2.cpu - g.cpu, 0) : -1;
		a->host[i] = covered ? fmax(h2.cpu - h.cpu, 0) : -1;
		a->used += covered;
		g = g2;
		h = h2;
	}
}

/* Pearson's; NaN when one of the two does not change. */
static double correlate(const struct alignment *a)
{
	double sg = 0, sh = 0, gg = 0, hh = 0, gh = 0, n = (double)a->used;

	for (size_t i = 0; i < a->n; i++) {
		if (a->guest[i] < 0)
			continue;
		sg += a->guest[i];
		sh += a->host[i];
	}
	for (size_t i = 0; i < a->n; i++) {
		double g = a->guest[i] - sg / n, h = a->host[i] - sh / n;

		if (a->guest[i] < 0)
			continue;
		gg += g * g;
		hh += h * h;
		gh += g * h;
	}
	/* What is left of rounding is no change. */
	if (gg <= 1e-12 * sg * sg / n || hh <= 1e-12 * sh * sh / n)
		return NAN;
	return gh / sqrt(gg * hh);
}

struct search {
	double from, to;    /* of the lag */
	double cell;	    /* seconds; a lag that is off by much of it is not seen */
	double overlap_min; /* seconds: short overlaps correlate by luck */
};

/* The best lag on a grid; `best` is replaced where a better one is found. */
static void search_lags(const struct curve *guest, const struct curve *host, const struct search *s,
			struct alignment *work, struct alignment *best)
{
	double step = s->cell / LAGS_PER_CELL;
	int n = (int)((s->to - s->from) / step);

	for (int i = 0; i <= n; i++) {
		lay(guest, host, s->from + i * step, s->cell, work);
		if (work->used < CELLS_MIN || (double)work->used * work->step < s->overlap_min)
			continue;
		work->correlation = correlate(work);
		if (!isnan(work->correlation) &&
		    (isnan(best->correlation) || work->correlation > best->correlation)) {
			*best = *work;
			best->by_correlation = true;
		}
	}
}

static void nothing_found(struct alignment *best)
{
	best->correlation = NAN;
	best->by_correlation = false;
	best->used = 0;
}

/* ---- zones ---- */

/* How far apart the clocks' zones may be: nothing, an hour of summer time that the head of a file
 * didn't count, or anything. Returns how many quarters of an hour to look at, `step` apart. */
static int zones_of(const struct align_dates *d, int *ret_step)
{
	enum zone least = d->guest < d->host ? d->guest : d->host;

	*ret_step = least == ZONE_HEAD ? 4 : 1;
	return !d->dated || least == ZONE_STATED ? 0 : least == ZONE_HEAD ? 4 : ZONES_EACH;
}

static double overlap(const struct curve *guest, const struct curve *host, double lag)
{
	return fmin(end_of(guest), end_of(host) + lag) -
	       fmax(start_of(guest), start_of(host) + lag);
}

static double shorter_of(const struct curve *guest, const struct curve *host)
{
	return fmin(end_of(guest) - start_of(guest), end_of(host) - start_of(host));
}

/* How many zones would lay half of the shorter recording, or more, on the other. */
static int zones_that_fit(const struct curve *guest, const struct curve *host,
			  const struct align_dates *d)
{
	int step, each = zones_of(d, &step), n = 0;

	for (int i = -each; i <= each; i += step)
		n += overlap(guest, host, i * ZONE_STEP) >= shorter_of(guest, host) / 2;
	return n;
}

/* ---- the search ---- */

/* Cells as long as it takes to look at all lags: what is added up over them still rises and falls
 * together. */
static struct search first_search(const struct curve *guest, const struct curve *host,
				  const struct align_dates *d, const struct align_options *o)
{
	double shorter = shorter_of(guest, host);
	struct search s = {.from = -o->max_lag, .to = o->max_lag};
	int step, each = zones_of(d, &step), zones = 2 * each / step + 1;
	double lags;

	if (!d->dated) {
		s.from = start_of(guest) - end_of(host);
		s.to = end_of(guest) - start_of(host);
	}
	s.overlap_min = fmax(ALIGN_MIN_SECONDS, shorter / 2);
	/* With cells of a second. */
	lags = LAGS_PER_CELL * (s.to - s.from) * zones;
	s.cell = fmax(natural_cell(guest, host),
		      fmax(sqrt(lags * shorter / WORK_MAX), lags / WORK_MAX));
	return s;
}

/* Lags a tenth of a step apart, with the cells as they are. */
static void fine_tune(const struct curve *guest, const struct curve *host, double cell,
		      struct alignment *work, struct alignment *best)
{
	double step = cell / LAGS_PER_CELL / 10, middle = best->lag;

	for (int i = -10; i <= 10; i++) {
		lay(guest, host, middle + i * step, cell, work);
		work->correlation = work->used < CELLS_MIN ? NAN : correlate(work);
		work->by_correlation = true;
		if (work->correlation > best->correlation)
			*best = *work;
	}
}

static void search_zones(const struct curve *guest, const struct curve *host,
			 const struct align_dates *d, const struct search *first,
			 struct alignment *work, struct alignment *best)
{
	int step, each = zones_of(d, &step);

	nothing_found(best);
	for (int i = -each; i <= each; i += step) {
		struct search s = *first;

		s.from += i * ZONE_STEP;
		s.to += i * ZONE_STEP;
		search_lags(guest, host, &s, work, best);
	}
}

/* Coarse at first, then around the best with shorter cells, at last ten times finer. */
static void find_lag(const struct curve *guest, const struct curve *host,
		     const struct align_dates *d, const struct align_options *o,
		     struct alignment *work, struct alignment *best)
{
	double natural = natural_cell(guest, host), around;
	struct search s = first_search(guest, host, d, o);

	search_zones(guest, host, d, &s, work, best);
	while (best->by_correlation && s.cell > natural) {
		around = s.cell / 2;
		s.cell = fmax(natural, s.cell / 2);
		s.from = best->lag - around;
		s.to = best->lag + around;
		nothing_found(best);
		search_lags(guest, host, &s, work, best);
	}
	if (best->by_correlation)
		fine_tune(guest, host, natural, work, best);
}

/* As people write it: a date, where it is one. */
static const char *time_text(double seconds, char ret[40])
{
	time_t time = (time_t)seconds;
	struct tm tm;

	if (seconds < TIMES_DATED_FROM || !gmtime_r(&time, &tm) ||
	    !strftime(ret, 40, "%Y-%m-%d %H:%M:%S", &tm))
		snprintf(ret, 40, "%.0f s", seconds);
	return ret;
}

static int apart(const struct curve *guest, const struct curve *host, const struct alignment *a,
		 struct failure *f)
{
	char text[4][40], lag[48] = "";

	if (a->lag != 0)
		snprintf(lag, sizeof(lag), " with a lag of %.1f s", a->lag);
	return failure_set(
		f, -ERANGE,
		"the recordings do not overlap: the guest's is from %s to %s, the host's "
		"from %s to %s%s (UTC, or as written where no zone is known); --lag S moves the "
		"host's, --guest-zone and --host-zone "
		"say where their clocks are",
		time_text(start_of(guest), text[0]), time_text(end_of(guest), text[1]),
		time_text(start_of(host) + a->lag, text[2]),
		time_text(end_of(host) + a->lag, text[3]), lag);
}

static int check(const struct curve *guest, const struct curve *host, const struct alignment *a,
		 struct failure *f)
{
	double seconds = (double)a->used * a->step;

	if (!a->n)
		return apart(guest, host, a, f);
	if (seconds < ALIGN_MIN_SECONDS)
		return failure_set(f, -ERANGE,
				   "the recordings have only %.1f s in common: sampled figures "
				   "are not reliable under %d s; record for five minutes",
				   seconds, ALIGN_MIN_SECONDS);
	return 0;
}

/* Fisher's transformation: a correlation as a number with standard deviation 1 / sqrt(n - 3). */
static double fisher(const struct alignment *a)
{
	return a->used < CELLS_MIN || isnan(a->correlation) ? 0
							    : atanh(fmin(a->correlation, 1 - 1e-9));
}

static bool clear(const struct alignment *best)
{
	return best->by_correlation && best->correlation >= CORRELATION_MIN &&
	       fisher(best) * sqrt((double)best->used - 3) > CLEAR_LAG;
}

/* Whether the load itself says that the dates are right. */
static bool clear_by_dates(const struct alignment *by_dates)
{
	return by_dates->correlation >= CORRELATION_MIN &&
	       fisher(by_dates) * sqrt((double)by_dates->used - 3) > CLEAR_LAG;
}

/* Whether a lag was found that explains the load so much better than the dates do. */
static bool clearly_better(const struct alignment *best, const struct alignment *by_dates)
{
	double n = (double)(by_dates->used < CELLS_MIN ? best->used : by_dates->used);

	return clear(best) && (fisher(best) - fisher(by_dates)) * sqrt((n - 3) / 2) > CLEARLY_MORE;
}

static int nothing_tells(const struct curve *guest, const struct curve *host,
			 const struct alignment *best, struct failure *f)
{
	double intervals = shorter_of(guest, host) / natural_cell(guest, host);

	if (intervals < CELLS_MIN)
		return failure_set(f, -ERANGE,
				   "one of the recordings has no dates, and the shorter one has "
				   "only %.0f intervals: with fewer than %d nothing tells where it "
				   "belongs; give --lag S",
				   intervals, CELLS_MIN);
	return failure_set(f, -ERANGE,
			   "one of the recordings has no dates, and the load is too even to see "
			   "where it belongs (best correlation %.2f); give --lag S",
			   best->by_correlation ? best->correlation : 0);
}

/* Whether the dates are as good as they can be: the zones are known, or the same, or no other would
 * fit. */
static int check_zone(const struct curve *guest, const struct curve *host,
		      const struct align_dates *d, struct failure *f)
{
	bool guest_open = d->guest == ZONE_UNKNOWN, host_open = d->host == ZONE_UNKNOWN;
	bool here = overlap(guest, host, 0) >= shorter_of(guest, host) / 2;

	if (guest_open == host_open)
		return 0;
	if (zones_that_fit(guest, host, d) == (here ? 1 : 0))
		return 0;
	return failure_set(f, -ERANGE,
			   "the %s's times don't say their zone, and the load is too even to see "
			   "which it is; give --%s-zone +HH:MM",
			   guest_open ? "guest" : "host", guest_open ? "guest" : "host");
}

/* Without dates the lag must be found; with them they are believed until proved wrong. */
static int choose(const struct curve *guest, const struct curve *host, const struct align_dates *d,
		  const struct align_options *o, struct failure *f, struct alignment *work,
		  struct alignment *best)
{
	if (!o->fixed)
		find_lag(guest, host, d, o, work, best);
	if (!d->dated && !o->fixed)
		return clear(best) ? 0 : nothing_tells(guest, host, best, f);
	lay(guest, host, o->fixed ? o->lag : 0, natural_cell(guest, host), work);
	work->correlation = work->used >= CELLS_MIN ? correlate(work) : NAN;
	work->by_correlation = false;
	if (!o->fixed && clearly_better(best, work)) {
		best->zone = d->dated ? ZONE_STEP * round(best->lag / ZONE_STEP) : 0;
		return 0;
	}
	*best = *work;
	return o->fixed || clear_by_dates(best) ? 0 : check_zone(guest, host, d, f);
}

int align(const struct curve *guest, const struct curve *host, const struct align_dates *d,
	  const struct align_options *o, struct failure *f, struct alignment *ret)
{
	struct alignment *both = calloc(2, sizeof(*both));
	int err;

	if (!both)
		return failure_errno(f, -ENOMEM, "aligning");
	both[0].correlation = NAN;
	err = choose(guest, host, d, o, f, &both[1], &both[0]);
	if (!err)
		err = check(guest, host, &both[0], f);
	if (!err)
		*ret = both[0];
	free(both);
	return err;
}
