/* SPDX-License-Identifier: MIT */
/*
 * The ledger page: what a host tells a guest about its own vCPUs, in shared memory.
 *
 * One writer (the host), any number of readers (the guest), never the other way round. All integers
 * are little-endian, naturally aligned; times are nanoseconds of the host's CLOCK_MONOTONIC. The
 * layout, field by field, is docs/page.5; tests/unit/test_page.c holds every offset to it.
 *
 * Two things make a reader safe without a lock and without trust:
 *  - a *latched record* is held twice; `seq` is raised before and after each copy is written, the
 *    copy `seq & 1` is never the one being written. A writer killed at any instant leaves one whole
 *    copy, and a reader never waits;
 *  - the gap ring has an ever-growing `head`; every entry carries its own number, taken away before
 *    the entry is changed and given back after that, so that an entry that was overwritten while it
 *    was read is recognized, dropped and counted.
 *
 * Records grow at their end: a later minor may append fields, so the header says how long the
 * writer's records are, and a reader uses those figures and ignores what it does not know.
 */
#ifndef DESCHED_PAGE_H
#define DESCHED_PAGE_H

#include <desched/gap.h>
#include <desched/ledger.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define PAGE_MAGIC     0x4547415044534544ull /* "DESDPAGE" read as little-endian bytes */
#define PAGE_ABI_MAJOR 1		     /* a reader refuses any other major */
#define PAGE_ABI_MINOR 0		     /* fields are only ever added behind a minor */
#define PAGE_VCPUS_MAX 1024
#define PAGE_RING_MAX  65536

/* At offset 0. Written once, before `magic`, which is written last. */
struct page_header {
	uint64_t magic;
	uint16_t abi_major;
	uint16_t abi_minor;
	uint32_t header_size; /* bytes: sizeof(struct page_header) of the writer */
	uint64_t size;	      /* bytes of the whole page set, a power of two */
	uint64_t session; /* never 0; changes with every start of the writer, resume, migration */
	uint32_t vcpus;	  /* 1 .. PAGE_VCPUS_MAX */
	uint32_t ring_entries; /* gaps each ring holds, a power of two up to PAGE_RING_MAX;
				* 0: the host has no gaps, only ledgers */
	uint32_t host_offset;  /* bytes from the start of the page to the host record */
	uint32_t vcpu_offset;  /* bytes to the block of vCPU 0 */
	uint32_t vcpu_stride;  /* bytes from one vCPU block to the next */
	uint32_t host_size;    /* bytes of one copy of the writer's struct page_host */
	uint32_t vcpu_size;    /* bytes of one copy of the writer's struct page_vcpu */
	uint32_t gap_size;     /* bytes of the writer's struct page_gap */
};

/* One reading of the host's clocks, taken at one instant, to within `error` ns. */
struct page_clock {
	uint64_t ticks;	   /* the CPU's counter (x86 TSC, arm64 CNTVCT) on the host */
	uint64_t mono;	   /* ns, CLOCK_MONOTONIC */
	uint64_t real;	   /* ns, CLOCK_REALTIME */
	uint64_t ticks_hz; /* rate of the counter, 0 while not yet known */
	uint32_t error;	   /* ns, width of the bracket around the reading */
	uint32_t reserved;
};

/* What the host grants the VM. A figure that the host does not know has its `valid` bit clear. */
enum page_valid {
	PAGE_VALID_SHARES = 1 << 0,
	PAGE_VALID_RESERVATION = 1 << 1,
	PAGE_VALID_LIMIT = 1 << 2,
	PAGE_VALID_MEMORY = 1 << 3,
	PAGE_VALID_BALLOONED = 1 << 4,
	PAGE_VALID_SHARED = 1 << 5,
	PAGE_VALID_SWAPPED = 1 << 6,
	PAGE_VALID_MEM_RESERVATION = 1 << 7,
	PAGE_VALID_MEM_USED = 1 << 8,
	PAGE_VALID_OVERHEAD = 1 << 9,
};

struct page_host {
	struct page_clock clock;
	uint64_t updates;	  /* times this record was written, from 1: a heartbeat */
	uint64_t valid;		  /* enum page_valid bits */
	uint64_t shares;	  /* dimensionless, for the whole VM */
	uint64_t reservation_ppm; /* millionths of one CPU that are guaranteed */
	uint64_t limit_ppm;	  /* millionths of one CPU that are never exceeded */
	uint64_t overhead_ns;	  /* CPU time of the VM's other host threads */
	uint64_t mem_size;	  /* bytes, configured */
	uint64_t mem_ballooned;	  /* bytes */
	uint64_t mem_shared;	  /* bytes */
	uint64_t mem_swapped;	  /* bytes */
	uint64_t mem_reservation; /* bytes */
	uint64_t mem_used;	  /* bytes of host memory that back the guest */
};

