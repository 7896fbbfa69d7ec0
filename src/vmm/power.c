/* SPDX-License-Identifier: MIT */
#include "vmm/power.h"

/* Of the control register. */
#define ACPI_MODE   0x0001
#define SLEEP_KINDS 0x1c00
#define SLEEP	    0x2000

#define KEYBOARD   0x64 /* command; status */
#define PULSE_LINE 0xfe /* command: pulse output line 0, which resets the processor */
#define RESET_CPU  0x04 /* of POWER_RESET */

static void reset(void *device)
{
	*(struct power *)device = (struct power){0};
}

static void power_write(void *device, struct bus *b, uint16_t port, uint32_t value)
{
	struct power *p = device;

	if (port == POWER_ENABLE) {
		p->enabled = (uint16_t)value;
	} else if (port == POWER_CONTROL) {
		p->control = value & SLEEP_KINDS;
		b->off |= value & SLEEP;
	}
}

static uint32_t power_read(void *device, const struct bus *b, uint16_t port)
{
	const struct power *p = device;

	(void)b;
	if (port == POWER_STATUS)
		return 0;
	return port == POWER_ENABLE ? p->enabled : p->control | ACPI_MODE;
}

const struct device_ops power_device = {
	.ports = {{POWER_STATUS, 1}, {POWER_ENABLE, 1}, {POWER_CONTROL, 1}},
	.size = 2,
	.reset = reset,
	.write = power_write,
	.read = power_read,
};

static void reset_write(void *device, struct bus *b, uint16_t port, uint32_t value)
{
	(void)device;
	b->reset |= port == KEYBOARD ? value == PULSE_LINE : value & RESET_CPU;
}

/* The keyboard controller is ready, with nothing to say. */
static uint32_t reset_read(void *device, const struct bus *b, uint16_t port)
{
	(void)device;
	(void)b;
	return port == KEYBOARD ? 0 : UINT32_MAX;
}

const struct device_ops reset_control_device = {
	.ports = {{KEYBOARD, 1}, {POWER_RESET, 1}},
	.size = 1,
	.reset = reset,
	.write = reset_write,
	.read = reset_read,
};
