/* SPDX-License-Identifier: MIT */
/*
 * Reading a page: what is written comes back; a page begun anew is noticed; gaps that were
 * overwritten are counted. Siblings: test_page_layout.c (offsets), test_page_hostile.c (pages that
 * are foreign or broken), test_page_crash.c (a writer that works or dies meanwhile).
 */
#include "page_fixture.h"

#include "base/units.h"

#include <errno.h>

static void test_what_is_written_is_read(void **state)
{
	struct page_host host;
	struct page_vcpu vcpu;

	(void)state;
	for (uint64_t i = 1; i < 20; i++) {
		struct page_host new_host = record_host(i);
		struct page_vcpu new_vcpu = record_vcpu(i);

		new_host.updates = 0; /* the writer counts */
		page_write_host(&t.writer, &new_host);
		page_write_vcpu(&t.writer, i % VCPUS, &new_vcpu);
		assert_int_equal(page_read_host(&t.reader, &host), 0);
		assert_int_equal(host.updates, i);
		assert_true(record_host_whole(&host));
		assert_int_equal(page_read_vcpu(&t.reader, i % VCPUS, &vcpu), 0);
		assert_int_equal(vcpu.gaps_lost, i);
		assert_true(record_vcpu_whole(&vcpu));
	}
}

static void test_a_page_whose_writer_has_gone_stays_readable(void **state)
{
	struct page_host record = record_host(1), first, second;

	(void)state;
	page_write_host(&t.writer, &record);
	page_writer_done(&t.writer);
	page_writer_done(&t.writer); /* once more is no harm */
	assert_int_equal(page_read_host(&t.reader, &first), 0);
	assert_int_equal(page_read_host(&t.reader, &second), 0);
	assert_int_equal(first.updates, second.updates); /* how a reader sees that it is stale */
	assert_false(page_session_changed(&t.reader));
}

static void test_before_the_first_record(void **state)
{
	struct page_host host = {.shares = 9};
	struct page_vcpu vcpu = {.at = 9};

	(void)state;
	assert_int_equal(page_read_host(&t.reader, &host), -ENODATA);
	assert_int_equal(page_read_vcpu(&t.reader, 0, &vcpu), -ENODATA);
	assert_int_equal(host.shares, 9);
	assert_int_equal(vcpu.at, 9);
	assert_int_equal(page_ring_head(&t.reader, 0), 0);
}

static void test_vcpu_that_is_not_there(void **state)
{
	struct page_vcpu vcpu;
	struct gap gap;
	uint64_t cursor = 0, lost = 0;

	(void)state;
	assert_int_equal(page_read_vcpu(&t.reader, VCPUS, &vcpu), -EINVAL);
	assert_int_equal(page_read_vcpu(&t.reader, UINT32_MAX, &vcpu), -EINVAL);
	assert_int_equal(page_read_gaps(&t.reader, VCPUS, &cursor, &gap, 1, &lost), -EINVAL);
	assert_int_equal(page_read_gaps(&t.reader, 0, &cursor, &gap, -1, &lost), -EINVAL);
	assert_int_equal(page_ring_head(&t.reader, VCPUS), 0);
}

static void test_vcpu_ledger(void **state)
{
	struct page_vcpu record = record_vcpu(3);
	struct ledger l;

	(void)state;
	page_vcpu_ledger(&record, &l);
	assert_int_equal(l.start, 5000);
	assert_int_equal(l.at, 5000 + 3 * (1 + 2 + 3 + 4 + 5 + 6 + 7));
	assert_int_equal(l.ns[LEDGER_RUN], 3);
	assert_int_equal(l.ns[LEDGER_WAIT], 21);
	assert_int_equal(l.state, LEDGER_LIMITED);
	assert_int_equal(l.backwards, 0);
	assert_true(ledger_valid(&l));
}

static void test_ledger_that_does_not_add_up(void **state)
{
	struct page_vcpu good = record_vcpu(1), bad, untouched = {.at = 1};

	(void)state;
	for (int s = 0; s < LEDGER_STATES; s++) {
		bad = good;
		bad.ns[s]++;
		page_write_vcpu(&t.writer, 0, &bad);
		assert_int_equal(page_read_vcpu(&t.reader, 0, &untouched), -EBADMSG);
	}
	bad = good;
	bad.state = LEDGER_STATES;
	page_write_vcpu(&t.writer, 0, &bad);
	assert_int_equal(page_read_vcpu(&t.reader, 0, &untouched), -EBADMSG);
	assert_int_equal(untouched.at, 1);
}

