/* SPDX-License-Identifier: MIT */
/*
 * Who ran while a vCPU waited: histories whose sums are worked out by hand. test_blame_oracle.c has
 * random ones; the logs that the records come from are test_run_log.c, real threads test_blame of
 * the system suite.
 */
#include "host/blame.h"

#include "base/units.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <cmocka.h>

#define NOBODY	4000000 /* no process has this id */
#define HOG	(NOBODY + 1)
#define OTHER	(NOBODY + 2)
#define WEB_PID (NOBODY + 10)
#define DB_PID	(NOBODY + 11)

enum { WEB, DB }; /* ids of VMs */

static struct blame *b;
static struct blame_vm *web, *db;

static int set_up(void **state)
{
	(void)state;
	assert_int_equal(blame_new(2, &b), 0);
	assert_int_equal(blame_add(b, WEB, WEB_PID, "web", 2, &web), 0);
	assert_int_equal(blame_add(b, DB, DB_PID, "db", 1, &db), 0);
	for (uint32_t v = 0; v < 2; v++)
		blame_reading(web, v, 1000, 0, NULL);
	blame_reading(db, 0, 1000, 0, NULL);
	blame_settle(b);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	web = blame_remove(b, web);
	db = blame_remove(b, db);
	b = blame_free(b);
	return 0;
}

static struct host_run process(uint32_t cpu, uint64_t start, uint64_t end, pid_t pid,
			       const char *name)
{
	struct host_run run = {.start = start,
			       .end = end,
			       .cpu = cpu,
			       .vm = -1,
			       .vcpu = -1,
			       .tid = pid,
			       .pid = pid};

	snprintf(run.name, sizeof(run.name), "%s", name);
	return run;
}

static void put(struct host_run run)
{
	blame_fns.run(&run, b);
}

static void put_idle(uint32_t cpu, uint64_t start, uint64_t end)
{
	put((struct host_run){.start = start, .end = end, .cpu = cpu, .vm = -1, .vcpu = -1});
}

static void put_kernel(uint32_t cpu, uint64_t start, uint64_t end, const char *name)
{
	struct host_run run = process(cpu, start, end, 77, name);

	run.kernel = true;
	put(run);
}

static void put_vm(uint32_t cpu, uint64_t start, uint64_t end, int vm, int vcpu)
{
	struct host_run run = process(cpu, start, end, vm == WEB ? WEB_PID : DB_PID, "qemu");

	run.vm = vm;
	run.vcpu = vcpu;
	put(run);
}

/* The run that is under way. */
static void now(struct host_run run)
{
	run.name[0] = '\0';
	blame_fns.now(&run, b);
}

static void waited(uint32_t cpu, uint64_t start, uint64_t end, uint32_t vcpu, bool over)
{
	const struct host_wait wait = {
		.start = start, .end = end, .cpu = cpu, .vm = WEB, .vcpu = vcpu, .over = over};

	blame_fns.wait(&wait, b);
}

/* A reading of the first vCPU, at which all is booked. */
static void read_at(uint64_t at, uint64_t ready)
{
	blame_reading(web, 0, at, ready, NULL);
	blame_settle(b);
}

static struct host_frame_blame row(int vcpu, const char *name)
{
	struct host_frame_blame rows[BLAME_ROWS];
	size_t n = blame_copy(web, vcpu, false, rows);

	for (size_t i = 0; i < n; i++)
		if (!strcmp(rows[i].name, name))
			return rows[i];
	return (struct host_frame_blame){.kind = CULPRITS};
}

/* With the interval before this one. */
static uint64_t longest_before(const char *name)
{
	struct host_frame_blame rows[BLAME_ROWS];
	size_t n = blame_copy(web, -1, true, rows);

	for (size_t i = 0; i < n; i++)
		if (!strcmp(rows[i].name, name))
			return rows[i].longest;
	return 0;
}

