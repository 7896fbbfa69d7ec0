/* SPDX-License-Identifier: MIT */
/*
 * Pages that are absent, foreign, broken, longer than known, or random: the reader refuses or reads
 * them, and never looks outside of the mapping. Siblings: see test_page.c.
 */
#include "page_fixture.h"

#include "base/units.h"
#include "random.h"

#include <errno.h>

static void test_attach_refuses(void **state)
{
	_Alignas(8) static const uint8_t zeros[SIZE];
	struct page_reader r = {.size = 5};

	(void)state;
	assert_int_equal(page_attach(zeros, SIZE, &r), -ENODATA);
	assert_int_equal(page_attach(t.page, 63, &r), -EBADMSG);
	assert_int_equal(page_attach(t.page, 0, &r), -EBADMSG);
	assert_int_equal(page_attach(t.page, SIZE - 8, &r), -EBADMSG);
	assert_int_equal(page_attach(t.page + 4, SIZE - 8, &r), -EINVAL);
	header()->magic ^= 1;
	assert_int_equal(page_attach(t.page, SIZE, &r), -ENODATA);
	assert_int_equal(r.size, 5);
}

/* One field of a good header is set to `value`. The page has 2 vCPUs and rings of 8. */
static const struct {
	size_t offset;
	size_t size;
	uint64_t value;
	int expected;
} headers[] = {
#define SET(field, value, expected)                                                                \
	{                                                                                          \
		offsetof(struct page_header, field), sizeof(((struct page_header *)0)->field),     \
			value, expected                                                            \
	}
	SET(magic, 0, -ENODATA),
	SET(abi_major, 0, -EPROTO),
	SET(abi_major, 2, -EPROTO),
	SET(abi_minor, 0xffff, 0),
	SET(header_size, 56, -EBADMSG),
	SET(header_size, 72, -EBADMSG), /* reaches into the host record */
	SET(header_size, UINT32_MAX, -EBADMSG),
	SET(size, 0, -EBADMSG),
	SET(size, 1024, -EBADMSG),
	SET(size, 4095, -EBADMSG),
	SET(size, 8192, -EBADMSG),
	SET(size, UINT64_MAX, -EBADMSG),
	SET(session, 0, -EBADMSG),
	SET(vcpus, 0, -EBADMSG),
	SET(vcpus, 1, 0),
	SET(vcpus, 8, -EBADMSG),
	SET(vcpus, 1025, -EBADMSG),
	SET(vcpus, UINT32_MAX, -EBADMSG),
	SET(ring_entries, 0, 0),
	SET(ring_entries, 4, 0),
	SET(ring_entries, 7, -EBADMSG),
	SET(ring_entries, 16, -EBADMSG), /* longer than the stride */
	SET(ring_entries, 1u << 17, -EBADMSG),
	SET(ring_entries, 1u << 31, -EBADMSG),
	SET(host_offset, 0, -EBADMSG),
	SET(host_offset, 68, -EBADMSG),
	SET(host_offset, SIZE - 280, 0),
	SET(host_offset, SIZE - 272, -EBADMSG),
	SET(host_offset, UINT32_MAX - 7, -EBADMSG),
	SET(vcpu_offset, 0, -EBADMSG),
	SET(vcpu_offset, 388, -EBADMSG),
	SET(vcpu_offset, SIZE - 2 * 512, 0),
	SET(vcpu_offset, SIZE - 2 * 512 + 8, -EBADMSG),
	SET(vcpu_offset, UINT32_MAX - 7, -EBADMSG),
	SET(vcpu_stride, 0, -EBADMSG),
	SET(vcpu_stride, 480 - 8, -EBADMSG),
	SET(vcpu_stride, 480, 0),
	SET(vcpu_stride, 484, -EBADMSG),
	SET(vcpu_stride, UINT32_MAX - 7, -EBADMSG),
	SET(host_size, 128, -EBADMSG),
	SET(host_size, 140, -EBADMSG),
	SET(host_size, UINT32_MAX - 7, -EBADMSG),
	SET(vcpu_size, 96, -EBADMSG),
	SET(vcpu_size, 108, -EBADMSG),
	SET(vcpu_size, UINT32_MAX - 7, -EBADMSG),
	SET(gap_size, 24, -EBADMSG),
	SET(gap_size, 36, -EBADMSG),
	SET(gap_size, 40, -EBADMSG), /* eight of them exceed the stride */
	SET(gap_size, UINT32_MAX - 7, -EBADMSG),
};

static void test_every_field_of_the_header_is_checked(void **state)
{
	struct page_header good = *header();

	(void)state;
	assert_int_equal(good.vcpu_stride, 512); /* the figures above count on it */
	for (size_t i = 0; i < ARRAY_SIZE(headers); i++) {
		struct page_reader r;
		int err;

		*header() = good;
		memcpy(t.page + headers[i].offset, &headers[i].value, headers[i].size);
		err = page_attach(t.page, SIZE, &r);
		if (err != headers[i].expected)
			fail_msg("row %zu: offset %zu, value %ju: %d, expected %d", i,
				 headers[i].offset, (uintmax_t)headers[i].value, err,
				 headers[i].expected);
	}
}

/* ---- a later minor version, with longer records ---- */

static void put_words(uint64_t offset, const void *words, size_t size)
{
	memcpy(t.page + offset, words, size);
}

