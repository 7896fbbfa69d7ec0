/* SPDX-License-Identifier: MIT */
/*
 * Source `steal`: the hypervisor's steal clock.
 *
 * At every context switch the steal clock has advanced by what was stolen since the last reading on
 * that CPU. All of that is charged to the run that has just ended, at most its length: what is over
 * has been stolen at the edge, before the kernel could account for it, and is carried to the next
 * run; no more than CARRY_MAX_NS of it, the rest is nobody's. A clock that jumps back, or by more
 * than the time that has passed (a migration, a resume, a CPU that was offline), begins a new
 * epoch: the reading is taken as the new base, what ran since the one before is unaccounted, and it
 * is counted. A clock that the kernel brings up to date at ticks only may have stood still for long
 * and then move by as much.
 *
 * Where no switch carries the clock (no BPF access to it), /proc/stat's steal column is read at
 * each poll and spread over the runs since.
 *
 * What it cannot see: time in which the host had the vCPU blocked on other work, SIGSTOP,
 * migration.
 */
#include "guest/source.h"

#include "base/clock.h"
#include "base/proc.h"
#include "base/units.h"
#include "guest/window.h"

#include <errno.h>
#include <stdlib.h>

/* Readings are that far apart from the times they carry. */
#define EPOCH_SLACK_NS (20 * NS_PER_MS)
#define CARRY_MAX_NS   (20 * NS_PER_MS)

struct steal_cpu {
	bool based;
	uint64_t last;	    /* ns, the steal clock's last reading */
	uint64_t last_time; /* ns, when that was */
	uint64_t moved;	    /* ns, when a reading last differed from the one before */
	uint64_t
		outside; /* ns, when it was last read from outside: a switch before that is older */
	uint64_t carry;	 /* ns stolen and not yet charged */
	struct window runs; /* since the last reading */
};

struct steal {
	const struct source_context *context;
	bool at_switches;
	bool lazy; /* the clock moves at ticks only */
	struct steal_cpu *cpus;
	uint64_t epochs;
	uint64_t coarse_ns;
	uint64_t unseen_ns;
};

static int steal_open(const struct source_context *context, struct failure *f, void **ret)
{
	struct proc_cpu total;
	struct steal *s;
	bool at_switches = switches_steal_row(context->switches) != SWITCHES_STEAL_NONE;

	if (!at_switches && (proc_read_cpu(-1, &total) || !total.steal_ns))
		return failure_set(f, -ENODEV,
				   "source steal: no hypervisor feeds this kernel's steal clock");
	s = calloc(1, sizeof(*s));
	if (!s)
		return failure_errno(f, -ENOMEM, "source steal");
	s->cpus = calloc(context->account->n_cpus, sizeof(*s->cpus));
	if (!s->cpus) {
		free(s);
		return failure_errno(f, -ENOMEM, "source steal");
	}
	s->context = context;
	s->at_switches = at_switches;
	s->lazy = !at_switches || switches_steal_row(context->switches) == SWITCHES_STEAL_RQ_TICK;
	*ret = s;
	return 0;
}

static void steal_close(void *source)
{
	struct steal *s = source;

	for (unsigned i = 0; i < s->context->account->n_cpus; i++)
		window_free(&s->cpus[i].runs, s->context->account);
	free(s->cpus);
	free(s);
}

static void steal_run(void *source, const struct account_run *run)
{
	struct steal *s = source;

	window_add(&s->cpus[run->cpu].runs, s->context->account, run);
}

/* `time`, `passed`: when the reading was, and how long after the one before. */
static void tell_gap(struct steal *s, unsigned cpu, uint64_t time, uint64_t passed, uint64_t stolen)
{
	source_tell_gap(s->context->config,
			(struct source_gap){.cpu = cpu,
					    .state = LEDGER_READY,
					    .end = time,
					    .ns = stolen,
					    .within = passed},
			window_longest(&s->cpus[cpu].runs));
}

