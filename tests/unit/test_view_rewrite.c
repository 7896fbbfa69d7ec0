/* SPDX-License-Identifier: MIT */
/* view/rewrite.h: texts by hand, with figures by hand. Where the figures come from is in
 * test_view_figures.c, what a whole view shows in tests/system/test_view.c. A tick is 10 ms. */
#include "view/rewrite.h"

#include "base/units.h"
#include "random.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define MS NS_PER_MS

typedef int (*task_fn)(const char *, const struct task_figures *, struct task_shown *, FILE *);
typedef int (*system_fn)(const char *, const struct system_figures *, struct system_shown *,
			 FILE *);

/* The outcome; valid until the next call. */
static char shown_text[4096];

static int task_text(task_fn fn, const char *text, struct task_figures figures,
		     struct task_shown *shown)
{
	FILE *out = fmemopen(memset(shown_text, 0, sizeof(shown_text)), sizeof(shown_text), "w");
	int err = fn(text, &figures, shown, out);

	fclose(out);
	return err;
}

static void check_task(task_fn fn, const char *text, struct task_figures figures,
		       struct task_shown *shown, const char *expected)
{
	assert_int_equal(task_text(fn, text, figures, shown), 0);
	assert_string_equal(shown_text, expected);
}

static int system_text(system_fn fn, const char *text, const struct system_figures *figures,
		       struct system_shown *shown)
{
	FILE *out = fmemopen(memset(shown_text, 0, sizeof(shown_text)), sizeof(shown_text), "w");
	int err = fn(text, figures, shown, out);

	fclose(out);
	return err;
}

#define STAT(name, u, s, cu, cs)                                                                   \
	"7 (" name ") R 1 7 7 0 -1 64 1 2 3 4 " u " " s " " cu " " cs " 20 0 1 0 5000 9 9\n"

static void a_process_has_less(void **state)
{
	struct task_shown shown = {0};
	struct task_figures f = {.excess = 600 * MS, .children_excess = 50 * MS};

	(void)state;
	/* 1 s in all, 0.4 s of it true: 3 to 1, as the kernel has it. */
	check_task(rewrite_task_stat, STAT("x", "75", "25", "10", "10"), f, &shown,
		   STAT("x", "30", "10", "7", "7"));
}

static void names_cannot_pass_for_numbers(void **state)
{
	const struct task_figures f = {.excess = 500 * MS};

	(void)state;
	check_task(rewrite_task_stat, STAT("a) R 1 (", "100", "0", "0", "0"), f,
		   &(struct task_shown){0}, STAT("a) R 1 (", "50", "0", "0", "0"));
	check_task(rewrite_task_stat, STAT("\n) S 1 1 1 0 ", "100", "0", "0", "0"), f,
		   &(struct task_shown){0}, STAT("\n) S 1 1 1 0 ", "50", "0", "0", "0"));
	check_task(rewrite_task_stat, STAT(")))", "100", "0", "0", "0"), f, &(struct task_shown){0},
		   STAT(")))", "50", "0", "0", "0"));
	check_task(rewrite_task_stat, STAT("", "100", "0", "0", "0"), f, &(struct task_shown){0},
		   STAT("", "50", "0", "0", "0"));
}

static struct task_figures told(uint64_t truth_ms)
{
	return (struct task_figures){
		.live = true, .epoch = 1, .since = 60 * NS_PER_SEC, .truth = truth_ms * MS};
}

/* From the second time on it gets what it had, and of that user and system have the shares that the
 * kernel saw in the same stretch. That the kernel saw 0.1 s more or less of it changes nothing. */
static void growth_is_the_truth(void **state)
{
	struct task_figures f = told(9000);
	struct task_shown shown = {0};

	(void)state;
	f.excess = 500 * MS;
	check_task(rewrite_task_stat, STAT("x", "100", "0", "0", "0"), f, &shown,
		   STAT("x", "50", "0", "0", "0"));
	check_task(rewrite_task_stat, STAT("x", "100", "100", "0", "0"), told(9500), &shown,
		   STAT("x", "50", "50", "0", "0"));
	check_task(rewrite_task_stat, STAT("x", "130", "110", "0", "0"), told(9700), &shown,
		   STAT("x", "65", "55", "0", "0"));
	check_task(rewrite_task_stat, STAT("x", "160", "110", "0", "0"), told(9710), &shown,
		   STAT("x", "66", "55", "0", "0"));
}

