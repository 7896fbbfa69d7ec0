/* SPDX-License-Identifier: MIT */
/*
 * Both ends of a stream, over any bytes from the other one. The first byte of the input says in what
 * pieces they come, and with its highest bit that the checks of frames are mended before, since no
 * fuzzer finds them.
 *
 * The guest's end: whatever a host sends, its page is one that the page's reader takes, or none.
 * The host's end: whatever a guest sends, what the host says is made of whole frames.
 */
#include "fuzz.h"

#include "base/clock.h"
#include "guest/hostclock.h"
#include "guest/stream_page.h"
#include "host/stream.h"
#include "ledger/page_writer.h"
#include "ledger/stream_frame.h"

#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define PIECES 64

static uint32_t check_of(const uint8_t *bytes, size_t n)
{
	uint32_t hash = 0x811c9dc5;

	while (n--)
		hash = (hash ^ *bytes++) * 0x01000193;
	return hash;
}

static void mend(uint8_t *bytes, size_t size)
{
	struct stream_header h;

	for (size_t at = 0; at + sizeof(h) <= size;) {
		memcpy(&h, bytes + at, sizeof(h));
		if (h.magic != STREAM_MAGIC || h.size < sizeof(h) || h.size > size - at) {
			at++;
			continue;
		}
		h.check = check_of(bytes + at + offsetof(struct stream_header, session),
				   h.size - offsetof(struct stream_header, session));
		memcpy(bytes + at, &h, sizeof(h));
		at += h.size;
	}
}

static void read_page(const struct guest_page *m)
{
	struct page_reader r;
	struct page_host host;
	struct page_vcpu vcpu;
	struct gap gaps[16];
	uint64_t lost = 0;

	if (page_attach(m->base, m->size, &r))
		return;
	CHECK(!page_session_changed(&r));
	page_read_host(&r, &host);
	for (uint32_t v = 0; v < r.header.vcpus; v++) {
		uint64_t cursor = 0;

		page_read_vcpu(&r, v, &vcpu);
		while (page_read_gaps(&r, v, &cursor, gaps, 16, &lost) == 16)
			;
		CHECK(cursor == page_ring_head(&r, v));
	}
}

/* A piece, of at most what a socket takes at once. */
static size_t send_piece(int fd, const uint8_t *data, size_t size, unsigned pieces)
{
	size_t n = size / pieces + 1 < size ? size / pieces + 1 : size;
	ssize_t sent = send(fd, data, n, MSG_DONTWAIT | MSG_NOSIGNAL);

	return sent > 0 ? (size_t)sent : 0;
}

static void feed_guest(const uint8_t *data, size_t size, unsigned pieces)
{
	struct guest_page page;
	struct clock_pair pair;
	int ends[2];

	CHECK(!socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends));
	CHECK(!stream_page_map_fd(ends[1], &page));
	page.line->ask(page.line->data);
	while (size) {
		size_t n = send_piece(ends[0], data, size, pieces);

		data += n;
		size -= n;
		for (int i = 0; i < 4; i++) {
			page.line->take(page.line->data);
			page.line->asked(page.line->data, &pair);
		}
		read_page(&page);
		if (!n)
			break;
	}
	CHECK(stream_page_garbage(&page) <= 1u << 30);
	stream_page_unmap(&page);
	close(ends[0]);
}

/* Nothing but frames comes from a host. */
static void check_frames(int fd)
{
	static _Alignas(8) uint8_t bytes[1 << 18];
	size_t used = 0, at, size, done = 0;
	ssize_t n;

	while (used < sizeof(bytes) &&
	       (n = recv(fd, bytes + used, sizeof(bytes) - used, MSG_DONTWAIT)) > 0)
		used += (size_t)n;
	while (stream_next(bytes + done, used - done, &at, &size)) {
		CHECK(!at && stream_take(bytes + done, size));
		done += size;
	}
	CHECK(done == used);
}

static void feed_host(const uint8_t *data, size_t size, unsigned pieces)
{
	static uint64_t page[4096 * 8 / 8];
	struct page_writer writer;
	struct page_host host = {.valid = 0};
	struct page_vcpu vcpu = {.start = 0};
	struct stream_counters c;
	struct stream *s;
	int ends[2];

	CHECK(!page_writer_init(&writer, page, sizeof(page), 1, 256, 1));
	page_write_vcpu(&writer, 0, &vcpu);
	page_write_host(&writer, &host);
	CHECK(!socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends));
	CHECK(!stream_new(ends[0], page, sizeof(page), 5000000, &s));
	for (bool more = true; more;) {
		size_t n = send_piece(ends[1], data, size, pieces);

		data += n;
		size -= n;
		CHECK(!stream_tick(s));
		more = n && size;
	}
	check_frames(ends[1]);
	stream_read_counters(s, &c);
	CHECK(c.pings * sizeof(struct stream_header) + c.garbage <= 1u << 30);
	stream_free(s);
	close(ends[1]);
	page_writer_done(&writer);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t *copy;
	unsigned pieces;

	if (!size)
		return 0;
	pieces = 1 + data[0] % PIECES;
	copy = malloc(size);
	memcpy(copy, data + 1, size - 1);
	if (data[0] & 0x80)
		mend(copy, size - 1);
	feed_guest(copy, size - 1, pieces);
	feed_host(copy, size - 1, pieces);
	free(copy);
	return 0;
}
