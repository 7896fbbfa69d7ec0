/* SPDX-License-Identifier: MIT */
/*
 * A fuzz target of a device behind ports is a row: which ports, and what must hold whatever a guest
 * does to them. port_device.c does it: input is records of eight bytes, which read and write those
 * ports and guest memory, let time pass, take interrupts and give input to the serial line. On top
 * of the row's, ticks must add up and nothing behind guest memory be touched.
 */
#ifndef FUZZ_PORT_DEVICE_H
#define FUZZ_PORT_DEVICE_H

#include "fuzz.h"

#include "vmm/machine.h"

#define PORT_DEVICE_MEMORY (16 * 4096)

struct port_device {
	uint16_t ports[8]; /* a record's port is an index; none: it is the port */
	unsigned n_ports;
	void (*check)(const struct machine *m); /* after each record */
};

extern const struct port_device port_device;

#endif
