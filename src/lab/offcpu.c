/* SPDX-License-Identifier: MIT */
#include "lab/offcpu.h"
#include "lab/tid_filter.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/proc.h"
#include "base/tracefs.h"
#include "base/units.h"

#include <errno.h>
#include <linux/perf_event.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define BUFFER_BYTES (32u << 20) /* of each CPU */
#define RECORD_MAX   512
#define SETTLED_NS   (50 * NS_PER_MS) /* what is as old is in the buffers of all CPUs */
#define PAIR_TRIES   64
#define GAPS_MAX     (8u << 20)

/* A tracepoint's number and its fields' offsets. */
struct point {
	uint32_t id;
	uint32_t prev_pid, prev_state, next_pid; /* sched_switch */
	uint32_t pid;				 /* sched_wakeup, sched_stat_runtime */
	uint32_t runtime;			 /* sched_stat_runtime */
};

struct watched {
	pid_t tid;
	struct gapjoin_gaps gaps; /* the last one may still be open: end 0 */
	size_t room;
	uint64_t ran;	 /* ns since it came or left, by its own clock */
	uint64_t ran_at; /* ns: up to when that is */
	uint64_t doubt;	 /* ns of gaps in which it was there for some time */
};

/* A sample of ours. */
struct sample {
	uint64_t time;
	const uint8_t *raw;
	uint32_t n; /* bytes of it */
};

struct buffer {
	int on_switch, on_wakeup, on_runtime; /* descriptors */
	struct perf_event_mmap_page *page;
	uint8_t record[RECORD_MAX]; /* its next one, kept until it is the oldest of all */
	struct sample sample;
	bool full;
};

struct offcpu {
	struct point on_switch, on_wakeup, on_runtime;
	struct watched *threads;
	size_t n_threads;
	struct buffer *buffers;
	long n_buffers;
	struct clock_pair first, last;
	uint64_t lost;
};

/* ---- opening ---- */

static int find_points(struct offcpu *o)
{
	_cleanup_(close_fd) int dir = tracefs_open();
	char text[4096];

	if (dir < 0)
		return dir;
	if (tracefs_format(dir, "sched/sched_switch", text, sizeof(text)) ||
	    !tracefs_id(text, &o->on_switch.id) ||
	    !tracefs_field(text, "pid_t prev_pid", &o->on_switch.prev_pid) ||
	    !tracefs_field(text, "long prev_state", &o->on_switch.prev_state) ||
	    !tracefs_field(text, "pid_t next_pid", &o->on_switch.next_pid))
		return -ENODEV;
	if (tracefs_format(dir, "sched/sched_wakeup", text, sizeof(text)) ||
	    !tracefs_id(text, &o->on_wakeup.id) ||
	    !tracefs_field(text, "pid_t pid", &o->on_wakeup.pid))
		return -ENODEV;
	if (tracefs_format(dir, "sched/sched_stat_runtime", text, sizeof(text)) ||
	    !tracefs_id(text, &o->on_runtime.id) ||
	    !tracefs_field(text, "pid_t pid", &o->on_runtime.pid) ||
	    !tracefs_field(text, "u64 runtime", &o->on_runtime.runtime))
		return -ENODEV;
	return 0;
}

static int open_event(uint32_t id, long cpu, const char *filter)
{
	struct perf_event_attr attr = {
		.type = PERF_TYPE_TRACEPOINT,
		.size = sizeof(attr),
		.config = id,
		.sample_period = 1,
		.sample_type = PERF_SAMPLE_TIME | PERF_SAMPLE_RAW,
		.disabled = 1,
		.use_clockid = 1,
		.clockid = CLOCK_MONOTONIC,
		.watermark = 1,
		.wakeup_watermark = BUFFER_BYTES,
	};
	int fd = (int)syscall(SYS_perf_event_open, &attr, -1, (int)cpu, -1, PERF_FLAG_FD_CLOEXEC);

	if (fd < 0)
		return -errno;
	if (ioctl(fd, PERF_EVENT_IOC_SET_FILTER, filter)) {
		int err = -errno;

		close(fd);
		return err;
	}
	return fd;
}

static int open_buffer(struct offcpu *o, long cpu, const char *on_switch, const char *on_wakeup)
{
	struct buffer *b = &o->buffers[cpu];
	size_t head = (size_t)sysconf(_SC_PAGESIZE);
	void *page;

	b->on_switch = open_event(o->on_switch.id, cpu, on_switch);
	if (b->on_switch == -ENODEV) /* the CPU is offline */
		return 0;
	if (b->on_switch < 0)
		return b->on_switch;
	b->on_wakeup = open_event(o->on_wakeup.id, cpu, on_wakeup);
	if (b->on_wakeup < 0)
		return b->on_wakeup;
	b->on_runtime = open_event(o->on_runtime.id, cpu, on_wakeup);
	if (b->on_runtime < 0)
		return b->on_runtime;
	page = mmap(NULL, head + BUFFER_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, b->on_switch, 0);
	if (page == MAP_FAILED)
		return -errno;
	b->page = page;
	if (ioctl(b->on_wakeup, PERF_EVENT_IOC_SET_OUTPUT, b->on_switch) ||
	    ioctl(b->on_runtime, PERF_EVENT_IOC_SET_OUTPUT, b->on_switch) ||
	    ioctl(b->on_runtime, PERF_EVENT_IOC_ENABLE, 0) ||
	    ioctl(b->on_switch, PERF_EVENT_IOC_ENABLE, 0) ||
	    ioctl(b->on_wakeup, PERF_EVENT_IOC_ENABLE, 0))
		return -errno;
	return 0;
}

