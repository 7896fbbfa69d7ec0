/* SPDX-License-Identifier: MIT */
/*
 * guest/account.h and guest/window.h: the sums, life and death of tasks, and a property test that
 * holds them to an oracle which writes down the owner of every nanosecond. Joining gaps with runs
 * is test_join.c; the records' way from the kernel is tests/system/.
 */
#include "guest/account.h"
#include "guest/window.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct account *open_account(unsigned cpus)
{
	struct account *a;

	assert_int_equal(account_new(cpus, 1000, NULL, NULL, &a), 0);
	return a;
}

static void first_switch_tells_who_was_there(void **state)
{
	struct account *a = open_account(1);

	(void)state;
	account_seed(a, 7, 7, 1, "spin");
	account_switch(a, 0, 1500, 7, false, 8, 8);
	account_switch(a, 0, 1700, 8, false, 0, 0);
	assert_int_equal(account_find_process(a, 7)->own.occupied, 500);
	assert_int_equal(account_find_process(a, 8)->own.occupied, 200);
	account_cut(a, 2000);
	assert_int_equal(a->cpus[0].idle.occupied, 300);
	assert_int_equal(a->cpus[0].busy.occupied, 700);
	account_free(a);
}

static void threads_sum_up_to_their_process(void **state)
{
	struct account *a = open_account(2);

	(void)state;
	account_fork(a, 10, 10, 1, "server");
	account_fork(a, 11, 10, 1, "worker");
	account_switch(a, 0, 1000, 0, false, 10, 10);
	account_switch(a, 1, 1000, 0, false, 11, 10);
	account_switch(a, 0, 1300, 10, false, 0, 0);
	account_switch(a, 1, 1050, 11, false, 0, 0);
	assert_int_equal(account_find_task(a, 10)->own.occupied, 300);
	assert_int_equal(account_find_task(a, 11)->own.occupied, 50);
	assert_int_equal(account_find_process(a, 10)->own.occupied, 350);
	assert_string_equal(account_find_process(a, 10)->comm, "server");
	account_free(a);
}

static void exited_children_go_to_their_parent(void **state)
{
	struct account *a = open_account(1);

	(void)state;
	account_fork(a, 20, 20, 1, "make");
	account_fork(a, 21, 21, 20, "cc");
	account_switch(a, 0, 1000, 0, false, 21, 21);
	account_fork(a, 22, 22, 21, "as");
	account_switch(a, 0, 1100, 21, false, 22, 22);
	account_switch(a, 0, 1150, 22, true, 21, 21);
	assert_null(account_find_process(a, 22));
	assert_int_equal(account_find_process(a, 21)->children.occupied, 50);
	account_switch(a, 0, 1160, 21, true, 20, 20);
	assert_int_equal(account_find_process(a, 20)->children.occupied, 160);
	assert_int_equal(account_find_process(a, 20)->own.occupied, 0);
	account_free(a);
}

static void a_reused_pid_is_another_process(void **state)
{
	struct account *a = open_account(1);
	uint64_t first;

	(void)state;
	account_fork(a, 30, 30, 1, "old");
	first = account_find_process(a, 30)->id;
	account_switch(a, 0, 1000, 0, false, 30, 30);
	account_switch(a, 0, 1400, 30, false, 0, 0); /* its exit is never told */
	account_fork(a, 30, 30, 1, "new");
	assert_int_not_equal(account_find_process(a, 30)->id, first);
	assert_int_equal(account_find_process(a, 30)->own.occupied, 0);
	assert_int_equal(a->orphans.occupied, 400);
	account_free(a);
}

/* The child's parent has gone and another process has its pid: that one inherits nothing. */
static void a_stranger_with_the_parents_pid_inherits_nothing(void **state)
{
	struct account *a = open_account(1);

	(void)state;
	account_fork(a, 40, 40, 1, "parent");
	account_fork(a, 41, 41, 40, "child");
	account_switch(a, 0, 1000, 0, false, 40, 40);
	account_switch(a, 0, 1010, 40, true, 41, 41);
	account_fork(a, 40, 40, 1, "stranger");
	account_switch(a, 0, 1090, 41, true, 0, 0);
	assert_int_equal(account_find_process(a, 40)->children.occupied, 0);
	assert_int_equal(a->orphans.occupied, 10 + 80);
	account_free(a);
}

