/* SPDX-License-Identifier: MIT */
/*
 * A fuzz target of a virtio device is a row: how it comes to be, and what must hold after each
 * record. virtio_device.c does it: the queues begin as a proper driver leaves them; input is
 * records of eight bytes, which read and write the device's registers and guest memory. On top of
 * the row's, nothing behind guest memory may be touched.
 */
#ifndef FUZZ_VIRTIO_DEVICE_H
#define FUZZ_VIRTIO_DEVICE_H

#include "fuzz.h"

#include "vmm/virtio_devices.h"

struct virtio_target {
	struct virtio *(*make)(const struct memory *m); /* new for each input */
	void (*check)(const struct memory *m);
};

extern const struct virtio_target virtio_target;

#endif
