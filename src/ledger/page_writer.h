/* SPDX-License-Identifier: MIT */
/*
 * The host's side of <desched/page.h>: lays the page out and writes it. The writer trusts nothing
 * that it finds in the memory (the guest may have it mapped writable by mistake): it only ever
 * writes, its own state is in struct page_writer.
 *
 * The order that makes `gaps_until` true: first page_write_gap() for every gap up to then, for one
 * that goes on its piece up to then, then page_write_vcpu(). One thread at a time may use a writer.
 */
#ifndef LEDGER_PAGE_WRITER_H
#define LEDGER_PAGE_WRITER_H

#include <desched/page.h>

#define PAGE_RING_USUAL 4096u /* gaps of a ring where nothing speaks for another number */

struct page_writer {
	uint8_t *base;
	struct page_header header;
	uint64_t host_seq;
	uint64_t *vcpu_seq; /* [vcpus] */
	uint64_t *head;	    /* [vcpus] */
};

/* Bytes that a page for so many vCPUs and gaps needs: a power of two, at least 4096. 0 for numbers
 * out of range (vcpus 1..PAGE_VCPUS_MAX, ring_entries 0 or a power of two up to 65536). */
size_t page_size_for(uint32_t vcpus, uint32_t ring_entries);

/*
 * Lays out a page in `base`, which is aligned to 8 bytes, and publishes its header; any page that
 * was there is over (readers see another session). `session` is not 0 and not that of a page that
 * was there. -EINVAL when page_size_for() is 0 or exceeds `size`, -ENOMEM.
 */
int page_writer_init(struct page_writer *w, void *base, size_t size, uint32_t vcpus,
		     uint32_t ring_entries, uint64_t session);
void page_writer_done(struct page_writer *w); /* frees the writer's state, leaves the page */

/* `updates` of the record is counted by the writer, whatever `host` holds. */
void page_write_host(struct page_writer *w, const struct page_host *host);

/* vcpu must be below the page's number. A page without rings takes no gaps: they are ignored. */
void page_write_vcpu(struct page_writer *w, uint32_t vcpu, const struct page_vcpu *record);
void page_write_gap(struct page_writer *w, uint32_t vcpu, const struct gap *gap);

/* `n` gaps that the writer knows only the number of, between the last one and the next: for readers they
 * are overrun. */
void page_write_lost(struct page_writer *w, uint32_t vcpu, uint64_t n);

#endif
