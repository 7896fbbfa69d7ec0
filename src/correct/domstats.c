/* SPDX-License-Identifier: MIT */
#include "correct/domstats.h"

#include "data/table.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

void domstats_init(struct domstats *d, struct usage *r)
{
	memset(d, 0, sizeof(*d));
	d->r = r;
	r->blur = 1; /* `date +%s`, and then virsh, which takes its time */
	domstats_clear(d);
	d->last = d->now;
}

void domstats_clear(struct domstats *d)
{
	for (size_t i = 0; i < DOMSTATS_VCPUS; i++)
		for (size_t k = 0; k < DOMSTATS_KINDS; k++)
			d->now.ns[i][k] = NAN;
	d->now.process = NAN;
}

double *domstats_counter(struct domstats *d, const char *name)
{
	static const char *const kinds[DOMSTATS_KINDS] = {"time", "wait", "delay"};
	unsigned vcpu;
	int used = 0;

	if (!strcasecmp(name, "cpu.time"))
		return &d->now.process;
	if (sscanf(name, "vcpu.%4u.%n", &vcpu, &used) != 1 || !used || vcpu >= DOMSTATS_VCPUS)
		return NULL;
	for (size_t k = 0; k < DOMSTATS_KINDS; k++)
		if (!strcasecmp(name + used, kinds[k]))
			return &d->now.ns[vcpu][k];
	return NULL;
}

bool domstats_set(double *counter, const char *text)
{
	if (table_blank(text))
		return true;
	return !table_figure(text, false, counter) && *counter >= 0;
}

/* ---- between two samples ---- */

struct change {
	double sum; /* seconds, over the vCPUs */
	bool any;   /* a counter is in both samples */
	bool gone;  /* one is no more, or not this time */
	bool falls; /* the VM was started again */
};

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

static struct change change_of(const struct domstats *d, enum domstats_kind kind, double seconds)
{
	struct change c = {.any = false};

	for (size_t i = 0; i < DOMSTATS_VCPUS; i++)
		add_change(d->last.ns[i][kind], d->now.ns[i][kind], seconds, &c);
	return c;
}

/* The whole process's CPU time counts only where there are no vCPUs: emulation is in it. */
static struct change change_of_run(const struct domstats *d, double seconds)
{
	struct change c = change_of(d, DOMSTATS_RUN, seconds);

	if (!c.any && !c.gone)
		add_change(d->last.process, d->now.process, seconds, &c);
	return c;
}

static struct change change_of_ready(const struct domstats *d, double seconds)
{
	struct change c = change_of(d, DOMSTATS_DELAY, seconds);

	return c.any || c.gone ? c : change_of(d, DOMSTATS_WAIT, seconds);
}

static int add_pieces(struct domstats *d, double from, double to, const struct change *run,
		      const struct change *ready)
{
	int err = usage_add(d->r, WHO_TOTAL, from, to, run->sum);

	return err || !ready->any ? err : usage_add(d->r, WHO_READY, from, to, ready->sum);
}

static void count_vcpus(struct domstats *d)
{
	unsigned n = 0;

	for (size_t i = 0; i < DOMSTATS_VCPUS; i++)
		n += !isnan(d->now.ns[i][DOMSTATS_RUN]);
	if (n > d->r->cpus)
		d->r->cpus = n;
}

int domstats_sample(struct domstats *d, const struct instant *time)
{
	double last, at, from = d->last_at;
	enum follow follow = usage_follow(d->r, &d->track, time, &last, &at);
	struct change run, ready;
	int err = 0;

	if (follow == FOLLOW_SAME) {
		skips_count(&d->r->skips, SKIP_SAME_TIME, NULL);
		return 0;
	}
	if (follow == FOLLOW_BACK) {
		skips_count(&d->r->skips, SKIP_CLOCK, NULL);
		d->any = false;
	}
	run = change_of_run(d, at - from);
	ready = change_of_ready(d, at - from);
	if (!run.any || run.gone || ready.gone) {
		skips_count(&d->r->skips, SKIP_BLANK, NULL);
		return 0;
	}
	/* Not a nanosecond: figures that are repeated, or a VM that is paused. */
	if (d->any && run.sum <= 0 && ready.sum <= 0 && !run.falls && !ready.falls) {
		skips_count(&d->r->skips, SKIP_ZEROS, NULL);
		return 0;
	}
	if (d->any && (run.falls || ready.falls))
		skips_count(&d->r->skips, SKIP_BACKWARDS, NULL);
	else if (d->any)
		err = add_pieces(d, from, at, &run, &ready);
	count_vcpus(d);
	d->last = d->now;
	d->last_at = at;
	d->any = true;
	return err;
}
