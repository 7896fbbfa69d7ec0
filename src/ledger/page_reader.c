/* SPDX-License-Identifier: MIT */
/*
 * The guest's side of the page. The memory may be a PCI BAR and may change between any two loads,
 * so every load is one aligned 8-byte word into a local, never twice where the first was checked,
 * and no locked instruction touches it. barrier() stands where the writer has one between stores.
 *
 * Bounds: page_attach() checks once that all that the header promises lies within the mapping; from
 * then on only that checked copy of the header is used, whatever the page's own becomes.
 */
#include "ledger/page_layout.h"

#include <errno.h>
#include <stdatomic.h>
#include <string.h>

/* An honest writer raises a latch twice in a few hundred nanoseconds, then pauses: the second try
 * succeeds. Reading never waits longer than this. */
#define LATCH_TRIES 50

#define WORD sizeof(uint64_t)

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the page is little-endian");
_Static_assert(sizeof(struct page_header) == 64, "page.5: header");
_Static_assert(sizeof(struct page_host) == 136, "page.5: host record");
_Static_assert(sizeof(struct page_vcpu) == 104, "page.5: vCPU record");
_Static_assert(sizeof(struct page_gap) == 32, "page.5: gap");
_Static_assert(LEDGER_STATES <= 8, "a vCPU record holds eight states");

static void barrier(void)
{
	atomic_thread_fence(memory_order_acquire);
}

static uint64_t load(const volatile void *base, uint64_t offset)
{
	return *(const volatile uint64_t *)((const volatile uint8_t *)base + offset);
}

static void load_words(const volatile void *base, uint64_t offset, void *to, size_t size)
{
	for (size_t i = 0; i < size; i += WORD) {
		uint64_t word = load(base, offset + i);

		memcpy((uint8_t *)to + i, &word, WORD);
	}
}

/* True when `bytes` from `offset` on lie behind the header, within the page, on whole words. */
static bool fits(const struct page_header *h, uint64_t offset, uint64_t bytes)
{
	return offset >= h->header_size && offset % WORD == 0 && offset <= h->size &&
	       bytes <= h->size - offset;
}

static bool record_sizes_ok(const struct page_header *h)
{
	return h->header_size >= sizeof(struct page_header) &&
	       h->host_size >= sizeof(struct page_host) && h->host_size % WORD == 0 &&
	       h->vcpu_size >= sizeof(struct page_vcpu) && h->vcpu_size % WORD == 0 &&
	       h->gap_size >= sizeof(struct page_gap) && h->gap_size % WORD == 0;
}

/* Products of two 32-bit figures: nothing here can overflow 64 bits. */
static bool header_ok(const struct page_header *h, size_t mapping)
{
	if (h->size > mapping || (h->size & (h->size - 1)) != 0 || h->session == 0)
		return false;
	if (h->vcpus < 1 || h->vcpus > PAGE_VCPUS_MAX || !layout_ring_entries_ok(h->ring_entries))
		return false;
	return record_sizes_ok(h) && fits(h, h->host_offset, layout_latch_size(h->host_size)) &&
	       h->vcpu_stride % WORD == 0 && h->vcpu_stride >= layout_block_size(h) &&
	       fits(h, h->vcpu_offset, (uint64_t)h->vcpus * h->vcpu_stride);
}

/* A header is whole when its magic was there after its session had been read, and both still are
 * when all of it has been read. */
static int load_header(struct page_reader *r)
{
	uint64_t session = load(r->base, offsetof(struct page_header, session));

	barrier();
	if (load(r->base, offsetof(struct page_header, magic)) != PAGE_MAGIC)
		return -ENODATA;
	barrier();
	load_words(r->base, 0, &r->header, sizeof(r->header));
	return r->header.session != session || page_session_changed(r) ? -ENODATA : 0;
}

int page_attach(const volatile void *base, size_t size, struct page_reader *ret)
{
	struct page_reader r = {.base = base, .size = size};
	int err;

	if ((uintptr_t)base % WORD != 0)
		return -EINVAL;
	if (size < sizeof(r.header))
		return -EBADMSG;
	err = load_header(&r);
	if (err < 0)
		return err;
	if (r.header.abi_major != PAGE_ABI_MAJOR)
		return -EPROTO;
	if (!header_ok(&r.header, size))
		return -EBADMSG;
	*ret = r;
	return 0;
}

