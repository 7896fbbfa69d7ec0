/* SPDX-License-Identifier: MIT */
#include "lab/gapjoin.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define WINDOW_NS  100e6
#define COARSE_NS  4000.0
#define COARSE_MAX 20000 /* switches that the first search looks at */
#define FAR	   1e9	 /* bounds that say nothing */
#define PIDS_HELD  65536u

/* What the bounds say of one window. */
struct window {
	double low, high; /* of the offset; FAR from it: nothing is known */
	double offset;
};

struct join {
	struct gapjoin *g;
	double origin; /* ns, host: the first gap */
	struct window *windows;
	size_t n_windows;
	int16_t *worker; /* [PIDS_HELD]: index + 1 by pid, as of now */
};

static double guest_ns(const struct gapjoin *g, uint64_t at)
{
	return (double)at * g->tick_ns;
}

static size_t window_of(const struct join *j, double host)
{
	double n = (host - j->origin) / WINDOW_NS;

	return n < 0 ? 0 : n >= (double)j->n_windows ? j->n_windows - 1 : (size_t)n;
}

static double offset_at(const struct join *j, double host)
{
	return j->windows[window_of(j, host)].offset;
}

static size_t n_ended(const struct gapjoin_gaps *gaps)
{
	return gaps->n && !gaps->gaps[gaps->n - 1].end ? gaps->n - 1 : gaps->n;
}

/* ---- the offset ---- */

/* How many of the first switches of the busiest vCPU fall into gaps with this offset. */
static size_t count_inside(const struct gapjoin *g, unsigned cpu, double offset)
{
	const struct ftrace_cpu *c = &g->guest->cpus[cpu];
	const struct gapjoin_gaps *gaps = g->gaps[cpu];
	size_t inside = 0, n = n_ended(gaps), at = 0;

	for (size_t i = 0; i < c->n && i < COARSE_MAX; i++) {
		double host = guest_ns(g, c->switches[i].at) - offset;

		while (at < n && (double)gaps->gaps[at].end <= host)
			at++;
		inside += at < n && host > (double)gaps->gaps[at].start;
	}
	return inside;
}

static unsigned busiest(const struct gapjoin *g)
{
	unsigned best = 0;

	for (unsigned cpu = 1; cpu < g->guest->n_cpus; cpu++)
		if (g->guest->cpus[cpu].n > g->guest->cpus[best].n)
			best = cpu;
	return best;
}

/* The middle of the offsets with which the fewest switches fall into gaps. */
static double first_offset(const struct gapjoin *g)
{
	unsigned cpu = busiest(g);
	double first = g->low, last = g->low;
	size_t best = SIZE_MAX;

	for (size_t i = 0; g->low + (double)i * COARSE_NS <= g->high; i++) {
		double o = g->low + (double)i * COARSE_NS;
		size_t inside = count_inside(g, cpu, o);

		if (inside < best)
			best = inside, first = o;
		if (inside == best)
			last = o;
	}
	return (first + last) / 2;
}

/* The switches around the middle of each gap bound the offset of its window. */
static void bound(struct join *j, unsigned cpu)
{
	const struct gapjoin *g = j->g;
	const struct ftrace_cpu *c = &g->guest->cpus[cpu];
	const struct gapjoin_gaps *gaps = g->gaps[cpu];
	size_t at = 0;

	for (size_t i = 0; i < n_ended(gaps); i++) {
		double start = (double)gaps->gaps[i].start, end = (double)gaps->gaps[i].end;
		struct window *w = &j->windows[window_of(j, start)];
		double middle = (start + end) / 2 + w->offset;

		if (gaps->gaps[i].doubtful)
			continue;
		while (at < c->n && guest_ns(g, c->switches[at].at) < middle)
			at++;
		if (at)
			w->low = fmax(w->low, guest_ns(g, c->switches[at - 1].at) - start);
		if (at < c->n)
			w->high = fmin(w->high, guest_ns(g, c->switches[at].at) - end);
	}
}

