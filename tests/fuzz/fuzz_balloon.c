/* SPDX-License-Identifier: MIT */
/* The balloon: what is given back is the guest's. */
#include "virtio_device.h"

static struct balloon device;

static struct virtio *make(const struct memory *m)
{
	balloon_init(&device.virtio, m, 10);
	balloon_ask(&device, UINT64_MAX);
	return &device.virtio;
}

static void check(const struct memory *m)
{
	CHECK(device.config.target == m->size / 4096);
}

const struct virtio_target virtio_target = {make, check};
