/* SPDX-License-Identifier: MIT */
/*
 * How a kernel finds the processors: ACPI's table of interrupt controllers (ACPI 6.4, 5.2.12), and
 * what it takes to find that one. Local APICs and the 8259s are in it, there is no I/O APIC.
 */
#ifndef VMM_MADT_H
#define VMM_MADT_H

#include "vmm/memory.h"

#define MADT_ROOT 0xe0000u /* where kernels search for the root pointer */

/* vCPU i has the local APIC i. */
void madt_put(const struct memory *m, unsigned cpus);

#endif
