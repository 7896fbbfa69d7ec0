/* SPDX-License-Identifier: MIT */
#include "vmm/restart.h"

#include "vmm/acpi.h"
#include "vmm/reset.h"

#include <assert.h>
#include <errno.h>
#include <sys/mman.h>

static_assert(ACPI_CPUS >= MACHINE_CPUS_MAX && ACPI_DEVICES >= BOARD_PLACES,
	      "tables have room for all that there is");

int machine_load(struct machine *m, struct failure *f)
{
	struct acpi_device devices[BOARD_PLACES];
	unsigned n = 0;

	for (unsigned i = 0; i < BOARD_PLACES; i++) {
		const struct virtio *d = board_virtio(&m->board, i);

		if (d)
			devices[n++] = (struct acpi_device){(uint32_t)board_place(i), VIRTIO_SIZE,
							    d->line};
	}
	acpi_put(&m->board.memory, devices, n, m->cpus > 1 ? m->cpus : 0);
	return image_load(&m->kernel, m->initrd.name ? &m->initrd : NULL, m->command,
			  &m->board.memory, f, &m->entry);
}

static int load_again(struct machine *m, struct failure *f)
{
	int err;

	/* The next kernel finds zeros, as the first one did. */
	if (madvise(m->board.memory.base, m->board.memory.size, MADV_DONTNEED))
		return failure_errno(f, -errno, "guest memory at a reset");
	err = machine_load(m, f);
	return err ? err : kvm_enter(&m->cpu[0].kvm, &m->entry, f);
}

void machine_restart(struct machine *m)
{
	struct failure f = {""};
	int err;

	machine_reset(m);
	machine_unlock(m); /* the kernel and its initrd may be large, and on a slow disk */
	err = load_again(m, &f);
	machine_lock(m);
	m->resets++;
	if (!machine_restarts(m))
		return; /* it has been stopped meanwhile */
	m->end = err ? MACHINE_BROKEN : MACHINE_RUNS;
	if (err)
		m->broken = f;
}
