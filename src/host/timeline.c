/* SPDX-License-Identifier: MIT */
#include "host/timeline.h"

#include "base/units.h"

#include <stdlib.h>
#include <string.h>

/* FNV-1a */
static uint64_t hash(uint64_t h, const void *bytes, size_t size)
{
	const unsigned char *b = bytes;

	for (size_t i = 0; i < size; i++)
		h = (h ^ b[i]) * 0x100000001b3;
	return h;
}

struct party party_of(const struct host_run *run)
{
	struct party p = {.vm = run->vm, .vcpu = run->vcpu, .kernel = run->kernel};
	uint64_t h;

	if (!run->tid)
		return p;
	memcpy(p.name, run->name, sizeof(p.name));
	if (run->kernel)
		p.name[strcspn(p.name, "/")] = '\0';
	else
		p.pid = run->pid;
	h = hash(0xcbf29ce484222325, &p.kernel, sizeof(p.kernel));
	if (run->vm < 0)
		h = hash(h, p.name, strlen(p.name));
	p.name_key = h | 1;
	p.key = hash(h, &p.pid, sizeof(p.pid)) | 1;
	return p;
}

void timeline_done(struct timeline *t)
{
	free(t->segments);
	*t = (struct timeline){.segments = NULL};
}

static bool grow(struct timeline *t)
{
	size_t room = t->room ? t->room * 2 : 256;
	struct segment *s = room > 2 * TIMELINE_MAX ? NULL
						    : realloc(t->segments, room * sizeof(*s));

	if (!s)
		return false;
	t->segments = s;
	t->room = room;
	return true;
}

/* Room for one more; false without memory. */
static bool make_room(struct timeline *t)
{
	if (t->first + t->n < t->room)
		return true;
	if (t->first <= t->room / 2 && grow(t))
		return true;
	if (!t->first)
		return false;
	memmove(t->segments, t->segments + t->first, t->n * sizeof(*t->segments));
	t->first = 0;
	return true;
}

static void drop_first(struct timeline *t)
{
	t->first++;
	t->n--;
	t->dropped++;
}

static bool is_same(const struct party *a, const struct party *b)
{
	return a->key == b->key && a->vm == b->vm && a->vcpu == b->vcpu;
}

static void append(struct timeline *t, uint64_t start, uint64_t end, uint64_t irq,
		   const struct party *who)
{
	struct segment *last = t->n ? &t->segments[t->first + t->n - 1] : NULL;

	t->end = end;
	if (last && last->end == start && !last->irq && !irq && is_same(&last->who, who)) {
		last->end = end;
		return;
	}
	if (t->n && (t->n == TIMELINE_MAX || !make_room(t)))
		drop_first(t);
	if (!make_room(t))
		return;
	t->segments[t->first + t->n++] = (struct segment){
		.start = start, .end = end, .irq = irq, .who = *who};
}

void timeline_put(struct timeline *t, const struct host_run *run, const struct party *who)
{
	uint64_t start = u64_max(run->start, t->end);
	uint64_t known = run->start == t->tail_start ? t->tail : 0;

	if (run->end <= start)
		return;
	t->tail_start = run->start;
	t->tail = u64_max(run->irq, known);
	append(t, start, run->end, u64_min(t->tail - known, run->end - start), who);
}

const struct segment *timeline_from(const struct timeline *t, uint64_t at, size_t *ret_n)
{
	size_t low = 0, high = t->n;

	while (low < high) {
		size_t middle = (low + high) / 2;

		if (t->segments[t->first + middle].end > at)
			high = middle;
		else
			low = middle + 1;
	}
	*ret_n = t->n - low;
	return t->segments ? &t->segments[t->first + low] : NULL;
}

void timeline_forget(struct timeline *t, uint64_t at)
{
	while (t->n && t->segments[t->first].end <= at) {
		t->first++;
		t->n--;
	}
	if (!t->n)
		t->first = 0;
}
