/* SPDX-License-Identifier: MIT */
#include "guest/stream_page.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/proc.h"
#include "base/units.h"
#include "guest/hostclock.h"
#include "ledger/page_writer.h"
#include "ledger/stream_frame.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#define PORTS	"/sys/class/virtio-ports"
#define IN_SIZE ((size_t)STREAM_FRAME_MAX + 4096)
#define RINGS	(64 * PAGE_RING_USUAL) /* gaps of all vCPUs: a host that lies costs no more memory */
#define AT_ONCE 256 /* gaps that a look takes, so that they are read before others come */
#define READS	128 /* that a look takes, so that it ends, however fast the host writes */

struct stream_vcpu {
	bool known;
	uint64_t next; /* number of the next gap */
};

struct stream_page {
	struct hostclock_line line;
	int fd;
	void *memory; /* of all pages that there may be, of which few are touched */
	size_t size;
	struct page_writer writer; /* base NULL: no session yet */
	struct stream_vcpu *vcpus; /* [writer.header.vcpus] */
	uint8_t *in, *frame;	   /* [IN_SIZE] */
	size_t used;
	unsigned fresh; /* gaps in this look */
	uint64_t garbage;
	uint64_t interval;	/* ns: the host looks for pings so often */
	uint64_t number;	/* of the last ping */
	struct clock_pair sent; /* our clocks before it */
	bool waiting, answered; /* for its answer; that has come and was not taken yet */
};

/* ---- frames into the page ---- */

static uint32_t ring_of(uint32_t vcpus)
{
	uint32_t ring = PAGE_RING_USUAL;

	while (ring * vcpus > RINGS)
		ring /= 2;
	return ring;
}

static int begin(struct stream_page *s, const struct stream_record *r, uint64_t session)
{
	uint32_t ring = r->ring_entries ? ring_of(r->vcpus) : 0;
	struct stream_vcpu *vcpus = calloc(r->vcpus, sizeof(*vcpus));
	struct page_writer writer;
	int err = vcpus ? 0 : -ENOMEM;

	if (!err)
		err = page_writer_init(&writer, s->memory, s->size, r->vcpus, ring, session);
	if (err) {
		free(vcpus);
		return err;
	}
	page_writer_done(&s->writer);
	free(s->vcpus);
	s->writer = writer;
	s->vcpus = vcpus;
	return 0;
}

static bool is_same_page(const struct stream_page *s, const struct stream_record *r)
{
	return r->vcpus == s->writer.header.vcpus &&
	       !r->ring_entries == !s->writer.header.ring_entries;
}

static void put_gaps(struct stream_page *s, const struct stream_parts *p, uint32_t gap_size)
{
	struct stream_vcpu *v = &s->vcpus[p->block->vcpu];
	uint64_t number = p->block->first;

	if (v->known &&
	    number > v->next) /* told where they are missing: their record may come much later */
		page_write_lost(&s->writer, p->block->vcpu, number - v->next);
	for (uint32_t i = 0; i < p->block->gaps; i++, number++) {
		const struct page_gap *g = (const void *)(p->gaps + (size_t)i * gap_size);
		const struct gap gap = {.start = g->start, .end = g->end, .state = g->state};

		if (!v->known || number >= v->next)
			page_write_gap(&s->writer, p->block->vcpu, &gap);
	}
	s->fresh += p->block->gaps;
	v->next = v->known ? u64_max(v->next, number) : number;
	v->known = true;
}

static void put_block(struct stream_page *s, const struct stream_parts *p, uint32_t gap_size)
{
	put_gaps(s, p, gap_size);
	if (p->record)
		page_write_vcpu(&s->writer, p->block->vcpu, p->record);
}

static int put_frame(struct stream_page *s, size_t size)
{
	const struct stream_header *h = (const void *)s->frame;
	const struct stream_record *r = stream_take(s->frame, size);
	struct stream_parts parts;
	size_t at = 0;

	if (!r)
		return -EBADMSG;
	if (!s->writer.base || h->session != s->writer.header.session) {
		if (begin(s, r, h->session))
			return -EBADMSG;
	} else if (!is_same_page(s, r)) {
		return -EBADMSG;
	}
	for (uint32_t i = 0; i < r->blocks; i++) {
		if (!stream_next_block(s->frame, size, &at, &parts))
			return -EBADMSG;
		put_block(s, &parts, r->gap_size);
	}
	page_write_host(&s->writer, &r->host);
	s->interval = r->interval;
	if (s->waiting && h->number == s->number) {
		s->waiting = false;
		s->answered = true;
	}
	return 0;
}

/* Up to an answer, so that the page shows that one. Whether there may be more. */
static bool put_frames(struct stream_page *s)
{
	size_t done = 0, at, size;
	bool found;

	do {
		found = stream_next(s->in + done, s->used - done, &at, &size);
		s->garbage += at;
		done += at;
		if (!found)
			break;
		memcpy(s->frame, s->in + done, size);
		done += size;
		if (put_frame(s, size))
			s->garbage += size;
	} while (!s->answered && s->fresh < AT_ONCE);
	s->used -= done;
	memmove(s->in, s->in + done, s->used);
	return found;
}