static void test_writer_heals_what_a_guest_scribbled(void **state)
{
	struct page_host host = record_host(1);
	struct page_vcpu vcpu = record_vcpu(1);
	struct gap gap;
	uint64_t cursor = 0, lost = 0;

	(void)state;
	write_gaps(0, 0, 1);
	memset(t.page + sizeof(struct page_header), 0xff, SIZE - sizeof(struct page_header));
	page_write_host(&t.writer, &host);
	page_write_vcpu(&t.writer, 0, &vcpu);
	write_gaps(0, 1, 2);
	assert_int_equal(page_read_host(&t.reader, &host), 0);
	assert_true(record_host_whole(&host));
	assert_int_equal(page_read_vcpu(&t.reader, 0, &vcpu), 0);
	assert_true(record_vcpu_whole(&vcpu));
	assert_int_equal(page_read_gaps(&t.reader, 0, &cursor, &gap, 1, &lost), 1);
	assert_int_equal(record_gap_number(&gap), 1);
	assert_int_equal(lost, 1);
}

static void test_init_refuses(void **state)
{
	struct page_writer w = {.host_seq = 5};

	(void)state;
	assert_int_equal(page_writer_init(&w, t.page, SIZE, 0, 0, 1), -EINVAL);
	assert_int_equal(page_writer_init(&w, t.page, SIZE, 1025, 0, 1), -EINVAL);
	assert_int_equal(page_writer_init(&w, t.page, SIZE, 1, 3, 1), -EINVAL);
	assert_int_equal(page_writer_init(&w, t.page, SIZE, 1, 0, 0), -EINVAL);
	assert_int_equal(page_writer_init(&w, t.page, SIZE - 1, 1, 0, 1), -EINVAL);
	assert_int_equal(page_writer_init(&w, t.page, SIZE, 1, 4096, 1), -EINVAL);
	assert_int_equal(page_writer_init(&w, t.page + 4, SIZE, 1, 0, 1), -EINVAL);
	assert_int_equal(w.host_seq, 5);
	assert_false(page_session_changed(&t.reader));
}

/* ---- sessions ---- */

static void assert_stale(void)
{
	struct page_host host;
	struct page_vcpu vcpu;
	struct gap gap;
	uint64_t cursor = 3, lost = 0;

	assert_true(page_session_changed(&t.reader));
	assert_int_equal(page_read_host(&t.reader, &host), -ESTALE);
	assert_int_equal(page_read_vcpu(&t.reader, 0, &vcpu), -ESTALE);
	assert_int_equal(page_read_gaps(&t.reader, 0, &cursor, &gap, 1, &lost), -ESTALE);
	assert_int_equal(cursor, 3);
	assert_int_equal(lost, 0);
}

static void test_new_session_is_noticed(void **state)
{
	struct page_writer next;
	struct page_host host = record_host(1);

	(void)state;
	page_write_host(&t.writer, &host);
	write_gaps(0, 0, 5);
	assert_false(page_session_changed(&t.reader));
	assert_int_equal(page_writer_init(&next, t.page, SIZE, 1, 0, SESSION + 1), 0);
	assert_stale();
	assert_int_equal(page_attach(t.page, SIZE, &t.reader), 0);
	assert_false(page_session_changed(&t.reader));
	assert_int_equal(t.reader.header.session, SESSION + 1);
	assert_int_equal(page_read_host(&t.reader, &host), -ENODATA);
	page_writer_done(&next);
}

static void test_page_that_is_being_laid_out_again(void **state)
{
	struct page_reader r;

	(void)state;
	header()->magic = 0;
	assert_stale();
	header()->session = 0;
	assert_stale();
	assert_int_equal(page_attach(t.page, SIZE, &r), -ENODATA);
}

/* ---- the ring ---- */

/* Reads all there is in small bites; every gap is checked. Returns how many. */
static uint64_t drain(uint64_t *cursor, uint64_t *lost)
{
	struct gap gaps[3];
	uint64_t total = 0;
	int n;

	while ((n = page_read_gaps(&t.reader, 1, cursor, gaps, 3, lost)) > 0) {
		for (int i = 0; i < n; i++)
			assert_true(gaps[i].vcpu == 1 && record_gap_whole(&gaps[i]));
		assert_int_equal(record_gap_number(&gaps[n - 1]), *cursor - 1);
		total += (uint64_t)n;
	}
	assert_int_equal(n, 0);
	return total;
}

static void test_gaps_in_order_and_none_twice(void **state)
{
	uint64_t cursor = 0, lost = 0;

	(void)state;
	assert_int_equal(drain(&cursor, &lost), 0);
	write_gaps(1, 0, 5);
	assert_int_equal(drain(&cursor, &lost), 5);
	write_gaps(1, 5, 5 + RING);
	assert_int_equal(page_ring_head(&t.reader, 1), 5 + RING);
	assert_int_equal(drain(&cursor, &lost), RING);
	assert_int_equal(drain(&cursor, &lost), 0);
	assert_int_equal(lost, 0);
	assert_int_equal(page_ring_head(&t.reader, 0), 0); /* the other vCPU's ring */
}