/* Everything that was loaded before the call belongs to the session if this says that it goes on:
 * a writer takes the magic away before it touches anything else, and puts another session there. */
bool page_session_changed(const struct page_reader *r)
{
	barrier();
	return load(r->base, offsetof(struct page_header, magic)) != PAGE_MAGIC ||
	       load(r->base, offsetof(struct page_header, session)) != r->header.session;
}

static int latch_read(const struct page_reader *r, uint64_t latch, uint64_t copy_size, void *to,
		      size_t size)
{
	for (int i = 0; i < LATCH_TRIES; i++) {
		uint64_t seq = load(r->base, latch);

		barrier();
		load_words(r->base, layout_copy_offset(latch, copy_size, seq & 1), to, size);
		barrier();
		if (load(r->base, latch) != seq)
			continue;
		if (page_session_changed(r))
			return -ESTALE;
		return seq < 2 ? -ENODATA : 0;
	}
	return page_session_changed(r) ? -ESTALE : -EAGAIN;
}

int page_read_host(const struct page_reader *r, struct page_host *ret)
{
	struct page_host host;
	int err = latch_read(r, r->header.host_offset, r->header.host_size, &host, sizeof(host));

	if (err == 0)
		*ret = host;
	return err;
}

int page_read_vcpu(const struct page_reader *r, uint32_t vcpu, struct page_vcpu *ret)
{
	struct page_vcpu record;
	struct ledger l;
	int err;

	if (vcpu >= r->header.vcpus)
		return -EINVAL;
	err = latch_read(r, layout_vcpu_offset(&r->header, vcpu), r->header.vcpu_size, &record,
			 sizeof(record));
	if (err < 0)
		return err;
	page_vcpu_ledger(&record, &l);
	if (!ledger_valid(&l))
		return -EBADMSG;
	*ret = record;
	return 0;
}

/* False for an entry that is being overwritten, holds another gap by now, or makes no sense.
 * Looking at its number after the copy is enough: the entry was whole before the head went beyond
 * it. */
static bool read_gap(const struct page_reader *r, uint32_t vcpu, uint64_t number, struct gap *ret)
{
	uint64_t at = layout_gap_offset(&r->header, vcpu, number);
	struct page_gap e;

	load_words(r->base, at, &e, sizeof(e));
	barrier();
	if (load(r->base, at + offsetof(struct page_gap, number)) != number + 1)
		return false;
	if (e.end < e.start || e.state >= LEDGER_STATES || e.state == LEDGER_RUN ||
	    e.state == LEDGER_HALT)
		return false;
	*ret = (struct gap){.start = e.start, .end = e.end, .vcpu = vcpu, .state = e.state};
	return true;
}

int page_read_gaps(const struct page_reader *r, uint32_t vcpu, uint64_t *cursor, struct gap *gaps,
		   int max, uint64_t *lost)
{
	uint64_t next = *cursor, dropped = 0, head;
	int n = 0;

	if (vcpu >= r->header.vcpus || max < 0)
		return -EINVAL;
	if (!r->header.ring_entries)
		return 0;
	head = page_ring_head(r, vcpu);
	barrier();
	if (next <= head && head - next > r->header.ring_entries) {
		dropped = head - next - r->header.ring_entries;
		next += dropped;
	}
	while (next < head && n < max) {
		if (read_gap(r, vcpu, next++, &gaps[n]))
			n++;
		else
			dropped++;
	}
	if (page_session_changed(r))
		return -ESTALE;
	if (next > head)
		return -EBADMSG;
	*cursor = next;
	*lost += dropped;
	return n;
}

uint64_t page_ring_head(const struct page_reader *r, uint32_t vcpu)
{
	if (vcpu >= r->header.vcpus || !r->header.ring_entries)
		return 0;
	return load(r->base, layout_head_offset(&r->header, vcpu));
}

void page_vcpu_ledger(const struct page_vcpu *v, struct ledger *ret)
{
	struct ledger l = {.start = v->start, .at = v->at, .state = v->state};

	memcpy(l.ns, v->ns, sizeof(l.ns));
	*ret = l;
}