static void take(void *data)
{
	struct stream_page *s = data;

	s->fresh = 0;
	if (s->used && put_frames(s))
		return;
	for (int i = 0; i < READS; i++) {
		ssize_t n = read(s->fd, s->in + s->used, IN_SIZE - s->used);

		if (n <= 0)
			return;
		s->used += (size_t)n;
		if (put_frames(s))
			return;
	}
}

/* ---- asking ---- */

static void ask(void *data)
{
	struct stream_page *s = data;
	struct stream_header ping;

	stream_ping(++s->number, &ping);
	s->sent.ticks = clock_ticks();
	s->sent.mono = clock_mono();
	s->answered = false;
	s->waiting = write(s->fd, &ping, sizeof(ping)) == sizeof(ping);
}

static bool asked(void *data, struct clock_pair *ret)
{
	struct stream_page *s = data;

	if (!s->answered)
		return false;
	s->answered = false;
	*ret = s->sent;
	return true;
}

/* A port whose other end isn't connected is always ready. */
static void wait_for(void *data, uint64_t ns)
{
	const struct stream_page *s = data;
	struct pollfd p = {.fd = s->fd, .events = POLLIN};
	const struct timespec t = {(time_t)(ns / NS_PER_SEC), (long)(ns % NS_PER_SEC)};

	if (ppoll(&p, 1, &t, NULL) > 0 && !(p.revents & POLLIN))
		nanosleep(&t, NULL);
}

static uint64_t interval(void *data)
{
	const struct stream_page *s = data;

	return s->interval;
}

/* ---- opening ---- */

static void stream_page_free(struct stream_page *s)
{
	close(s->fd);
	if (s->memory)
		munmap(s->memory, s->size);
	page_writer_done(&s->writer);
	free(s->vcpus);
	free(s->in);
	free(s->frame);
	free(s);
}

int stream_page_map_fd(int fd, struct guest_page *ret)
{
	struct stream_page *s = calloc(1, sizeof(*s));

	if (!s) {
		close(fd);
		return -ENOMEM;
	}
	s->fd = fd;
	s->line = (struct hostclock_line){s, take, ask, asked, wait_for, interval};
	s->number = clock_mono(); /* not those of one that had the port before */
	s->size = page_size_for(PAGE_VCPUS_MAX, ring_of(PAGE_VCPUS_MAX));
	s->memory = mmap(NULL, s->size, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	s->memory = s->memory == MAP_FAILED ? NULL : s->memory;
	s->in = malloc(IN_SIZE);
	s->frame = malloc(IN_SIZE);
	if (!s->memory || !s->in || !s->frame) {
		stream_page_free(s);
		return -ENOMEM;
	}
	*ret = (struct guest_page){.base = s->memory, .size = s->size, .line = &s->line};
	return 0;
}

static bool is_ours(const char *port)
{
	char path[320], name[64];
	ssize_t n;

	snprintf(path, sizeof(path), PORTS "/%s/name", port);
	n = port[0] != '.' ? file_read(path, name, sizeof(name)) : 0;
	if (n <= 0)
		return false;
	name[strcspn(name, "\n")] = '\0';
	return !strcmp(name, STREAM_PORT);
}

static int open_port(struct failure *f)
{
	DIR *dir = opendir(PORTS);
	const struct dirent *e;
	char path[320];
	int fd = -ENODEV;

	while (dir && fd < 0 && (e = readdir(dir))) {
		if (!is_ours(e->d_name))
			continue;
		snprintf(path, sizeof(path), "/dev/%s", e->d_name);
		fd = open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC);
		fd = fd < 0 ? failure_errno(f, -errno, "ledger stream %s", path) : fd;
	}
	if (dir)
		closedir(dir);
	if (fd == -ENODEV)
		failure_set(f, fd, "source stream: no port " STREAM_PORT " here");
	return fd;
}

int stream_page_map(struct failure *f, struct guest_page *ret)
{
	int fd = open_port(f), err;

	if (fd < 0)
		return fd;
	err = stream_page_map_fd(fd, ret);
	return err ? failure_errno(f, err, "source stream") : 0;
}

static struct stream_page *stream_of(const struct guest_page *m)
{
	return m->line->data;
}

void stream_page_unmap(struct guest_page *m)
{
	stream_page_free(stream_of(m));
	*m = (struct guest_page){.base = NULL};
}

bool stream_page_has_come(const struct guest_page *m, uint64_t ns)
{
	struct stream_page *s = stream_of(m);
	uint64_t until = clock_mono() + ns;

	for (take(s); !s->writer.base && clock_mono() < until; take(s))
		wait_for(s, 10 * NS_PER_MS);
	return s->writer.base;
}

uint64_t stream_page_garbage(const struct guest_page *m)
{
	return stream_of(m)->garbage;
}
