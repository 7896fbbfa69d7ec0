/* SPDX-License-Identifier: MIT */
/*
 * Virtio over MMIO (virtio 1.1, 4.2), version 2, split queues without indirect descriptors: the
 * part that all devices share. A device is a row: which features and queues it has, and what it
 * does with a chain of buffers. The thread of the vCPU that notifies does the work (work.h), so
 * that the guest pays for what it asks for; the guest's memory still holds whatever the guest put
 * there, other vCPUs may write to it meanwhile, and each descriptor is copied, and checked where it
 * is used.
 *
 * A guest may ask for any amount of work with one access, and a disk may take any time. So an
 * access only takes note of what is asked for. The work is done in steps of bounded size, without
 * the machine's lock: virtio_take() and virtio_put() need it, virtio_step() must not have it. One
 * thread at a time has a job of a device.
 *
 * A queue that makes no sense stops its device until the guest resets it (status bit 64).
 */
#ifndef VMM_VIRTIO_H
#define VMM_VIRTIO_H

#include "vmm/memory.h"

#include <stdbool.h>

#define VIRTIO_QUEUES	  2
#define VIRTIO_QUEUE_MAX  128 /* entries, and the longest chain */
#define VIRTIO_STEP	  (UINT32_C(1) << 20)
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

/* A chain that is being served, and how far its device has come. */
struct virtio_job {
	struct virtio_chain chain;
	uint32_t queue;
	uint32_t buffer, offset; /* what is next: a byte of a buffer */
	uint64_t written;	 /* bytes, into the chain's buffers */
	uint64_t tally;		 /* what the device adds to its own */
	uint64_t place;		 /* these two are the device's own business */
	uint32_t kind;
};

struct virtio_ops {
	uint32_t id;
	uint64_t features;
	uint32_t queues;
	/* One step of a chain, of at most VIRTIO_STEP bytes: 0 when it is done, 1 if it is to go
	 * on, -EBADMSG if it makes no sense. Without the lock: reads what never changes of the
	 * device, and writes the job. */
	int (*serve)(struct virtio *v, struct virtio_job *j);
	const void *(*config)(struct virtio *v, uint32_t *ret_size); /* as the driver reads it */
	void (*set_config)(struct virtio *v, uint32_t offset, uint32_t value); /* NULL: read-only */
	void (*power_up)(struct virtio *v); /* NULL: it has nothing of its own to forget */
};

struct virtio_queue {
	uint64_t descriptors, available, used; /* guest addresses */
	uint32_t size;
	uint16_t next;
	uint32_t owed; /* chains that may be taken until the driver notifies again */
	bool ready;
};

struct virtio {
	const struct virtio_ops *ops; /* NULL: there is no such device */
	const struct memory *memory;
	unsigned line;
	uint32_t status, feature_page, driver_page, queue;
	uint64_t accepted;
	uint32_t interrupt, generation;
	bool edge;  /* an interrupt is to be raised */
	bool busy;  /* a thread has a job */
	bool hurry; /* ... and is to give it back, and to take none: the driver wants to stop the
		     * device or a queue, and tries again */
	struct virtio_queue queues[VIRTIO_QUEUES];
	uint64_t served, refused; /* chains */
	uint64_t tally;		  /* a disk: requests that failed; a balloon: pages dropped */
};

void virtio_init(struct virtio *v, const struct virtio_ops *ops, const struct memory *m,
		 unsigned line);

/* The machine's reset: what the driver had set up is gone, what was counted stays. */
void virtio_power_up(struct virtio *v);

/* `offset` within its page of registers. False: not yet, since the write stops what a thread works
 * on; that thread hurries, and the write is to be tried again. */
bool virtio_write(struct virtio *v, uint32_t offset, unsigned size, uint32_t value);
uint32_t virtio_read(struct virtio *v, uint32_t offset, unsigned size);

/* The next chain that the driver has notified of, false if there is none. The job is the caller's
 * until virtio_put(), with what the last virtio_step() returned: more than 0 gives it up, and
 * leaves the chain where it was. */
bool virtio_take(struct virtio *v, struct virtio_job *ret);
int virtio_step(struct virtio *v, struct virtio_job *j);
void virtio_put(struct virtio *v, const struct virtio_job *j, int outcome);

/* For devices: the byte that is next, with how many follow in its buffer; moves on by `size`. */
uint8_t *virtio_next(const struct virtio_job *j, uint32_t *ret_left);
void virtio_advance(struct virtio_job *j, uint32_t size);

/* True once for each interrupt that is to be raised. */
static inline bool virtio_take_edge(struct virtio *v)
{
	bool edge = v->edge;

	v->edge = false;
	return edge;
}

/* The device's configuration has changed. */
void virtio_changed(struct virtio *v);

#endif