static void test_longer_records_of_a_later_minor(void **state)
{
	const struct page_header later = {
		.magic = PAGE_MAGIC,
		.abi_major = PAGE_ABI_MAJOR,
		.abi_minor = 9,
		.header_size = 128,
		.size = SIZE,
		.session = 5,
		.vcpus = 1,
		.ring_entries = 4,
		.host_offset = 128,
		.vcpu_offset = 1024,
		.vcpu_stride = 1024,
		.host_size = 200,
		.vcpu_size = 152,
		.gap_size = 48,
	};
	struct page_host host = record_host(4);
	struct page_vcpu vcpu = record_vcpu(4);
	struct page_gap entry = {.start = 3, .end = 9, .number = 6, .state = LEDGER_WAIT};
	uint64_t seq = 7, head = 6, cursor = 5, lost = 0;
	struct page_reader r;
	struct gap gap;

	(void)state;
	memset(t.page, 0xff, SIZE);
	put_words(0, &later, sizeof(later));
	put_words(128, &seq, 8); /* odd: copy 1 */
	put_words(128 + 8 + 200, &host, sizeof(host));
	put_words(1024, &seq, 8);
	put_words(1024 + 8 + 152, &vcpu, sizeof(vcpu));
	put_words(1024 + 8 + 2 * 152, &head, 8);
	put_words(1024 + 8 + 2 * 152 + 8 + 1 * 48, &entry, sizeof(entry)); /* 5 modulo 4 */

	assert_int_equal(page_attach(t.page, SIZE, &r), 0);
	memset(&host, 0, sizeof(host));
	memset(&vcpu, 0, sizeof(vcpu));
	assert_int_equal(page_read_host(&r, &host), 0);
	assert_true(host.updates == 4 && record_host_whole(&host));
	assert_int_equal(page_read_vcpu(&r, 0, &vcpu), 0);
	assert_true(vcpu.gaps_lost == 4 && record_vcpu_whole(&vcpu));
	assert_int_equal(page_read_gaps(&r, 0, &cursor, &gap, 1, &lost), 1);
	assert_true(gap.start == 3 && gap.end == 9 && gap.state == LEDGER_WAIT && lost == 0);
}

/* ---- hostile bytes ---- */

/* Reads everything that a reader that attached can read, and holds it to the header's promises. */
static void read_everything(const struct page_reader *r)
{
	struct page_host host;
	struct page_vcpu vcpu;
	struct gap gaps[16];
	struct ledger l;

	page_read_host(r, &host);
	for (uint32_t v = 0; v < r->header.vcpus; v++) {
		uint64_t cursor = 0, lost = 0;
		int n;

		if (page_read_vcpu(r, v, &vcpu) == 0) {
			page_vcpu_ledger(&vcpu, &l);
			assert_true(ledger_valid(&l));
		}
		n = page_read_gaps(r, v, &cursor, gaps, 16, &lost);
		assert_true(n <= 16 && (n < 0 || cursor == lost + (uint64_t)n));
		for (int i = 0; i < n; i++) {
			assert_true(gaps[i].end >= gaps[i].start && gaps[i].vcpu == v);
			assert_true(ledger_state_descheduled(gaps[i].state) ||
				    gaps[i].state == LEDGER_WAIT);
		}
	}
}

static void fill_page(void)
{
	struct page_host host = record_host(1);
	struct page_vcpu vcpu = record_vcpu(1);

	page_writer_done(&t.writer);
	assert_int_equal(page_writer_init(&t.writer, t.page, SIZE, VCPUS, RING, SESSION), 0);
	page_write_host(&t.writer, &host);
	page_write_vcpu(&t.writer, 0, &vcpu);
	write_gaps(0, 0, RING + 3);
}

/* Bits flip in a good page before the reader attaches, and again behind its back. */
static void test_flipped_bits(void **state)
{
	struct random r = {42};
	int attached = 0;

	(void)state;
	for (int i = 0; i < 20000; i++) {
		struct page_reader reader;

		fill_page();
		for (uint64_t n = random_below(&r, 4); n > 0; n--)
			t.page[random_below(&r, 64)] ^= (uint8_t)(1 << random_below(&r, 8));
		for (uint64_t n = random_below(&r, 20); n > 0; n--)
			t.page[random_below(&r, SIZE)] ^= (uint8_t)(1 << random_below(&r, 8));
		if (page_attach(t.page, SIZE, &reader) < 0)
			continue;
		attached++;
		read_everything(&reader);
		for (size_t b = 8; b < 24; b++)
			t.page[b] = (uint8_t)random_next(&r);
		for (size_t b = 32; b < SIZE; b++)
			t.page[b] = (uint8_t)random_next(&r);
		read_everything(&reader);
	}
	assert_true(attached > 1000);
}

static void test_random_bytes(void **state)
{
	struct random r = {43};

	(void)state;
	for (int i = 0; i < 2000; i++) {
		struct page_reader reader;
		uint64_t magic = PAGE_MAGIC, version = 1 | 64ull << 32;

		for (size_t b = 0; b < SIZE; b++)
			t.page[b] = (uint8_t)random_next(&r);
		memcpy(t.page, &magic, sizeof(magic));
		if (i % 2)
			memcpy(t.page + 8, &version, sizeof(version));
		assert_true(page_attach(t.page, SIZE, &reader) < 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_PAGE(test_attach_refuses),
		WITH_PAGE(test_every_field_of_the_header_is_checked),
		WITH_PAGE(test_longer_records_of_a_later_minor),
		WITH_PAGE(test_flipped_bits),
		WITH_PAGE(test_random_bytes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
