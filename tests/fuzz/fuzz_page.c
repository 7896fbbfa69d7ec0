/* SPDX-License-Identifier: MIT */
/*
 * The page's reader over any bytes. The first byte of the input says whether the page stays as it
 * is (even), or becomes what the second half of the input says behind the reader's back, after it
 * has attached (odd).
 */
#include "fuzz.h"

#include "base/cleanup.h"

#include <desched/page.h>

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#define BITE 16

static void check_header(const struct page_reader *r, size_t size)
{
	const struct page_header *h = &r->header;

	CHECK(r->size == size && h->size <= size);
	CHECK(h->session != 0);
	CHECK(h->vcpus >= 1 && h->vcpus <= PAGE_VCPUS_MAX);
	CHECK(h->ring_entries <= PAGE_RING_MAX);
	CHECK((h->host_offset | h->vcpu_offset | h->vcpu_stride) % sizeof(uint64_t) == 0);
	CHECK((h->host_size | h->vcpu_size | h->gap_size) % sizeof(uint64_t) == 0);
	CHECK((uint64_t)h->vcpu_offset + (uint64_t)h->vcpus * h->vcpu_stride <= size);
}

static void read_record(const struct page_reader *r, uint32_t vcpu)
{
	struct page_vcpu v, untouched;
	struct ledger l;
	int err;

	memset(&untouched, 0xa5, sizeof(untouched));
	v = untouched;
	err = page_read_vcpu(r, vcpu, &v);
	if (err == 0) {
		page_vcpu_ledger(&v, &l);
		CHECK(ledger_valid(&l));
		return;
	}
	CHECK(err == -EBADMSG || err == -ENODATA || err == -ESTALE);
	CHECK(!memcmp(&v, &untouched, sizeof(v)));
}

static void check_gap(const struct gap *gap, uint32_t vcpu)
{
	CHECK(gap->end >= gap->start);
	CHECK(gap->vcpu == vcpu && gap->by == 0 && gap->reserved == 0);
	CHECK(ledger_state_descheduled(gap->state) || gap->state == LEDGER_WAIT);
}

/* Every number from the cursor to the head is either a gap or lost, and the end is reached. */
static void read_ring(const struct page_reader *r, uint32_t vcpu)
{
	uint64_t head = page_ring_head(r, vcpu), cursor = 0, lost = 0, gaps = 0;
	struct gap bite[BITE];
	int n;

	while ((n = page_read_gaps(r, vcpu, &cursor, bite, BITE, &lost)) > 0) {
		CHECK(n <= BITE);
		for (int i = 0; i < n; i++)
			check_gap(&bite[i], vcpu);
		gaps += (uint64_t)n;
		CHECK(cursor == gaps + lost);
		CHECK(gaps <= r->header.ring_entries);
	}
	CHECK(n == 0 || n == -ESTALE);
	CHECK(n < 0 || (cursor == head && cursor == gaps + lost));
	if (head > 0 && n == 0) {
		cursor = head + 1;
		CHECK(cursor == 0 ||
		      page_read_gaps(r, vcpu, &cursor, bite, BITE, &lost) == -EBADMSG);
	}
}

static void read_page(const struct page_reader *r)
{
	struct page_host host;
	int err = page_read_host(r, &host);

	CHECK(err == 0 || err == -ENODATA || err == -ESTALE);
	CHECK((err == -ESTALE) == page_session_changed(r));
	for (uint32_t vcpu = 0; vcpu < r->header.vcpus; vcpu++) {
		read_record(r, vcpu);
		read_ring(r, vcpu);
	}
	CHECK(page_read_vcpu(r, r->header.vcpus, &(struct page_vcpu){0}) == -EINVAL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	bool changes = size > 0 && data[0] & 1;
	size_t page_size = size == 0 ? 0 : (size - 1) / (changes ? 2 : 1);
	_cleanup_(free_ptr) uint8_t *page = malloc(page_size); /* exactly: beyond it ASan sees */
	struct page_reader r;
	int err;

	if (!page || page_size == 0)
		return 0;
	memcpy(page, data + 1, page_size);
	err = page_attach(page, page_size, &r);
	if (err < 0) {
		CHECK(err == -ENODATA || err == -EPROTO || err == -EBADMSG);
		return 0;
	}
	check_header(&r, page_size);
	if (changes)
		memcpy(page, data + 1 + page_size, page_size);
	read_page(&r);
	return 0;
}
