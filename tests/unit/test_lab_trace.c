/* SPDX-License-Identifier: MIT */
/*
 * The lab's truth by two traces: lab/ftrace.h on sub-buffers made by hand, as the kernel's
 * events/header_page and header_event describe them, and on nonsense; lab/gapjoin.h on small worlds
 * whose sums are worked out in the comments.
 */
#include "lab/gapjoin.h"
#include "lab/tid_filter.h"

#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define PAGES 4

static uint8_t *memory;

static struct trace_area *new_area(uint32_t n_cpus)
{
	struct trace_area *area;

	memory = realloc(memory, TRACE_AREA_DATA + PAGES * TRACE_PAGE);
	assert_non_null(memory);
	memset(memory, 0, TRACE_AREA_DATA + PAGES * TRACE_PAGE);
	area = (struct trace_area *)memory;
	area->magic = TRACE_AREA_MAGIC;
	area->n_cpus = n_cpus;
	area->on_switch = (struct trace_event_layout){7, 8, 12};
	area->on_fork = (struct trace_event_layout){9, 4, 8};
	return area;
}

static int read_area(struct ftrace *t)
{
	return ftrace_read(memory, TRACE_AREA_DATA + PAGES * TRACE_PAGE, t);
}

static uint8_t *put32(uint8_t *at, uint32_t v)
{
	memcpy(at, &v, 4);
	return at + 4;
}

/* A switch: 16 bytes of data, so that its head says type 4. */
static uint8_t *put_switch(uint8_t *at, uint32_t delta, uint32_t prev, uint32_t next)
{
	at = put32(at, delta << 5 | 4);
	at = put32(at, 7);
	at = put32(at, 0);
	at = put32(at, prev);
	return put32(at, next);
}

static uint8_t *put_fork(uint8_t *at, uint32_t delta, uint32_t parent, uint32_t child)
{
	at = put32(at, delta << 5 | 3);
	at = put32(at, 9);
	at = put32(at, parent);
	return put32(at, child);
}

static uint8_t *begin_page(int number, uint64_t time)
{
	uint8_t *page = memory + TRACE_AREA_DATA + (size_t)number * TRACE_PAGE;

	memcpy(page, &time, 8);
	return page + 16;
}

static void end_page(int number, const uint8_t *end)
{
	uint8_t *page = memory + TRACE_AREA_DATA + (size_t)number * TRACE_PAGE;

	put32(page + 8, (uint32_t)(end - page - 16));
}

/* CPU 0: 1000 + 5, then + 2^27 * 3 + 1 by an extension, then a large event that is none of ours.
 * CPU 1: a stamp of 2^27 * 2 + 6, whatever the page says. */
static void events_are_read(void **state)
{
	struct trace_area *area = new_area(2);
	struct ftrace t;
	uint8_t *at;

	(void)state;
	area->pages[0] = area->pages[1] = 1;
	at = put_switch(begin_page(0, 1000), 5, 11, 12);
	at = put32(put32(at, 1 << 5 | 30), 3);
	at = put32(put32(put32(at, 0), 12), 99), at += 4;
	end_page(0, put_switch(at, 0, 12, 0));
	at = put32(put32(begin_page(1, 7), 6 << 5 | 31), 2);
	end_page(1, put_fork(at, 2, 11, 13));
	assert_int_equal(read_area(&t), 0);
	assert_int_equal(t.n_cpus, 2);
	assert_int_equal(t.cpus[0].n, 2);
	assert_int_equal(t.cpus[0].switches[0].at, 1005);
	assert_int_equal(t.cpus[0].switches[0].prev, 11);
	assert_int_equal(t.cpus[0].switches[1].at, 1005 + (3ull << 27) + 1);
	assert_int_equal(t.cpus[0].switches[1].next, 0);
	assert_int_equal(t.n_forks, 1);
	assert_int_equal(t.forks[0].at, (2ull << 27) + 8);
	assert_int_equal(t.forks[0].child, 13);
	assert_int_equal(t.lost, 0);
	ftrace_done(&t);
}

static void nonsense_is_refused(void **state)
{
	struct trace_area *area = new_area(1);
	struct ftrace t;

	(void)state;
	area->magic = 0;
	assert_int_equal(read_area(&t), -ENODATA);
	area = new_area(0);
	assert_int_equal(read_area(&t), -EBADMSG);
	area = new_area(TRACE_CPUS_MAX + 1);
	assert_int_equal(read_area(&t), -EBADMSG);
	area = new_area(1);
	area->pages[0] = PAGES + 1; /* beyond the memory */
	assert_int_equal(read_area(&t), -EBADMSG);
	area = new_area(1);
	area->pages[0] = 2; /* time runs backwards from one to the next */
	end_page(0, put_switch(begin_page(0, 1000), 0, 1, 2));
	end_page(1, put_switch(begin_page(1, 999), 0, 2, 1));
	assert_int_equal(read_area(&t), -EBADMSG);
}

