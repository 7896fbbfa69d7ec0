/* SPDX-License-Identifier: MIT */
#include "ledger/stream_frame.h"

#include "ledger/page_layout.h"

#include <string.h>

#define CHECKED_FROM offsetof(struct stream_header, session)
#define HEAD	     sizeof(struct stream_header)

_Static_assert(sizeof(struct stream_header) == 32, "desched-stream(5): header");
_Static_assert(sizeof(struct stream_record) == 32 + sizeof(struct page_host), "desched-stream(5)");
_Static_assert(sizeof(struct stream_block) == 24, "desched-stream(5): block");

static uint32_t check_of(const uint8_t *frame, size_t size)
{
	uint32_t hash = 2166136261u;

	for (size_t i = CHECKED_FROM; i < size; i++)
		hash = (hash ^ frame[i]) * 16777619u;
	return hash;
}

/* ---- writing ---- */

static void append(struct stream_out *out, const void *from, size_t size)
{
	memcpy(out->bytes + out->used, from, size);
	out->used += size;
}

void stream_begin(struct stream_out *out, uint64_t session, uint64_t heard,
		  const struct page_header *page, uint64_t interval, const struct page_host *host)
{
	const struct stream_header head = {.magic = STREAM_MAGIC,
					   .abi_major = STREAM_ABI_MAJOR,
					   .kind = STREAM_RECORD,
					   .session = session,
					   .number = heard};
	const struct stream_record record = {.interval = interval,
					     .vcpus = page->vcpus,
					     .ring_entries = page->ring_entries,
					     .host_size = sizeof(struct page_host),
					     .vcpu_size = sizeof(struct page_vcpu),
					     .gap_size = sizeof(struct page_gap),
					     .host = *host};

	out->used = 0;
	append(out, &head, sizeof(head));
	append(out, &record, sizeof(record));
}

int stream_room(const struct stream_out *out)
{
	size_t fixed = sizeof(struct stream_block) + sizeof(struct page_vcpu);
	size_t left = out->size - out->used;

	return left < fixed ? -1 : (int)((left - fixed) / sizeof(struct page_gap));
}

void stream_put(struct stream_out *out, uint32_t vcpu, uint64_t first, const struct gap *gaps,
		unsigned n, const struct page_vcpu *record)
{
	const struct stream_block block = {
		.vcpu = vcpu, .gaps = n, .first = first, .whole = record != NULL};
	struct stream_record *r = (void *)(out->bytes + HEAD);

	append(out, &block, sizeof(block));
	if (record)
		append(out, record, sizeof(*record));
	for (unsigned i = 0; i < n; i++) {
		const struct page_gap gap = {.start = gaps[i].start,
					     .end = gaps[i].end,
					     .number = first + i + 1,
					     .state = gaps[i].state};

		append(out, &gap, sizeof(gap));
	}
	r->blocks++;
}

void stream_end(struct stream_out *out)
{
	struct stream_header *head = (void *)out->bytes;

	head->size = (uint32_t)out->used;
	head->check = check_of(out->bytes, out->used);
}

void stream_ping(uint64_t number, struct stream_header *ret)
{
	*ret = (struct stream_header){.magic = STREAM_MAGIC,
				      .abi_major = STREAM_ABI_MAJOR,
				      .kind = STREAM_PING,
				      .size = sizeof(*ret),
				      .number = number};
	ret->check = check_of((const uint8_t *)ret, sizeof(*ret));
}

/* ---- reading ---- */

static bool is_plausible(const struct stream_header *h)
{
	return h->magic == STREAM_MAGIC && h->abi_major == STREAM_ABI_MAJOR && h->size >= HEAD &&
	       h->size <= STREAM_FRAME_MAX && h->size % 8 == 0;
}

/* Whether as much of a magic as is there could be one. */
static bool may_begin(const uint8_t *bytes, size_t size)
{
	const uint32_t magic = STREAM_MAGIC;

	return !memcmp(bytes, &magic, size < sizeof(magic) ? size : sizeof(magic));
}

/* A frame whose check fails is skipped as a whole: so no byte is looked at more than twice. */
int stream_next(const uint8_t *bytes, size_t size, size_t *ret_at, size_t *ret_size)
{
	size_t at = 0;

	while (at < size) {
		struct stream_header h;

		if (!may_begin(bytes + at, size - at)) {
			at++;
			continue;
		}
		if (size - at < sizeof(h))
			break;
		memcpy(&h, bytes + at, sizeof(h));
		if (!is_plausible(&h)) {
			at++;
			continue;
		}
		if (h.size > size - at)
			break;
		if (h.check == check_of(bytes + at, h.size)) {
			*ret_at = at;
			*ret_size = h.size;
			return 1;
		}
		at += h.size;
	}
	*ret_at = at;
	return 0;
}

static bool sizes_ok(const struct stream_record *r)
{
	return r->host_size >= sizeof(struct page_host) && r->host_size <= STREAM_FRAME_MAX &&
	       r->vcpu_size >= sizeof(struct page_vcpu) && r->vcpu_size <= STREAM_FRAME_MAX &&
	       r->gap_size >= sizeof(struct page_gap) && r->gap_size <= STREAM_FRAME_MAX &&
	       !(r->host_size % 8) && !(r->vcpu_size % 8) && !(r->gap_size % 8);
}

const struct stream_record *stream_take(const uint8_t *frame, size_t size)
{
	const struct stream_header *h = (const void *)frame;
	const struct stream_record *r = (const void *)(frame + HEAD);

	if (h->kind != STREAM_RECORD || !h->session || size < HEAD + sizeof(*r) || !sizes_ok(r))
		return NULL;
	if (r->vcpus < 1 || r->vcpus > PAGE_VCPUS_MAX || !layout_ring_entries_ok(r->ring_entries) ||
	    size - HEAD < offsetof(struct stream_record, host) + r->host_size)
		return NULL;
	return r;
}

/* Products of figures below 2^32: nothing overflows. */
bool stream_next_block(const uint8_t *frame, size_t size, size_t *at, struct stream_parts *ret)
{
	const struct stream_record *r = (const void *)(frame + HEAD);
	struct stream_parts p;
	uint64_t more;

	if (!*at)
		*at = HEAD + offsetof(struct stream_record, host) + r->host_size;
	if (size - *at < sizeof(*p.block))
		return false;
	p.block = (const void *)(frame + *at);
	*at += sizeof(*p.block);
	more = (p.block->whole ? r->vcpu_size : 0) + (uint64_t)p.block->gaps * r->gap_size;
	if (p.block->vcpu >= r->vcpus || more > size - *at)
		return false;
	p.record = p.block->whole ? (const void *)(frame + *at) : NULL;
	p.gaps = frame + *at + (p.block->whole ? r->vcpu_size : 0);
	*at += more;
	*ret = p;
	return true;
}
