/* SPDX-License-Identifier: MIT */
/*
 * The virtio devices, spoken to as a driver by virtio 1.1 would: set-up, requests, and drivers that
 * mean no good. Random ones: tests/fuzz/fuzz_virtio.c.
 */
#include "vmm/virtio_devices.h"

#include <errno.h>
#include <linux/virtio_blk.h>
#include <linux/virtio_ring.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#define MEMORY	(64 * 4096)
#define SIZE	8u
#define TABLE	0x1000
#define AVAIL	0x2000
#define USED	0x3000
#define HEADER	0x4000
#define DATA	0x5000
#define OUTCOME 0x8000
#define SECTORS 16

static struct memory memory;
static char disk_path[] = "/tmp/test-virtio.XXXXXX";

static struct vring_desc *table(void)
{
	return (struct vring_desc *)(void *)(memory.base + TABLE);
}

static struct vring_avail *avail(void)
{
	return (struct vring_avail *)(void *)(memory.base + AVAIL);
}

static struct vring_used *used(void)
{
	return (struct vring_used *)(void *)(memory.base + USED);
}

static uint32_t get(struct virtio *v, uint32_t offset)
{
	return virtio_read(v, offset, 4);
}

static void set(struct virtio *v, uint32_t offset, uint32_t value)
{
	virtio_write(v, offset, 4, value);
}

/* Section 3.1.1 of the standard, with one queue. */
static void start(struct virtio *v, uint32_t queue)
{
	memset(memory.base, 0, MEMORY);
	set(v, 0x70, 0);
	set(v, 0x70, 1);
	set(v, 0x70, 3);
	set(v, 0x14, 1);
	assert_int_equal(get(v, 0x10), 1); /* VERSION_1 is bit 32 */
	set(v, 0x24, 1);
	set(v, 0x20, 1);
	set(v, 0x70, 11);
	assert_int_equal(get(v, 0x70), 11);
	set(v, 0x30, queue);
	assert_true(get(v, 0x34) >= SIZE);
	set(v, 0x38, SIZE);
	set(v, 0x80, TABLE);
	set(v, 0x90, AVAIL);
	set(v, 0xa0, USED);
	set(v, 0x44, 1);
	assert_int_equal(get(v, 0x44), 1);
	set(v, 0x70, 15);
}

static void descriptor(uint16_t i, uint64_t at, uint32_t size, uint16_t flags)
{
	table()[i] = (struct vring_desc){at, size, flags, (uint16_t)(i + 1)};
}

/* All that the device has to do; returns the number of steps that this took. */
static int work(struct virtio *v)
{
	struct virtio_job j;
	int steps = 0;

	while (virtio_take(v, &j)) {
		int outcome;

		do {
			outcome = virtio_step(v, &j);
			steps++;
		} while (outcome > 0);
		virtio_put(v, &j, outcome);
	}
	return steps;
}

/* Offers the chain that begins at descriptor 0, and notifies. */
static void offer_only(struct virtio *v, uint32_t queue)
{
	avail()->ring[avail()->idx % SIZE] = 0;
	avail()->idx++;
	set(v, 0x50, queue);
}

static void offer(struct virtio *v, uint32_t queue)
{
	offer_only(v, queue);
	work(v);
}

static bool broken(struct virtio *v)
{
	return get(v, 0x70) & 0x40;
}

/* A request to the disk; returns its outcome. */
static uint8_t request(struct block *b, uint32_t type, uint64_t sector, uint32_t size, bool in)
{
	struct virtio_blk_outhdr h = {.type = type, .sector = sector};

	memcpy(memory.base + HEADER, &h, sizeof(h));
	memory.base[OUTCOME] = 0xee;
	descriptor(0, HEADER, sizeof(h), VRING_DESC_F_NEXT);
	descriptor(1, DATA, size, VRING_DESC_F_NEXT | (in ? VRING_DESC_F_WRITE : 0));
	descriptor(2, OUTCOME, 1, VRING_DESC_F_WRITE);
	offer(&b->virtio, 0);
	return memory.base[OUTCOME];
}