/* A thread that calls exec is from then on the process's first thread. */
static void exec_in_a_thread(void **state)
{
	struct account *a = open_account(1);
	struct account_process *p;

	(void)state;
	account_fork(a, 50, 50, 1, "shell");
	account_fork(a, 51, 50, 1, "shell");
	p = account_find_process(a, 50);
	account_switch(a, 0, 1000, 0, false, 50, 50);
	account_switch(a, 0, 1005, 50, true, 51, 50); /* the first thread is gone */
	account_exec(a, 0, 1105, 50, 50, "ls");
	account_switch(a, 0, 1205, 50, false, 0, 0);
	assert_ptr_equal(account_find_process(a, 50), p);
	assert_int_equal(p->own.occupied, 205);
	assert_null(account_find_task(a, 51));
	assert_string_equal(p->comm, "ls");
	assert_int_equal(a->counters.mismatches, 0);
	account_free(a);
}

static void a_lost_record_is_seen_and_nobody_pays(void **state)
{
	struct account *a = open_account(1);

	(void)state;
	account_switch(a, 0, 1000, 0, false, 60, 60);
	account_switch(a, 0, 1600, 61, false, 0, 0); /* 60 -> 61 is missing */
	assert_int_equal(a->counters.mismatches, 1);
	assert_int_equal(a->counters.lost_ns, 600);
	assert_int_equal(account_find_process(a, 60)->own.occupied, 0);
	assert_int_equal(a->lost->own.occupied, 600);
	account_free(a);
}

static void a_task_whose_switch_in_was_not_told_has_its_own_word(void **state)
{
	struct account *a = open_account(1);

	(void)state;
	a->lossy = true;
	account_fork(a, 61, 61, 1, "unseen");
	account_switch(a, 0, 1000, 0, false, 60, 60);
	account_prev_ran(a, 0, 1600, 61, 450); /* 60 -> 61 at 1150 was not told */
	account_switch(a, 0, 1600, 61, false, 62, 62);
	assert_int_equal(account_find_process(a, 61)->own.occupied, 450);
	assert_int_equal(a->lost->own.occupied, 150);
	assert_int_equal(a->counters.mismatches, 1);
	assert_int_equal(a->counters.lost_ns, 150);
	/* Longer than there was: all of it, and no more. */
	account_prev_ran(a, 0, 1700, 61, 5000);
	account_switch(a, 0, 1700, 61, false, 62, 62);
	assert_int_equal(account_find_process(a, 61)->own.occupied, 550);
	/* What was told is not touched. */
	account_prev_ran(a, 0, 1900, 62, 10);
	account_switch(a, 0, 1900, 62, false, 0, 0);
	assert_int_equal(account_find_process(a, 62)->own.occupied, 200);
	assert_int_equal(a->counters.mismatches, 2);
	account_free(a);
}

/* No record is missing, but a switch: what was before it is of the task that was told to be
 * there. */
static void a_switch_that_the_kernel_keeps_to_itself(void **state)
{
	struct account *a = open_account(1);

	(void)state;
	account_fork(a, 61, 61, 1, "unseen");
	account_switch(a, 0, 1000, 0, false, 60, 60);
	account_prev_ran(a, 0, 1600, 61, 450);
	account_switch(a, 0, 1600, 61, false, 0, 0);
	assert_int_equal(account_find_process(a, 60)->own.occupied, 150);
	assert_int_equal(account_find_process(a, 61)->own.occupied, 450);
	assert_int_equal(a->lost->own.occupied, 0);
	assert_int_equal(a->counters.lost_ns, 0);
	assert_int_equal(a->counters.mismatches, 1);
	account_free(a);
}

