/* SPDX-License-Identifier: MIT */
/* The walk of a queue, with a device that touches every byte of every buffer that it is handed. */
#include "virtio_device.h"

#include <errno.h>
#include <linux/virtio_config.h>
#include <string.h>

static struct virtio device;

static int64_t serve(struct virtio *v, uint32_t queue, const struct virtio_chain *c)
{
	int64_t written = 0;
	uint32_t sum = 0;

	CHECK(queue < 2 && c->n >= 1 && c->n <= v->queues[queue].size);
	for (uint32_t i = 0; i < c->n; i++) {
		const struct virtio_buffer *d = &c->buffers[i];

		CHECK(d->at >= v->memory->base &&
		      d->at + d->size <= v->memory->base + v->memory->size);
		for (uint32_t k = 0; k < d->size && !d->write; k++)
			sum += ((volatile uint8_t *)d->at)[k];
		if (d->write)
			memset(d->at, (int)sum, d->size);
		written += d->write ? d->size : 0;
	}
	return sum % 7 == 6 ? -EBADMSG : written;
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
