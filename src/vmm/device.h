/* SPDX-License-Identifier: MIT */
/*
 * A device behind ports: a file with its registers and a struct device_ops, a field of struct
 * board for its state, and a row of devices[] in board.c. What the devices of one board share is
 * its bus.
 */
#ifndef VMM_DEVICE_H
#define VMM_DEVICE_H

#include <stdbool.h>
#include <stdint.h>

#define DEVICE_RANGES 3

struct bus {
	uint64_t now;	 /* mono, ns: the last reading of any vCPU's thread */
	bool off, reset; /* a device turns the machine off, or resets it */
};

struct device_ops {
	struct {
		uint16_t first, n;
	} ports[DEVICE_RANGES];
	unsigned size; /* bytes; an access of another size doesn't reach the device */
	unsigned line; /* of the 8259s */

	/* `device` is the device's own struct, `port` one of `ports`. A reset is power-up: what
	 * was counted stays. */
	void (*reset)(void *device);
	void (*write)(void *device, struct bus *b, uint16_t port, uint32_t value);
	uint32_t (*read)(void *device, const struct bus *b, uint16_t port);

	/* It asks for an interrupt, which it gets once the guest has served the last one. NULL: it
	 * never asks, or timers.c raises its line. */
	bool (*pending)(const void *device);
};

#endif
