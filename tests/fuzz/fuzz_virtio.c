/* SPDX-License-Identifier: MIT */
/*
 * Virtio drivers are hostile: whatever is in guest memory and whichever registers are written, the
 * devices touch nothing but guest memory and the disk's own sectors. Input: records of eight bytes,
 * which write a register of one of the devices or some bytes of memory. The queues begin as a
 * proper driver leaves them, so that most inputs get as far as the chains.
 */
#include "fuzz.h"

#include "vmm/board.h"

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define MEMORY	(16 * 4096)
#define QUEUE	0x4000 /* each has pages of its own: descriptors, available, used */
#define ENTRIES 16
#define SECTORS 8

struct record {
	uint8_t what, place;
	uint16_t at;
	uint32_t value;
};

static struct board board;
static uint8_t *bytes;

/* What a driver does before its first request. */
static void start(struct virtio *v, uint64_t at)
{
	const uint32_t words[][2] = {{0x70, 0},
				     {0x70, 1},
				     {0x70, 3},
				     {0x24, 1},
				     {0x20, 1},
				     {0x70, 11},
				     {0x30, 0},
				     {0x38, ENTRIES},
				     {0x80, (uint32_t)at},
				     {0x90, (uint32_t)at + 0x1000},
				     {0xa0, (uint32_t)at + 0x2000},
				     {0x44, 1},
				     {0x70, 15}};

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		virtio_write(v, words[i][0], 4, words[i][1]);
}

static void set_up(void)
{
	static int disk = -1;

	if (!bytes) {
		bytes = mmap(NULL, MEMORY + 4096, PROT_READ | PROT_WRITE,
			     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		disk = memfd_create("disk", 0);
		CHECK(bytes != MAP_FAILED && disk >= 0);
	}
	CHECK(!ftruncate(disk, SECTORS * 512));
	memset(bytes, 0, MEMORY);
	memset(bytes + MEMORY, 0x5a, 4096);
	memset(&board, 0, sizeof(board));
	board.memory = (struct memory){.base = bytes, .size = MEMORY};
	board.block = (struct block){.fd = disk, .sectors = SECTORS};
	block_init(&board.block, &board.memory, 5);
	balloon_init(&board.balloon, &board.memory, 10);
	entropy_init(&board.entropy, &board.memory, 11);
	for (unsigned i = 0; i < BOARD_PLACES; i++)
		start(board_virtio(&board, i), i * QUEUE);
}

static void step(const struct record *r)
{
	uint64_t at = VIRTIO_BASE + (r->place % BOARD_PLACES) * VIRTIO_SIZE + r->at % 0x200;

	switch (r->what % 4) {
	case 0:
		board_memory_write(&board, at, 1u << (r->place >> 6), r->value);
		break;
	case 1:
		board_memory_read(&board, at, 1u << (r->place >> 6));
		break;
	default:
		if (r->at <= MEMORY - sizeof(r->value))
			memcpy(bytes + r->at, &r->value, sizeof(r->value));
	}
	board_raise(&board);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct record r;

	set_up();
	for (size_t at = 0; at + sizeof(r) <= size; at += sizeof(r)) {
		memcpy(&r, data + at, sizeof(r));
		step(&r);
	}
	for (int i = 0; i < 4096; i++)
		CHECK(bytes[MEMORY + i] == 0x5a);
	CHECK(lseek(board.block.fd, 0, SEEK_END) == SECTORS * 512);
	return 0;
}