/* The agent knows all of a task that was started after it: 50 s after boot here. */
static void of_a_young_task_the_truth_is_all(void **state)
{
	struct task_figures f = told(123);

	(void)state;
	f.excess = 500 * MS;
	f.since = 49 * NS_PER_SEC;
	check_task(rewrite_task_stat, STAT("x", "100", "0", "0", "0"), f, &(struct task_shown){0},
		   STAT("x", "12", "0", "0", "0"));
	f.since = 50 * NS_PER_SEC;
	check_task(rewrite_task_stat, STAT("x", "100", "0", "0", "0"), f, &(struct task_shown){0},
		   STAT("x", "50", "0", "0", "0"));
}

static void without_figures_a_task_goes_on_as_the_kernel_says(void **state)
{
	struct task_shown shown = {0};
	struct task_figures f = told(1000);

	(void)state;
	f.excess = 500 * MS;
	check_task(rewrite_task_stat, STAT("x", "100", "0", "0", "0"), f, &shown,
		   STAT("x", "50", "0", "0", "0"));
	f.live = false;
	check_task(rewrite_task_stat, STAT("x", "120", "0", "0", "0"), f, &shown,
		   STAT("x", "70", "0", "0", "0"));
	f = told(5); /* an agent anew: its figures have no last */
	f.epoch = 2;
	check_task(rewrite_task_stat, STAT("x", "140", "0", "0", "0"), f, &shown,
		   STAT("x", "90", "0", "0", "0"));
	f.truth += 40 * MS;
	check_task(rewrite_task_stat, STAT("x", "240", "0", "0", "0"), f, &shown,
		   STAT("x", "94", "0", "0", "0"));
}

static void counters_never_go_back(void **state)
{
	struct task_shown shown = {0};

	(void)state;
	check_task(rewrite_task_stat, STAT("x", "100", "0", "10", "0"), told(700), &shown,
		   STAT("x", "100", "0", "10", "0"));
	/* Figures that go back are not followed, and their way forward again counts once. */
	check_task(rewrite_task_stat, STAT("x", "120", "0", "10", "0"), told(300), &shown,
		   STAT("x", "100", "0", "10", "0"));
	check_task(rewrite_task_stat, STAT("x", "160", "0", "10", "0"), told(720), &shown,
		   STAT("x", "102", "0", "10", "0"));
	/* More than there is: nothing is left, and nothing wraps. */
	check_task(rewrite_task_stat, STAT("y", "10", "10", "1", "1"),
		   (struct task_figures){.excess = UINT64_MAX, .children_excess = UINT64_MAX},
		   &(struct task_shown){0}, STAT("y", "0", "0", "0", "0"));
}

static void another_start_is_another_process(void **state)
{
	struct task_shown shown = {0};

	(void)state;
	check_task(rewrite_task_stat, STAT("x", "100", "0", "0", "0"), (struct task_figures){0},
		   &shown, STAT("x", "100", "0", "0", "0"));
	check_task(rewrite_task_stat, "7 (y) R 1 7 7 0 -1 64 1 2 3 4 3 0 0 0 20 0 1 0 6000 9\n",
		   (struct task_figures){0}, &shown,
		   "7 (y) R 1 7 7 0 -1 64 1 2 3 4 3 0 0 0 20 0 1 0 6000 9\n");
}

static void vmdesched_has_what_the_others_have_not(void **state)
{
	struct task_shown shown = {0};
	struct task_figures f = told(1060);

	(void)state;
	f.excess = 20 * MS;
	f.more = 1000 * MS;
	check_task(rewrite_task_stat, STAT("vmdesched", "6", "2", "0", "0"), f, &shown,
		   STAT("vmdesched", "79", "26", "0", "0")); /* 1.06 s, 3 to 1 */
	/* It slept, and yet has a second more. */
	f.more += 1000 * MS;
	f.truth += 1000 * MS;
	check_task(rewrite_task_stat, STAT("vmdesched", "6", "2", "0", "0"), f, &shown,
		   STAT("vmdesched", "179", "26", "0", "0"));
}