static void assert_row(const char *name, enum host_culprit kind, pid_t pid, uint64_t ns)
{
	struct host_frame_blame r = row(-1, name);

	if (r.ns != ns)
		fail_msg("%s: %lu ns, expected %lu", name, (unsigned long)r.ns, (unsigned long)ns);
	assert_int_equal(r.kind, kind);
	assert_int_equal(r.pid, pid);
}

static size_t count_rows(void)
{
	struct host_frame_blame rows[BLAME_ROWS];

	return blame_copy(web, -1, false, rows);
}

/* From 1100 to 2000: hog 300, idle 200, db 150, its own I/O thread 50, a kernel thread 40, its
 * other vCPU 160. */
static void every_kind_of_culprit(void **state)
{
	(void)state;
	put(process(0, 1000, 1400, HOG, "hog"));
	put_idle(0, 1400, 1600);
	put_vm(0, 1600, 1750, DB, 0);
	put_vm(0, 1750, 1800, WEB, -1);
	put_kernel(0, 1800, 1840, "kworker/0:2H");
	put_vm(0, 1840, 2000, WEB, 1);
	put_vm(0, 2000, 2500, WEB, 0);
	waited(0, 1100, 2000, 0, true);
	read_at(3000, 900);
	assert_row("hog", CULPRIT_PROCESS, HOG, 300);
	assert_row("idle", CULPRIT_IDLE, 0, 200);
	assert_row("db", CULPRIT_VM, DB_PID, 150);
	assert_row("itself (other threads)", CULPRIT_VM, WEB_PID, 50);
	assert_row("kworker", CULPRIT_KERNEL, 0, 40);
	assert_row("itself (vCPUs)", CULPRIT_VM, WEB_PID, 160);
	assert_int_equal(count_rows(), 6);
}

static void biggest_is_first(void **state)
{
	struct host_frame_blame rows[BLAME_ROWS];

	(void)state;
	put(process(0, 1000, 1100, HOG, "hog"));
	put(process(0, 1100, 1300, OTHER, "other"));
	put_idle(0, 1300, 1350);
	waited(0, 1000, 1350, 0, true);
	read_at(2000, 350);
	assert_int_equal(blame_copy(web, -1, false, rows), 3);
	assert_string_equal(rows[0].name, "other");
	assert_string_equal(rows[1].name, "hog");
	assert_string_equal(rows[2].name, "idle");
}

/* Two processes of one name, and one that runs another program, are three. */
static void processes_are_told_apart(void **state)
{
	(void)state;
	put(process(0, 1000, 1010, HOG, "hog"));
	put(process(0, 1010, 1030, OTHER, "hog"));
	put(process(0, 1030, 1060, HOG, "cc1"));
	put_kernel(0, 1060, 1070, "kworker/0:1");
	put_kernel(0, 1070, 1090, "kworker/u8:0");
	waited(0, 1000, 1090, 0, true);
	read_at(2000, 90);
	assert_row("cc1", CULPRIT_PROCESS, HOG, 30);
	assert_row("kworker", CULPRIT_KERNEL, 0, 30);
	assert_int_equal(count_rows(), 4);
}

/* Of the first run, 40 of 400 ns in interrupts, all is waited for; of the second, 60 of 300, the
 * first third: 20 of 60. */
static void interrupts_are_a_culprit(void **state)
{
	struct host_run a = process(0, 1000, 1400, HOG, "hog");
	struct host_run c = process(0, 1400, 1700, OTHER, "other");

	(void)state;
	a.irq = 40;
	c.irq = 60;
	put(a);
	put(c);
	waited(0, 1000, 1500, 0, true);
	read_at(2000, 500);
	assert_row("hog", CULPRIT_PROCESS, HOG, 360);
	assert_row("other", CULPRIT_PROCESS, OTHER, 80);
	assert_row("interrupts", CULPRIT_INTERRUPT, 0, 60);
}

/* What isn't recorded: before the first run, between runs, behind the last one, and a wait of
 * which no record came. */
