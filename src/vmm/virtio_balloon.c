/* SPDX-License-Identifier: MIT */
#include "base/units.h"
#include "vmm/virtio_devices.h"

#include <linux/virtio_balloon.h>
#include <linux/virtio_config.h>
#include <linux/virtio_ids.h>
#include <stddef.h>
#include <sys/mman.h>

#define PAGE	4096u
#define PAGES	4096u /* of a step: milliseconds */
#define INFLATE 0
#define ACTUAL	offsetof(struct virtio_balloon_config, actual)

/* The host's memory behind a page of the guest is given back; the guest finds zeros there. */
static bool drop(const struct memory *m, uint32_t page)
{
	void *at = memory_at(m, (uint64_t)page * PAGE, PAGE);

	return at && !madvise(at, PAGE, MADV_DONTNEED);
}

/* Buffers of page numbers, PAGES of them in a step. Deflated pages come back by themselves when
 * they are touched. */
static int serve(struct virtio *v, struct virtio_job *j)
{
	uint32_t pages = PAGES;

	while (j->queue == INFLATE && j->buffer < j->chain.n && pages) {
		uint32_t page, left;
		const uint8_t *at = virtio_next(j, &left);

		if (left < sizeof(page)) {
			virtio_advance(j, left);
			continue;
		}
		memcpy(&page, at, sizeof(page));
		virtio_advance(j, sizeof(page));
		j->tally += drop(v->memory, page);
		pages--;
	}
	return j->queue == INFLATE && j->buffer < j->chain.n;
}

static const void *config(struct virtio *v, uint32_t *ret_size)
{
	*ret_size = sizeof(((struct balloon *)v)->config);
	return &((struct balloon *)v)->config;
}

static void set_config(struct virtio *v, uint32_t offset, uint32_t value)
{
	if (offset == ACTUAL)
		((struct balloon *)v)->config.actual = value;
}

/* The next kernel has all of its memory. */
static void power_up(struct virtio *v)
{
	((struct balloon *)v)->config.actual = 0;
}

static const struct virtio_ops ops = {
	.id = VIRTIO_ID_BALLOON,
	.features = 1ull << VIRTIO_F_VERSION_1,
	.queues = 2,
	.serve = serve,
	.config = config,
	.set_config = set_config,
	.power_up = power_up,
};

void balloon_init(struct virtio *v, const struct memory *m, unsigned line)
{
	*(struct balloon *)v = (struct balloon){0};
	virtio_init(v, &ops, m, line);
}

void balloon_ask(struct balloon *b, uint64_t bytes)
{
	b->config.target = (uint32_t)(u64_min(bytes, b->virtio.memory->size) / PAGE);
	virtio_changed(&b->virtio);
}
