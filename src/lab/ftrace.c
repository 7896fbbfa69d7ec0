/* SPDX-License-Identifier: MIT */
#include "lab/ftrace.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define HEADER_BYTES 16 /* of a sub-buffer: time stamp, bytes of data */
#define COMMIT_BITS  0xfffffu
#define MISSED_BIT   (1u << 31)
#define EVENTS_MAX   (16u << 20)

/* The kernel's enum ring_buffer_type. */
enum { TYPE_LONG = 0, TYPE_PADDING = 29, TYPE_EXTEND = 30, TYPE_STAMP = 31 };
#define DELTA_SHIFT 27
#define STAMP_MASK  ((1ull << 59) - 1)

/* One event: where its payload is, and how many bytes it takes. */
struct event {
	const uint8_t *data;
	size_t n;    /* of data; 0: a matter of the buffer's own */
	size_t size; /* in all */
};

static uint32_t get32(const uint8_t *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

static uint64_t get64(const uint8_t *p)
{
	uint64_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

static void advance(uint32_t type, uint64_t delta, uint32_t word, uint64_t *time)
{
	if (type == TYPE_EXTEND)
		*time += ((uint64_t)word << DELTA_SHIFT) + delta;
	else if (type == TYPE_STAMP)
		*time = (*time & ~STAMP_MASK) | (((uint64_t)word << DELTA_SHIFT) + delta);
	else
		*time += delta;
}

/* The event at `p`, of which `left` bytes are there. False at the end, and for what is none. */
static bool next_event(const uint8_t *p, size_t left, uint64_t *time, struct event *ret)
{
	uint32_t head, type, word;

	if (left < 8)
		return false;
	head = get32(p);
	word = get32(p + 4);
	type = head & 31;
	if (type == TYPE_PADDING && !(head >> 5))
		return false;
	advance(type, head >> 5, word, time);
	*ret = (struct event){.data = p + 4, .size = 8};
	if (type == TYPE_LONG || type == TYPE_PADDING)
		ret->size = 4 + (size_t)word;
	else if (type < TYPE_PADDING)
		ret->size = 4 + 4 * (size_t)type;
	if (ret->size < 8 || ret->size > left)
		return false;
	if (type == TYPE_LONG)
		*ret = (struct event){.data = p + 8, .n = ret->size - 8, .size = ret->size};
	else if (type < TYPE_PADDING)
		ret->n = ret->size - 4;
	return true;
}

static bool matches(const struct event *e, const struct trace_event_layout *l, uint32_t *ret_first,
		    uint32_t *ret_second)
{
	uint16_t id;

	if (e->n < sizeof(id))
		return false;
	memcpy(&id, e->data, sizeof(id));
	if (id != l->id || (size_t)l->first + 4 > e->n || (size_t)l->second + 4 > e->n)
		return false;
	*ret_first = get32(e->data + l->first);
	*ret_second = get32(e->data + l->second);
	return true;
}

/* Makes room for one more element of `size` bytes. */
static int reserve(void *array, size_t n, size_t *room, size_t size)
{
	void *old, *new;
	size_t want = *room ? 2 * *room : 1024;

	if (n < *room)
		return 0;
	memcpy(&old, array, sizeof(old));
	new = n < EVENTS_MAX ? realloc(old, want * size) : NULL;
	if (!new)
		return -ENOMEM;
	memcpy(array, &new, sizeof(new));
	*room = want;
	return 0;
}

static int take(struct ftrace *t, unsigned cpu, const struct trace_area *area,
		const struct event *e, uint64_t time)
{
	struct ftrace_cpu *c = &t->cpus[cpu];
	uint32_t a, b;

	if (matches(e, &area->on_switch, &a, &b)) {
		if (reserve(&c->switches, c->n, &c->room, sizeof(*c->switches)))
			return -ENOMEM;
		c->switches[c->n++] = (struct ftrace_switch){time, a, b};
	} else if (matches(e, &area->on_fork, &a, &b)) {
		if (reserve(&t->forks, t->n_forks, &t->forks_room, sizeof(*t->forks)))
			return -ENOMEM;
		t->forks[t->n_forks++] = (struct ftrace_fork){time, a, b};
	}
	return 0;
}

static int read_page(struct ftrace *t, unsigned cpu, const struct trace_area *area,
		     const uint8_t *page)
{
	uint64_t time = get64(page);
	uint32_t commit = get32(page + 8);
	size_t end = HEADER_BYTES + (commit & COMMIT_BITS), at = HEADER_BYTES;
	struct event e;

	if (end > TRACE_PAGE)
		return -EBADMSG;
	t->lost += commit & MISSED_BIT ? 1 : 0;
	for (; next_event(page + at, end - at, &time, &e); at += e.size) {
		int err = e.n ? take(t, cpu, area, &e, time) : 0;

		if (err)
			return err;
	}
	return 0;
}

static int by_time(const void *a, const void *b)
{
	uint64_t x = ((const struct ftrace_fork *)a)->at, y = ((const struct ftrace_fork *)b)->at;

	return x < y ? -1 : x > y;
}

static bool in_order(const struct ftrace *t)
{
	for (unsigned cpu = 0; cpu < t->n_cpus; cpu++) {
		const struct ftrace_cpu *c = &t->cpus[cpu];

		for (size_t i = 1; i < c->n; i++)
			if (c->switches[i].at < c->switches[i - 1].at)
				return false;
	}
	return true;
}

static int read_pages(const uint8_t *base, size_t size, const struct trace_area *area,
		      struct ftrace *t)
{
	size_t at = TRACE_AREA_DATA;

	for (unsigned cpu = 0; cpu < t->n_cpus; cpu++) {
		for (uint32_t i = 0; i < area->pages[cpu]; i++, at += TRACE_PAGE) {
			uint8_t page[TRACE_PAGE]; /* the guest may still write */
			int err;

			if (at + TRACE_PAGE > size)
				return -EBADMSG;
			memcpy(page, base + at, sizeof(page));
			err = read_page(t, cpu, area, page);
			if (err)
				return err;
		}
	}
	return in_order(t) ? 0 : -EBADMSG;
}

int ftrace_read(const void *base, size_t size, struct ftrace *ret)
{
	struct ftrace t = {.n_cpus = 0};
	struct trace_area area;
	int err;

	if (size < TRACE_AREA_DATA)
		return -EBADMSG;
	memcpy(&area, base, sizeof(area));
	if (area.magic != TRACE_AREA_MAGIC)
		return -ENODATA;
	if (!area.n_cpus || area.n_cpus > TRACE_CPUS_MAX)
		return -EBADMSG;
	t.n_cpus = area.n_cpus;
	t.lost = area.lost;
	err = read_pages(base, size, &area, &t);
	if (err) {
		ftrace_done(&t);
		return err;
	}
	if (t.n_forks)
		qsort(t.forks, t.n_forks, sizeof(*t.forks), by_time);
	*ret = t;
	return 0;
}

void ftrace_done(struct ftrace *t)
{
	for (unsigned cpu = 0; cpu < TRACE_CPUS_MAX; cpu++)
		free(t->cpus[cpu].switches);
	free(t->forks);
	memset(t, 0, sizeof(*t));
}