static void holes_are_unknown(void **state)
{
	(void)state;
	put(process(0, 1100, 1200, HOG, "hog"));
	put(process(0, 1250, 1300, HOG, "hog"));
	waited(0, 1050, 1330, 0, true);
	read_at(2000, 280 + 17);
	assert_row("hog", CULPRIT_PROCESS, HOG, 150);
	assert_row("unknown", CULPRIT_UNKNOWN, 0, 50 + 50 + 30 + 17);
}

/* A thread is on the CPU a little before the end of its wait is noted: that is of whoever was there
 * before. Where that is long, its coming was not reported, and nobody knows. */
static void arriving_belongs_to_the_one_before(void **state)
{
	(void)state;
	put(process(0, 10000, 20000, HOG, "hog"));
	put_vm(0, 20000, 90000, WEB, 0);
	waited(0, 12000, 20150, 0, true);
	read_at(30000, 8150);
	assert_row("hog", CULPRIT_PROCESS, HOG, 8150);
	put(process(0, 90000, 100000, HOG, "hog"));
	put_vm(0, 100000, 200000, WEB, 0);
	waited(0, 95000, 150000, 0, true);
	read_at(300000, 8150 + 55000);
	assert_row("hog", CULPRIT_PROCESS, HOG, 8150 + 5000);
	assert_row("unknown", CULPRIT_UNKNOWN, 0, 50000);
}

/* In the queue of CPU 0 until 1300, then of CPU 1; the second part comes first, since the logs are
 * read one after the other. Together they are one wait. */
static void wait_is_followed_to_another_cpu(void **state)
{
	(void)state;
	put(process(0, 1000, 2000, HOG, "hog"));
	put(process(1, 1000, 1400, OTHER, "other"));
	put(process(1, 1400, 1450, HOG, "hog"));
	waited(1, 1300, 1450, 0, true);
	waited(0, 1100, 1300, 0, false);
	read_at(2000, 350);
	assert_row("hog", CULPRIT_PROCESS, HOG, 250);
	assert_row("other", CULPRIT_PROCESS, OTHER, 100);
	assert_int_equal(row(0, "hog").longest, 250);
}

/* Read at 1400 in the middle of a wait and of a run, of which 30 of 300 ns were interrupts by then
 * and 70 of 800 in the end. */
static void reading_cuts_wait_and_run(void **state)
{
	const struct host_wait wait = {.start = 1200, .end = 1400, .cpu = 0, .vm = WEB};
	struct host_run hog = process(0, 1100, 1400, HOG, "hog");

	(void)state;
	put(process(1, 900, 1000, HOG, "hog")); /* its name is known */
	hog.irq = 30;
	now(hog);
	blame_reading(web, 0, 1400, 200, &wait);
	blame_settle(b);
	assert_row("hog", CULPRIT_PROCESS, HOG, 180);
	assert_row("interrupts", CULPRIT_INTERRUPT, 0, 20);
	assert_int_equal(row(-1, "hog").longest, 0);
	hog.end = 1900;
	hog.irq = 70;
	put(hog);
	waited(0, 1200, 1900, 0, true);
	read_at(2500, 700);
	assert_row("hog", CULPRIT_PROCESS, HOG, 180 + 460);
	assert_row("interrupts", CULPRIT_INTERRUPT, 0, 20 + 40);
	assert_int_equal(row(-1, "hog").longest, 640);
}

/* A shell becomes a program, which keeps the CPU for a second before its first record has its name;
 * the kernel says what we are called. */
static void program_has_its_own_name(void **state)
{
	const uint64_t second = NS_PER_SEC;
	const struct host_wait wait = {.start = 2000, .end = second, .cpu = 0, .vm = WEB};

	(void)state;
	put(process(0, 1000, 2000, getpid(), "shell"));
	prctl(PR_SET_NAME, "program");
	now(process(0, 2000, second, getpid(), ""));
	blame_reading(web, 0, second, second - 2000, &wait);
	blame_settle(b);
	assert_row("program", CULPRIT_PROCESS, getpid(), second - 2000);
}

