/* SPDX-License-Identifier: MIT */
/*
 * Clocks, and /proc with the names that people give their processes. Siblings: test_options.c
 * (command lines, failures), tests/fuzz/fuzz_proc.c (random bytes for the parsers).
 */
#include "base/clock.h"
#include "base/cpulist.h"
#include "base/proc.h"
#include "base/units.h"

#include <errno.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

static void test_clock_pair_lies_within_its_brackets(void **state)
{
	uint64_t ticks = clock_ticks(), before = clock_mono();
	struct clock_pair pair;

	(void)state;
	clock_read_pair(100, &pair);
	assert_in_range(pair.ticks, ticks, clock_ticks());
	assert_in_range(pair.mono, before, clock_mono());
	assert_true(pair.error < clock_mono() - before);
	clock_read_pair(0, &pair); /* at least one reading */
	assert_in_range(pair.mono, before, clock_mono());
}

static void test_muldiv_beyond_64_bits(void **state)
{
	(void)state;
	assert_int_equal(clock_muldiv(1ull << 63, 10, 20), 1ull << 62);
	assert_int_equal(clock_muldiv(UINT64_MAX, UINT64_MAX, UINT64_MAX), UINT64_MAX);
	assert_int_equal(clock_muldiv(7, 1, 2), 3);
}

/* ---- /proc ---- */

#define STAT_TAIL                                                                                  \
	" S 17 2 3 4 5 6 7 8 9 10 11 12 -13 14 20 0 1 0 1400 15 16 17 18 19 20 21 22 23 24 25 26 " \
	"27 28 29 17 3 0 0 0 0 0 0 0 0 0 0 0 0 0\n"

/* The parser takes times from columns 14 to 17, 22 and the CPU from column 39, as proc(5)
 * counts. */
static void check_stat_tail(const struct proc_stat *s, const char *comm)
{
	uint64_t tick = NS_PER_SEC / (uint64_t)sysconf(_SC_CLK_TCK);

	assert_string_equal(s->comm, comm);
	assert_int_equal(s->state, 'S');
	assert_int_equal(s->ppid, 17);
	assert_int_equal(s->utime_ns, 11 * tick);
	assert_int_equal(s->stime_ns, 12 * tick);
	assert_int_equal(s->start_ns, 1400 * tick);
	assert_int_equal(s->cpu, 3);
}

static const char *const names[] = {
	"cat", "", "a b", ") ", "a) R 1 2 (b", "()", "((", "two\nlines) Z 0", "%s%n", "-1 -1 -1",
};

static void test_stat_of_any_name(void **state)
{
	struct proc_stat s;
	char text[512];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		snprintf(text, sizeof(text), "1234 (%s)" STAT_TAIL, names[i]);
		assert_int_equal(proc_parse_stat(text, &s), 0);
		check_stat_tail(&s, names[i]);
	}
}

static void test_stat_of_a_long_name_is_cut(void **state)
{
	char text[512], name[201];
	struct proc_stat s;

	(void)state;
	memset(name, 'n', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	snprintf(text, sizeof(text), "1 (%s)" STAT_TAIL, name);
	name[PROC_COMM_SIZE - 1] = '\0';
	assert_int_equal(proc_parse_stat(text, &s), 0);
	check_stat_tail(&s, name);
}

/* A line that is cut anywhere before its last wanted column is refused, and nothing is touched. */
static void test_stat_that_is_cut_short(void **state)
{
	const char *whole = "1 (x)" STAT_TAIL;
	size_t wanted = (size_t)(strstr(whole, " 17 3 0") - whole) + strlen(" 17 3");
	struct proc_stat untouched, s;
	char text[512];

	(void)state;
	memset(&untouched, 0x5a, sizeof(untouched));
	for (size_t n = 0; n < wanted; n++) {
		s = untouched;
		snprintf(text, sizeof(text), "%.*s", (int)n, whole);
		assert_int_equal(proc_parse_stat(text, &s), -EBADMSG);
		assert_memory_equal(&s, &untouched, sizeof(s));
	}
	assert_int_equal(proc_parse_stat(") (" STAT_TAIL, &s), -EBADMSG);
}

/* The kernel's own file of a process that chose a nasty name: this one. */
static void test_stat_of_this_process(void **state)
{
	char before[16] = "";
	struct proc_stat s;

	(void)state;
	assert_int_equal(prctl(PR_GET_NAME, before), 0);
	assert_int_equal(prctl(PR_SET_NAME, "x) Z 1 (\n"), 0);
	assert_int_equal(proc_read_stat(getpid(), 0, &s), 0);
	assert_string_equal(s.comm, "x) Z 1 (\n");
	assert_int_equal(s.ppid, getppid());
	assert_int_equal(s.state, 'R');
	assert_int_equal(proc_read_stat(getpid(), gettid(), &s), 0);
	assert_int_equal(s.ppid, getppid());
	assert_int_equal(prctl(PR_SET_NAME, before), 0);
	assert_in_range(s.cpu, 0, sysconf(_SC_NPROCESSORS_CONF) - 1);
}

static void test_process_that_is_not_there(void **state)
{
	struct proc_stat s;
	uint64_t run, delay;

	(void)state;
	assert_int_equal(proc_read_stat(0x7ffffffe, 0, &s), -ENOENT);
	assert_int_equal(proc_read_stat(getpid(), 0x7ffffffe, &s), -ENOENT);
	assert_int_equal(proc_read_schedstat(0x7ffffffe, 0, &run, &delay), -ENOENT);
}

static void test_schedstat(void **state)
{
	static const char *const bad[] = {"", "12", "12 ", "x 3", "12 x", "\n"};
	uint64_t run = 1, delay = 2;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(proc_parse_schedstat(bad[i], &run, &delay), -EBADMSG);
	assert_true(run == 1 && delay == 2);
	assert_int_equal(proc_parse_schedstat("123 18446744073709551615 7\n", &run, &delay), 0);
	assert_int_equal(run, 123);
	assert_int_equal(delay, UINT64_MAX);
}

static uint64_t thread_cpu_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
	return (uint64_t)ts.tv_sec * NS_PER_SEC + (uint64_t)ts.tv_nsec;
}

