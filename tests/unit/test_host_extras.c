/* SPDX-License-Identifier: MIT */
/*
 * Figures beside ledgers: what exits are for, by the numbers of Intel's and AMD's manuals; means and
 * their intervals; quantiles of delays; vCPUs that are busy, work or loop. Whether the figures are right
 * on a machine: tests/system/test_{host_kvm,calibrate,interrupts}.c.
 */
#include "base/mean.h"
#include "base/proc.h"
#include "base/units.h"
#include "host/busy.h"
#include "host/calibrate.h"
#include "host/gap_by.h"
#include "near.h"

#include <errno.h>
#include <linux/kvm.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <cmocka.h>

static void reasons(void **state)
{
	static const struct {
		uint32_t isa, reason;
		enum exit_class class;
	} rows[] = {
		{1, 1, EXIT_INTERRUPT},	   {1, 12, EXIT_HALT},	      {1, 30, EXIT_PORT},
		{1, 32, EXIT_MSR},	   {1, 40, EXIT_PAUSE},	      {1, 48, EXIT_MEMORY},
		{1, 49, EXIT_MMIO},	   {1, 52, EXIT_TIMER},	      {1, 18, EXIT_HYPERCALL},
		{1, 2, EXIT_OTHER},	   {2, 0x60, EXIT_INTERRUPT}, {2, 0x72, EXIT_CPUID},
		{2, 0x77, EXIT_PAUSE},	   {2, 0x78, EXIT_HALT},      {2, 0x7b, EXIT_PORT},
		{2, 0x7c, EXIT_MSR},	   {2, 0x81, EXIT_HYPERCALL}, {2, 0x400, EXIT_MEMORY},
		{2, 0x4e, EXIT_EXCEPTION}, {2, 0x7f, EXIT_OTHER},     {3, 12, EXIT_OTHER},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		assert_int_equal(exit_class_of(rows[i].isa, rows[i].reason), rows[i].class);
	assert_int_equal(exit_class_of_user(KVM_EXIT_IO), EXIT_PORT);
	assert_int_equal(exit_class_of_user(KVM_EXIT_HLT), EXIT_HALT);
	assert_int_equal(exit_class_of_user(KVM_EXIT_SHUTDOWN), EXIT_OTHER);
	for (int i = 0; i < EXIT_CLASSES; i++)
		assert_true(exit_class_name(i)[0] && exit_class_help(i)[0]);
}

/* Nobody, nobody that was waited for, and somebody who isn't known are told apart. */
static void who_ran_before_a_gap_ended(void **state)
{
	static const struct {
		uint32_t by, state;
		const char *kind;
	} rows[] = {
		{0, LEDGER_READY, "unknown"},
		{GAP_BY_NOBODY, LEDGER_READY, "idle"},
		{GAP_BY_NOBODY, LEDGER_SWAPWAIT, "blocked"},
		{GAP_BY_NOBODY, LEDGER_WAIT, "blocked"},
		{GAP_BY_HIDDEN, LEDGER_READY, "hidden"},
	};
	struct gap_by by;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		by = gap_by_of(&(struct gap){.by = rows[i].by, .state = rows[i].state});
		assert_string_equal(gap_by_kind_name(by.kind), rows[i].kind);
		assert_true(!by.tid && !by.name[0]);
	}
	prctl(PR_SET_NAME, "a\nb\033c");
	by = gap_by_of(&(struct gap){.by = (uint32_t)getpid(), .state = LEDGER_READY});
	assert_string_equal(gap_by_kind_name(by.kind), "thread");
	assert_int_equal(by.tid, getpid());
	assert_null(strpbrk(by.name, "\n\033"));
	by = gap_by_of(&(struct gap){.by = 0x7ffffffe, .state = LEDGER_READY}); /* no such thread */
	assert_string_equal(by.name, "?");
}

