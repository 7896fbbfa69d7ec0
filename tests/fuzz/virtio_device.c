/* SPDX-License-Identifier: MIT */
#include "virtio_device.h"

#include <string.h>
#include <sys/mman.h>

#define MEMORY	(16 * 4096)
#define QUEUE	0x8000 /* each has pages of its own: descriptors, available, used */
#define ENTRIES 16

struct record {
	uint8_t what, size;
	uint16_t at;
	uint32_t value;
};

static uint8_t *bytes;

static void write_all(struct virtio *v, const uint32_t (*words)[2], size_t n)
{
	for (size_t i = 0; i < n; i++)
		virtio_write(v, words[i][0], 4, words[i][1]);
}

/* What a driver does before its first request. */
static void start(struct virtio *v)
{
	const uint32_t features[][2] = {{0x70, 0}, {0x70, 1}, {0x70, 3},
					{0x24, 1}, {0x20, 1}, {0x70, 11}};
	const uint32_t go[][2] = {{0x30, 0}, {0x70, 15}};

	write_all(v, features, 6);
	for (uint32_t q = v->ops->queues; q-- > 0;) {
		const uint32_t at = q * QUEUE;
		const uint32_t words[][2] = {{0x30, q},		  {0x38, ENTRIES},     {0x80, at},
					     {0x90, at + 0x1000}, {0xa0, at + 0x2000}, {0x44, 1}};

		write_all(v, words, 6);
	}
	write_all(v, go, 2);
}

/* What a vCPU's thread does after an access. */
static void work(struct virtio *v)
{
	struct virtio_job j;
	int outcome;

	while (virtio_take(v, &j)) {
		do {
			outcome = virtio_step(v, &j);
		} while (outcome > 0);
		virtio_put(v, &j, outcome);
	}
}

static void step(struct virtio *v, const struct record *r)
{
	static const unsigned sizes[] = {4, 1, 2, 8};
	unsigned size = sizes[r->size & 3];

	switch (r->what % 4) {
	case 0:
		CHECK(virtio_write(v, r->at % 0x200, size, r->value));
		work(v);
		break;
	case 1:
		virtio_read(v, r->at % 0x200, size);
		break;
	default:
		if (r->at <= MEMORY - sizeof(r->value))
			memcpy(bytes + r->at, &r->value, sizeof(r->value));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct memory m;
	struct virtio *v;
	struct record r;

	if (!bytes)
		bytes = mmap(NULL, MEMORY + 4096, PROT_READ | PROT_WRITE,
			     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK(bytes != MAP_FAILED);
	memset(bytes, 0, MEMORY);
	memset(bytes + MEMORY, 0x5a, 4096);
	m = (struct memory){.base = bytes, .size = MEMORY};
	v = virtio_target.make(&m);
	start(v);
	for (size_t at = 0; at + sizeof(r) <= size; at += sizeof(r)) {
		memcpy(&r, data + at, sizeof(r));
		step(v, &r);
		virtio_target.check(&m);
	}
	for (int i = 0; i < 4096; i++)
		CHECK(bytes[MEMORY + i] == 0x5a);
	return 0;
}