/* Who is not among ours is sorted out later. */
static int open_buffers(struct offcpu *o, pid_t *tids)
{
	char prev[TID_FILTER_SIZE], next[TID_FILTER_SIZE], on_wakeup[TID_FILTER_SIZE];
	char on_switch[2 * TID_FILTER_SIZE + 8];

	tid_filter(tids, o->n_threads, "prev_pid", prev);
	tid_filter(tids, o->n_threads, "next_pid", next);
	tid_filter(tids, o->n_threads, "pid", on_wakeup);
	snprintf(on_switch, sizeof(on_switch), "%s || %s", prev, next);
	for (long cpu = 0; cpu < o->n_buffers; cpu++)
		o->buffers[cpu].on_switch = o->buffers[cpu].on_wakeup = o->buffers[cpu].on_runtime =
			-1;
	for (long cpu = 0; cpu < o->n_buffers; cpu++) {
		int err = open_buffer(o, cpu, on_switch, on_wakeup);

		if (err)
			return err;
	}
	return 0;
}

static int start(struct offcpu *o, pid_t *tids, size_t n)
{
	int err;

	o->n_buffers = sysconf(_SC_NPROCESSORS_CONF);
	o->threads = calloc(n, sizeof(*o->threads));
	o->buffers = calloc((size_t)o->n_buffers, sizeof(*o->buffers));
	if (!o->threads || !o->buffers)
		return -ENOMEM;
	o->n_threads = n;
	for (size_t i = 0; i < n; i++)
		o->threads[i].tid = tids[i];
	clock_read_pair(PAIR_TRIES, &o->first);
	err = find_points(o);
	if (err)
		o->n_buffers = 0; /* none has been opened */
	return err ? err : open_buffers(o, tids);
}

int offcpu_open(pid_t *tids, size_t n, struct failure *f, struct offcpu **ret)
{
	struct offcpu *o = n ? calloc(1, sizeof(*o)) : NULL;
	int err = o ? start(o, tids, n) : -ENOMEM;

	if (err) {
		offcpu_close(o);
		return failure_errno(f, err, "tracepoints of this host");
	}
	*ret = o;
	return 0;
}

struct offcpu *offcpu_close(struct offcpu *o)
{
	if (!o)
		return NULL;
	for (long i = 0; o->buffers && i < o->n_buffers; i++) {
		struct buffer *b = &o->buffers[i];

		if (b->page)
			munmap(b->page, (size_t)sysconf(_SC_PAGESIZE) + BUFFER_BYTES);
		close_fd(&b->on_switch);
		close_fd(&b->on_wakeup);
		close_fd(&b->on_runtime);
	}
	for (size_t i = 0; i < o->n_threads; i++)
		free(o->threads[i].gaps.gaps);
	free(o->threads);
	free(o->buffers);
	free(o);
	return NULL;
}

/* ---- reading ---- */

static struct watched *find(const struct offcpu *o, pid_t tid)
{
	for (size_t i = 0; i < o->n_threads; i++)
		if (o->threads[i].tid == tid)
			return &o->threads[i];
	return NULL;
}

static uint64_t field(const struct sample *s, uint32_t offset, uint32_t size)
{
	uint64_t v = 0;

	if (offset + size <= s->n)
		memcpy(&v, s->raw + offset, size);
	return v;
}

static struct gapjoin_gap *open_gap(struct watched *w)
{
	struct gapjoin_gap *g = w->gaps.n ? &w->gaps.gaps[w->gaps.n - 1] : NULL;

	return g && !g->end ? g : NULL;
}

static void put_gap(struct offcpu *o, struct watched *w, struct gapjoin_gap gap)
{
	if (w->gaps.n == w->room) {
		size_t room = w->room ? 2 * w->room : 1024;
		struct gapjoin_gap *new = room <= GAPS_MAX
						  ? realloc(w->gaps.gaps, room * sizeof(*new))
						  : NULL;

		if (!new) {
			o->lost++;
			return;
		}
		w->gaps.gaps = new;
		w->room = room;
	}
	w->gaps.gaps[w->gaps.n++] = gap;
}

static void end_gap(struct gapjoin_gap *g, uint64_t time)
{
	g->end = time;
	if (!g->ready || g->ready > time)
		g->ready = time;
}

/* Some kernels keep a few switches to themselves. What the thread ran, by its own clock, tells when
 * it came or left all the same; without that, somewhere in the gap. */
static void end_unseen(struct watched *w, struct gapjoin_gap *g, uint64_t time)
{
	uint64_t came = time - u64_min(w->ran, time - g->start);

	g->doubtful = !w->ran;
	w->doubt += g->doubtful ? time - g->start : 0;
	end_gap(g, u64_max(came, g->start + 1));
}

