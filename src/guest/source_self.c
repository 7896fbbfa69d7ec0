/* SPDX-License-Identifier: MIT */
/*
 * Source `self`: nobody helps. The share of time in which a CPU was away is estimated from samples
 * at random instants (sampler.h, lateness.h); each late sample stands for one mean interval of away
 * time, and that is charged to who was on the CPU. Samples that hit the idle task say something
 * about wake-ups, nothing about processes, and are left out.
 *
 * How far this can be trusted, by hypervisor: docs/self.md.
 */
#include "guest/source.h"

#include "base/clock.h"
#include "base/units.h"
#include "guest/lateness.h"
#include "guest/sampler.h"
#include "guest/window.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

#define MEAN_NS (10 * NS_PER_MS) /* between two samples of a CPU */
#define AT_ONCE 64
#define KEPT_NS NS_PER_SEC /* runs of so long stand ready to be charged */

struct self_cpu {
	struct lateness busy;
	struct window runs;
	double debt; /* ns that late samples stand for and nobody has been charged with yet */
	uint64_t late;
};

struct self {
	const struct source_context *context;
	struct sampler *sampler;
	struct self_cpu *cpus;
};

static void self_close(void *source)
{
	struct self *s = source;

	sampler_close(s->sampler);
	for (unsigned i = 0; s->cpus && i < s->context->account->n_cpus; i++)
		window_free(&s->cpus[i].runs, s->context->account);
	free(s->cpus);
	free(s);
}

static int self_open(const struct source_context *context, struct failure *f, void **ret)
{
	struct self *s = calloc(1, sizeof(*s));
	int err;

	if (!s)
		return failure_errno(f, -ENOMEM, "source self");
	s->context = context;
	s->cpus = calloc(context->account->n_cpus, sizeof(*s->cpus));
	err = s->cpus ? sampler_open(context->account->n_cpus, MEAN_NS, clock_mono(), f,
				     &s->sampler)
		      : failure_errno(f, -ENOMEM, "source self");
	if (err) {
		self_close(s);
		return err;
	}
	*ret = s;
	return 0;
}

static void self_run(void *source, const struct account_run *run)
{
	struct self *s = source;

	if (run->task == s->context->account->idle)
		account_release(s->context->account, run->task);
	else
		window_add(&s->cpus[run->cpu].runs, s->context->account, run);
}

static struct account_task *find_in(const struct window *w, pid_t tid)
{
	for (size_t i = w->n; i > 0; i--)
		if (w->share[i - 1].task->tid == tid)
			return w->share[i - 1].task;
	return NULL;
}

/* What a late sample stands for: one mean interval, and its part of the late ones that cannot be
 * told from those on time. */
static double worth(const struct self_cpu *c)
{
	struct lateness_estimate e;

	if (!lateness_estimate(&c->busy, &e) || e.raw <= 0)
		return 0;
	return (double)MEAN_NS * e.share / e.raw;
}

static void take_sample(struct self *s, const struct sample *sample)
{
	struct account *a = s->context->account;
	struct self_cpu *c = &s->cpus[sample->cpu];
	struct lateness_estimate e;
	struct account_task *task;
	uint64_t ns;

	if (!sample->tid)
		return;
	lateness_add(&c->busy, sample->late);
	if (!lateness_estimate(&c->busy, &e) || sample->late < e.threshold)
		return;
	c->late++;
	c->debt += worth(c);
	task = find_in(&c->runs, sample->tid);
	ns = (uint64_t)c->debt;
	if (task)
		c->debt -= (double)account_charge(a, task, sample->cpu, LEDGER_READY, ns);
}

static int self_poll(void *source, uint64_t now)
{
	struct self *s = source;
	struct sample samples[AT_ONCE];
	size_t n;

	(void)now;
	do {
		n = sampler_take(s->sampler, samples, AT_ONCE);
		for (size_t i = 0; i < n; i++)
			take_sample(s, &samples[i]);
	} while (n == AT_ONCE);
	for (unsigned i = 0; i < s->context->account->n_cpus; i++) {
		struct self_cpu *c = &s->cpus[i];

		if (c->runs.total > KEPT_NS)
			window_clear(&c->runs, s->context->account);
	}
	return 0;
}

static int self_settle(void *source, uint64_t until, uint64_t patience)
{
	(void)patience;
	return self_poll(source, until);
}

static void self_report(void *source, struct source_report *ret)
{
	const struct self *s = source;
	double low = 0, high = 0;

	*ret = (struct source_report){.estimated = true};
	for (unsigned i = 0; i < s->context->account->n_cpus; i++) {
		uint64_t busy = s->context->account->cpus[i].busy.occupied;
		struct lateness_estimate e;

		if (!lateness_estimate(&s->cpus[i].busy, &e)) {
			high += (double)busy;
			continue;
		}
		low += e.low * (double)busy;
		high += e.high * (double)busy;
	}
	ret->low_ns = (uint64_t)low;
	ret->high_ns = (uint64_t)high;
}

const struct source_ops source_self = {
	.name = "self",
	.summary = "nobody helps: estimated from the lateness of timers",
	.open = self_open,
	.close = self_close,
	.run = self_run,
	.poll = self_poll,
	.settle = self_settle,
	.report = self_report,
};