/* 2, 4, 4, 4, 5, 5, 7, 9: mean 5, sum of squares 32; s = 2.138, t(7) = 2.365: 1.788. */
static void means(void **state)
{
	static const double values[] = {2, 4, 4, 4, 5, 5, 7, 9};
	struct mean m = {0};

	(void)state;
	assert_true(isnan(mean_half(&m)));
	mean_add(&m, values[0]);
	assert_true(isnan(mean_half(&m)));
	for (size_t i = 1; i < ARRAY_SIZE(values); i++)
		mean_add(&m, values[i]);
	assert_near(m.mean, 5, 1e-12);
	assert_near(mean_half(&m), 1.788, 0.002);
	/* From tables. */
	assert_near(mean_student(1), 12.706, 0.001);
	assert_near(mean_student(2), 4.303, 0.001);
	assert_near(mean_student(3), 3.182, 0.001);
}

/* 10 below 1 us, 10 of 4 to 8 us. */
static void quantiles(void **state)
{
	struct interrupt_delays d = {.n = 20, .longest = 6000, .buckets = {[0] = 10, [3] = 10}};
	struct interrupt_delays sum = {.longest = 9000};

	(void)state;
	assert_int_equal(interrupt_bound(0), 1000);
	assert_int_equal(interrupt_bound(3), 8000);
	assert_int_equal(interrupt_bound(INTERRUPT_BUCKETS - 1), UINT64_MAX);
	assert_near(interrupt_quantile(&d, 0.25), 500, 1e-9);
	assert_near(interrupt_quantile(&d, 0.5), 1000, 1e-9);
	assert_near(interrupt_quantile(&d, 0.75), 5000, 1e-9); /* of 4 to 6: none was longer */
	assert_near(interrupt_quantile(&d, 1), 6000, 1e-9);
	interrupt_delays_add(&sum, &d);
	assert_int_equal(sum.n, 20);
	assert_int_equal(sum.longest, 9000);
	assert_int_equal(sum.buckets[3], 10);
	d = (struct interrupt_delays){.n = 0};
	assert_near(interrupt_quantile(&d, 0.5), 0, 1e-9);
}

static void switches(void **state)
{
	uint64_t slept = 1, preempted = 2;

	(void)state;
	assert_int_equal(proc_parse_switches("Name:\tx\nvoluntary_ctxt_switches:\t17\n"
					     "nonvoluntary_ctxt_switches:\t4\n",
					     &slept, &preempted),
			 0);
	assert_int_equal(slept, 17);
	assert_int_equal(preempted, 4);
	assert_int_equal(
		proc_parse_switches("Name:\tvoluntary_ctxt_switches:\n", &slept, &preempted),
		-EBADMSG);
	assert_int_equal(
		proc_parse_switches("\nnonvoluntary_ctxt_switches:\t4\n", &slept, &preempted),
		-EBADMSG);
	assert_int_equal(slept, 17);
}

/* ---- busy vCPUs ---- */

static struct ledger ledger;
static struct vcpu_exits exits;
static struct busy busy;

static void begin(void)
{
	ledger = (struct ledger){.start = 5 * NS_PER_SEC, .at = 5 * NS_PER_SEC};
	exits = (struct vcpu_exits){.kernel = {{0}}};
	busy = (struct busy){.at = 0};
}

/* Tenths of a second of one state; how many exits of a class come in each. */
static void pass(unsigned tenths, enum ledger_state s, enum exit_class c, uint64_t n, bool told)
{
	while (tenths--) {
		ledger.ns[s] += NS_PER_SEC / 10;
		ledger.at += NS_PER_SEC / 10;
		exits.kernel[c].n += n;
		busy_update(&busy, &ledger, told ? &exits : NULL);
	}
}

static void idle_is_not_busy(void **state)
{
	(void)state;
	begin();
	pass(20, LEDGER_HALT, EXIT_HALT, 3, true);
	assert_int_equal(busy_for(&busy), 0);
	pass(20, LEDGER_RUN, EXIT_INTERRUPT, 3, true);
	pass(1, LEDGER_HALT, EXIT_HALT, 1, true);
	assert_int_equal(busy_for(&busy), 0);
	assert_int_equal(busy_quiet_for(&busy), 0);
	assert_false(busy_is_runaway(&busy, 1));
}

