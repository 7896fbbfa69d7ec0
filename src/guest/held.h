/* SPDX-License-Identifier: MIT */
/*
 * Records of switches that came too early: figures are up to one instant, read before the records,
 * and what happened behind it, while they were read, belongs to the next figures. Else a process
 * that waits for the CPU in between would book more time than has passed.
 */
#ifndef GUEST_HELD_H
#define GUEST_HELD_H

#include "bpf/switches.h"

#include <stddef.h>
#include <stdint.h>

#define HELD_MAX 4096

union held_record {
	struct switches_head head;
	struct switches_switch of_switch;
	struct switches_life of_life;
};

struct held {
	union held_record *records; /* NULL before the first one */
	uint16_t *sizes;
	size_t n;
};

void held_done(struct held *h);

/* Keeps a record. -ENOBUFS: it was the last that there is room for; -ENOMEM: it is not kept. */
int held_keep(struct held *h, const struct switches_head *record, size_t size);

/* Gives those up to `until`, in the order in which they came. */
void held_give(struct held *h, uint64_t until,
	       int (*fn)(const struct switches_head *record, size_t size, void *data), void *data);

#endif