static void time_never_runs_backwards(void **state)
{
	struct account *a = open_account(1);

	(void)state;
	account_switch(a, 0, 2000, 0, false, 70, 70);
	account_switch(a, 0, 1990, 70, false, 0, 0);
	account_switch(a, 9, 3000, 0, false, 70, 70); /* no such CPU */
	account_cut(a, 2100);
	assert_int_equal(a->counters.backwards, 1);
	assert_int_equal(a->cpus[0].idle.occupied + a->cpus[0].busy.occupied, 1100);
	account_free(a);
}

static void nobody_is_charged_more_than_it_had(void **state)
{
	struct account *a = open_account(1);
	struct account_task *t;

	(void)state;
	account_switch(a, 0, 1000, 0, false, 80, 80);
	account_cut(a, 1100);
	t = account_find_task(a, 80);
	assert_int_equal(account_charge(a, t, 0, LEDGER_READY, 70), 70);
	assert_int_equal(account_charge(a, t, 0, AMOUNTS_UNKNOWN, 10), 10);
	assert_int_equal(account_charge(a, t, 0, LEDGER_WAIT, 50), 20);
	assert_int_equal(a->counters.overcharged_ns, 30);
	assert_int_equal(amounts_true(&t->own), 0);
	assert_int_equal(amounts_descheduled(&t->own), 70);
	assert_int_equal(amounts_away(&t->process->own), 90);
	assert_int_equal(t->process->own.unaccounted, 10);
	assert_int_equal(a->cpus[0].busy.unaccounted, 10);
	account_free(a);
}

static void tasks_beyond_the_limit_are_counted(void **state)
{
	struct account *a = open_account(1);

	(void)state;
	for (pid_t pid = 1; pid <= (pid_t)ACCOUNT_TASKS_MAX; pid++)
		account_fork(a, pid, pid, 0, "x");
	assert_int_equal(a->counters.no_room, 0);
	account_fork(a, 100001, 100001, 1, "y");
	assert_int_equal(a->counters.no_room, 1);
	account_switch(a, 0, 1000, 0, false, 100001, 100001);
	account_switch(a, 0, 1250, 100001, false, 0, 0);
	assert_int_equal(a->other->own.occupied, 250);
	assert_int_equal(a->counters.mismatches, 0);
	account_free(a);
}

static bool only_five_lives(pid_t tid)
{
	return tid == 5;
}

static void a_sweep_buries_what_is_gone(void **state)
{
	struct account *a = open_account(1);

	(void)state;
	account_fork(a, 5, 5, 1, "parent");
	account_fork(a, 6, 6, 5, "child");
	account_switch(a, 0, 1000, 0, false, 6, 6);
	account_switch(a, 0, 1040, 6, false, 5, 5);
	account_sweep(a, only_five_lives);
	assert_null(account_find_process(a, 6));
	assert_int_equal(account_find_process(a, 5)->children.occupied, 40);
	account_switch(a, 0, 1050, 5, false, 0, 0);
	assert_int_equal(account_find_process(a, 5)->own.occupied, 10);
	account_free(a);
}

/* Runs that wait in a window keep their task alive after its exit, and its parent inherits what was
 * charged later. */
static struct window runs;
static struct account *pinning;

static void keep_run(const struct account_run *run, void *data)
{
	(void)data;
	assert_int_equal(window_add(&runs, pinning, run), 0);
}