/* As near as may be to what it was. Where the bounds contradict each other the middle is taken: the
 * count tells. */
static double within(const struct window *w, double offset)
{
	if (w->low > w->high)
		return (w->low + w->high) / 2;
	return fmin(fmax(offset, w->low), w->high);
}

/* Twice: a window's gaps are looked at with the offset that the first round left. */
static void find_offsets(struct join *j)
{
	double offset = first_offset(j->g);

	for (size_t i = 0; i < j->n_windows; i++)
		j->windows[i].offset = offset;
	for (int round = 0; round < 2; round++) {
		for (size_t i = 0; i < j->n_windows; i++) {
			j->windows[i].low = offset - FAR;
			j->windows[i].high = offset + FAR;
		}
		for (unsigned cpu = 0; cpu < j->g->guest->n_cpus; cpu++)
			bound(j, cpu);
		for (size_t i = 0; i < j->n_windows; i++) {
			offset = within(&j->windows[i], offset);
			j->windows[i].offset = offset;
		}
	}
}

static int by_size(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

static int tell_offsets(const struct join *j)
{
	double *width = calloc(j->n_windows, sizeof(*width));
	size_t n = 0;

	if (!width)
		return -ENOMEM;
	for (size_t i = 0; i < j->n_windows; i++) {
		const struct window *w = &j->windows[i];

		if (w->high - w->low < FAR)
			width[n++] = fabs(w->high - w->low) / 2;
	}
	qsort(width, n, sizeof(*width), by_size);
	j->g->uncertain_ns = n ? width[n * 9 / 10] : NAN;
	j->g->drift_ns = j->windows[j->n_windows - 1].offset - j->windows[0].offset;
	free(width);
	return 0;
}

/* ---- the sums ---- */

static int worker_of(const struct join *j, uint32_t pid)
{
	return pid < PIDS_HELD ? j->worker[pid] - 1 : -1;
}

/* One vCPU's walk along its switches and gaps. */
struct walk {
	const struct ftrace_cpu *switches;
	const struct gapjoin_gaps *gaps;
	size_t next, gap;
};

/* Time of [from, to) of the guest's clock that lies in gaps; `ready`: in their last part. The gaps
 * are walked along. */
static double away(const struct join *j, struct walk *w, double from, double to, double *ret_ready)
{
	size_t n = n_ended(w->gaps);
	double sum = 0;

	*ret_ready = 0;
	while (w->gap < n) {
		const struct gapjoin_gap *gap = &w->gaps->gaps[w->gap];
		double offset = offset_at(j, (double)gap->start);
		double start = (double)gap->start + offset, end = (double)gap->end + offset;
		double ready = (double)gap->ready + offset;

		if (start >= to)
			break;
		sum += fmax(0, fmin(end, to) - fmax(start, from));
		*ret_ready += fmax(0, fmin(end, to) - fmax(ready, from));
		if (end > to)
			break;
		w->gap++;
	}
	return sum;
}

static void count_switch(const struct join *j, const struct walk *w, double at)
{
	const struct gapjoin_gap *gap = w->gap < n_ended(w->gaps) ? &w->gaps->gaps[w->gap] : NULL;
	double offset = gap ? offset_at(j, (double)gap->start) : 0;

	if (gap && !gap->doubtful && at > (double)gap->start + offset + GAPJOIN_SLACK_NS &&
	    at < (double)gap->end + offset - GAPJOIN_SLACK_NS)
		j->g->inside++;
}

/* What of a run lies within the window. */
static void charge_sums(const struct join *j, struct walk w, uint32_t pid, double from, double to)
{
	struct gapjoin *g = j->g;
	double ready, ns;

	from = fmax(from, g->from);
	to = fmin(to, g->to);
	if (from >= to)
		return;
	ns = to - from - away(j, &w, from, to, &ready);
	if (pid)
		g->true_ns += ns;
	else
		g->idle_ns += ns;
	g->ready_ns += ready;
}

/* A run of `pid` on the guest's clock. Workers are at rest outside the window. */
static void charge(const struct join *j, struct walk *w, uint32_t pid, double from, double to)
{
	int worker = worker_of(j, pid);
	double ready;

	charge_sums(j, *w, pid, from, to);
	from += away(j, w, from, to, &ready);
	if (worker >= 0)
		j->g->workers[worker].true_ns += llround(to - from);
}

static void step(const struct join *j, struct walk *w)
{
	const struct ftrace_switch *s = &w->switches->switches[w->next];

	if (w->next) {
		charge(j, w, s->prev, guest_ns(j->g, s[-1].at), guest_ns(j->g, s->at));
		count_switch(j, w, guest_ns(j->g, s->at));
	}
	w->next++;
}

static void inherit(const struct join *j, const struct ftrace_fork *f)
{
	if (f->child < PIDS_HELD && f->parent < PIDS_HELD)
		j->worker[f->child] = j->worker[f->parent];
}

/* All vCPUs' switches and all forks, in order of time. */
static void walk_all(const struct join *j)
{
	const struct ftrace *t = j->g->guest;
	struct walk walks[TRACE_CPUS_MAX];
	size_t fork = 0;

	for (unsigned cpu = 0; cpu < t->n_cpus; cpu++)
		walks[cpu] = (struct walk){&t->cpus[cpu], j->g->gaps[cpu], 0, 0};
	for (;;) {
		struct walk *first = NULL;

		for (unsigned cpu = 0; cpu < t->n_cpus; cpu++) {
			struct walk *w = &walks[cpu];

			if (w->next < w->switches->n &&
			    (!first || w->switches->switches[w->next].at <
					       first->switches->switches[first->next].at))
				first = w;
		}
		if (!first)
			return;
		if (fork < t->n_forks &&
		    t->forks[fork].at <= first->switches->switches[first->next].at)
			inherit(j, &t->forks[fork++]);
		else
			step(j, first);
	}
}

static int set_up(struct join *j)
{
	double last = 0;

	j->origin = FAR;
	for (unsigned cpu = 0; cpu < j->g->guest->n_cpus; cpu++) {
		const struct gapjoin_gaps *gaps = j->g->gaps[cpu];

		if (!gaps || !j->g->guest->cpus[cpu].n)
			return -ENODATA;
		j->g->switches += j->g->guest->cpus[cpu].n;
		j->g->n_gaps += n_ended(gaps);
		if (!n_ended(gaps))
			continue;
		j->origin = fmin(j->origin, (double)gaps->gaps[0].start);
		last = fmax(last, (double)gaps->gaps[n_ended(gaps) - 1].start);
	}
	if (!j->g->n_gaps)
		return -ENODATA;
	j->n_windows = (size_t)((last - j->origin) / WINDOW_NS) + 1;
	j->windows = calloc(j->n_windows, sizeof(*j->windows));
	j->worker = calloc(PIDS_HELD, sizeof(*j->worker));
	if (!j->windows || !j->worker)
		return -ENOMEM;
	for (int i = 0; i < j->g->n_workers; i++) {
		if (j->g->workers[i].pid < PIDS_HELD)
			j->worker[j->g->workers[i].pid] = (int16_t)(i + 1);
		j->g->workers[i].true_ns = 0;
	}
	return 0;
}

int gapjoin_run(struct gapjoin *g)
{
	struct join j = {.g = g};
	int err;

	g->true_ns = g->idle_ns = g->ready_ns = 0;
	g->switches = g->n_gaps = g->inside = 0;
	err = set_up(&j);
	if (!err) {
		find_offsets(&j);
		err = tell_offsets(&j);
	}
	if (!err)
		walk_all(&j);
	free(j.windows);
	free(j.worker);
	return err;
}