/* Whatever a guest leaves there: no crash, nothing read beyond (under ASan). */
static void any_bytes_do_no_harm(void **state)
{
	uint64_t random = 5;

	(void)state;
	for (int round = 0; round < 300; round++) {
		struct trace_area *area = new_area(1 + round % 2);
		struct ftrace t;

		area->pages[0] = 1;
		area->pages[1] = 2;
		area->on_switch.first = round % 3 ? 8 : UINT32_MAX;
		for (size_t i = TRACE_AREA_DATA; i < TRACE_AREA_DATA + 3 * TRACE_PAGE; i++) {
			random = random * 6364136223846793005ull + 1442695040888963407ull;
			memory[i] = (uint8_t)(random >> 56) & (round & 4 ? 0xff : 0x0f);
		}
		for (int page = 0; page < 3; page++)
			put32(memory + TRACE_AREA_DATA + (size_t)page * TRACE_PAGE + 8,
			      (uint32_t)(random >> (20 + page)) % 4080);
		if (!read_area(&t))
			ftrace_done(&t);
	}
}

/* A world of one or two vCPUs, 1 ms to the unit, whose guest's clock is ahead by 7 s and 123 us. */
#define MS    1e6
#define AHEAD 7000123000.0

static struct ftrace_switch switches[2][400];
static struct gapjoin_gap gaps[2][400];
static struct ftrace_fork forks[4];

static void add_switch(struct ftrace *t, int cpu, double ms, uint32_t prev, uint32_t next)
{
	t->cpus[cpu].switches = switches[cpu];
	switches[cpu][t->cpus[cpu].n++] = (struct ftrace_switch){(uint64_t)(ms * MS + AHEAD), prev,
								 next};
}

static void add_gap(struct gapjoin_gaps *g, int cpu, double from, double ready, double to)
{
	g->gaps = gaps[cpu];
	gaps[cpu][g->n++] = (struct gapjoin_gap){(uint64_t)(from * MS), (uint64_t)(ready * MS),
						 (uint64_t)(to * MS), false};
}

static void assert_near(double value, double expected)
{
	if (fabs(value - expected) > 0.02 * MS)
		fail_msg("%.6f ms, expected %.6f ms", value / MS, expected / MS);
}

/*
 * Process 5 from 100 to 110, idle to 120, again and again, 20 times. In each turn the vCPU is away
 * from 102 to 105 (wanting to run), and from 110.02 to 119.98 by its own will, of which it wants to
 * run the last 2 ms. So the process has 20 * 7 ms, the idle task 20 * 0.04 ms, the vCPU wanted to
 * run for 20 * 5 ms.
 */
static void one_vcpu(void **state)
{
	struct gapjoin_worker worker = {.pid = 5};
	struct gapjoin_gaps g = {0};
	struct ftrace t = {.n_cpus = 1};
	struct gapjoin j = {.guest = &t,
			    .gaps = {&g},
			    .tick_ns = 1,
			    .low = AHEAD - 2 * MS,
			    .high = AHEAD + 2 * MS,
			    .from = 0,
			    .to = 1e15,
			    .workers = &worker,
			    .n_workers = 1};

	(void)state;
	for (int i = 0; i < 20; i++) {
		double at = 100 + 20 * i;

		add_switch(&t, 0, at, 0, 5);
		add_gap(&g, 0, at + 2, at + 2, at + 5);
		add_switch(&t, 0, at + 10, 5, 0);
		add_gap(&g, 0, at + 10.02, at + 17.98, at + 19.98);
	}
	add_switch(&t, 0, 500, 0, 5);
	assert_int_equal(gapjoin_run(&j), 0);
	assert_int_equal(j.inside, 0);
	assert_near((double)worker.true_ns, 140 * MS);
	assert_near(j.true_ns, 140 * MS);
	assert_near(j.idle_ns, 0.8 * MS);
	assert_near(j.ready_ns, 100 * MS);
	/* From 101 to 104 of the first turn: 1 ms before the gap. */
	j.from = 101 * MS + AHEAD;
	j.to = 104 * MS + AHEAD;
	assert_int_equal(gapjoin_run(&j), 0);
	assert_near(j.true_ns, 1 * MS);
	assert_near(j.ready_ns, 2 * MS);
}

/* Process 5 forks 6 on CPU 0, which runs on CPU 1 from 30 to 40 while that is away from 33 to 36;
 * another 6 before that was somebody else's. 5 has 30 ms itself and 7 by its child. */