static void charge(struct steal *s, unsigned cpu, uint64_t stolen)
{
	struct steal_cpu *c = &s->cpus[cpu];
	struct account *a = s->context->account;
	uint64_t want = c->carry + stolen, charged;

	window_book(&c->runs, a, cpu);
	charged = window_charge(&c->runs, a, cpu, LEDGER_READY, want);
	c->carry = u64_min(want - charged, CARRY_MAX_NS);
	s->unseen_ns += want - charged - c->carry;
	if (c->runs.n > 1)
		s->coarse_ns += charged;
	window_clear(&c->runs, a);
}

/* Nobody knows what the vCPU did since the last reading: that was another clock's, or there was
 * none. */
static void leave_unaccounted(struct steal *s, unsigned cpu)
{
	struct steal_cpu *c = &s->cpus[cpu];
	struct account *a = s->context->account;

	s->epochs += c->based;
	s->unseen_ns += c->carry;
	c->carry = 0;
	window_book(&c->runs, a, cpu);
	window_charge(&c->runs, a, cpu, AMOUNTS_UNKNOWN, c->runs.total);
	window_clear(&c->runs, a);
}

static void steal_reading(void *source, unsigned cpu, uint64_t time, uint64_t steal)
{
	struct steal *s = source;
	struct steal_cpu *c = &s->cpus[cpu];
	uint64_t stolen, passed, most;
	bool sane;

	/* Of a switch before the last reading, which has what it would tell already. */
	if (c->based && time <= c->outside && steal < c->last)
		steal = c->last;
	stolen = steal - c->last;
	passed = u64_sub_floor(time, c->last_time);
	most = u64_sub_floor(time, s->lazy ? c->moved : c->last_time) + EPOCH_SLACK_NS;
	sane = c->based && steal >= c->last && stolen <= most;
	if (sane) {
		tell_gap(s, cpu, time, passed, stolen);
		charge(s, cpu, stolen);
	} else {
		leave_unaccounted(s, cpu);
	}
	if (!c->based || stolen)
		c->moved = time;
	c->based = true;
	c->last = steal;
	c->last_time = time;
}

/* Without a clock at the switches: /proc/stat, in ticks. */
static int steal_poll(void *source, uint64_t now)
{
	struct steal *s = source;

	if (s->at_switches)
		return 0;
	for (unsigned cpu = 0; cpu < s->context->account->n_cpus; cpu++) {
		struct proc_cpu figures;

		if (!proc_read_cpu((int)cpu, &figures))
			steal_reading(s, cpu, now, figures.steal_ns);
	}
	return 0;
}

/* A process that has not been switched out yet: its CPU's clock is read from outside. */
static int steal_settle(void *source, uint64_t until, uint64_t patience)
{
	struct steal *s = source;

	(void)patience;
	for (unsigned cpu = 0; s->at_switches && cpu < s->context->account->n_cpus; cpu++) {
		uint64_t steal;

		if (switches_read_steal(s->context->switches, cpu, &steal))
			continue;
		steal_reading(s, cpu, until, steal);
		s->cpus[cpu].outside = clock_mono();
	}
	return s->at_switches ? 0 : steal_poll(s, until);
}

static void steal_report(void *source, struct source_report *ret)
{
	const struct steal *s = source;

	*ret = (struct source_report){
		.unseen_ns = s->unseen_ns, .coarse_ns = s->coarse_ns, .epochs = s->epochs};
	for (unsigned i = 0; i < s->context->account->n_cpus; i++)
		ret->unseen_ns += s->cpus[i].carry;
}

static const char *steal_clock_name(const void *source)
{
	const struct steal *s = source;

	return s->at_switches ? switches_steal_name(switches_steal_row(s->context->switches))
			      : "/proc/stat";
}

const struct source_ops source_steal = {
	.name = "steal",
	.summary = "the hypervisor's steal clock, read at every context switch",
	.not_seen = "waits for the host's memory and disks, pauses, migration",
	.steal_row = switches_steal_row,
	.open = steal_open,
	.close = steal_close,
	.run = steal_run,
	.steal = steal_reading,
	.poll = steal_poll,
	.settle = steal_settle,
	.clock_name = steal_clock_name,
	.report = steal_report,
};