/* Two copies behind one sequence counter: see the head of this file. */
struct page_host_latch {
	uint64_t seq; /* below 2: never written */
	struct page_host copy[2];
};

struct page_vcpu {
	uint64_t start; /* ns: when this ledger was started */
	uint64_t at;	/* ns: up to when ns[] is complete */
	uint64_t ns[8]; /* by enum ledger_state; the last one is reserved, 0 */
	uint32_t state; /* enum ledger_state from `at` on */
	uint32_t reserved;
	uint64_t gaps_until; /* ns: all gap time up to here is in the ring; a gap that goes on is
			      * told in pieces */
	uint64_t gaps_lost;  /* gaps that the host could not record; their time is in ns[] */
};

struct page_vcpu_latch {
	uint64_t seq; /* below 2: never written */
	struct page_vcpu copy[2];
};

struct page_gap {
	uint64_t start;	 /* ns */
	uint64_t end;	 /* ns, >= start */
	uint64_t number; /* 1 + the entry's number; 0 while it is being written */
	uint32_t state;	 /* enum ledger_state, never RUN or HALT */
	uint32_t reserved;
};

/* One vCPU's block: the latch, the ring's head, then `ring_entries` of struct page_gap. */
struct page_vcpu_block {
	struct page_vcpu_latch latch;
	uint64_t head; /* number of the next gap to be written, from 0 */
	struct page_gap ring[];
};

/*
 * Reader. Memory is mapped and unmapped by the caller and stays owned by it; it may change at any
 * moment and hold anything. Every function checks what it uses and never reads outside `size`.
 */
struct page_reader {
	const volatile void *base;
	size_t size;
	struct page_header header; /* checked copy */
};

/*
 * Checks the header and attaches. Returns 0; -ENODATA where there is no page (magic absent: the
 * host has not written yet, or is about to write anew); -EPROTO for another ABI major; -EBADMSG for
 * sizes or offsets that do not fit the mapping; -EINVAL for a `base` that is not aligned to 8
 * bytes.
 */
int page_attach(const volatile void *base, size_t size, struct page_reader *ret);

/* True when the writer has begun a new session since page_attach(): attach again, drop all
 * deltas. */
bool page_session_changed(const struct page_reader *r);

/*
 * The reading functions below return -ESTALE when the session had changed by the end of the
 * reading: attach again. The two that copy a record also return -ENODATA when the host has not
 * written it yet, and -EAGAIN when no whole copy could be had, since the writer wrote faster than
 * this side could read for many tries in a row (an honest one pauses for milliseconds).
 */

/* Copies the host record. */
int page_read_host(const struct page_reader *r, struct page_host *ret);

/* Copies a vCPU's record. -EINVAL for a vCPU that the page does not have, -EBADMSG when the
 * ledger's identity does not hold or its state is none. */
int page_read_vcpu(const struct page_reader *r, uint32_t vcpu, struct page_vcpu *ret);

/*
 * Copies up to `max` gaps from number *cursor on to `gaps`, oldest first, and moves *cursor behind
 * them. Returns how many; 0 for a page without rings. Entries that the writer overwrote before they
 * could be read, or that make no sense (end before start, no such state), are added to *lost and
 * skipped. Start with *cursor = page_ring_head() to see only what comes.
 *
 * -EINVAL for a vCPU that the page does not have or a negative `max`; -EBADMSG when the ring's head
 * lies before *cursor, which no honest writer does. After an error *cursor and *lost are untouched.
 */
int page_read_gaps(const struct page_reader *r, uint32_t vcpu, uint64_t *cursor, struct gap *gaps,
		   int max, uint64_t *lost);

/* The number that the next gap will have; 0 for a vCPU or ring that is not there. */
uint64_t page_ring_head(const struct page_reader *r, uint32_t vcpu);

/* The ledger of a record from page_read_vcpu() as the type that every other part speaks. */
void page_vcpu_ledger(const struct page_vcpu *v, struct ledger *ret);

#ifdef __cplusplus
}
#endif

#endif
