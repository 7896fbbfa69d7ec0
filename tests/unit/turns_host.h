/* SPDX-License-Identifier: MIT */
/*
 * A host in virtual time that does what sched_ext.bpf.c does: CPUs that take the least key, slices
 * that end late by up to a tick, vCPUs that a limit holds and a timer lets go. Every decision of
 * policy/turns.h may be recorded.
 */
#ifndef TESTS_TURNS_HOST_H
#define TESTS_TURNS_HOST_H

#include "base/units.h"
#include "bpf/turns.h"
#include "policy/turns.h"
#include "unit/random.h"

#include <stddef.h>
#include <string.h>

#define CPUS	4
#define THREADS 256
#define TICK	(4 * NS_PER_MS)

enum where { ASLEEP, QUEUED, HELD, RUNNING };

struct thread {
	struct turns_thread turns;
	uint32_t vm;
	enum where where;
	uint64_t key, queued, end;	      /* end: of its slice */
	uint64_t used, wake, run, rest, left; /* it runs `run`, and rests; rest 0: always */
	uint64_t waited;		      /* the longest wait */
};

struct host {
	struct turns turns;
	struct turns_vm vms[THREADS];
	struct thread threads[THREADS];
	uint32_t n, cpu[CPUS]; /* who runs, plus 1 */
	uint64_t now, tick;    /* tick: slices end late by up to that */
	struct random random;
	void (*record)(const struct turns_event *e, void *data); /* NULL: nobody */
	void *data;
	bool recorded; /* what they have from the beginning */
};

#define STEP (NS_PER_MS / 20)

static struct turns_vm *vm_of(struct host *h, const struct thread *t)
{
	return &h->vms[t->vm];
}

static void begin(struct host *h, uint64_t tick, uint64_t seed)
{
	memset(h, 0, sizeof(*h));
	h->tick = tick;
	h->random.state = seed;
	h->now = 5 * NS_PER_SEC;
	turns_begin(&h->turns, CPUS, 500 * NS_PER_MS);
}

/* What was decided of the thread. */
static void record(struct host *h, enum turns_happens what, const struct thread *t,
		   struct turns_event e)
{
	const struct turns_vm *vm = &h->vms[t->vm];

	if (!h->record)
		return;
	e.what = what;
	e.vm = t->vm;
	e.thread = (uint32_t)(t - h->threads);
	e.now = h->now;
	e.vtime = t->turns.vtime;
	e.clock = turns_clock(&h->turns, h->now);
	e.left = vm->limit.left;
	h->record(&e, h->data);
}

/* ... and what it has from the beginning. */
static void record_set(struct host *h, const struct thread *t)
{
	const struct turns_vm *vm = &h->vms[t->vm];
	const struct turns_event e = {.what = TURNS_SET,
				      .vm = t->vm,
				      .thread = (uint32_t)(t - h->threads),
				      .now = h->turns.patience,
				      .rate = vm->rate,
				      .reserved = vm->reserved,
				      .quota = vm->limit.quota,
				      .period = vm->limit.period,
				      .keep = vm->limit.keep,
				      .clock = vm->limit.began,
				      .left = vm->limit.left,
				      .each = vm->each,
				      .whole = vm->whole,
				      .is_vcpu = t->turns.is_vcpu,
				      .nice = t->turns.nice,
				      .cpus = CPUS};

	if (h->record)
		h->record(&e, h->data);
}

/* A thread of the VM `vm`, which rests and runs in turns; rest 0: it runs all the time. */
static struct thread *add(struct host *h, uint32_t vm, uint64_t run, uint64_t rest)
{
	struct thread *t = &h->threads[h->n++];

	*t = (struct thread){.vm = vm, .run = run, .rest = rest, .wake = h->now};
	t->turns.is_vcpu = vm != 0;
	t->turns.nice = TURNS_WEIGHT;
	return t;
}

static void rate(struct host *h, uint32_t vm, double cpus)
{
	h->vms[vm].rate = (uint64_t)(cpus * (double)DISPATCH_RATE_ONE);
	h->vms[vm].each = !vm;
}

static void put_budget(struct budget *b, const struct host *h, double cpus, uint64_t period)
{
	b->period = period;
	b->quota = (uint64_t)(cpus * (double)period);
	b->keep = b->quota / 8;
	b->began = h->now;
	b->left = (int64_t)b->quota;
}

static void queue(struct host *h, struct thread *t)
{
	struct turns_vm *vm = vm_of(h, t);
	uint64_t slice;
	bool leave;

	if (t->where != HELD)
		t->queued = h->now;
	leave = turns_overdue(&h->turns, t->queued, h->now);
	t->where = turns_holds(vm, &t->turns, h->now, leave) ? HELD : QUEUED;
	slice = turns_grant(&h->turns, vm, &t->turns);
	t->key = turns_key(&h->turns, vm, &t->turns, slice, h->now);
	record(h, TURNS_QUEUE, t,
	       (struct turns_event){
		       .leave = leave, .held = t->where == HELD, .slice = slice, .key = t->key});
}