/* What happened behind the reading is not in it. */
static void future_is_kept_for_later(void **state)
{
	(void)state;
	put(process(0, 1000, 3000, HOG, "hog"));
	waited(0, 1000, 1100, 0, true);
	waited(0, 1200, 1500, 0, true);
	waited(0, 2000, 2100, 0, true);
	read_at(1300, 200);
	assert_row("hog", CULPRIT_PROCESS, HOG, 200);
	read_at(1600, 400);
	assert_row("hog", CULPRIT_PROCESS, HOG, 400);
	read_at(2200, 500);
	assert_row("hog", CULPRIT_PROCESS, HOG, 500);
	assert_int_equal(count_rows(), 1);
}

static void vcpus_and_longest_are_apart(void **state)
{
	(void)state;
	put(process(0, 1000, 3000, HOG, "hog"));
	waited(0, 1000, 1300, 0, true);
	waited(0, 1500, 1600, 0, true);
	waited(0, 1700, 1900, 1, true);
	blame_reading(web, 1, 2000, 200, NULL);
	read_at(2000, 400);
	assert_int_equal(row(0, "hog").ns, 400);
	assert_int_equal(row(0, "hog").longest, 300);
	assert_int_equal(row(1, "hog").ns, 200);
	assert_int_equal(row(1, "hog").longest, 200);
	assert_row("hog", CULPRIT_PROCESS, HOG, 600);
	blame_reported(web);
	assert_int_equal(row(-1, "hog").longest, 0);
	assert_int_equal(longest_before("hog"), 300);
	waited(0, 2100, 2150, 0, true);
	read_at(2500, 450);
	assert_int_equal(row(-1, "hog").longest, 50);
	assert_int_equal(longest_before("hog"), 300);
	blame_reported(web);
	assert_int_equal(longest_before("hog"), 50);
	blame_start(web);
	assert_int_equal(count_rows(), 0);
	waited(0, 2600, 2610, 0, true);
	read_at(2700, 460);
	assert_row("hog", CULPRIT_PROCESS, HOG, 10);
}

/* A VM that ended and one that has its id now are two. */
static void ids_are_used_again(void **state)
{
	struct blame_vm *third;

	(void)state;
	put_vm(0, 1000, 1100, DB, 0);
	waited(0, 1000, 1100, 0, true);
	read_at(1100, 100);
	blame_end(b, db);
	assert_int_equal(blame_add(b, DB, OTHER, "third", 1, &third), 0);
	assert_row("db", CULPRIT_VM, DB_PID, 100);
	blame_remove(b, third);
}

/* 100 processes take turns of 1, 2, ... ns: as many as there is room for have rows of their own,
 * then those of one name share one, then the rest is together. Nothing is lost. */
static void many_culprits_are_bounded(void **state)
{
	struct host_frame_blame rows[BLAME_ROWS];
	uint64_t at = 1000, sum = 0;
	struct blame_counters c;
	char name[16];
	size_t n;

	(void)state;
	for (int i = 1; i <= 100; i++) {
		snprintf(name, sizeof(name), i <= 50 ? "early%d" : "late%d", i <= 50 ? i : i / 2);
		put(process(0, at, at + (uint64_t)i, NOBODY + 100 + i, name));
		at += (uint64_t)i;
	}
	waited(0, 1000, at, 0, true);
	read_at(at, at - 1000);
	n = blame_copy(web, -1, false, rows);
	assert_true(n <= BLAME_ROWS);
	for (size_t i = 0; i < n; i++)
		sum += rows[i].ns;
	assert_int_equal(sum, 5050);
	assert_row("early40", CULPRIT_PROCESS, NOBODY + 140, 40);
	assert_row("late26", CULPRIT_PROCESS, 0, 52 + 53);
	assert_true(row(-1, "other processes").ns > 0);
	blame_count(b, &c);
	assert_true(c.merged > 0);
}