static void children_count_for_their_parents(void **state)
{
	struct gapjoin_worker worker = {.pid = 5};
	struct gapjoin_gaps g[2] = {{0}, {0}};
	struct ftrace t = {.n_cpus = 2, .forks = forks, .n_forks = 1};
	struct gapjoin j = {.guest = &t,
			    .gaps = {&g[0], &g[1]},
			    .tick_ns = 1,
			    .low = AHEAD - 1 * MS,
			    .high = AHEAD + 1 * MS,
			    .from = 0,
			    .to = 1e15,
			    .workers = &worker,
			    .n_workers = 1};

	(void)state;
	forks[0] = (struct ftrace_fork){(uint64_t)(20 * MS + AHEAD), 5, 6};
	add_switch(&t, 0, 10, 0, 5);
	add_switch(&t, 0, 40, 5, 0);
	add_gap(&g[0], 0, 40.01, 59.99, 59.99);
	add_switch(&t, 0, 60, 0, 7);
	add_switch(&t, 1, 5, 0, 6);
	add_switch(&t, 1, 8, 6, 0);
	add_gap(&g[1], 1, 8.01, 29.99, 29.99);
	add_switch(&t, 1, 30, 0, 6);
	add_gap(&g[1], 1, 33, 33, 36);
	add_switch(&t, 1, 40, 6, 0);
	assert_int_equal(gapjoin_run(&j), 0);
	assert_near((double)worker.true_ns, 37 * MS);
}

/* A trace that does not belong to these gaps is found out. */
static void what_does_not_fit_is_counted(void **state)
{
	struct gapjoin_gaps g = {0};
	struct ftrace t = {.n_cpus = 1};
	struct gapjoin j = {.guest = &t,
			    .gaps = {&g},
			    .tick_ns = 1,
			    .low = AHEAD - 1 * MS,
			    .high = AHEAD + 1 * MS,
			    .from = 0,
			    .to = 1e15};

	(void)state;
	for (int i = 0; i < 100; i++) {
		add_gap(&g, 0, 20 * i, 20 * i, 20 * i + 17);
		add_switch(&t, 0, 13 * i + 3, 1 + i % 2, 2 - i % 2);
	}
	assert_int_equal(gapjoin_run(&j), 0);
	assert_true(j.inside > 20);
	t.cpus[0].n = 0;
	assert_int_equal(gapjoin_run(&j), -ENODATA);
}

/* Ids that began again at 1, and those of a bench between two machines, are not let through. */
static void only_our_threads_are_recorded(void **state)
{
	pid_t around[] = {32761, 32760, 400, 401, 399}, one[] = {7};
	char text[TID_FILTER_SIZE];

	(void)state;
	tid_filter(around, 5, "pid", text);
	assert_string_equal(text, "(pid >= 399 && pid <= 401) || (pid >= 32760 && pid <= 32761)");
	tid_filter(one, 1, "next_pid", text);
	assert_string_equal(text, "(next_pid >= 7 && next_pid <= 7)");
}

/* 100 threads 10 ids apart, and a far one: the far one has a range of its own, and the text fits. */
static void many_threads_have_few_ranges(void **state)
{
	char text[TID_FILTER_SIZE];
	pid_t tids[101];
	size_t n = 0;

	(void)state;
	for (int i = 0; i < 100; i++)
		tids[i] = 4000000 + 10 * i;
	tids[100] = 5;
	tid_filter(tids, 101, "prev_pid", text);
	assert_string_equal(text, "(prev_pid >= 5 && prev_pid <= 5) || "
				  "(prev_pid >= 4000000 && prev_pid <= 4000990)");
	for (int i = 0; i < 48; i++)
		tids[i] = 4000000 + 1000 * (i / 2) + 10 * (i % 2);
	tid_filter(tids, 48, "prev_pid", text);
	for (const char *at = text; (at = strchr(at, '(')); at++)
		n++;
	assert_int_equal(n, TID_FILTER_RANGES);
	assert_non_null(strstr(text, "(prev_pid >= 4023000 && prev_pid <= 4023010)"));
	assert_int_equal(text[strlen(text) - 1], ')');
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(events_are_read),
		cmocka_unit_test(nonsense_is_refused),
		cmocka_unit_test(any_bytes_do_no_harm),
		cmocka_unit_test(one_vcpu),
		cmocka_unit_test(children_count_for_their_parents),
		cmocka_unit_test(what_does_not_fit_is_counted),
		cmocka_unit_test(only_our_threads_are_recorded),
		cmocka_unit_test(many_threads_have_few_ranges),
	};
	int failed = cmocka_run_group_tests(tests, NULL, NULL);

	free(memory);
	return failed;
}