static void leave(struct offcpu *o, struct watched *w, uint64_t time, bool runnable)
{
	if (open_gap(w))
		end_unseen(w, open_gap(w), time);
	put_gap(o, w, (struct gapjoin_gap){.start = time, .ready = runnable ? time : 0});
	w->ran = 0;
}

static void arrive(struct offcpu *o, struct watched *w, uint64_t time)
{
	const struct gapjoin_gap *last = w->gaps.n ? &w->gaps.gaps[w->gaps.n - 1] : NULL;

	if (open_gap(w))
		end_gap(open_gap(w), time);
	else if (last && w->ran_at > last->end && time > w->ran_at)
		put_gap(o, w, (struct gapjoin_gap){w->ran_at, w->ran_at, time, true});
	w->ran = 0;
}

static void run(struct watched *w, const struct sample *s, uint64_t ns)
{
	w->ran += ns;
	w->ran_at = s->time;
}

static void take_sample(struct offcpu *o, const struct sample *s)
{
	uint16_t id = (uint16_t)field(s, 0, 2);
	struct watched *w;

	if (id == o->on_switch.id) {
		w = find(o, (pid_t)field(s, o->on_switch.prev_pid, 4));
		if (w)
			leave(o, w, s->time, !(field(s, o->on_switch.prev_state, 8) & 0xff));
		w = find(o, (pid_t)field(s, o->on_switch.next_pid, 4));
		if (w)
			arrive(o, w, s->time);
	} else if (id == o->on_wakeup.id) {
		w = find(o, (pid_t)field(s, o->on_wakeup.pid, 4));
		if (w && open_gap(w) && !open_gap(w)->ready)
			open_gap(w)->ready = s->time;
	} else if (id == o->on_runtime.id) {
		w = find(o, (pid_t)field(s, o->on_runtime.pid, 4));
		if (w)
			run(w, s, field(s, o->on_runtime.runtime, 8));
	}
}

/* Takes a CPU's next record into b->record, if there is one. */
static bool next_record(struct buffer *b)
{
	const uint8_t *data = (const uint8_t *)b->page + sysconf(_SC_PAGESIZE);
	uint64_t head = __atomic_load_n(&b->page->data_head, __ATOMIC_ACQUIRE);
	uint64_t tail = b->page->data_tail;
	uint16_t size;

	if (tail == head)
		return false;
	for (size_t i = 0; i < sizeof(struct perf_event_header); i++)
		b->record[i] = data[(tail + i) % BUFFER_BYTES];
	memcpy(&size, b->record + offsetof(struct perf_event_header, size), sizeof(size));
	for (size_t i = 0; i < size && i < RECORD_MAX; i++)
		b->record[i] = data[(tail + i) % BUFFER_BYTES];
	__atomic_store_n(&b->page->data_tail, tail + size, __ATOMIC_RELEASE);
	return true;
}

/* A sample is header, time, length of the raw data, raw data; of lost ones there is id, number. */
static void fill(struct offcpu *o, struct buffer *b)
{
	struct perf_event_header h;
	uint64_t lost;

	while (!b->full && b->page && next_record(b)) {
		memcpy(&h, b->record, sizeof(h));
		memcpy(&lost, b->record + 16, sizeof(lost));
		if (h.type == PERF_RECORD_LOST)
			o->lost += lost;
		if (h.type != PERF_RECORD_SAMPLE || h.size > RECORD_MAX || h.size < 20)
			continue;
		memcpy(&b->sample.time, b->record + 8, 8);
		memcpy(&b->sample.n, b->record + 16, 4);
		b->sample.raw = b->record + 20;
		b->sample.n = (uint32_t)u64_min(b->sample.n, h.size - 20u);
		b->full = true;
	}
}

/* In order of time over all CPUs: a thread leaves one and arrives at another. */
void offcpu_drain(struct offcpu *o)
{
	uint64_t until = clock_mono() - SETTLED_NS;

	clock_read_pair(PAIR_TRIES, &o->last);
	for (;;) {
		struct buffer *oldest = NULL;

		for (long cpu = 0; cpu < o->n_buffers; cpu++) {
			struct buffer *b = &o->buffers[cpu];

			fill(o, b);
			if (b->full && (!oldest || b->sample.time < oldest->sample.time))
				oldest = b;
		}
		if (!oldest || oldest->sample.time > until)
			return;
		take_sample(o, &oldest->sample);
		oldest->full = false;
	}
}

uint64_t offcpu_lost(const struct offcpu *o)
{
	return o->lost;
}

uint64_t offcpu_doubt(const struct offcpu *o, pid_t tid)
{
	const struct watched *w = find(o, tid);

	return w ? w->doubt : 0;
}

const struct gapjoin_gaps *offcpu_gaps(const struct offcpu *o, pid_t tid)
{
	const struct watched *w = find(o, tid);

	return w ? &w->gaps : NULL;
}

double offcpu_tick_ns(const struct offcpu *o)
{
	return (double)(o->last.mono - o->first.mono) / (double)(o->last.ticks - o->first.ticks);
}
