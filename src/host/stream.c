/* SPDX-License-Identifier: MIT */
#include "host/stream.h"

#include "base/clock.h"
#include "base/units.h"
#include "ledger/stream_frame.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

#define SEND_BUFFER  (64 * 1024) /* what a peer that does not read can keep of the past */
#define GAPS_AT_ONCE 128	 /* of a vCPU in a frame */
#define HEARD	     256	 /* bytes that are taken from the peer in a tick */

struct stream {
	int fd;
	uint64_t session, tick;
	struct page_reader page;
	uint64_t *cursor; /* [vcpus]: the next gap to send */
	struct stream_out out;
	size_t sent;	/* of out.used */
	uint64_t next;	/* ns: when a record is due */
	uint32_t first; /* the vCPU that the next frame begins with */
	uint64_t heard; /* number of the last ping */
	bool asked;	/* and it was not answered */
	uint64_t retry; /* ns: when the blocked peer is tried again */
	uint8_t in[2 * HEARD];
	size_t in_used;
	struct stream_counters counters;
};

static size_t frame_size(uint32_t vcpus)
{
	size_t all = sizeof(struct stream_header) + sizeof(struct stream_record) +
		     vcpus * (sizeof(struct stream_block) + sizeof(struct page_vcpu)) +
		     4 * GAPS_AT_ONCE * sizeof(struct page_gap);

	return all < STREAM_FRAME_MAX ? all : STREAM_FRAME_MAX;
}

static int fill(struct stream *s, const void *page, size_t size)
{
	uint32_t vcpus;
	int small = SEND_BUFFER, err = page_attach(page, size, &s->page);

	if (err)
		return -EINVAL;
	vcpus = s->page.header.vcpus;
	s->out.size = frame_size(vcpus);
	s->out.bytes = malloc(s->out.size);
	s->cursor = calloc(vcpus, sizeof(*s->cursor));
	if (!s->out.bytes || !s->cursor)
		return -ENOMEM;
	for (uint32_t i = 0; i < vcpus; i++)
		s->cursor[i] = page_ring_head(&s->page, i);
	while (!s->session) {
		if (getrandom(&s->session, sizeof(s->session), 0) < 0)
			return -errno;
	}
	setsockopt(s->fd, SOL_SOCKET, SO_SNDBUF, &small, sizeof(small));
	return 0;
}

int stream_new(int fd, const void *page, size_t size, uint64_t tick, struct stream **ret)
{
	struct stream *s = calloc(1, sizeof(*s));
	int err;

	if (!s) {
		close(fd);
		return -ENOMEM;
	}
	s->fd = fd;
	s->tick = tick;
	err = fill(s, page, size);
	if (err)
		stream_free(s);
	else
		*ret = s;
	return err;
}

struct stream *stream_free(struct stream *s)
{
	if (!s)
		return NULL;
	close(s->fd);
	free(s->out.bytes);
	free(s->cursor);
	free(s);
	return NULL;
}

/* ---- what the guest says ---- */

static void take_ping(struct stream *s, const struct stream_header *h)
{
	if (h->kind != STREAM_PING || h->size != sizeof(*h) || !h->number) {
		s->counters.garbage += h->size;
		return;
	}
	s->counters.pings++;
	s->heard = h->number;
	s->asked = true;
}

/* A ping is short: what is no whole frame in so many bytes won't become one. */
static void take_pings(struct stream *s)
{
	size_t done = 0, at, size;
	struct stream_header h;
	int found;

	do {
		found = stream_next(s->in + done, s->in_used - done, &at, &size);
		s->counters.garbage += at;
		done += at;
		if (!found)
			break;
		memcpy(&h, s->in + done, sizeof(h));
		take_ping(s, &h);
		done += size;
	} while (done < s->in_used);
	s->in_used -= done;
	memmove(s->in, s->in + done, s->in_used);
	if (s->in_used >= HEARD) {
		s->counters.garbage += s->in_used;
		s->in_used = 0;
	}
}

static int listen_to(struct stream *s)
{
	ssize_t n = recv(s->fd, s->in + s->in_used, HEARD, MSG_DONTWAIT);

	if (n == 0)
		return -EPIPE;
	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -EPIPE;
	s->in_used += (size_t)n;
	take_pings(s);
	return 0;
}

/* ---- what we say ---- */

/* Returns whether all gaps are in, and the record behind them. Which of the gaps are lost, where
 * some are, isn't known: they count as those before the others. */
static bool put_vcpu(struct stream *s, uint32_t i)
{
	struct gap gaps[GAPS_AT_ONCE];
	struct page_vcpu record;
	int room = stream_room(&s->out), n, err;

	if (room < 0)
		return false;
	err = page_read_vcpu(&s->page, i, &record);
	if (err == -ENODATA)
		return true; /* a number that no vCPU has */
	room = room < GAPS_AT_ONCE ? room : GAPS_AT_ONCE;
	n = err ? -1
		: page_read_gaps(&s->page, i, &s->cursor[i], gaps, room, &s->counters.lost_gaps);
	if (n < 0)
		return true;
	if (n == room && s->cursor[i] < page_ring_head(&s->page, i))
		err = -EAGAIN;
	stream_put(&s->out, i, s->cursor[i] - (uint64_t)n, gaps, (unsigned)n, err ? NULL : &record);
	return !err;
}

/* What has no room comes in the next tick's frame, which begins where this one ended. */
static void make_frame(struct stream *s, uint64_t now)
{
	uint32_t vcpus = s->page.header.vcpus;
	struct page_host host;
	bool all = true;

	if (page_read_host(&s->page, &host))
		return;
	stream_begin(&s->out, s->session, s->heard, &s->page.header, s->tick, &host);
	for (uint32_t k = 0, from = s->first; k < vcpus && all; k++) {
		s->first = (from + k) % vcpus;
		all = put_vcpu(s, s->first);
	}
	stream_end(&s->out);
	s->sent = 0;
	s->asked = false;
	s->next = all ? now + STREAM_INTERVAL_NS : now;
	s->counters.frames++;
}

static int send_some(struct stream *s, uint64_t now)
{
	ssize_t n = send(s->fd, s->out.bytes + s->sent, s->out.used - s->sent,
			 MSG_DONTWAIT | MSG_NOSIGNAL);

	if (n < 0 && errno != EAGAIN && errno != EINTR)
		return -EPIPE;
	s->sent += n > 0 ? (size_t)n : 0;
	if (s->sent < s->out.used) {
		s->counters.blocked++;
		s->retry = now + STREAM_INTERVAL_NS;
		return 0;
	}
	s->sent = s->out.used = 0;
	return 0;
}

int stream_tick(struct stream *s)
{
	uint64_t now = clock_mono();
	int err = listen_to(s);

	if (err || now < s->retry)
		return err;
	if (!s->out.used && (s->asked || now >= s->next))
		make_frame(s, now);
	return s->out.used ? send_some(s, now) : 0;
}

void stream_read_counters(const struct stream *s, struct stream_counters *ret)
{
	*ret = s->counters;
}