/* The run time in the file, which the kernel brings up to date when it looks around, grows by what
 * the thread's own clock says that it ran: 50 ms or a bit more, to within 10. */
static void test_schedstat_of_this_thread(void **state)
{
	uint64_t run[2], delay[2], from, ran;

	(void)state;
	sched_yield();
	from = thread_cpu_ns();
	assert_int_equal(proc_read_schedstat(getpid(), gettid(), &run[0], &delay[0]), 0);
	while (thread_cpu_ns() - from < 50 * NS_PER_MS)
		;
	sched_yield();
	assert_int_equal(proc_read_schedstat(getpid(), gettid(), &run[1], &delay[1]), 0);
	ran = thread_cpu_ns() - from;
	assert_in_range(run[1] - run[0], ran - 10 * NS_PER_MS, ran + 10 * NS_PER_MS);
	assert_true(delay[1] >= delay[0]);
}

static const char stat_file[] = "cpu  100 10 20 1000 5 1 2 30 7 0\n"
				"cpu0 50 5 10 500 2 1 1 10 3 0\n"
				"cpu10 1 2 3 4 5 6 7 8 9 10\n"
				"cpu1 50 5 10 500 3 0 1 20 4 0\n"
				"cpu2 1 2 3 4 5 6 7\n"
				"intr 12345 0 1\n"
				"cpufreq 1 2 3 4 5 6 7 8\n";

static const struct {
	int cpu, expected;
	uint64_t busy, idle, steal; /* clock ticks */
} cpus[] = {
	{-1, 0, 100 + 10 + 20 + 1 + 2, 1005, 30},
	{0, 0, 50 + 5 + 10 + 1 + 1, 502, 10},
	{1, 0, 50 + 5 + 10 + 0 + 1, 503, 20},
	{10, 0, 1 + 2 + 3 + 6 + 7, 9, 8},
	{2, -EBADMSG, 0, 0, 0},
	{3, -ENOENT, 0, 0, 0},
	{100, -ENOENT, 0, 0, 0},
};

static void test_cpu_lines(void **state)
{
	uint64_t tick = NS_PER_SEC / (uint64_t)sysconf(_SC_CLK_TCK);

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cpus); i++) {
		struct proc_cpu c = {0};

		assert_int_equal(proc_parse_cpu(stat_file, cpus[i].cpu, &c), cpus[i].expected);
		assert_int_equal(c.busy_ns, cpus[i].busy * tick);
		assert_int_equal(c.idle_ns, cpus[i].idle * tick);
		assert_int_equal(c.steal_ns, cpus[i].steal * tick);
	}
	assert_int_equal(proc_parse_cpu("", -1, &(struct proc_cpu){0}), -ENOENT);
	assert_int_equal(proc_parse_cpu("cpu", -1, &(struct proc_cpu){0}), -ENOENT);
}