static void open_disk(struct block *b, bool read_only)
{
	struct failure f;

	assert_int_equal(block_open(b, disk_path, read_only, &f), 0);
	block_init(&b->virtio, &memory, 5);
	start(&b->virtio, 0);
}

static void disk_reads_and_writes(void **state)
{
	uint8_t text[1024];
	struct block b;

	(void)state;
	open_disk(&b, false);
	assert_int_equal(get(&b.virtio, 0x08), 2);
	assert_int_equal(get(&b.virtio, 0x100), SECTORS);
	memset(memory.base + DATA, 'w', 1024);
	assert_int_equal(request(&b, VIRTIO_BLK_T_OUT, 3, 1024, false), VIRTIO_BLK_S_OK);
	assert_int_equal(pread(b.fd, text, 1024, 3 * 512), 1024);
	assert_memory_equal(text, memory.base + DATA, 1024);
	memset(memory.base + DATA, 0, 1024);
	assert_int_equal(request(&b, VIRTIO_BLK_T_IN, 4, 512, true), VIRTIO_BLK_S_OK);
	assert_memory_equal(text, memory.base + DATA, 512);
	assert_int_equal(memory.base[DATA + 512], 0);
	assert_int_equal(used()->idx, 2);
	assert_int_equal(used()->ring[1].len, 513);
	assert_int_equal(request(&b, VIRTIO_BLK_T_FLUSH, 0, 0, false), VIRTIO_BLK_S_OK);
	assert_int_equal(request(&b, VIRTIO_BLK_T_GET_ID, 0, 20, true), VIRTIO_BLK_S_OK);
	assert_string_equal((char *)memory.base + DATA, "desched");
	assert_int_equal(get(&b.virtio, 0x60), 1);
	set(&b.virtio, 0x64, 1);
	assert_int_equal(get(&b.virtio, 0x60), 0);
	close(b.fd);
}

static void disk_refuses(void **state)
{
	struct block b;

	(void)state;
	open_disk(&b, false);
	assert_int_equal(request(&b, VIRTIO_BLK_T_IN, SECTORS, 512, true), VIRTIO_BLK_S_IOERR);
	assert_int_equal(request(&b, VIRTIO_BLK_T_IN, SECTORS - 1, 1024, true), VIRTIO_BLK_S_IOERR);
	assert_int_equal(request(&b, VIRTIO_BLK_T_IN, UINT64_MAX, 512, true), VIRTIO_BLK_S_IOERR);
	assert_int_equal(request(&b, VIRTIO_BLK_T_IN, UINT64_MAX / 512, 512, true),
			 VIRTIO_BLK_S_IOERR);
	assert_int_equal(request(&b, VIRTIO_BLK_T_IN, 0, 100, true), VIRTIO_BLK_S_IOERR);
	assert_int_equal(request(&b, VIRTIO_BLK_T_IN, 0, 512, false), VIRTIO_BLK_S_IOERR);
	assert_int_equal(request(&b, VIRTIO_BLK_T_OUT, 0, 512, true), VIRTIO_BLK_S_IOERR);
	assert_int_equal(request(&b, 77, 0, 512, true), VIRTIO_BLK_S_UNSUPP);
	assert_false(broken(&b.virtio));
	close(b.fd);
	open_disk(&b, true);
	assert_int_equal(request(&b, VIRTIO_BLK_T_OUT, 0, 512, false), VIRTIO_BLK_S_IOERR);
	assert_int_equal(request(&b, VIRTIO_BLK_T_IN, 0, 512, true), VIRTIO_BLK_S_OK);
	close(b.fd);
}