static void a_window_spreads_exactly(void **state)
{
	uint64_t charged;

	(void)state;
	assert_int_equal(account_new(1, 0, keep_run, NULL, &pinning), 0);
	account_fork(pinning, 5, 5, 1, "parent");
	account_fork(pinning, 6, 6, 5, "child");
	account_switch(pinning, 0, 0, 0, false, 5, 5);
	account_switch(pinning, 0, 300, 5, false, 6, 6);
	account_switch(pinning, 0, 1000, 6, true, 0, 0);
	assert_non_null(account_find_process(pinning, 6)); /* its run has not been charged yet */
	assert_ptr_equal(account_heir(pinning, account_find_process(pinning, 6)),
			 account_find_process(pinning, 5));
	assert_int_equal(account_find_process(pinning, 6)->own.occupied, 0); /* not booked yet */
	window_book(&runs, pinning, 0);
	assert_int_equal(account_find_process(pinning, 6)->own.occupied, 700);
	charged = window_charge(&runs, pinning, 0, LEDGER_READY, 101);
	window_clear(&runs, pinning);
	assert_int_equal(charged, 101);
	assert_null(account_find_process(pinning, 6));
	assert_int_equal(account_find_process(pinning, 5)->own.away[LEDGER_READY], 30);
	assert_int_equal(account_find_process(pinning, 5)->children.away[LEDGER_READY], 71);
	window_free(&runs, pinning);
	account_free(pinning);
}

/*
 * Random histories against an oracle that keeps, for every CPU and every nanosecond, the owner's
 * tid.
 */
#define SPAN  4000
#define CPUS  2
#define TASKS 6

static uint64_t random_state = 42;

static unsigned draw(unsigned below)
{
	random_state = random_state * 6364136223846793005ull + 1442695040888963407ull;
	return (unsigned)(random_state >> 33) % below;
}

static unsigned draw_other(const pid_t *current, unsigned cpu)
{
	unsigned tid;

	do {
		tid = draw(TASKS);
	} while (tid && (tid == (unsigned)current[0] || tid == (unsigned)current[1]));
	return tid == (unsigned)current[cpu] ? 0 : tid;
}

static void every_nanosecond_has_one_owner(void **state)
{
	(void)state;
	for (int round = 0; round < 2000; round++) {
		uint64_t oracle[CPUS][TASKS] = {0};
		uint64_t at[CPUS] = {0};
		pid_t current[CPUS] = {0};
		struct account *a;

		assert_int_equal(account_new(CPUS, 0, NULL, NULL, &a), 0);
		for (uint64_t now = draw(50); now < SPAN; now += draw(100)) {
			unsigned cpu = draw(CPUS);
			pid_t next = (pid_t)draw_other(current, cpu);

			if (next == current[cpu])
				continue;
			oracle[cpu][current[cpu]] += now - at[cpu];
			at[cpu] = now;
			account_switch(a, cpu, now, current[cpu], false, next, next);
			current[cpu] = next;
			if (!draw(10))
				account_cut(a, now);
		}
		account_switch(a, 0, SPAN, current[0], false, 0, 0);
		account_switch(a, 1, SPAN, current[1], false, 0, 0);
		for (unsigned cpu = 0; cpu < CPUS; cpu++)
			oracle[cpu][current[cpu]] += SPAN - at[cpu];
		for (pid_t tid = 1; tid < TASKS; tid++) {
			struct account_process *p = account_find_process(a, tid);

			assert_int_equal(p ? p->own.occupied : 0, oracle[0][tid] + oracle[1][tid]);
		}
		for (unsigned cpu = 0; cpu < CPUS; cpu++) {
			assert_int_equal(a->cpus[cpu].idle.occupied, oracle[cpu][0]);
			assert_int_equal(a->cpus[cpu].idle.occupied + a->cpus[cpu].busy.occupied,
					 SPAN);
		}
		account_free(a);
	}
}

static const struct account_cgroup *group(const struct account *a, const char *path)
{
	const struct account_cgroup *c = a->cgroups;

	while (c && strcmp(c->path, path) != 0)
		c = c->hh.next;
	assert_non_null(c);
	return c;
}

