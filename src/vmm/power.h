/* SPDX-License-Identifier: MIT */
/*
 * How a guest turns the machine off, or resets it: the fixed registers of ACPI (6.4, 4.8.3), 16
 * bits wide, which say that nothing ever happens; and, 8 bits wide, two ways older than ACPI: the
 * keyboard controller's reset line, and the reset control register of Intel's chip sets.
 */
#ifndef VMM_POWER_H
#define VMM_POWER_H

#include "vmm/device.h"

#define POWER_STATUS	  0x600
#define POWER_ENABLE	  0x602
#define POWER_CONTROL	  0x604 /* where QEMU's q35 has its own */
#define POWER_RESET	  0xcf9
#define POWER_RESET_VALUE 0x06 /* of the processors, and all else */

struct power {
	uint16_t enabled, control;
};

extern const struct device_ops power_device, reset_control_device;

#endif
