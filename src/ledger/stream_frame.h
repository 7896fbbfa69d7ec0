/* SPDX-License-Identifier: MIT */
/*
 * What the ledger page holds, as frames of a byte stream: for guests that have no shared memory
 * with their host, but a serial port or a socket. desched-stream(5) has the layout; host and guest
 * share this file, so that they cannot disagree.
 *
 * Host to guest: *records*, each a copy of the host record and of the vCPUs' records, with the gaps
 * that are new. Guest to host: *pings*, numbers that the next record repeats; when the guest sent
 * it and when the record came are two bounds on the host's clock in that record.
 *
 * Either side may send anything. stream_next() finds the frames in it: what is none is skipped and
 * counted, in time that is linear in its length.
 */
#ifndef LEDGER_STREAM_FRAME_H
#define LEDGER_STREAM_FRAME_H

#include <desched/page.h>

#define STREAM_PORT	 "org.desched.ledger.0" /* the guest's serial port is called so */
#define STREAM_MAGIC	 0x52545344u		/* "DSTR" read as little-endian bytes */
#define STREAM_ABI_MAJOR 1
#define STREAM_FRAME_MAX (256 * 1024)
#define STREAM_RING	 1024u /* gaps of a vCPU that wait while the peer takes none */

enum stream_kind { STREAM_RECORD = 1, STREAM_PING = 2 };

struct stream_header {
	uint32_t magic;
	uint16_t abi_major;
	uint16_t kind;	  /* enum stream_kind */
	uint32_t size;	  /* bytes of the frame, a multiple of 8 */
	uint32_t check;	  /* FNV-1a of all that follows */
	uint64_t session; /* of a record: never 0, another one for every connection; of a ping 0 */
	uint64_t number;  /* of a ping; of a record: of the last ping that was heard, 0: none */
};

/* Behind the header of a record. */
struct stream_record {
	uint64_t interval;     /* ns: the host looks for pings so often */
	uint32_t vcpus;	       /* of the machine, as in struct page_header */
	uint32_t ring_entries; /* 0: no gaps */
	uint32_t blocks;       /* of vCPUs, that follow */
	uint32_t host_size;    /* bytes of the writer's structs */
	uint32_t vcpu_size;
	uint32_t gap_size;
	struct page_host host; /* `updates` has no meaning */
};

/* Behind it, `blocks` times; then `whole` records, then `gaps` gaps. */
struct stream_block {
	uint32_t vcpu;
	uint32_t gaps;
	uint64_t first; /* number of the first gap; what lies between two blocks' gaps is lost */
	uint32_t whole; /* 1: a struct page_vcpu follows; 0: more gaps come before that */
	uint32_t reserved;
};

/* ---- writing ---- */

struct stream_out {
	uint8_t *bytes;
	size_t size, used;
};

/* Begins a record; there must be room for it. */
void stream_begin(struct stream_out *out, uint64_t session, uint64_t heard,
		  const struct page_header *page, uint64_t interval, const struct page_host *host);

/* How many gaps a block would have room for now; -1: not even for a block. */
int stream_room(const struct stream_out *out);

/* `record` NULL: not whole. There must be room for it. */
void stream_put(struct stream_out *out, uint32_t vcpu, uint64_t first, const struct gap *gaps,
		unsigned n, const struct page_vcpu *record);

void stream_end(struct stream_out *out);

void stream_ping(uint64_t number, struct stream_header *ret);

/* ---- reading ---- */

/* The next frame in `bytes`, which is aligned to 8 bytes: *ret_at and *ret_size, 1. 0: there is
 * none yet, and nothing before *ret_at can be part of one. What is skipped is *ret_at bytes. */
int stream_next(const uint8_t *bytes, size_t size, size_t *ret_at, size_t *ret_size);

/* A frame of stream_next(), moved to an aligned place: its record, checked: all that it announces
 * is there. NULL for what makes no sense. */
const struct stream_record *stream_take(const uint8_t *frame, size_t size);

/* The blocks of such a record one after the other; begin with *at = 0. NULL behind the last, and
 * where one makes no sense. Parts that the writer has not sent are NULL. */
struct stream_parts {
	const struct stream_block *block;
	const struct page_vcpu *record; /* NULL: not whole */
	const uint8_t *gaps;		/* gap_size apart */
};
bool stream_next_block(const uint8_t *frame, size_t size, size_t *at, struct stream_parts *ret);

#endif