static void schedstat_of_a_task(void **state)
{
	struct task_shown shown = {0};
	struct task_figures f = told(0);

	(void)state;
	f.excess = 1000000000;
	f.truth = 77;
	check_task(rewrite_task_schedstat, "1000000001 22 3\n", f, &shown, "1 22 3\n");
	f.truth = 80;
	check_task(rewrite_task_schedstat, "1000000009 22 4\n", f, &shown, "4 22 4\n");
	/* Another task under this number. */
	check_task(rewrite_task_schedstat, "5 0 1\n", (struct task_figures){0}, &shown, "5 0 1\n");
}

#define SCHED(number)                                                                              \
	"x (7, #threads: 1)\n---------\n"                                                          \
	"se.exec_start                                :      98765.432101\n"                       \
	"se.sum_exec_runtime                          :" number "\n"                               \
	"nr_switches                                  :                   12\n"

static void sched_of_a_task(void **state)
{
	(void)state;
	check_task(rewrite_task_sched, SCHED("        12345.678901"),
		   (struct task_figures){.excess = 345 * MS + 678901}, &(struct task_shown){0},
		   SCHED("        12000.000000"));
	check_task(rewrite_task_sched, SCHED("            0.000005"),
		   (struct task_figures){.more = 3}, &(struct task_shown){0},
		   SCHED("            0.000008"));
}

static void what_is_not_understood_is_refused(void **state)
{
	static const struct {
		task_fn fn;
		const char *text;
	} bad[] = {
		{rewrite_task_stat, ""},
		{rewrite_task_stat, "7 (x R 1"},
		{rewrite_task_stat, "7 (x) R 1 7 7 0 -1 64 1 2 3 4 5"},
		{rewrite_task_stat, "7 (x) R 1 7 7 0 -1 64 1 2 3 4 5 6 7 8 20 0 1 0"},
		{rewrite_task_stat, STAT("x", "-1", "0", "0", "0")},
		{rewrite_task_stat, STAT("x", "99999999999999999999", "0", "0", "0")},
		{rewrite_task_stat, STAT("x", "1e3", "0", "0", "0")},
		{rewrite_task_schedstat, ""},
		{rewrite_task_schedstat, "5"},
		{rewrite_task_schedstat, " 5 6 7\n"},
		{rewrite_task_schedstat, "184467440737095516161 6 7\n"},
		{rewrite_task_sched, ""},
		{rewrite_task_sched, SCHED("   12345")},
		{rewrite_task_sched, SCHED("   12345.67")},
		{rewrite_task_sched, SCHED("   x")},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		int err = task_text(bad[i].fn, bad[i].text, (struct task_figures){.excess = 1},
				    &(struct task_shown){0});

		assert_int_equal(err, -EBADMSG);
		assert_int_equal(shown_text[0], '\0');
	}
}

/* ---- the machine ---- */

static struct cpu_figures cpu_figures[2];
static struct cpu_shown cpu_shown[2];

static struct system_figures machine(void)
{
	memset(cpu_figures, 0, sizeof(cpu_figures));
	memset(cpu_shown, 0, sizeof(cpu_shown));
	return (struct system_figures){.live = true, .epoch = 1, .n_cpus = 2, .cpu = cpu_figures};
}

static void pass(struct system_figures *f, int cpu, uint64_t busy, uint64_t idle, uint64_t away)
{
	f->cpu[cpu].busy += busy * MS;
	f->cpu[cpu].idle += idle * MS;
	f->cpu[cpu].away += away * MS;
	f->all.busy += busy * MS;
	f->all.idle += idle * MS;
	f->all.away += away * MS;
}

/* The kernel sees both CPUs busy for 2 s; one was away for 1.5 s of that, half of its time in the
 * kernel; the other did what it seemed to. The kernel lost some ticks, and the figures none. */
