/* SPDX-License-Identifier: MIT */
/*
 * What a kernel is told about the machine: ACPI tables (ACPI 6.4, chapter 5) below 1 MiB, where it
 * searches for them. In them are how to turn the machine off and how to reset it (power.h), the
 * virtio devices, which nothing else announces, and the processors: local APICs and the 8259s, no
 * I/O APIC.
 */
#ifndef VMM_ACPI_H
#define VMM_ACPI_H

#include "vmm/memory.h"

#define ACPI_ROOT    0xe0000u /* the root pointer, and all else behind it */
#define ACPI_DEVICES 8	      /* at most */
#define ACPI_CPUS    16	      /* at most */

/* A virtio device over MMIO. */
struct acpi_device {
	uint32_t at, size, line;
};

/* vCPU i has the local APIC i; `cpus` 0: there are none. */
void acpi_put(const struct memory *m, const struct acpi_device *devices, unsigned n, unsigned cpus);

#endif
