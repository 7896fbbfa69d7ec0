/* SPDX-License-Identifier: MIT */
#include "guest/held.h"

#include "base/units.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

void held_done(struct held *h)
{
	free(h->records);
	free(h->sizes);
	*h = (struct held){.n = 0};
}

static int make_room(struct held *h)
{
	if (!h->records)
		h->records = calloc(HELD_MAX, sizeof(*h->records));
	if (!h->sizes)
		h->sizes = calloc(HELD_MAX, sizeof(*h->sizes));
	return h->records && h->sizes && h->n < HELD_MAX ? 0 : -ENOMEM;
}

int held_keep(struct held *h, const struct switches_head *record, size_t size)
{
	if (make_room(h))
		return -ENOMEM;
	h->sizes[h->n] = (uint16_t)u64_min(size, sizeof(*h->records));
	memcpy(&h->records[h->n], record, h->sizes[h->n]);
	return ++h->n < HELD_MAX ? 0 : -ENOBUFS;
}

void held_give(struct held *h, uint64_t until,
	       int (*fn)(const struct switches_head *record, size_t size, void *data), void *data)
{
	size_t left = 0;

	for (size_t i = 0; i < h->n; i++) {
		if (h->records[i].head.time <= until) {
			fn(&h->records[i].head, h->sizes[i], data);
			continue;
		}
		h->records[left] = h->records[i];
		h->sizes[left++] = h->sizes[i];
	}
	h->n = left;
}