static void the_columns_advance_by_the_truth(void **state)
{
	struct system_figures f = machine();
	struct system_shown shown = {.cpu = cpu_shown};

	(void)state;
	assert_int_equal(system_text(rewrite_system_stat,
				     "cpu  30 0 10 1000 50 0 0 7 0 0\n"
				     "cpu0 10 0 10 500 25 0 0 7 0 0\n"
				     "cpu1 20 0 0 500 25 0 0 0 0 0\n"
				     "intr 55 0 1\nctxt 9\nbtime 1700000000\n",
				     &f, &shown),
			 0);
	/* At first all is as the kernel says. */
	assert_string_equal(shown_text, "cpu  30 0 10 1000 50 0 0 7 0 0\n"
					"cpu0 10 0 10 500 25 0 0 7 0 0\n"
					"cpu1 20 0 0 500 25 0 0 0 0 0\n"
					"intr 55 0 1\nctxt 9\nbtime 1700000000\n");
	pass(&f, 0, 500, 0, 1500);
	pass(&f, 1, 1900, 100, 0);
	assert_int_equal(system_text(rewrite_system_stat,
				     "cpu  305 0 95 1010 50 0 0 7 0 0\n"
				     "cpu0 100 0 100 500 25 0 0 7 0 0\n"
				     "cpu1 205 0 0 510 25 0 0 0 0 0\n"
				     "intr 77 0 1\n",
				     &f, &shown),
			 0);
	/* cpu0: +50 at 90:90, +150 stolen; cpu1: +190, +10 idle; sum: +240 at 275:85. */
	assert_string_equal(shown_text, "cpu  213 0 66 1010 50 0 0 157 0 0\n"
					"cpu0 35 0 35 500 25 0 0 157 0 0\n"
					"cpu1 210 0 0 510 25 0 0 0 0 0\n"
					"intr 77 0 1\n");
}

static void without_figures_the_kernel_leads_on(void **state)
{
	struct system_figures f = machine();
	struct system_shown shown = {.cpu = cpu_shown};
	static const char *const texts[] = {
		"cpu  10 0 0 100 0 0 0 0\n", "cpu  20 0 0 100 0 0 0 0\n",
		"cpu  30 0 0 100 0 0 0 0\n", "cpu  40 0 0 100 0 0 0 0\n",
		"cpu  50 0 0 100 0 0 0 0\n"};
	static const char *const expected[] = {
		"cpu  10 0 0 100 0 0 0 0\n", "cpu  15 0 0 100 0 0 0 5\n",
		"cpu  25 0 0 100 0 0 0 5\n", /* nobody tells: +10 */
		"cpu  35 0 0 100 0 0 0 5\n", /* an agent anew, whose figures have no last: +10 */
		"cpu  38 0 0 100 0 0 0 12\n"};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		f.live = i != 2;
		if (i == 1)
			pass(&f, 0, 50, 0, 50);
		if (i == 3) {
			f.all = (struct cpu_figures){.busy = 777 * MS, .away = 777 * MS};
			f.epoch = 2;
		}
		if (i == 4)
			pass(&f, 0, 30, 0, 70);
		assert_int_equal(system_text(rewrite_system_stat, texts[i], &f, &shown), 0);
		assert_string_equal(shown_text, expected[i]);
	}
}

static void a_kernel_that_subtracts_is_left_alone(void **state)
{
	struct system_figures f = machine();
	struct system_shown shown = {.cpu = cpu_shown};
	const char *text = "cpu  30 0 10 1000 50 0 0 7 0 0\ncpu0 10 0 10 500 25 0 0 7 0 0\n";

	(void)state;
	f.kernel_subtracts = true;
	pass(&f, 0, 5000, 0, 5000);
	assert_int_equal(system_text(rewrite_system_stat, text, &f, &shown), 0);
	assert_string_equal(shown_text, text);
}

