/* SPDX-License-Identifier: MIT */
/*
 * guest/source_steal.c against worlds with clocks of the test's own: a CPU whose tasks take turns,
 * a hypervisor that takes it away at known instants, and steal clocks of all temperaments. What
 * each task was away for is known to the nanosecond, from the world and not from the clock.
 */
#include "base/proc.h"
#include "guest/switches.h"

/* The source's surroundings, before it is compiled in here. */
static enum switches_steal row = SWITCHES_STEAL_KVM;
static uint64_t outside_ns, stat_ns;

#define switches_steal_row  fake_steal_row
#define switches_read_steal fake_read_steal
#define switches_steal_name fake_steal_name
#define proc_read_cpu	    fake_read_cpu

enum switches_steal fake_steal_row(const struct switches *s);
int fake_read_steal(struct switches *s, unsigned cpu, uint64_t *ret);
const char *fake_steal_name(enum switches_steal of);
int fake_read_cpu(int cpu, struct proc_cpu *ret);

#include "guest/source_steal.c"

#include "random.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

enum switches_steal fake_steal_row(const struct switches *s)
{
	(void)s;
	return row;
}

int fake_read_steal(struct switches *s, unsigned cpu, uint64_t *ret)
{
	(void)s;
	(void)cpu;
	*ret = outside_ns;
	return 0;
}

const char *fake_steal_name(enum switches_steal of)
{
	return of == SWITCHES_STEAL_KVM ? "kvm" : "other";
}

int fake_read_cpu(int cpu, struct proc_cpu *ret)
{
	(void)cpu;
	*ret = (struct proc_cpu){.steal_ns = stat_ns};
	return 0;
}

#define TASKS 4
#define START NS_PER_SEC

static struct random dice = {.state = 1};

struct world {
	struct source_context context;
	struct source_config config;
	struct steal *source;
	uint64_t now, stolen; /* ns: time; what the hypervisor took so far */
	pid_t on_cpu;	      /* 1 .. TASKS, 0 idle */
	uint64_t away[TASKS + 1];
	struct source_gap gap; /* the last one told of */
	int gaps;
};

static void on_run(const struct account_run *run, void *data)
{
	struct world *w = data;

	source_steal.run(w->source, run);
}

static void on_gap(const struct source_gap *gap, void *data)
{
	struct world *w = data;

	w->gap = *gap;
	w->gaps++;
}

/* The first switch, with the clock at `clock`, is where the source takes its base. */
static void begin(struct world *w, enum switches_steal of, uint64_t clock)
{
	struct failure f;

	row = of;
	*w = (struct world){.now = START};
	w->config = (struct source_config){.gap_ns = 100 * NS_PER_MS, .gap = on_gap, .gap_data = w};
	w->context.config = &w->config;
	assert_int_equal(account_new(1, START, on_run, w, &w->context.account), 0);
	for (pid_t t = 1; t <= TASKS; t++)
		account_seed(w->context.account, t, t, 0, "task");
	assert_int_equal(source_steal.open(&w->context, &f, (void **)&w->source), 0);
	if (of != SWITCHES_STEAL_NONE)
		source_steal.steal(w->source, 0, START, clock);
}

static void end(struct world *w)
{
	source_steal.close(w->source);
	account_free(w->context.account);
}

/* The task on the CPU is there for `ns`, of which the vCPU is away `away`. */
static void pass(struct world *w, uint64_t ns, uint64_t away)
{
	w->now += ns;
	w->stolen += away;
	w->away[w->on_cpu] += away;
}

static void switch_to(struct world *w, pid_t next, uint64_t clock)
{
	account_switch(w->context.account, 0, w->now, w->on_cpu, false, next, next);
	source_steal.steal(w->source, 0, w->now, clock);
	w->on_cpu = next;
}

static const struct amounts *own(const struct world *w, pid_t task)
{
	struct account *a = w->context.account;

	return task ? &account_find_task(a, task)->own : &a->idle->own;
}

static uint64_t charged(const struct world *w, pid_t task)
{
	return amounts_away(own(w, task));
}

static uint64_t charged_in_all(const struct world *w)
{
	uint64_t sum = 0;

	for (pid_t t = 0; t <= TASKS; t++)
		sum += charged(w, t);
	return sum;
}

static struct source_report report(struct world *w)
{
	struct source_report r;

	source_steal.report(w->source, &r);
	return r;
}

/* A run of random length, away for a random part of it, every third time not at all. */
static void pass_randomly(struct world *w)
{
	uint64_t ns = 1 + random_below(&dice, 20 * NS_PER_MS);

	pass(w, ns, random_below(&dice, 3) ? random_below(&dice, ns + 1) : 0);
}