/* A minute after that, the quiet ones give way to one that comes. Ready time and rows differ by
 * what they had; what is added is right. */
static void quiet_rows_give_way(void **state)
{
	const uint64_t later = 100000000000;
	uint64_t before, rest;

	many_culprits_are_bounded(state);
	rest = row(-1, "other processes").ns;
	before = count_rows();
	put(process(0, later, later + 30, HOG, "newcomer"));
	waited(0, later, later + 30, 0, true);
	read_at(later + 50, 5050 + 30);
	assert_row("newcomer", CULPRIT_PROCESS, 0, 30);
	assert_int_equal(row(-1, "other processes").ns, rest);
	assert_int_equal(row(-1, "unknown").ns, 0);
	assert_int_equal(count_rows(), before);
}

/* All rows are taken, and all of them still grow, by 1 us each time. One that has 5 ms in all gets
 * a row on its way, and nothing of its time is anywhere but there and in the rest. */
static void small_rows_give_way_to_big_ones(void **state)
{
	uint64_t at = 1000, ready = 0;
	char name[16];

	(void)state;
	for (int round = 0; round < 50; round++) {
		uint64_t from = at;

		for (int i = 0; i < 60; i++, at += 1000) {
			snprintf(name, sizeof(name), "small%d", i);
			put(process(0, at, at + 1000, NOBODY + 100 + i, name));
		}
		put(process(0, at, at + 100000, HOG, "big"));
		at += 100000;
		waited(0, from, at, 0, true);
		ready += at - from;
		read_at(at, ready);
	}
	assert_true(row(-1, "big").ns > 3000000);
	assert_true(row(-1, "big").ns + row(-1, "other processes").ns >= 5000000);
	assert_int_equal(row(-1, "unknown").kind, CULPRITS);
}

/* Where the kernel says nothing, nothing is made up. */
static void nonsense_is_survived(void **state)
{
	struct blame_vm *vm = NULL;

	(void)state;
	put(process(9, 1000, 2000, HOG, "hog")); /* no such CPU */
	put(process(0, 2000, 1000, HOG, "hog"));
	now((struct host_run){.start = 0, .end = 5000, .vm = -1});
	waited(9, 1000, 1100, 0, true);
	waited(0, 1200, 1300, 7, true);
	blame_fns.wait(&(struct host_wait){.start = 1, .end = 2, .vm = 99}, b);
	blame_fns.wait(&(struct host_wait){.start = 1, .end = 2, .vm = -1}, b);
	assert_int_equal(blame_add(b, WEB, 1, "again", 1, &vm), -EINVAL);
	assert_int_equal(blame_add(b, 5000, 1, "far", 1, &vm), -EINVAL);
	assert_null(vm);
	read_at(2000, 100);
	assert_row("unknown", CULPRIT_UNKNOWN, 0, 100);
	assert_int_equal(count_rows(), 1);
}

/* Names are the processes' own choice. */
static void names_are_made_harmless(void **state)
{
	(void)state;
	put(process(0, 1000, 1010, HOG, "a\033[2Jb"));
	waited(0, 1000, 1010, 0, true);
	read_at(2000, 10);
	assert_row("a?[2Jb", CULPRIT_PROCESS, HOG, 10);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(every_kind_of_culprit),
		TEST(biggest_is_first),
		TEST(processes_are_told_apart),
		TEST(interrupts_are_a_culprit),
		TEST(holes_are_unknown),
		TEST(arriving_belongs_to_the_one_before),
		TEST(wait_is_followed_to_another_cpu),
		TEST(reading_cuts_wait_and_run),
		TEST(program_has_its_own_name),
		TEST(future_is_kept_for_later),
		TEST(vcpus_and_longest_are_apart),
		TEST(ids_are_used_again),
		TEST(many_culprits_are_bounded),
		TEST(quiet_rows_give_way),
		TEST(small_rows_give_way_to_big_ones),
		TEST(nonsense_is_survived),
		TEST(names_are_made_harmless),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
