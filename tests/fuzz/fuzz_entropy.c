/* SPDX-License-Identifier: MIT */
/* Random numbers: they go where the driver may be written to. */
#include "virtio_device.h"

static struct entropy device;

static struct virtio *make(const struct memory *m)
{
	entropy_init(&device.virtio, m, 11);
	return &device.virtio;
}

static void check(const struct memory *m)
{
	CHECK(device.virtio.memory == m);
}

const struct virtio_target virtio_target = {make, check};