static void an_exact_clock_gives_exact_figures(void **state)
{
	struct world w;

	(void)state;
	begin(&w, SWITCHES_STEAL_KVM, 0);
	for (int i = 0; i < 20000; i++) {
		pass_randomly(&w);
		switch_to(&w, (pid_t)random_below(&dice, TASKS + 1), w.stolen);
	}
	for (pid_t t = 0; t <= TASKS; t++)
		assert_int_equal(charged(&w, t), w.away[t]);
	assert_int_equal(report(&w).epochs, 0);
	assert_int_equal(report(&w).unseen_ns, 0);
	end(&w);
}

/* Kernels before 6.13 subtract no more than a task's own time at once and keep the rest for the
 * next one: their clock falls behind, and makes up for it later. */
static void a_kernel_that_carries_steal_over_loses_none(void **state)
{
	uint64_t clock = 0;
	struct world w;

	(void)state;
	begin(&w, SWITCHES_STEAL_RQ_TASK, 0);
	for (int i = 0; i < 20000; i++) {
		uint64_t before = w.now;

		pass_randomly(&w);
		/* It looks at half the time that has passed only. */
		clock += u64_min(w.stolen - clock, (w.now - before) / 2 + 1);
		switch_to(&w, (pid_t)random_below(&dice, TASKS + 1), clock);
	}
	assert_int_equal(charged_in_all(&w), clock);
	assert_int_equal(report(&w).epochs, 0);
	end(&w);
}

/* Stolen at the edge of a switch: the clock has it before the run that it falls into. */
static void what_a_run_is_too_short_for_goes_to_the_next(void **state)
{
	struct world w;

	(void)state;
	begin(&w, SWITCHES_STEAL_KVM, 0);
	pass(&w, 10 * NS_PER_US, 0);
	switch_to(&w, 1, 3 * NS_PER_MS);
	assert_int_equal(charged_in_all(&w), 10 * NS_PER_US);
	pass(&w, 5 * NS_PER_MS, 0);
	switch_to(&w, 0, 3 * NS_PER_MS);
	assert_int_equal(charged_in_all(&w), 3 * NS_PER_MS);
	assert_int_equal(charged(&w, 1), 3 * NS_PER_MS - 10 * NS_PER_US);
	end(&w);
}

static void jump(uint64_t from, uint64_t to, uint64_t passes)
{
	struct world w;

	begin(&w, SWITCHES_STEAL_KVM, from);
	switch_to(&w, 1, from);
	pass(&w, passes, 0);
	switch_to(&w, 2, to);
	assert_int_equal(charged_in_all(&w), 0);
	assert_int_equal(report(&w).epochs, 1);
	/* What it was before, nobody knows: it isn't true either. */
	assert_int_equal(own(&w, 1)->occupied, passes);
	assert_int_equal(own(&w, 1)->unaccounted, passes);
	assert_int_equal(amounts_true(own(&w, 1)), 0);
	/* From there on it counts again. */
	pass(&w, 10 * NS_PER_MS, 4 * NS_PER_MS);
	switch_to(&w, 1, to + 4 * NS_PER_MS);
	assert_int_equal(charged(&w, 2), 4 * NS_PER_MS);
	assert_int_equal(amounts_true(own(&w, 2)), 6 * NS_PER_MS);
	assert_int_equal(report(&w).epochs, 1);
	end(&w);
}

static void a_clock_that_jumps_begins_anew(void **state)
{
	const uint64_t hours = 7 * 3600 * NS_PER_SEC;

	(void)state;
	jump(5 * hours, 3, 10 * NS_PER_MS);	     /* migrated: another host's clock */
	jump(3, 5 * hours, 10 * NS_PER_MS);	     /* resumed: stolen all night */
	jump(hours, 0, 3 * NS_PER_SEC);		     /* its CPU was offline, and registered anew */
	jump(hours, hours - 1, 10 * NS_PER_MS);	     /* back by a nanosecond */
	jump(0, UINT64_MAX - hours, 10 * NS_PER_MS); /* nonsense */
}

/* The scheduler's copy moves at ticks: a CPU that idles for a second, half of it stolen, shows that
 * at the first tick after. It is no epoch, and whoever comes next does not pay for it. */
static void a_lazy_clock_may_have_stood_still(void **state)
{
	struct world w;

	(void)state;
	begin(&w, SWITCHES_STEAL_RQ_TICK, 0);
	pass(&w, NS_PER_SEC, NS_PER_SEC / 2);
	switch_to(&w, 1, 0);
	pass(&w, 4 * NS_PER_MS, 0);
	switch_to(&w, 2, w.stolen);
	assert_int_equal(report(&w).epochs, 0);
	assert_int_equal(charged(&w, 1), 4 * NS_PER_MS);
	pass(&w, 100 * NS_PER_MS, 0);
	switch_to(&w, 1, w.stolen);
	assert_int_equal(charged(&w, 2), CARRY_MAX_NS);
	assert_int_equal(report(&w).unseen_ns, NS_PER_SEC / 2 - 4 * NS_PER_MS - CARRY_MAX_NS);
	end(&w);
}