static void test_overrun_is_counted(void **state)
{
	uint64_t cursor = 0, lost = 0;

	(void)state;
	write_gaps(1, 0, 3 * RING + 2);
	assert_int_equal(drain(&cursor, &lost), RING);
	assert_int_equal(lost, 2 * RING + 2);
	assert_int_equal(cursor, 3 * RING + 2);
	write_gaps(1, 3 * RING + 2, 4 * RING + 3);
	assert_int_equal(drain(&cursor, &lost), RING);
	assert_int_equal(lost, 2 * RING + 3);
}

static void test_reading_nothing_moves_nothing_that_is_there(void **state)
{
	uint64_t cursor = 0, lost = 0;
	struct gap gap;

	(void)state;
	write_gaps(1, 0, 2);
	assert_int_equal(page_read_gaps(&t.reader, 1, &cursor, &gap, 0, &lost), 0);
	assert_int_equal(cursor, 0);
	assert_int_equal(drain(&cursor, &lost), 2);
}

static void test_entries_that_make_no_sense_are_counted(void **state)
{
	static const struct page_gap bad[] = {
		{.start = 10, .end = 9, .number = 1, .state = LEDGER_READY},
		{.start = 10, .end = 11, .number = 2, .state = LEDGER_RUN},
		{.start = 10, .end = 11, .number = 3, .state = LEDGER_HALT},
		{.start = 10, .end = 11, .number = 4, .state = LEDGER_STATES},
		{.start = 10, .end = 11, .number = 0, .state = LEDGER_READY}, /* being written */
		{.start = 10,
		 .end = 11,
		 .number = 6 + RING,
		 .state = LEDGER_READY}, /* overwritten */
		{.start = 10, .end = 11, .number = 7 + (1ull << 32), .state = LEDGER_READY},
	};
	uint64_t cursor = 0, lost = 0;
	struct gap gaps[RING];

	(void)state;
	write_gaps(1, 0, ARRAY_SIZE(bad) + 1);
	memcpy(block(1)->ring, bad, sizeof(bad));
	assert_int_equal(page_read_gaps(&t.reader, 1, &cursor, gaps, RING, &lost), 1);
	assert_int_equal(record_gap_number(&gaps[0]), ARRAY_SIZE(bad));
	assert_int_equal(lost, ARRAY_SIZE(bad));
	assert_int_equal(cursor, ARRAY_SIZE(bad) + 1);
}

static void test_head_that_jumps(void **state)
{
	uint64_t cursor = 0, lost = 0;
	struct gap gap;

	(void)state;
	write_gaps(1, 0, 5);
	block(1)->head = UINT64_MAX;
	assert_int_equal(page_read_gaps(&t.reader, 1, &cursor, &gap, 1, &lost), 0);
	assert_int_equal(cursor, UINT64_MAX);
	assert_int_equal(lost, UINT64_MAX);
	block(1)->head = 4; /* backwards */
	assert_int_equal(page_read_gaps(&t.reader, 1, &cursor, &gap, 1, &lost), -EBADMSG);
	assert_int_equal(cursor, UINT64_MAX);
}

static void test_page_without_rings(void **state)
{
	struct gap gap = record_gap(0, 0);
	uint64_t cursor = 0, lost = 0;
	struct page_writer w;
	struct page_reader r;
	uint8_t before[SIZE];

	(void)state;
	assert_int_equal(page_writer_init(&w, t.page, SIZE, 3, 0, 5), 0);
	assert_int_equal(page_attach(t.page, SIZE, &r), 0);
	memcpy(before, t.page, SIZE);
	page_write_gap(&w, 2, &gap);
	assert_memory_equal(before, t.page, SIZE);
	assert_int_equal(page_ring_head(&r, 2), 0);
	assert_int_equal(page_read_gaps(&r, 2, &cursor, &gap, 1, &lost), 0);
	assert_int_equal(lost, 0);
	page_writer_done(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_PAGE(test_what_is_written_is_read),
		WITH_PAGE(test_a_page_whose_writer_has_gone_stays_readable),
		WITH_PAGE(test_before_the_first_record),
		WITH_PAGE(test_vcpu_that_is_not_there),
		WITH_PAGE(test_vcpu_ledger),
		WITH_PAGE(test_ledger_that_does_not_add_up),
		WITH_PAGE(test_writer_heals_what_a_guest_scribbled),
		WITH_PAGE(test_init_refuses),
		WITH_PAGE(test_new_session_is_noticed),
		WITH_PAGE(test_page_that_is_being_laid_out_again),
		WITH_PAGE(test_gaps_in_order_and_none_twice),
		WITH_PAGE(test_overrun_is_counted),
		WITH_PAGE(test_reading_nothing_moves_nothing_that_is_there),
		WITH_PAGE(test_entries_that_make_no_sense_are_counted),
		WITH_PAGE(test_head_that_jumps),
		WITH_PAGE(test_page_without_rings),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
