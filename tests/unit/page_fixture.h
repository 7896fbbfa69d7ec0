/* SPDX-License-Identifier: MIT */
/*
 * What the tests of the page's reader share: one small page that lies before memory that faults, so
 * that a load outside of it ends the test. To be included behind <cmocka.h>'s own includes.
 */
#ifndef TESTS_PAGE_FIXTURE_H
#define TESTS_PAGE_FIXTURE_H

#include "ledger/page_writer.h"

#include "page_records.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/mman.h>

#include <cmocka.h>

#define SIZE	4096u
#define VCPUS	2u
#define RING	8u
#define SESSION 77u

/* A page of SIZE bytes whose end is the end of what may be touched. */
static struct {
	uint8_t *page;
	struct page_writer writer;
	struct page_reader reader;
} t;

static inline int setup(void **state)
{
	uint8_t *map = mmap(NULL, 2 * SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
			    0);

	(void)state;
	assert_ptr_not_equal(map, MAP_FAILED);
	assert_int_equal(mprotect(map + SIZE, SIZE, PROT_NONE), 0);
	t.page = map;
	assert_int_equal(page_writer_init(&t.writer, t.page, SIZE, VCPUS, RING, SESSION), 0);
	assert_int_equal(page_attach(t.page, SIZE, &t.reader), 0);
	return 0;
}

static inline int teardown(void **state)
{
	(void)state;
	page_writer_done(&t.writer);
	munmap(t.page, 2 * SIZE);
	return 0;
}

static inline void write_gaps(uint32_t vcpu, uint64_t from, uint64_t to)
{
	for (uint64_t i = from; i < to; i++) {
		struct gap gap = record_gap(i, vcpu);

		gap.by = 4711; /* the host's own affair: no reader sees it */
		page_write_gap(&t.writer, vcpu, &gap);
	}
}

static inline struct page_header *header(void)
{
	return (struct page_header *)t.page;
}

static inline struct page_vcpu_block *block(uint32_t vcpu)
{
	return (struct page_vcpu_block *)(t.page + header()->vcpu_offset +
					  vcpu * header()->vcpu_stride);
}

#define WITH_PAGE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

#endif
