/* SPDX-License-Identifier: MIT */
/* Accesses to the ports of one device, as the board passes them on. False: it has no such port. */
#ifndef DEVICE_PORTS_H
#define DEVICE_PORTS_H

#include "vmm/device.h"

static inline bool device_has(const struct device_ops *ops, uint16_t port)
{
	for (unsigned i = 0; i < DEVICE_RANGES; i++) {
		if ((uint16_t)(port - ops->ports[i].first) < ops->ports[i].n)
			return true;
	}
	return false;
}

static inline bool device_out(const struct device_ops *ops, void *device, struct bus *b,
			      uint16_t port, uint32_t value)
{
	if (device_has(ops, port))
		ops->write(device, b, port, value);
	return device_has(ops, port);
}

static inline bool device_in(const struct device_ops *ops, void *device, const struct bus *b,
			     uint16_t port, uint32_t *ret)
{
	if (device_has(ops, port))
		*ret = ops->read(device, b, port);
	return device_has(ops, port);
}

#endif