static void stop(struct host *h, uint32_t cpu, bool asleep)
{
	struct thread *t = &h->threads[h->cpu[cpu] - 1];
	uint64_t service;

	h->cpu[cpu] = 0;
	service = h->now - t->turns.since;
	turns_stop(&h->turns, vm_of(h, t), &t->turns, h->now, service);
	record(h, TURNS_STOP, t, (struct turns_event){.service = service});
	if (!asleep) {
		queue(h, t);
		return;
	}
	turns_sleep(&h->turns, vm_of(h, t), &t->turns);
	record(h, TURNS_SLEEP, t, (struct turns_event){.what = 0});
	t->where = ASLEEP;
	t->wake = h->now + t->rest;
}

static void start(struct host *h, uint32_t cpu, struct thread *t)
{
	struct turns_vm *vm = vm_of(h, t);
	uint64_t grant = turns_grant(&h->turns, vm, &t->turns);

	if (h->now - t->queued > t->waited)
		t->waited = h->now - t->queued;
	h->cpu[cpu] = (uint32_t)(t - h->threads) + 1;
	t->where = RUNNING;
	t->end = h->now + grant;
	if (grant >= TURNS_SLICE_MOST && h->tick)
		t->end += random_below(&h->random, h->tick);
	turns_start(&h->turns, vm, &t->turns, h->now);
	record(h, TURNS_START, t, (struct turns_event){.slice = grant});
}

static struct thread *best(struct host *h)
{
	struct thread *b = NULL;

	for (uint32_t i = 0; i < h->n; i++) {
		struct thread *t = &h->threads[i];

		if (t->where == QUEUED && (!b || t->key < b->key))
			b = t;
	}
	return b;
}

static void preempt(struct host *h, const struct thread *t)
{
	uint64_t stretch = turns_stretch(&h->turns, vm_of(h, t), &t->turns);

	for (uint32_t c = 0; c < CPUS; c++) {
		const struct thread *other = h->cpu[c] ? &h->threads[h->cpu[c] - 1] : NULL;

		if (!other)
			return;
		if (!turns_preempts(turns_place(&h->turns, &t->turns), stretch,
				    turns_place(&h->turns, &other->turns),
				    turns_stretch(&h->turns, vm_of(h, other), &other->turns),
				    h->now - other->turns.since))
			continue;
		stop(h, c, false);
		return;
	}
}

static void wake(struct host *h, struct thread *t)
{
	t->left = t->run;
	turns_wake(&h->turns, vm_of(h, t), &t->turns, h->now);
	record(h, TURNS_WAKE, t, (struct turns_event){.what = 0});
	queue(h, t);
	if (t->where == QUEUED)
		preempt(h, t);
}

/* Those that are held, in the order in which they came. */
static void let_go(struct host *h)
{
	bool seen[THREADS] = {false};
	struct thread *t;

	do {
		t = NULL;
		for (uint32_t i = 0; i < h->n; i++)
			if (h->threads[i].where == HELD && !seen[i] &&
			    (!t || h->threads[i].queued < t->queued))
				t = &h->threads[i];
		if (t) {
			seen[t - h->threads] = true;
			queue(h, t);
		}
	} while (t);
}

static void rescue(struct host *h)
{
	for (uint32_t i = 0; i < h->n; i++)
		if (h->threads[i].where == QUEUED &&
		    turns_overdue(&h->turns, h->threads[i].queued, h->now))
			h->threads[i].key = 0;
}

static void step(struct host *h)
{
	struct thread *t;

	if (!(h->now % (50 * NS_PER_MS)))
		rescue(h);

	for (uint32_t c = 0; c < CPUS; c++) {
		t = h->cpu[c] ? &h->threads[h->cpu[c] - 1] : NULL;
		if (t && t->rest && !t->left)
			stop(h, c, true);
		else if (t && h->now >= t->end)
			stop(h, c, false);
	}
	for (uint32_t i = 0; i < h->n; i++) {
		t = &h->threads[i];
		if (t->where == ASLEEP && h->now >= t->wake)
			wake(h, t);
	}
	let_go(h);
	for (uint32_t c = 0; c < CPUS; c++)
		if (!h->cpu[c] && (t = best(h)))
			start(h, c, t);
	for (uint32_t c = 0; c < CPUS; c++) {
		t = h->cpu[c] ? &h->threads[h->cpu[c] - 1] : NULL;
		if (!t)
			continue;
		t->used += STEP;
		t->left = t->left > STEP ? t->left - STEP : 0;
	}
	h->now += STEP;
}

static void run(struct host *h, uint64_t ns)
{
	for (uint32_t i = 0; i < h->n; i++) {
		h->threads[i].used = 0;
		if (!h->recorded)
			record_set(h, &h->threads[i]);
	}
	h->recorded = true;
	for (uint64_t end = h->now + ns; h->now < end;)
		step(h);
}

#endif
