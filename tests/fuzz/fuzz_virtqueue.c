/* SPDX-License-Identifier: MIT */
/* The walk of a queue, with a device that touches every byte of every buffer that it is handed. */
#include "virtio_device.h"

#include <errno.h>
#include <linux/virtio_config.h>
#include <string.h>

static struct virtio device;

static int serve(struct virtio *v, struct virtio_job *j)
{
	const struct virtio_chain *c = &j->chain;
	uint32_t sum = 0;

	CHECK(j->queue < 2 && c->n >= 1 && c->n <= v->queues[j->queue].size);
	CHECK(j->buffer < c->n && !j->offset);
	for (; j->buffer < c->n;) {
		const struct virtio_buffer *d = &c->buffers[j->buffer];
		uint32_t left;

		CHECK(d->at >= v->memory->base &&
		      d->at + d->size <= v->memory->base + v->memory->size);
		CHECK(virtio_next(j, &left) == d->at && left == d->size);
		for (uint32_t k = 0; k < d->size && !d->write; k++)
			sum += ((volatile uint8_t *)d->at)[k];
		if (d->write)
			memset(d->at, (int)sum, d->size);
		j->written += d->write ? d->size : 0;
		virtio_advance(j, d->size);
		if (sum % 5 == 4 && j->buffer < c->n)
			return 1; /* the rest is another step's */
	}
	return sum % 7 == 6 ? -EBADMSG : 0;
}

static const void *config(struct virtio *v, uint32_t *ret_size)
{
	*ret_size = sizeof(uint32_t);
	return &v->line;
}

static const struct virtio_ops ops = {.id = 99,
				      .features = 1ull << VIRTIO_F_VERSION_1,
				      .queues = 2,
				      .serve = serve,
				      .config = config};

static struct virtio *make(const struct memory *m)
{
	virtio_init(&device, &ops, m, 5);
	return &device;
}

static void check(const struct memory *m)
{
	(void)m;
	for (int i = 0; i < 2; i++)
		CHECK(!device.queues[i].ready || device.queues[i].size <= VIRTIO_QUEUE_MAX);
}

const struct virtio_target virtio_target = {make, check};