static void a_child_is_in_its_parents_group(void **state)
{
	struct account *a = open_account(1);

	(void)state;
	account_seed(a, 70, 70, 1, "shell");
	account_move(a, 70, false, "/user");
	account_fork(a, 71, 71, 70, "child");
	account_switch(a, 0, 1000, 0, false, 71, 71);
	account_switch(a, 0, 1100, 71, false, 70, 70);
	account_charge(a, account_find_task(a, 71), 0, LEDGER_READY, 40);
	account_charge(a, account_find_task(a, 71), 0, AMOUNTS_UNKNOWN, 3);
	account_move(a, 71, false, "/system/x");
	account_switch(a, 0, 1110, 70, false, 71, 71);
	account_switch(a, 0, 1117, 71, true, 0, 0);
	assert_int_equal(group(a, "/user")->amounts.occupied, 110);
	assert_int_equal(group(a, "/user")->amounts.away[LEDGER_READY], 40);
	assert_int_equal(group(a, "/user")->amounts.unaccounted, 3);
	assert_int_equal(group(a, "/user")->n_tasks, 1);
	assert_int_equal(group(a, "/system/x")->amounts.occupied, 7);
	assert_int_equal(group(a, "/system/x")->n_tasks, 0);
	account_move(a, 999, true, "/nobody"); /* a task that nobody has seen */
	account_free(a);
}

static void a_process_moves_with_all_its_threads(void **state)
{
	struct account *a = open_account(1);

	(void)state;
	account_fork(a, 80, 80, 1, "server");
	account_fork(a, 81, 80, 1, "worker");
	account_move(a, 80, true, "/both");
	account_move(a, 81, false, "/one");
	account_fork(a, 82, 80, 1, "worker");
	assert_int_equal(group(a, "/both")->n_tasks, 2);
	assert_int_equal(group(a, "/one")->n_tasks, 1);
	account_free(a);
}

/* A machine that makes a group for every job: the oldest empty ones become one. */
static void too_many_groups_are_folded(void **state)
{
	struct account *a = open_account(1);
	uint64_t sum = 0, time = 1000;
	char path[32];

	(void)state;
	account_fork(a, 90, 90, 1, "job");
	for (unsigned i = 0; i < 3 * ACCOUNT_CGROUPS_MAX; i++) {
		snprintf(path, sizeof(path), "/job/%u", i);
		account_move(a, 90, false, path);
		account_switch(a, 0, time, 0, false, 90, 90);
		account_switch(a, 0, time += 3, 90, false, 0, 0);
	}
	for (const struct account_cgroup *c = a->cgroups; c; c = c->hh.next)
		sum += c->amounts.occupied;
	assert_int_equal(sum, 9 * ACCOUNT_CGROUPS_MAX);
	assert_true(HASH_COUNT(a->cgroups) <= ACCOUNT_CGROUPS_MAX + 1);
	assert_true(a->counters.cgroups_folded >= 2 * ACCOUNT_CGROUPS_MAX - 2);
	assert_int_equal(group(a, path)->amounts.occupied, 3);
	assert_true(group(a, "(other)")->amounts.occupied > 0);
	account_free(a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(first_switch_tells_who_was_there),
		cmocka_unit_test(a_child_is_in_its_parents_group),
		cmocka_unit_test(a_process_moves_with_all_its_threads),
		cmocka_unit_test(too_many_groups_are_folded),
		cmocka_unit_test(threads_sum_up_to_their_process),
		cmocka_unit_test(exited_children_go_to_their_parent),
		cmocka_unit_test(a_reused_pid_is_another_process),
		cmocka_unit_test(a_stranger_with_the_parents_pid_inherits_nothing),
		cmocka_unit_test(exec_in_a_thread),
		cmocka_unit_test(a_lost_record_is_seen_and_nobody_pays),
		cmocka_unit_test(a_task_whose_switch_in_was_not_told_has_its_own_word),
		cmocka_unit_test(a_switch_that_the_kernel_keeps_to_itself),
		cmocka_unit_test(time_never_runs_backwards),
		cmocka_unit_test(nobody_is_charged_more_than_it_had),
		cmocka_unit_test(tasks_beyond_the_limit_are_counted),
		cmocka_unit_test(a_sweep_buries_what_is_gone),
		cmocka_unit_test(a_window_spreads_exactly),
		cmocka_unit_test(every_nanosecond_has_one_owner),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
