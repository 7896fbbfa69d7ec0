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
#include "base/cpu.h"
#include "base/units.h"
#include "guest/lateness.h"
#include "guest/sampler.h"
#include "guest/window.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define MEAN_NS (10 * NS_PER_MS) /* between two samples of a CPU */
#define AT_ONCE 64
#define KEPT_NS NS_PER_SEC /* runs of so long wait for the samples that fell into them */
#define RECENT	500 /* samples of a CPU, 5 s of busy time: what its competitors are like now */

/* By hypervisor, as CPUID names it; measured in docs/self.md. */
static const struct {
	const char *signature; /* 12 bytes */
	struct lateness_bias bias;
} biases[] = {
	/* Timers reach the guest through a thread of QEMU. */
	{"TCGTCGTCGTCG", {.low = 0.2, .k = 0.45, .high = 0.6}},
	/* The host's kernel serves them itself. */
	{"KVMKVMKVM\0\0", {.low = 0, .k = 0.07, .high = 0.2}},
};

static const struct lateness_bias unknown_bias = {.low = 0, .k = 0, .high = 0.6};

struct self_cpu {
	struct lateness busy;	/* since the beginning: for people to see */
	struct lateness recent; /* for what a late sample stands for */
	double low, high;	/* ns: the interval, summed up over samples */
	struct window runs;
	double debt; /* ns that late samples stand for and nobody has been charged with yet */
	uint64_t late;
};

struct self {
	const struct source_context *context;
	struct sampler *sampler;
	struct lateness_bias bias;
	struct self_cpu *cpus;
};

static struct lateness_bias find_bias(void)
{
	char signature[12];

	if (!cpu_hypervisor(signature))
		return unknown_bias;
	for (size_t i = 0; i < ARRAY_SIZE(biases); i++)
		if (!memcmp(signature, biases[i].signature, sizeof(signature)))
			return biases[i].bias;
	return unknown_bias;
}

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
	s->bias = find_bias();
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

	if (run->task == s->context->account->idle) {
		account_book(s->context->account, run->task, run->cpu, run->end - run->start);
		account_release(s->context->account, run->task);
		return;
	}
	window_add(&s->cpus[run->cpu].runs, s->context->account, run);
}

/* The runs that are kept are decided: what no sample has taken of them was true. */
static void close_window(struct self *s, unsigned cpu)
{
	struct account *a = s->context->account;
	struct window *w = &s->cpus[cpu].runs;

	window_book(w, a, cpu);
	for (size_t i = 0; i < w->n; i++)
		account_charge(a, w->share[i].task, cpu, LEDGER_READY, w->share[i].due);
	window_clear(w, a);
}

static struct window_share *find_in(const struct window *w, pid_t tid)
{
	for (size_t i = w->n; i > 0; i--)
		if (w->share[i - 1].task->tid == tid)
			return &w->share[i - 1];
	return NULL;
}

/* A late sample stands for one mean interval, times what the samples over- or understate. */
static void take_sample(struct self *s, const struct sample *sample)
{
	struct self_cpu *c = &s->cpus[sample->cpu];
	struct lateness_estimate e;
	struct window_share *share;
	uint64_t taken;

	if (!sample->tid)
		return;
	lateness_add(&c->busy, sample->late);
	lateness_add_recent(&c->recent, sample->late, RECENT);
	if (!lateness_estimate(&c->recent, &s->bias, &e)) {
		c->high += (double)MEAN_NS;
		return;
	}
	c->low += (double)MEAN_NS * e.low;
	c->high += (double)MEAN_NS * e.high;
	if (sample->late < e.threshold)
		return;
	c->late++;
	c->debt += (double)MEAN_NS * lateness_stands_for(&e);
	share = find_in(&c->runs, sample->tid);
	if (!share)
		return;
	taken = u64_min((uint64_t)c->debt, share->ns - share->due);
	share->due += taken;
	c->debt -= (double)taken;
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
	for (unsigned i = 0; i < s->context->account->n_cpus; i++)
		if (s->cpus[i].runs.total > KEPT_NS)
			close_window(s, i);
	return 0;
}

static int self_settle(void *source, uint64_t until, uint64_t patience)
{
	struct self *s = source;
	int err = self_poll(source, until);

	(void)patience;
	for (unsigned i = 0; i < s->context->account->n_cpus; i++)
		close_window(s, i);
	return err;
}

static void self_report(void *source, struct source_report *ret)
{
	const struct self *s = source;
	double low = 0, high = 0;

	*ret = (struct source_report){.estimated = true};
	for (unsigned i = 0; i < s->context->account->n_cpus; i++) {
		low += s->cpus[i].low;
		high += s->cpus[i].high;
	}
	ret->low_ns = (uint64_t)low;
	ret->high_ns = (uint64_t)high;
}

static json_t *cpu_details(const struct self *s, const struct self_cpu *c)
{
	json_t *o = json_object(), *histogram = json_array();
	struct lateness_estimate e = {0};

	lateness_estimate(&c->busy, &s->bias, &e);
	json_object_set_new(o, "samples", json_integer((json_int_t)c->busy.n));
	json_object_set_new(o, "late", json_integer((json_int_t)c->late));
	json_object_set_new(o, "baseline_s", json_real(ns_to_s(e.baseline)));
	json_object_set_new(o, "threshold_s", json_real(ns_to_s(e.threshold)));
	json_object_set_new(o, "share", json_real(e.share));
	json_object_set_new(o, "raw", json_real(e.raw));
	for (unsigned b = 0; b < LATENESS_BUCKETS; b++) {
		if (c->busy.count[b])
			json_array_append_new(histogram,
					      json_pack("[f, I]", ns_to_s(lateness_edge(b)),
							(json_int_t)c->busy.count[b]));
	}
	json_object_set_new(o, "lateness", histogram);
	return o;
}

static json_t *self_details(void *source)
{
	const struct self *s = source;
	json_t *list = json_array();

	for (unsigned i = 0; i < s->context->account->n_cpus; i++)
		json_array_append_new(list, cpu_details(s, &s->cpus[i]));
	return json_pack("{s:o, s:I}", "cpus", list, "lost_samples",
			 (json_int_t)sampler_lost(s->sampler));
}

const struct source_ops source_self = {
	.name = "self",
	.summary = "nobody helps: estimated from the lateness of timers",
	.stands_in = true,
	.not_seen = "gaps that no sample fell into, and which state a gap was in",
	.open = self_open,
	.close = self_close,
	.run = self_run,
	.poll = self_poll,
	.settle = self_settle,
	.report = self_report,
	.details = self_details,
};