static void disk_is_locked(void **state)
{
	struct block a, b;
	struct failure f;

	(void)state;
	assert_int_equal(block_open(&a, disk_path, false, &f), 0);
	assert_int_equal(block_open(&b, disk_path, false, &f), -EBUSY);
	assert_int_equal(block_open(&b, disk_path, true, &f), -EBUSY);
	close(a.fd);
	assert_int_equal(block_open(&a, disk_path, true, &f), 0);
	assert_int_equal(block_open(&b, disk_path, true, &f), 0);
	close(a.fd);
	close(b.fd);
	assert_int_equal(block_open(&a, "/no/such/disk", false, &f), -ENOENT);
	assert_int_equal(block_open(&a, "/tmp", true, &f), -EINVAL);
}

/* Chains that make no sense stop the device, until it is reset. */
static void bad_chains(void **state)
{
	static const struct {
		uint64_t at;
		uint32_t size;
		uint16_t flags, next;
	} bad[] = {
		{MEMORY, 16, 0, 0},
		{MEMORY - 8, 16, 0, 0},
		{UINT64_MAX, 16, 0, 0},
		{HEADER, UINT32_MAX, 0, 0},
		{HEADER, 16, VRING_DESC_F_NEXT, 0},	/* a ring */
		{HEADER, 16, VRING_DESC_F_NEXT, SIZE},	/* out of the table */
		{HEADER, 16, VRING_DESC_F_INDIRECT, 0}, /* not offered */
		{HEADER, 16, 0, 0},			/* no outcome */
	};
	struct block b;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		open_disk(&b, false);
		table()[0] = (struct vring_desc){bad[i].at, bad[i].size, bad[i].flags, bad[i].next};
		offer(&b.virtio, 0);
		assert_true(broken(&b.virtio));
		assert_int_equal(used()->idx, 0);
		assert_int_equal(request(&b, VIRTIO_BLK_T_IN, 0, 512, true), 0xee);
		start(&b.virtio, 0);
		assert_int_equal(request(&b, VIRTIO_BLK_T_IN, 0, 512, true), VIRTIO_BLK_S_OK);
		close(b.fd);
	}
}

/* A queue that is not in memory is never ready; features that were not offered are not accepted. */
static void bad_set_up(void **state)
{
	static const uint32_t where[] = {0x80, 0x90, 0xa0};
	struct entropy e;

	(void)state;
	entropy_init(&e.virtio, &memory, 11);
	for (int i = 0; i < 3; i++) {
		start(&e.virtio, 0);
		set(&e.virtio, 0x44, 0);
		set(&e.virtio, where[i], MEMORY - 4);
		set(&e.virtio, 0x44, 1);
		assert_int_equal(get(&e.virtio, 0x44), 0);
		assert_true(broken(&e.virtio));
	}
	set(&e.virtio, 0x70, 0);
	set(&e.virtio, 0x24, 0);
	set(&e.virtio, 0x20, 1u << 29);
	set(&e.virtio, 0x70, 11);
	assert_int_equal(get(&e.virtio, 0x70) & 8, 0);
	set(&e.virtio, 0x30, 1000);
	set(&e.virtio, 0x44, 1);
	assert_int_equal(get(&e.virtio, 0x34), 0);
	set(&e.virtio, 0x50, 1000);
	assert_int_equal(get(&e.virtio, 0xffc), 0);
}

static void balloon_gives_pages_back(void **state)
{
	static const uint32_t pages[] = {32, 33, 64, 0xffffffff}; /* the last two are not there */
	struct balloon b;

	(void)state;
	balloon_init(&b.virtio, &memory, 10);
	start(&b.virtio, 0);
	memset(memory.base + 32 * 4096, 'x', 3 * 4096);
	balloon_ask(&b, 2 * 4096);
	assert_int_equal(get(&b.virtio, 0x60), 2);
	assert_int_equal(get(&b.virtio, 0x100), 2);
	memcpy(memory.base + DATA, pages, sizeof(pages));
	descriptor(0, DATA, sizeof(pages), 0);
	offer(&b.virtio, 0);
	assert_int_equal(b.virtio.tally, 2);
	assert_int_equal(memory.base[32 * 4096], 0);
	assert_int_equal(memory.base[33 * 4096 + 4095], 0);
	assert_int_equal(memory.base[34 * 4096], 'x');
	set(&b.virtio, 0x104, 2);
	assert_int_equal(b.config.actual, 2);
}

