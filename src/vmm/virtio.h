/* SPDX-License-Identifier: MIT */
/*
 * Virtio over MMIO (virtio 1.1, 4.2), version 2, split queues without indirect descriptors: the
 * part that all devices share. A device is a row: which features and queues it has, and what it
 * does with a chain of buffers. All of it runs in the vCPU's thread when the guest notifies, so
 * nothing changes under the guest but what it has asked for; the guest's memory still holds
 * whatever the guest put there, other vCPUs may write to it meanwhile, and each descriptor is
 * copied, and checked where it is used.
 *
 * A queue that makes no sense stops its device until the guest resets it (status bit 64).
 */
#ifndef VMM_VIRTIO_H
#define VMM_VIRTIO_H

#include "vmm/memory.h"

#include <stdbool.h>

#define VIRTIO_QUEUES	  2
#define VIRTIO_QUEUE_MAX  128 /* entries, and the longest chain */
#define VIRTIO_BASE	  UINT64_C(0xd0000000)
#define VIRTIO_SIZE	  0x1000u
#define VIRTIO_INT_QUEUE  1u
#define VIRTIO_INT_CONFIG 2u

struct virtio;

struct virtio_buffer {
	uint8_t *at;
	uint32_t size;
	bool write; /* the device writes, the driver reads */
};

struct virtio_chain {
	struct virtio_buffer buffers[VIRTIO_QUEUE_MAX];
	uint32_t n;
	uint16_t head;
};

struct virtio_ops {
	uint32_t id;
	uint64_t features;
	uint32_t queues;
	/* Serves one chain; returns how many bytes it wrote into it, -EBADMSG if it makes no sense.
	 */
	int64_t (*serve)(struct virtio *v, uint32_t queue, const struct virtio_chain *c);
	const void *(*config)(struct virtio *v, uint32_t *ret_size); /* as the driver reads it */
	void (*set_config)(struct virtio *v, uint32_t offset, uint32_t value); /* NULL: read-only */
};

struct virtio_queue {
	uint64_t descriptors, available, used; /* guest addresses */
	uint32_t size;
	uint16_t next;
	bool ready;
};

struct virtio {
	const struct virtio_ops *ops;
	const struct memory *memory;
	unsigned line;
	uint32_t status, feature_page, driver_page, queue;
	uint64_t accepted;
	uint32_t interrupt, generation;
	bool edge; /* an interrupt is to be raised */
	struct virtio_queue queues[VIRTIO_QUEUES];
	uint64_t served, refused; /* chains */
};

void virtio_init(struct virtio *v, const struct virtio_ops *ops, const struct memory *m,
		 unsigned line);

/* What the driver had set up is gone. */
void virtio_reset(struct virtio *v);

/* `offset` within its page of registers. */
void virtio_write(struct virtio *v, uint32_t offset, unsigned size, uint32_t value);
uint32_t virtio_read(struct virtio *v, uint32_t offset, unsigned size);

/* The device's configuration has changed. */
void virtio_changed(struct virtio *v);

#endif
