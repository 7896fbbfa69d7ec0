/* SPDX-License-Identifier: MIT */
#include "base/units.h"
#include "vmm/virtio_devices.h"

#include <errno.h>
#include <linux/virtio_config.h>
#include <sys/random.h>

#define AT_ONCE                                                                                    \
	256u /* bytes of a buffer that are filled: what getrandom() gives without a break          \
	      */

static int64_t serve(struct virtio *v, uint32_t queue, const struct virtio_chain *c)
{
	int64_t written = 0;

	(void)v;
	(void)queue;
	for (uint32_t i = 0; i < c->n; i++) {
		const struct virtio_buffer *d = &c->buffers[i];
		size_t size = u64_min(d->size, AT_ONCE);

		if (!d->write)
			return -EBADMSG;
		if (getrandom(d->at, size, 0) != (ssize_t)size)
			break;
		written += (int64_t)size;
		if (size < d->size)
			break;
	}
	return written;
}

static const void *config(struct virtio *v, uint32_t *ret_size)
{
	*ret_size = 0;
	return v;
}

static const struct virtio_ops ops = {.id = 4,
				      .features = 1ull << VIRTIO_F_VERSION_1,
				      .queues = 1,
				      .serve = serve,
				      .config = config};

void entropy_init(struct entropy *e, const struct memory *m, unsigned line)
{
	virtio_init(&e->virtio, &ops, m, line);
}
