/* SPDX-License-Identifier: MIT */
/*
 * The logs that BPF programs write without waiting for their reader (host/run_log.h): what is read
 * is whole and in order, and what is missing is counted. Here the test writes them. What becomes of
 * the records is test_blame.c.
 */
#include "host/run_log.h"

#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#define SIZE	8
#define WRITTEN 2000000ull

static struct blame_cpu cpus[2];
static struct blame_record records[2 * SIZE];
static struct run_log ring;
static uint64_t seen, last; /* records, and the number of the last one */

static int set_up(void **state)
{
	(void)state;
	memset(cpus, 0, sizeof(cpus));
	memset(records, 0, sizeof(records));
	ring = (struct run_log){.cpus = cpus, .records = records, .n_cpus = 2, .size = SIZE};
	seen = last = 0;
	return run_log_open(&ring);
}

static int tear_down(void **state)
{
	(void)state;
	run_log_close(&ring);
	return 0;
}

/* As blame.bpf.h does it. A record has its number in every member, which begins with 1. */
static void write_record(unsigned cpu)
{
	uint64_t number = cpus[cpu].head + 1;
	struct blame_record *r = &records[cpu * SIZE + (cpus[cpu].head & (SIZE - 1))];

	if (cpus[cpu].head - __atomic_load_n(&cpus[cpu].taken, __ATOMIC_ACQUIRE) >= SIZE) {
		__atomic_store_n(&cpus[cpu].lost, cpus[cpu].lost + 1, __ATOMIC_SEQ_CST);
		return;
	}
	__atomic_store_n(&r->start, number, __ATOMIC_RELAXED);
	__atomic_store_n(&r->end, number, __ATOMIC_RELAXED);
	__atomic_store_n(&r->irq_ns, number, __ATOMIC_RELAXED);
	__atomic_store_n(&r->tid, (uint32_t)number, __ATOMIC_RELAXED);
	__atomic_store_n(&cpus[cpu].head, number, __ATOMIC_SEQ_CST);
}

static void see(const struct blame_record *r, void *data)
{
	(void)data;
	assert_true(r->start > last);
	assert_int_equal(r->end, r->start);
	assert_int_equal(r->irq_ns, r->start);
	assert_int_equal(r->tid, (uint32_t)r->start);
	last = r->start;
	seen++;
}

static int take(unsigned cpu)
{
	struct blame_cpu now;
	uint64_t until;

	return run_log_take(&ring, cpu, see, NULL, &now, &until);
}

static void records_come_in_order(void **state)
{
	(void)state;
	for (int i = 0; i < 5; i++)
		write_record(1);
	assert_int_equal(take(0), 0);
	assert_int_equal(seen, 0);
	assert_int_equal(take(1), 0);
	assert_int_equal(seen, 5);
	for (int i = 0; i < 7; i++) /* over the end of the ring */
		write_record(1);
	assert_int_equal(take(1), 0);
	assert_int_equal(take(1), 0);
	assert_int_equal(seen, 12);
	assert_int_equal(run_log_lost(&ring), 0);
}

/* 30 into a ring of 8: what is there stays. */
static void records_without_room_are_counted(void **state)
{
	(void)state;
	for (int i = 0; i < 30; i++)
		write_record(0);
	assert_int_equal(take(0), 0);
	assert_int_equal(last, 8);
	assert_int_equal(seen, 8);
	assert_int_equal(run_log_lost(&ring), 22);
	write_record(0);
	assert_int_equal(take(0), 0);
	assert_int_equal(last, 9);
}

static void what_was_before_is_skipped(void **state)
{
	(void)state;
	for (int i = 0; i < 6; i++)
		write_record(0);
	run_log_skip(&ring);
	write_record(0);
	assert_int_equal(take(0), 0);
	assert_int_equal(last, 7);
	assert_int_equal(seen, 1);
	assert_int_equal(run_log_lost(&ring), 0);
}

/* A CPU that its hypervisor has stopped in the middle of a switch. */
static void switch_under_way_is_reported(void **state)
{
	struct blame_cpu now = {.tid = 7};
	uint64_t until = 7;

	(void)state;
	write_record(0);
	cpus[0].seq = 1;
	assert_int_equal(run_log_take(&ring, 0, see, NULL, &now, &until), -EAGAIN);
	assert_int_equal(seen, 1);
	assert_int_equal(now.tid, 7); /* untouched */
	assert_int_equal(until, 7);
	cpus[0].seq = 2;
	cpus[0].tid = 42;
	assert_int_equal(run_log_take(&ring, 0, see, NULL, &now, &until), 0);
	assert_int_equal(now.tid, 42);
	assert_true(until > 7);
}

static void *write_all(void *data)
{
	(void)data;
	for (uint64_t i = 0; i < WRITTEN; i++)
		write_record(0);
	return NULL;
}

/* Whole or counted, whatever the writer does meanwhile. */
static void reader_races_the_writer(void **state)
{
	pthread_t writer;

	(void)state;
	assert_int_equal(pthread_create(&writer, NULL, write_all, NULL), 0);
	while (__atomic_load_n(&cpus[0].head, __ATOMIC_ACQUIRE) + run_log_lost(&ring) < WRITTEN)
		assert_int_equal(take(0), 0);
	pthread_join(writer, NULL);
	assert_int_equal(take(0), 0);
	assert_int_equal(seen + run_log_lost(&ring), WRITTEN);
	assert_true(seen > 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(records_come_in_order),	  TEST(records_without_room_are_counted),
		TEST(what_was_before_is_skipped), TEST(switch_under_way_is_reported),
		TEST(reader_races_the_writer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
