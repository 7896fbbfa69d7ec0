/* SPDX-License-Identifier: MIT */
/*
 * Where things lie in a page, from the figures of its header: shared by the page's writer and
 * reader, so that they cannot disagree. All in bytes from the start of the page; a record may be
 * longer than this side's struct, hence `size` of one copy as a parameter.
 */
#ifndef LEDGER_PAGE_LAYOUT_H
#define LEDGER_PAGE_LAYOUT_H

#include <desched/page.h>

/* A latch: the sequence counter, then two copies. */
static inline uint64_t layout_latch_size(uint64_t copy_size)
{
	return sizeof(uint64_t) + 2 * copy_size;
}

static inline uint64_t layout_copy_offset(uint64_t latch_offset, uint64_t copy_size, unsigned copy)
{
	return latch_offset + sizeof(uint64_t) + copy * copy_size;
}

static inline uint64_t layout_vcpu_offset(const struct page_header *h, uint32_t vcpu)
{
	return h->vcpu_offset + (uint64_t)vcpu * h->vcpu_stride;
}

static inline uint64_t layout_head_offset(const struct page_header *h, uint32_t vcpu)
{
	return layout_vcpu_offset(h, vcpu) + layout_latch_size(h->vcpu_size);
}

/* `number` is the gap's; there must be a ring. */
static inline uint64_t layout_gap_offset(const struct page_header *h, uint32_t vcpu,
					 uint64_t number)
{
	uint64_t slot = number % h->ring_entries;

	return layout_head_offset(h, vcpu) + sizeof(uint64_t) + slot * h->gap_size;
}

/* Bytes that one vCPU's latch, head and ring take. */
static inline uint64_t layout_block_size(const struct page_header *h)
{
	return layout_latch_size(h->vcpu_size) + sizeof(uint64_t) +
	       (uint64_t)h->ring_entries * h->gap_size;
}

static inline bool layout_ring_entries_ok(uint32_t n)
{
	return n <= PAGE_RING_MAX && (n & (n - 1)) == 0;
}

#endif