/* /proc/stat in ticks of 10 ms, looked at ten times a second: the sum is right to a tick, and is
 * spread by length. */
static void without_a_clock_proc_stat_will_do(void **state)
{
	struct world w;

	(void)state;
	stat_ns = 10 * NS_PER_MS;
	begin(&w, SWITCHES_STEAL_NONE, 0);
	assert_string_equal(source_steal.clock_name(w.source), "/proc/stat");
	for (int i = 0; i < 1000; i++) {
		for (int k = 0; k < 4; k++) {
			pass(&w, k ? 10 * NS_PER_MS : 70 * NS_PER_MS, 6 * NS_PER_MS);
			account_switch(w.context.account, 0, w.now, w.on_cpu, false, k + 1, k + 1);
			w.on_cpu = k + 1;
		}
		stat_ns = 10 * NS_PER_MS + w.stolen / (10 * NS_PER_MS) * (10 * NS_PER_MS);
		source_steal.poll(w.source, w.now);
	}
	assert_in_range(charged_in_all(&w), w.stolen - 30 * NS_PER_MS, w.stolen);
	/* Task 4 had seven tenths of the time, so seven tenths of what was stolen. */
	assert_in_range(charged(&w, 4), w.stolen * 69 / 100, w.stolen * 71 / 100);
	assert_true(report(&w).coarse_ns >= w.stolen - 40 * NS_PER_MS);
	end(&w);
}

static void nobody_steals_is_no_source(void **state)
{
	struct source_context context = {.config = NULL};
	struct failure f = {.text = ""};
	void *source;

	(void)state;
	row = SWITCHES_STEAL_NONE;
	stat_ns = 0;
	assert_int_equal(source_steal.open(&context, &f, &source), -ENODEV);
	assert_non_null(strstr(f.text, "steal"));
}

/* A CPU that is seen first when a task has been there for a second: of that second nothing is
 * known. Read from outside in time, it is. */
static void before_the_first_reading_nothing_is_known(void **state)
{
	struct world w;

	(void)state;
	for (int known = 0; known < 2; known++) {
		stat_ns = 1;
		begin(&w, SWITCHES_STEAL_NONE, 0);
		row = SWITCHES_STEAL_KVM;
		w.source->at_switches = true;
		w.on_cpu = 1;
		outside_ns = 77;
		if (known)
			source_steal.settle(w.source, w.now, 0);
		pass(&w, NS_PER_SEC, NS_PER_SEC / 4);
		switch_to(&w, 2, 77 + w.stolen);
		assert_int_equal(charged(&w, 1), known ? NS_PER_SEC / 4 : 0);
		assert_int_equal(own(&w, 1)->unaccounted, known ? 0 : NS_PER_SEC);
		assert_int_equal(report(&w).epochs, 0);
		end(&w);
	}
}

/* A task that spins is switched out by nobody: a snapshot reads the clock from outside. */
static void a_spinning_task_is_charged_too(void **state)
{
	struct world w;

	(void)state;
	begin(&w, SWITCHES_STEAL_KVM, 0);
	switch_to(&w, 1, 0);
	pass(&w, NS_PER_SEC, 300 * NS_PER_MS);
	outside_ns = w.stolen;
	account_cut(w.context.account, w.now);
	source_steal.settle(w.source, w.now, 0);
	assert_int_equal(charged(&w, 1), 300 * NS_PER_MS);
	/* Which is long enough to tell of. */
	assert_int_equal(w.gaps, 1);
	assert_int_equal(w.gap.pid, 1);
	assert_int_equal(w.gap.ns, 300 * NS_PER_MS);
	assert_int_equal(w.gap.within, NS_PER_SEC);
	assert_int_equal(w.gap.end, w.now);
	end(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_exact_clock_gives_exact_figures),
		cmocka_unit_test(a_kernel_that_carries_steal_over_loses_none),
		cmocka_unit_test(what_a_run_is_too_short_for_goes_to_the_next),
		cmocka_unit_test(a_clock_that_jumps_begins_anew),
		cmocka_unit_test(a_lazy_clock_may_have_stood_still),
		cmocka_unit_test(without_a_clock_proc_stat_will_do),
		cmocka_unit_test(nobody_steals_is_no_source),
		cmocka_unit_test(a_spinning_task_is_charged_too),
		cmocka_unit_test(before_the_first_reading_nothing_is_known),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
