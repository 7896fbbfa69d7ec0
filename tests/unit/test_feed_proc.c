/* SPDX-License-Identifier: MIT */
/*
 * The feed of /proc alone when /proc is wrong: huge figures, wrapped ones, some that fall. The test
 * stands in for the readers of /proc/stat and /proc/PID/stat (--wrap); what the screen gets must
 * stay within what the CPUs can have run. test_feed.c covers the other feeds.
 */
#include "base/proc.h"
#include "base/units.h"
#include "screen/feed.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static struct proc_cpu stat_now;
static uint64_t process_now; /* ns */
static int unreadable;

int __wrap_proc_read_cpu(int cpu, struct proc_cpu *ret);
int __wrap_proc_read_stat(pid_t pid, pid_t tid, struct proc_stat *ret);

int __wrap_proc_read_cpu(int cpu, struct proc_cpu *ret)
{
	(void)cpu;
	*ret = stat_now;
	return unreadable;
}

int __wrap_proc_read_stat(pid_t pid, pid_t tid, struct proc_stat *ret)
{
	(void)tid;
	if (pid != getpid())
		return -ENOENT;
	*ret = (struct proc_stat){.comm = "me", .state = 'R', .utime_ns = process_now};
	return 0;
}

struct reading {
	uint64_t busy, cpu, process;
	bool complete;
};

static struct reading take(void *feed)
{
	struct failure f = {""};
	struct frame taken;
	const struct snapshot *frame = &taken.guest;
	struct reading r;

	if (feed_proc.take(feed, &f, &taken))
		fail_msg("%s", f.text);
	assert_int_equal(frame->n_processes, 1);
	r = (struct reading){frame->busy.truth, frame->cpus[0].ledger[LEDGER_RUN],
			     frame->processes[0].own.truth, frame->complete};
	snapshot_done(&taken.guest);
	return r;
}

static void test_wrong_figures(void **state)
{
	static const struct {
		struct proc_cpu stat;
		uint64_t process;
		bool complete;
		uint64_t grown; /* ns, since the row before */
	} rows[] = {
		/* The first is where it begins. */
		{{7 * NS_PER_SEC, 9 * NS_PER_SEC, 0}, 5 * NS_PER_SEC, true, 0},
		{{7 * NS_PER_SEC + 5000000, 9 * NS_PER_SEC, 0},
		 5 * NS_PER_SEC + 5000000,
		 true,
		 5000000},
		{{UINT64_MAX, UINT64_MAX, UINT64_MAX}, UINT64_MAX, false, 0},
		{{7 * NS_PER_SEC + 9000000, 9 * NS_PER_SEC, 0}, 5 * NS_PER_SEC + 9000000, false, 0},
		{{7 * NS_PER_SEC + 12000000, 9 * NS_PER_SEC, 0},
		 5 * NS_PER_SEC + 12000000,
		 true,
		 3000000},
		/* An hour within milliseconds. */
		{{3607 * NS_PER_SEC, 9 * NS_PER_SEC, 0}, 3605 * NS_PER_SEC, false, 0},
		{{0, 0, 0}, 0, false, 0},
		{{2000000, 0, 0}, 2000000, true, 2000000},
	};
	struct failure f = {""};
	struct reading before = {0};
	void *feed;

	(void)state;
	stat_now = rows[0].stat;
	assert_int_equal(feed_proc.open(NULL, &f, &feed), 0);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct reading now;

		stat_now = rows[i].stat;
		process_now = rows[i].process;
		now = take(feed);
		assert_int_equal(now.complete, rows[i].complete);
		if (i) {
			assert_int_equal(now.busy - before.busy, rows[i].grown);
			assert_int_equal(now.cpu - before.cpu, rows[i].grown);
			assert_int_equal(now.process - before.process, rows[i].grown);
		}
		before = now;
	}
	feed_proc.close(feed);
}

/* Huge from the first reading on: nothing of it is shown, and nothing dies of it. */
static void test_huge_at_once(void **state)
{
	struct failure f = {""};
	void *feed;

	(void)state;
	stat_now = (struct proc_cpu){UINT64_MAX, UINT64_MAX, UINT64_MAX};
	process_now = UINT64_MAX;
	assert_int_equal(feed_proc.open(NULL, &f, &feed), 0);
	for (int i = 0; i < 2; i++) {
		struct reading r = take(feed);

		assert_int_equal(r.busy, 0);
		assert_int_equal(r.process, 0);
		assert_int_equal(r.complete, i == 1);
	}
	feed_proc.close(feed);
}

static void test_unreadable(void **state)
{
	struct failure f = {""};
	void *feed;

	(void)state;
	unreadable = -EBADMSG;
	assert_int_equal(feed_proc.open(NULL, &f, &feed), -EBADMSG);
	unreadable = 0;
}

/* Text that doesn't fit into 64 bits, before or after ticks become ns. */
static void test_parser(void **state)
{
	struct proc_cpu c;

	(void)state;
	assert_int_equal(proc_parse_cpu("cpu  18446744073709551615 1 1 5 5 0 0 7\n", -1, &c), 0);
	assert_true(c.busy_ns == UINT64_MAX);
	assert_int_equal(c.steal_ns, 7 * (NS_PER_SEC / (uint64_t)sysconf(_SC_CLK_TCK)));
	assert_int_equal(proc_parse_cpu("cpu  0 0 0 99999999999999999999999 0 0 0 -1\n", -1, &c),
			 0);
	assert_true(c.idle_ns == UINT64_MAX && c.steal_ns == UINT64_MAX);
	assert_int_equal(proc_parse_cpu("cpu  36028797018963968 0 0 0 0 0 0 0\n", -1, &c), 0);
	assert_true(c.busy_ns == UINT64_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_wrong_figures),
		cmocka_unit_test(test_huge_at_once),
		cmocka_unit_test(test_unreadable),
		cmocka_unit_test(test_parser),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
