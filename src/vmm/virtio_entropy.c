/* SPDX-License-Identifier: MIT */
#include "base/units.h"
#include "vmm/virtio_devices.h"

#include <errno.h>
#include <linux/virtio_config.h>
#include <linux/virtio_ids.h>
#include <sys/random.h>

#define AT_ONCE 256u /* bytes of a buffer: what getrandom() gives without a break */

/* A chain is one step: 32 KiB at most. */
static int serve(struct virtio *v, struct virtio_job *j)
{
	(void)v;
	for (uint32_t i = 0; i < j->chain.n; i++) {
		const struct virtio_buffer *d = &j->chain.buffers[i];
		size_t size = u64_min(d->size, AT_ONCE);

		if (!d->write)
			return -EBADMSG;
		if (getrandom(d->at, size, 0) != (ssize_t)size)
			break;
		j->written += size;
		if (size < d->size)
			break;
	}
	return 0;
}

static const void *config(struct virtio *v, uint32_t *ret_size)
{
	*ret_size = 0;
	return v;
}

static const struct virtio_ops ops = {
	.id = VIRTIO_ID_RNG,
	.features = 1ull << VIRTIO_F_VERSION_1,
	.queues = 1,
	.serve = serve,
	.config = config,
};

void entropy_init(struct virtio *v, const struct memory *m, unsigned line)
{
	virtio_init(v, &ops, m, line);
}