static void test_cgroup_of_a_process(void **state)
{
	static const struct {
		const char *text;
		size_t room;
		const char *path; /* NULL: refused */
	} cases[] = {
		{"0::/system.slice/ssh.service\n", 64, "/system.slice/ssh.service"},
		{"0::/\n", 64, "/"},
		/* both kinds of hierarchy: the unified one, then cpu, then systemd's */
		{"4:cpu,cpuacct:/c\n1:name=systemd:/s\n0::/u\n", 64, "/u"},
		{"1:name=systemd:/s\n4:cpuacct,cpu:/c\n0::/\n", 64, "/c"},
		{"3:cpuset:/no\n2:cpu:/\n1:name=systemd:/s\n0::/\n", 64, "/s"},
		{"3:cpuset:/no\n2:cpu:/\n", 64, "/"},
		/* names with colons, commas and no end */
		{"0::/a:cpu:/b,c", 64, "/a:cpu:/b,c"},
		{"7:cpu:/deep/path\n", 6, "/deep"},
		{"", 64, NULL},
		{"0:\n::\nx", 64, NULL},
		{"0::relative\n", 64, NULL},
		{"9:memory:/only\n", 64, NULL},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		char path[64] = "untouched";
		int err = proc_parse_cgroup(cases[i].text, path, cases[i].room);

		assert_int_equal(err, cases[i].path ? 0 : -EBADMSG);
		assert_string_equal(path, cases[i].path ? cases[i].path : "untouched");
	}
}

static void test_cpu_lines_of_this_machine(void **state)
{
	struct proc_cpu all;

	(void)state;
	assert_int_equal(proc_read_cpu(-1, &all), 0);
	assert_true(all.busy_ns > 0);
	assert_int_equal(proc_read_cpu(1 << 20, &all), -ENOENT);
}

static void test_file_is_cut_to_the_buffer(void **state)
{
	char path[] = "/tmp/desched-test-XXXXXX", buf[8];
	int fd = mkstemp(path);

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(write(fd, "0123456789", 10), 10);
	close(fd);
	memset(buf, '#', sizeof(buf));
	assert_int_equal(file_read(path, buf, sizeof(buf)), 7);
	assert_string_equal(buf, "0123456");
	unlink(path);
	assert_int_equal(file_read(path, buf, sizeof(buf)), -ENOENT);
	assert_int_equal(file_read("/tmp", buf, sizeof(buf)), -EISDIR);
}

struct walk {
	pid_t wanted;
	int seen, stop;
};

static int visit(pid_t id, void *data)
{
	struct walk *w = data;

	w->seen += id == w->wanted;
	return w->stop;
}

static void test_lists_of_cpus(void **state)
{
	static const struct {
		const char *text;
		uint64_t set; /* bit n: CPU n */
		bool whole;
	} rows[] = {
		{"", 0, true},
		{"0", 0x1, true},
		{"0-3,5", 0x2f, true},
		{"5,0-3", 0x2f, true},
		{"63", 1ull << 63, true},
		{"3-3", 0x8, true},
		{"3-1", 0, false},
		{"1,", 0, false},
		{",1", 0, false},
		{"1,,2", 0x2, false},
		{"1-", 0, false},
		{"-1", 0, false},
		{"+1", 0, false},
		{" 1", 0, false},
		{"1 ", 0, false},
		{"1-2-3", 0, false},
		{"0x1", 0, false},
		{"all", 0, false},
		{"1,4294967296", 0x2, false},
		{"99999999999999999999", 0, false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const char *at = rows[i].text;
		uint32_t first, last;
		uint64_t set = 0;
		int more;

		while ((more = cpulist_next(&at, &first, &last)) > 0)
			for (uint32_t cpu = first; cpu <= last; cpu++)
				set |= 1ull << cpu;
		assert_int_equal(more, rows[i].whole ? 0 : -EINVAL);
		assert_true(set == rows[i].set);
	}
}

static void test_each_id(void **state)
{
	struct walk w = {.wanted = getpid()};

	(void)state;
	assert_int_equal(proc_each_id("/proc", visit, &w), 0);
	assert_int_equal(w.seen, 1);
	w.stop = 5;
	assert_int_equal(proc_each_id("/proc", visit, &w), 5);
	assert_int_equal(proc_each_id("/nonexistent", visit, &w), -ENOENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_clock_pair_lies_within_its_brackets),
		cmocka_unit_test(test_muldiv_beyond_64_bits),
		cmocka_unit_test(test_stat_of_any_name),
		cmocka_unit_test(test_stat_of_a_long_name_is_cut),
		cmocka_unit_test(test_stat_that_is_cut_short),
		cmocka_unit_test(test_stat_of_this_process),
		cmocka_unit_test(test_process_that_is_not_there),
		cmocka_unit_test(test_schedstat),
		cmocka_unit_test(test_schedstat_of_this_thread),
		cmocka_unit_test(test_cpu_lines),
		cmocka_unit_test(test_cgroup_of_a_process),
		cmocka_unit_test(test_cpu_lines_of_this_machine),
		cmocka_unit_test(test_file_is_cut_to_the_buffer),
		cmocka_unit_test(test_each_id),
		cmocka_unit_test(test_lists_of_cpus),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