/* 10240 numbers of pages are three steps of 4096 at most; the guest is told when all are done. */
static void work_is_in_steps(void **state)
{
	struct balloon b;

	(void)state;
	balloon_init(&b.virtio, &memory, 10);
	start(&b.virtio, 0);
	for (uint32_t i = 0; i < 10240; i++)
		memcpy(memory.base + 0x10000 + 4 * i, (uint32_t[]){60}, 4);
	descriptor(0, 0x10000, 4 * 10240, 0);
	offer_only(&b.virtio, 0);
	assert_int_equal(used()->idx, 0); /* an access only takes note */
	assert_int_equal(work(&b.virtio), 3);
	assert_int_equal(used()->idx, 1);
	assert_int_equal(b.virtio.tally, 10240);
	assert_int_equal(get(&b.virtio, 0x60), 1);
}

/* 6 x 200 KiB into the same place are two steps of 1 MiB at most. */
static void disk_moves_a_mebibyte(void **state)
{
	char path[] = "/tmp/test-virtio-large.XXXXXX";
	int fd = mkstemp(path);
	struct failure f;
	struct block b;

	(void)state;
	assert_int_equal(ftruncate(fd, 2 << 20), 0);
	assert_int_equal(pwrite(fd, "end", 3, 6 * 200 * 1024 - 3), 3);
	assert_int_equal(block_open(&b, path, true, &f), 0);
	block_init(&b.virtio, &memory, 5);
	start(&b.virtio, 0);
	memset(memory.base + HEADER, 0, 16);
	descriptor(0, HEADER, 16, VRING_DESC_F_NEXT);
	for (uint16_t i = 1; i < 7; i++)
		descriptor(i, 0x9000, 200 * 1024, VRING_DESC_F_NEXT | VRING_DESC_F_WRITE);
	descriptor(7, OUTCOME, 1, VRING_DESC_F_WRITE);
	memory.base[OUTCOME] = 0xee;
	offer_only(&b.virtio, 0);
	assert_int_equal(work(&b.virtio), 2);
	assert_int_equal(memory.base[OUTCOME], VIRTIO_BLK_S_OK);
	assert_int_equal(used()->ring[0].len, 6 * 200 * 1024 + 1);
	assert_memory_equal(memory.base + 0x9000 + 200 * 1024 - 3, "end", 3);
	close(fd);
	close(b.fd);
	unlink(path);
}

/* A driver that resets a device, or stops a queue, finds that done only when nothing of its memory
 * is used any more; a job that was given up has not happened. */
static void stopped_while_at_work(void **state)
{
	static const uint32_t writes[][2] = {{0x70, 0}, {0x44, 0}};
	struct virtio_job j, other;
	struct balloon b;

	(void)state;
	for (int i = 0; i < 2; i++) {
		balloon_init(&b.virtio, &memory, 10);
		start(&b.virtio, 0);
		descriptor(0, DATA, 4, 0);
		offer_only(&b.virtio, 0);
		assert_true(virtio_take(&b.virtio, &j));
		assert_false(virtio_take(&b.virtio, &other)); /* one at a time */
		assert_false(virtio_write(&b.virtio, writes[i][0], 4, writes[i][1]));
		assert_int_equal(get(&b.virtio, 0x70), 15);
		assert_int_equal(get(&b.virtio, 0x44), 1);
		assert_true(b.virtio.hurry);
		virtio_put(&b.virtio, &j, 1);
		assert_int_equal(used()->idx, 0);
		assert_false(virtio_take(&b.virtio, &j)); /* not before the driver */
		assert_true(virtio_write(&b.virtio, writes[i][0], 4, writes[i][1]));
		assert_int_equal(get(&b.virtio, 0x44), 0);
		assert_false(virtio_take(&b.virtio, &j));
	}
}

