/* SPDX-License-Identifier: MIT */
/* Gaps of source bpf: out of the ring buffer and the logs of waits, handed out in order. */
#include "host/source_bpf.h"

#include "base/clock.h"
#include "base/units.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <bpf/libbpf.h>

#define SLEEPS 100

int source_bpf_take_gap(struct bpf_source *s, uint32_t slot, const struct gap *gap)
{
	size_t room = s->room ? 2 * s->room : 256;
	struct taken_gap *taken = s->taken;

	if (s->n_taken == s->room) {
		taken = reallocarray(s->taken, room, sizeof(*taken));
		if (!taken)
			return -ENOMEM;
		s->taken = taken;
		s->room = room;
	}
	taken[s->n_taken++] = (struct taken_gap){
		.gap = *gap, .slot = slot, .tid = s->p.slots[slot].tid};
	return 0;
}

int source_bpf_ring_gap(void *context, void *bytes, size_t size)
{
	struct bpf_source *s = context;
	const struct vcpu_gap *g = bytes;
	struct owner *o;

	if (size < sizeof(*g) || g->slot >= VCPU_SLOTS)
		return 0;
	o = &s->owners[g->slot];
	if (!o->vm || s->p.slots[g->slot].tid != g->tid || g->start < s->p.slots[g->slot].start)
		return 0; /* the slot was another's when this was written */
	o->taken++;
	o->lost_here += source_bpf_take_gap(s, g->slot,
					    &(struct gap){.start = g->start,
							  .end = g->end,
							  .vcpu = o->vcpu,
							  .state = g->state,
							  .by = g->by}) != 0;
	return 0;
}

static bool has_wanted(const struct bpf_source *s)
{
	for (uint32_t i = 0; s->read && i < s->n_owners; i++) {
		if (s->owners[i].vm && (int32_t)(s->owners[i].wanted - s->owners[i].taken) > 0)
			return false;
	}
	return true;
}

/* The ring buffer hands nothing out behind a record that is still being written, on any CPU: then
 * the gaps that the last readings knew of are waited for. */
static int take_gaps(struct bpf_source *s)
{
	if (s->fns)
		source_bpf_take(s);
	for (int i = 0; i < SOURCE_BPF_SPINS + SLEEPS; i++) {
		int n = ring_buffer__consume(s->ring);

		if (n < 0)
			return n;
		if (has_wanted(s)) {
			s->read = false;
			return 0;
		}
		if (i >= SOURCE_BPF_SPINS)
			source_bpf_nap();
	}
	return -EAGAIN;
}

static int compare_ends(const void *a, const void *b)
{
	const struct taken_gap *x = a, *y = b;

	return (x->gap.end > y->gap.end) - (x->gap.end < y->gap.end);
}

/*
 * Hands out gaps that ended up to `until`, in order. A vCPU's come from logs of several CPUs and from
 * the ring buffer; of one that ended before these were taken, those before it have been taken, too.
 */
static void hand_gaps(struct bpf_source *s, uint64_t until, host_gap_fn fn, void *data)
{
	size_t i = 0;

	if (s->n_taken)
		qsort(s->taken, s->n_taken, sizeof(*s->taken), compare_ends);
	for (; i < s->n_taken && s->taken[i].gap.end <= until; i++) {
		const struct taken_gap *t = &s->taken[i];
		const struct owner *o = &s->owners[t->slot];

		if (!o->vm || s->p.slots[t->slot].tid != t->tid)
			continue; /* its VM was removed */
		s->gaps++;
		if (fn)
			fn(o->vm->id, &t->gap, data);
	}
	s->n_taken -= i;
	if (i && s->n_taken)
		memmove(s->taken, s->taken + i, s->n_taken * sizeof(*s->taken));
}

int source_bpf_poll(void *state, host_gap_fn fn, void *data)
{
	struct bpf_source *s = state;
	uint64_t until = u64_max(clock_mono(), s->latest);
	int err = take_gaps(s);

	hand_gaps(s, until, fn, data);
	return err;
}