static void lines_that_are_none(void **state)
{
	static const char *const texts[] = {
		"cpu  1 2 3\n", "cpu  1 2 3 4 5 6 7 8x 9\n",
		"cpu 1 2 3 4 5 6 7 -8\ncpu0\ncpu1 \ncpu99999999999 1 2 3 4 5 6 7 8\n",
		"cpu  1 2 3 4 5 6 7 8\ncpu2 1 2 3 4 5 6 7 8\ncpux 1 2 3 4 5 6 7 8", /* no such CPU
										     */
	};
	struct system_figures f = machine();
	struct system_shown shown = {.cpu = cpu_shown};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		assert_int_equal(system_text(rewrite_system_stat, texts[i], &f, &shown), 0);
		assert_string_equal(shown_text, texts[i]);
	}
	assert_int_equal(system_text(rewrite_system_stat, "", &f, &shown), -EBADMSG);
	assert_int_equal(system_text(rewrite_system_schedstat, "cpu0 1", &f, &shown), -EBADMSG);
}

#define SCHEDSTAT(a, b)                                                                            \
	"version 15\ntimestamp 4295\n"                                                             \
	"cpu0 0 0 100 50 60 30 " a " 77 88\ndomain0 03 1 2 3\n"                                    \
	"cpu1 0 0 100 50 60 30 " b " 77 88\n"

static void schedstat_of_the_machine(void **state)
{
	struct system_figures f = machine();
	struct system_shown shown = {.cpu = cpu_shown};

	(void)state;
	cpu_figures[1].busy_away = 2000;
	cpu_figures[1].ended_away = 500;
	assert_int_equal(
		system_text(rewrite_system_schedstat, SCHEDSTAT("9000", "9000"), &f, &shown), 0);
	assert_string_equal(shown_text, SCHEDSTAT("9000", "6500"));
}

/* 20,000 random steps: no counter goes back, and the sum of the two is the truth. */
static void random_histories_go_forward(void **state)
{
	struct task_shown shown = {0};
	uint64_t u = 0, s = 0, truth = 0, most = 0, old_u = 0, old_s = 0;
	struct random seed = {42};

	(void)state;
	for (int i = 0; i < 20000; i++) {
		unsigned long long new_u, new_s;
		char text[256];

		u += random_below(&seed, 5);
		s += random_below(&seed, 3);
		truth = random_below(&seed, 10) ? truth + random_below(&seed, 50)
						: random_below(&seed, truth + 1);
		most = u64_max(most, i ? truth : 0);
		snprintf(text, sizeof(text),
			 "7 (x) R 1 7 7 0 -1 64 1 2 3 4 %llu %llu 0 0 20 0 1 0 5000 9\n",
			 (unsigned long long)u, (unsigned long long)s);
		/* The first time it has nothing, by `less`. */
		assert_int_equal(task_text(rewrite_task_stat, text,
					   (struct task_figures){.live = true,
								 .epoch = 1,
								 .since = 60 * NS_PER_SEC,
								 .excess = UINT64_MAX,
								 .truth = i ? truth * MS : 0},
					   &shown),
				 0);
		assert_int_equal(sscanf(shown_text, "7 (x) R 1 7 7 0 -1 64 1 2 3 4 %llu %llu",
					&new_u, &new_s),
				 2);
		assert_true(new_u >= old_u && new_s >= old_s);
		assert_true(new_u + new_s <= most / 10);
		assert_true(new_u + new_s + 2 > most / 10); /* each is cut to a whole tick */
		old_u = new_u;
		old_s = new_s;
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_process_has_less),
		cmocka_unit_test(names_cannot_pass_for_numbers),
		cmocka_unit_test(growth_is_the_truth),
		cmocka_unit_test(of_a_young_task_the_truth_is_all),
		cmocka_unit_test(without_figures_a_task_goes_on_as_the_kernel_says),
		cmocka_unit_test(counters_never_go_back),
		cmocka_unit_test(another_start_is_another_process),
		cmocka_unit_test(vmdesched_has_what_the_others_have_not),
		cmocka_unit_test(schedstat_of_a_task),
		cmocka_unit_test(sched_of_a_task),
		cmocka_unit_test(what_is_not_understood_is_refused),
		cmocka_unit_test(the_columns_advance_by_the_truth),
		cmocka_unit_test(without_figures_the_kernel_leads_on),
		cmocka_unit_test(a_kernel_that_subtracts_is_left_alone),
		cmocka_unit_test(lines_that_are_none),
		cmocka_unit_test(schedstat_of_the_machine),
		cmocka_unit_test(random_histories_go_forward),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