/* What is no raw image, or not in whole sectors, is refused with the remedy. The first bytes are
 * as the formats' specifications have them. */
static void disk_formats(void **state)
{
	static const struct {
		const char *bytes, *remedy;
		size_t size, at, length;
	} files[] = {
		{"QFI\xfb\0\0\0\3", "qemu-img convert -f qcow2 -O raw", 8, 0, 65536},
		{"QFI\xfb\0\0\0\1", "qemu-img convert -f qcow -O raw", 8, 0, 512},
		{"KDMV\1\0\0\0", "qemu-img convert -f vmdk -O raw", 8, 0, 65536},
		{"# Disk DescriptorFile\nversion=1\n", "-f vmdk -O raw", 33, 0, 350},
		{"vhdxfile", "qemu-img convert -f vhdx -O raw", 8, 0, 65536},
		{"conectix", "qemu-img convert -f vpc -O raw", 8, 1024, 1536},
		{"\x7f\x10\xda\xbe", "qemu-img convert -f vdi -O raw", 4, 64, 65536},
		{"WithouFreSpacExt", "qemu-img convert -f parallels -O raw", 16, 0, 65536},
		{"", "truncate -s %512", 0, 0, 1000},
		{"", "at least 512 bytes", 0, 0, 100},
		{"", "at least 512 bytes", 0, 0, 0},
	};
	char path[] = "/tmp/test-virtio-format.XXXXXX";
	int fd = mkstemp(path);
	struct failure f;
	struct block b;

	(void)state;
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		assert_int_equal(ftruncate(fd, 0), 0);
		assert_int_equal(ftruncate(fd, (off_t)files[i].length), 0);
		assert_int_equal(pwrite(fd, files[i].bytes, files[i].size, (off_t)files[i].at),
				 files[i].size);
		assert_int_equal(block_open(&b, path, true, &f), -EINVAL);
		if (!strstr(f.text, files[i].remedy))
			fail_msg("'%s' in place of '%s'", f.text, files[i].remedy);
	}
	close(fd);
	unlink(path);
}

static void entropy_is_random(void **state)
{
	struct entropy e;
	int zeros = 0;

	(void)state;
	entropy_init(&e.virtio, &memory, 11);
	start(&e.virtio, 0);
	descriptor(0, DATA, 200, VRING_DESC_F_WRITE);
	offer(&e.virtio, 0);
	assert_int_equal(used()->ring[0].len, 200);
	for (int i = 0; i < 200; i++)
		zeros += !memory.base[DATA + i];
	assert_true(zeros < 20); /* 0.8 expected; 20 in one of 10^21 runs */
	assert_int_equal(memory.base[DATA + 200], 0);
	descriptor(0, DATA, 200, 0); /* nothing to write into */
	offer(&e.virtio, 0);
	assert_true(broken(&e.virtio));
}

static int set_up(void **state)
{
	int fd = mkstemp(disk_path);

	(void)state;
	memory.base = mmap(NULL, MEMORY, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
			   0);
	memory.size = MEMORY;
	if (fd < 0 || memory.base == MAP_FAILED || ftruncate(fd, SECTORS * 512))
		return -1;
	return close(fd);
}

static int tear_down(void **state)
{
	(void)state;
	munmap(memory.base, MEMORY);
	return unlink(disk_path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(disk_reads_and_writes),
		cmocka_unit_test(disk_refuses),
		cmocka_unit_test(disk_is_locked),
		cmocka_unit_test(bad_chains),
		cmocka_unit_test(bad_set_up),
		cmocka_unit_test(balloon_gives_pages_back),
		cmocka_unit_test(work_is_in_steps),
		cmocka_unit_test(disk_moves_a_mebibyte),
		cmocka_unit_test(stopped_while_at_work),
		cmocka_unit_test(disk_formats),
		cmocka_unit_test(entropy_is_random),
	};

	return cmocka_run_group_tests_name("virtio", tests, set_up, tear_down);
}