/* 10 s of work with a page fault each tenth, then 5 s in which only ticks and interrupts come. */
static void a_loop_is_told_from_work(void **state)
{
	(void)state;
	begin();
	pass(1, LEDGER_HALT, EXIT_HALT, 1, true);
	pass(100, LEDGER_RUN, EXIT_MEMORY, 1, true);
	assert_int_equal(busy_for(&busy), 10 * NS_PER_SEC);
	assert_int_equal(busy_quiet_for(&busy), 0);
	assert_false(busy_is_runaway(&busy, NS_PER_SEC));
	assert_string_equal(busy_kind_name(busy_kind(&busy)), "works");
	pass(20, LEDGER_RUN, EXIT_MSR, 25, true);
	pass(20, LEDGER_READY, EXIT_INTERRUPT, 0, true);
	pass(10, LEDGER_RUN, EXIT_PAUSE, 5, true);
	assert_int_equal(busy_for(&busy), 15 * NS_PER_SEC);
	assert_int_equal(busy_quiet_for(&busy), 5 * NS_PER_SEC);
	assert_true(busy_is_runaway(&busy, 5 * NS_PER_SEC));
	assert_false(busy_is_runaway(&busy, 5 * NS_PER_SEC + 1));
	assert_false(busy_is_runaway(&busy, 0));
	assert_int_equal(busy_kind(&busy), BUSY_WORKS); /* for the longer part of the 15 s */
	pass(60, LEDGER_RUN, EXIT_MSR, 25, true);
	assert_int_equal(busy_kind(&busy), BUSY_LOOPS);
	pass(1, LEDGER_RUN, EXIT_PORT, 1, true);
	assert_false(busy_is_runaway(&busy, NS_PER_SEC));
	pass(20, LEDGER_RUN, EXIT_PAUSE, 2000, true);
	assert_int_equal(busy_kind(&busy), BUSY_SPINS);
	pass(1, LEDGER_HALT, EXIT_HALT, 1, true);
	assert_int_equal(busy_kind(&busy), BUSY_IDLES);
	pass(20, LEDGER_RUN, EXIT_INTERRUPT, 1, true); /* the PAUSEs before do not count */
	assert_int_equal(busy_kind(&busy), BUSY_LOOPS);
}

/* Then only the time without a halt counts; a lock of the monitor's, 0.1 ms of 100, is no halt. */
static void without_exits(void **state)
{
	(void)state;
	begin();
	pass(1, LEDGER_HALT, EXIT_HALT, 0, false);
	for (int i = 0; i < 30; i++) {
		ledger.ns[LEDGER_WAIT] += NS_PER_MS / 10;
		ledger.at += NS_PER_MS / 10;
		busy_update(&busy, &ledger, NULL); /* too soon: no reading */
		pass(1, LEDGER_RUN, EXIT_OTHER, 0, false);
	}
	assert_int_equal(busy_for(&busy), 3003 * NS_PER_MS);
	assert_int_equal(busy_quiet_for(&busy), 0);
	assert_true(busy_is_runaway(&busy, 3 * NS_PER_SEC));
	assert_int_equal(busy_kind(&busy), BUSY_UNKNOWN);
	/* Exits that KVM doesn't report are not known either. */
	pass(1, LEDGER_RUN, EXIT_OTHER, 0, true);
	assert_int_equal(busy_quiet_for(&busy), 0);
	assert_true(busy_is_runaway(&busy, 3 * NS_PER_SEC));
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(who_ran_before_a_gap_ended),
		cmocka_unit_test(reasons),
		cmocka_unit_test(means),
		cmocka_unit_test(quantiles),
		cmocka_unit_test(switches),
		cmocka_unit_test(idle_is_not_busy),
		cmocka_unit_test(a_loop_is_told_from_work),
		cmocka_unit_test(without_exits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
