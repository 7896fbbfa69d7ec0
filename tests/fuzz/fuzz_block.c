/* SPDX-License-Identifier: MIT */
/* The disk: requests touch its sectors and nothing behind them; it grows by none. */
#include "virtio_device.h"

#include <sys/mman.h>
#include <unistd.h>

#define SECTORS 8

static struct block device = {.fd = -1};

static struct virtio *make(const struct memory *m)
{
	int fd = device.fd < 0 ? memfd_create("disk", 0) : device.fd;

	CHECK(fd >= 0 && !ftruncate(fd, SECTORS * BLOCK_SECTOR));
	device = (struct block){.fd = fd, .sectors = SECTORS};
	block_init(&device.virtio, m, 5);
	return &device.virtio;
}

static void check(const struct memory *m)
{
	(void)m;
	CHECK(lseek(device.fd, 0, SEEK_END) == SECTORS * BLOCK_SECTOR);
}

const struct virtio_target virtio_target = {make, check};
