/* SPDX-License-Identifier: MIT */
#include "base/units.h"
#include "vmm/virtio_devices.h"

#include <linux/virtio_config.h>
#include <stddef.h>
#include <sys/mman.h>

#define PAGE	4096u
#define INFLATE 0
#define ACTUAL	4 /* the configuration's second word */

/* The host's memory behind a page of the guest is given back; the guest finds zeros there. */
static void drop(struct balloon *b, uint32_t page)
{
	void *at = memory_at(b->virtio.memory, (uint64_t)page * PAGE, PAGE);

	if (at && !madvise(at, PAGE, MADV_DONTNEED))
		b->given++;
}

/* Buffers of page numbers. Deflated pages come back by themselves when they are touched. */
static int64_t serve(struct virtio *v, uint32_t queue, const struct virtio_chain *c)
{
	struct balloon *b = (struct balloon *)v;

	for (uint32_t i = 0; i < c->n && queue == INFLATE; i++) {
		const struct virtio_buffer *d = &c->buffers[i];

		for (uint32_t at = 0; d->size - at >= sizeof(uint32_t); at += sizeof(uint32_t)) {
			uint32_t page;

			memcpy(&page, d->at + at, sizeof(page));
			drop(b, page);
		}
	}
	return 0;
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

static const struct virtio_ops ops = {.id = 5,
				      .features = 1ull << VIRTIO_F_VERSION_1,
				      .queues = 2,
				      .serve = serve,
				      .config = config,
				      .set_config = set_config};

void balloon_init(struct balloon *b, const struct memory *m, unsigned line)
{
	*b = (struct balloon){0};
	virtio_init(&b->virtio, &ops, m, line);
}

void balloon_ask(struct balloon *b, uint64_t bytes)
{
	b->config.target = (uint32_t)(u64_min(bytes, b->virtio.memory->size) / PAGE);
	virtio_changed(&b->virtio);
}
