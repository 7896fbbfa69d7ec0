/* SPDX-License-Identifier: MIT */
/*
 * Every store into the page is one aligned 8-byte word, so that a reader on another CPU sees words
 * whole, and barrier() stands between two stores wherever the reader relies on their order:
 *
 *  latch  seq odd | copy 0 | seq even | copy 1 |      a reader takes copy 1 while seq is odd
 *  gap    number 0 | entry | number | head
 *  start  magic 0 | everything | magic
 */
#include "ledger/page_writer.h"

#include "ledger/page_layout.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#define SIZE_MIN   4096
#define BLOCK_LINE 64 /* blocks begin on a cache line of their own */

static void barrier(void)
{
	atomic_thread_fence(memory_order_release);
}

static void store(const struct page_writer *w, uint64_t offset, uint64_t value)
{
	*(volatile uint64_t *)(w->base + offset) = value;
}

static void store_words(const struct page_writer *w, uint64_t offset, const void *from, size_t size)
{
	for (size_t i = 0; i < size; i += sizeof(uint64_t)) {
		uint64_t word;

		memcpy(&word, (const uint8_t *)from + i, sizeof(word));
		store(w, offset + i, word);
	}
}

static uint32_t line_up(uint64_t bytes)
{
	return (uint32_t)((bytes + BLOCK_LINE - 1) / BLOCK_LINE * BLOCK_LINE);
}

/* The whole header but the session. Returns -EINVAL for numbers out of range. */
static int lay_out(uint32_t vcpus, uint32_t ring_entries, struct page_header *ret)
{
	struct page_header h = {
		.magic = PAGE_MAGIC,
		.abi_major = PAGE_ABI_MAJOR,
		.abi_minor = PAGE_ABI_MINOR,
		.header_size = sizeof(h),
		.size = SIZE_MIN,
		.vcpus = vcpus,
		.ring_entries = ring_entries,
		.host_offset = sizeof(h),
		.vcpu_offset = line_up(sizeof(h) + sizeof(struct page_host_latch)),
		.host_size = sizeof(struct page_host),
		.vcpu_size = sizeof(struct page_vcpu),
		.gap_size = sizeof(struct page_gap),
	};

	if (vcpus < 1 || vcpus > PAGE_VCPUS_MAX || !layout_ring_entries_ok(ring_entries))
		return -EINVAL;
	h.vcpu_stride = line_up(layout_block_size(&h));
	while (h.size < layout_vcpu_offset(&h, vcpus))
		h.size *= 2;
	*ret = h;
	return 0;
}

size_t page_size_for(uint32_t vcpus, uint32_t ring_entries)
{
	struct page_header h;

	return lay_out(vcpus, ring_entries, &h) < 0 ? 0 : (size_t)h.size;
}

static void publish_header(struct page_writer *w)
{
	struct page_header h = w->header;

	h.magic = 0;
	store(w, offsetof(struct page_header, magic), 0);
	barrier();
	for (uint64_t at = sizeof(h); at < h.size; at += sizeof(uint64_t))
		store(w, at, 0);
	store_words(w, 0, &h, sizeof(h));
	barrier();
	store(w, offsetof(struct page_header, magic), PAGE_MAGIC);
}

int page_writer_init(struct page_writer *w, void *base, size_t size, uint32_t vcpus,
		     uint32_t ring_entries, uint64_t session)
{
	struct page_writer new = {.base = base};

	if (lay_out(vcpus, ring_entries, &new.header) < 0 || new.header.size > size ||
	    session == 0 || (uintptr_t)base % sizeof(uint64_t) != 0)
		return -EINVAL;
	new.header.session = session;
	new.vcpu_seq = calloc(vcpus, sizeof(*new.vcpu_seq));
	new.head = calloc(vcpus, sizeof(*new.head));
	if (!new.vcpu_seq || !new.head) {
		page_writer_done(&new);
		return -ENOMEM;
	}
	publish_header(&new);
	*w = new;
	return 0;
}

void page_writer_done(struct page_writer *w)
{
	free(w->vcpu_seq);
	free(w->head);
	w->vcpu_seq = NULL;
	w->head = NULL;
}

static void latch_write(const struct page_writer *w, uint64_t latch, uint64_t *seq,
			const void *record, size_t size)
{
	for (unsigned copy = 0; copy < 2; copy++) {
		barrier();
		store(w, latch, ++*seq);
		barrier();
		store_words(w, layout_copy_offset(latch, size, copy), record, size);
	}
}

void page_write_host(struct page_writer *w, const struct page_host *host)
{
	struct page_host record = *host;

	record.updates = w->host_seq / 2 + 1;
	latch_write(w, w->header.host_offset, &w->host_seq, &record, sizeof(record));
}

void page_write_vcpu(struct page_writer *w, uint32_t vcpu, const struct page_vcpu *record)
{
	latch_write(w, layout_vcpu_offset(&w->header, vcpu), &w->vcpu_seq[vcpu], record,
		    sizeof(*record));
}

void page_write_gap(struct page_writer *w, uint32_t vcpu, const struct gap *gap)
{
	struct page_gap entry = {.start = gap->start, .end = gap->end, .state = gap->state};
	uint64_t at, number;

	if (!w->header.ring_entries)
		return;
	number = w->head[vcpu]++;
	at = layout_gap_offset(&w->header, vcpu, number);
	barrier();
	store(w, at + offsetof(struct page_gap, number), 0);
	barrier();
	store_words(w, at, &entry, sizeof(entry)); /* its number is still 0 */
	barrier();
	store(w, at + offsetof(struct page_gap, number), number + 1);
	barrier();
	store(w, layout_head_offset(&w->header, vcpu), w->head[vcpu]);
}

void page_write_lost(struct page_writer *w, uint32_t vcpu, uint64_t n)
{
	if (!w->header.ring_entries)
		return;
	w->head[vcpu] += n; /* their entries hold other numbers */
	barrier();
	store(w, layout_head_offset(&w->header, vcpu), w->head[vcpu]);
}
